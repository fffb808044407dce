// SPDX-License-Identifier: Apache-2.0
//
// OffsetAllocator's core over one range: no driver, no lock, no handles, no alignment. Its sources
// are not part of this project; see TESSERA_BENCH_PEERS.

#include "contender.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "offsetAllocator.hpp"
#pragma GCC diagnostic pop

namespace bench {
namespace {

// In units of 256 bytes, so that 32 bits reach to 1 TiB.
constexpr uint64_t kUnit = 256;

struct Core {
    OffsetAllocator::Allocator allocator{0xFFFFFF00u, 4u << 20};

    bool Allocate(uint64_t bytes, Slot& slot) {
        const auto made = allocator.allocate(static_cast<uint32_t>((bytes + kUnit - 1) / kUnit));
        slot.handle = uint64_t{made.metadata} + 1;
        slot.extra = made.offset;
        return made.offset != OffsetAllocator::Allocation::NO_SPACE;
    }
    void Free(const Slot& slot) {
        allocator.free({static_cast<uint32_t>(slot.extra), static_cast<uint32_t>(slot.handle - 1)});
    }
};

class OffsetContender final : public Contender {
 public:
    const char* name() const override { return "offset_allocator"; }
    bool threadable() const override { return false; }
    void Run(std::span<const Op> ops, std::span<Slot> slots) override { RunOps(core_, ops, slots); }

 private:
    Core core_;
};

}  // namespace

std::unique_ptr<Contender> MakeOffsetAllocator() {
    return std::make_unique<OffsetContender>();
}

}  // namespace bench
