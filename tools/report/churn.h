// SPDX-License-Identifier: Apache-2.0
//
// Who allocates and frees how often, and what that costs.
//
// The one idea: events are counted by (size, call stack, thread); views by one of the three are
// sums over the others. What a call took is known of some events only: driver calls stand for
// themselves, the others for those of their group that were not timed. The number of groups is
// bounded: beyond kExact sizes are rounded down to their size class, beyond kLimit only the class
// is kept.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

namespace tessera::command::report {

// Calls of one command by one group.
struct CallSum {
    uint64_t count = 0;
    uint64_t timed = 0;  // of calls that stayed in the layer
    uint64_t timed_ns = 0;
    uint64_t driver = 0;  // calls that reached the driver, each known by itself
    uint64_t driver_ns = 0;

    void Add(const CallSum& other);
    // Of a call that stayed in the layer; `otherwise` if none of the group was timed.
    double MeanNs(double otherwise) const;
    // Of all calls. Units: ns.
    double CostNs(double otherwise) const;
};

struct ChurnGroup {
    uint64_t size_bytes = 0;  // with `size_class`, the smallest of the class
    bool size_class = false;
    uint16_t stack = 0;   // as in reader::Event; 0: not known
    uint16_t thread = 0;  // likewise
    CallSum allocate;
    CallSum free;
    // Of these, those between the first and the last frame.
    CallSum framed_allocate;
    CallSum framed_free;

    void Add(const ChurnGroup& other);
};

class Churn {
 public:
    static constexpr size_t kExact = 65'536;
    static constexpr size_t kLimit = 2 * kExact;

    struct Call {
        uint64_t size_bytes = 0;
        uint16_t stack = 0;
        uint16_t thread = 0;
        bool frees = false;
        bool framed = false;
        bool driver = false;  // it reached the driver
        bool timed = false;
        uint64_t took_ns = 0;  // if it was timed
    };
    void Count(const Call& call);

    // What the process measured of the two commands, over all calls. `timed`: so many calls.
    struct Measured {
        double allocate_ns = 0;
        double free_ns = 0;
        uint64_t timed = 0;
    };
    void SetMeasured(const Measured& measured) { measured_ = measured; }

    // On how many timed calls the cost of a group rests; 0: it is not known.
    uint64_t TimedCalls(const ChurnGroup& group) const;
    // Those of the group itself.
    static uint64_t OwnTimedCalls(const ChurnGroup& group);

    // Groups of which only the size class is exact.
    uint64_t folded() const { return folded_; }

    enum class By { kSize, kStack, kThread };
    // Sums over the groups that have one of the three in common. Costliest first; what has no known
    // cost by its number of calls.
    std::vector<ChurnGroup> Groups(By by) const;

    // Calls `each` with every group, in no order.
    void ForEach(const std::function<void(const ChurnGroup&)>& each) const;

    // Estimated, of all calls of a group, and of those between frames. Units: ns.
    double CostNs(const ChurnGroup& group) const;
    double FramedCostNs(const ChurnGroup& group) const;

 private:
    struct Key {
        uint64_t size_bytes = 0;
        uint32_t stack_and_thread = 0;
        bool size_class = false;
        bool operator==(const Key&) const = default;
    };
    struct Hash {
        size_t operator()(const Key& key) const;
    };

    ChurnGroup& GroupOf(const Call& call);
    // Of calls of groups that have no timed ones.
    double AllocateMeanNs() const { return all_allocate_.MeanNs(measured_.allocate_ns); }
    double FreeMeanNs() const { return all_free_.MeanNs(measured_.free_ns); }

    std::unordered_map<Key, ChurnGroup, Hash> groups_;
    uint64_t folded_ = 0;
    CallSum all_allocate_;
    CallSum all_free_;
    Measured measured_;
};

// As a number of JSON: what a forged recording leads to may lie beyond those that exist.
uint64_t Whole(double value);

// The smallest size of the class of `size_bytes`: four classes an octave.
uint64_t SizeClass(uint64_t size_bytes);

}  // namespace tessera::command::report
