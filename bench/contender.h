// SPDX-License-Identifier: Apache-2.0
//
// What can be measured: something that gives memory and takes it back.
//
// A contender runs whole sequences, so that the loop around its calls is compiled with them and no
// virtual call is in what is timed.

#ifndef TESSERA_BENCH_CONTENDER_H_
#define TESSERA_BENCH_CONTENDER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>

#include "machine.h"
#include "mix.h"

namespace bench {

// A place for one allocation of a contender. Zero: nothing lives there.
struct Slot {
    uint64_t handle = 0;
    uint64_t extra = 0;
};

// What a contender says of itself; what it cannot know is absent.
struct Usage {
    std::optional<uint64_t> block_bytes;   // taken from the driver, in use or not
    std::optional<uint64_t> driver_calls;  // allocations and frees of the driver so far
};

class Contender {
 public:
    virtual ~Contender() = default;
    virtual const char* name() const = 0;

    // Whether several threads may Run at once, each with slots of its own.
    virtual bool threadable() const { return true; }

    // Whether every size is one call of the driver, so that there is no point in many live ones.
    virtual bool bare() const { return false; }

    // Gets to know the sizes to come, as an application that asks for requirements makes them
    // known. Not timed.
    virtual void Announce(std::span<const uint32_t> /*sizes*/) {}

    // Throws std::runtime_error when an allocation fails; what then lives in `slots` is right.
    virtual void Run(std::span<const Op> ops, std::span<Slot> slots) = 0;

    // Of all that lives now. May be slow. Requires: no other thread runs.
    virtual Usage Measure() const { return {}; }
};

// `Allocator` has Allocate(bytes, Slot&), which returns whether it could, and Free(Slot&).
template <typename Allocator>
void RunOps(Allocator& allocator, std::span<const Op> ops, std::span<Slot> slots) {
    for (const Op& op : ops) {
        Slot& slot = slots[op.slot];
        if (slot.handle != 0) {
            allocator.Free(slot);
            slot.handle = 0;
        }
        if (op.bytes != 0 && !allocator.Allocate(op.bytes, slot)) {
            slot.handle = 0;
            throw std::runtime_error("an allocation of " + std::to_string(op.bytes) +
                                     " bytes failed");
        }
    }
}

// The driver by itself, the driver through the layer, and what others offer. The machine must
// outlive the contender. The last two are null where the peers were not given at the build.
std::unique_ptr<Contender> MakeDriver(const Machine& bare);
std::unique_ptr<Contender> MakeTessera(const Machine& layered);
std::unique_ptr<Contender> MakeVma(const Machine& bare);
std::unique_ptr<Contender> MakeOffsetAllocator();

}  // namespace bench

#endif  // TESSERA_BENCH_CONTENDER_H_
