// SPDX-License-Identifier: Apache-2.0
//
// How the layer's own threads write counters that other processes may be reading.
//
// Two disciplines, one per kind of group in the ABI: groups with a sequence have one writer at a
// time, which holds the lock that owns the group, and are bracketed by a SequencedWrite; call
// totals are added to by any thread at any time, atomically. All stores are whole 64-bit words.

#ifndef TESSERA_LAYER_CHANNEL_COUNTERS_H_
#define TESSERA_LAYER_CHANNEL_COUNTERS_H_

#include <atomic>
#include <cstdint>

#include "tessera/channel_abi.h"

namespace tessera::channel {

// Totals are always counted, unless somebody measures what that costs (docs/benchmarks.md).
#ifdef TESSERA_UNCOUNTED
inline constexpr bool kCounts = false;
#else
inline constexpr bool kCounts = true;
#endif

// Stores, loads and adds one word that has a single writer at this moment.
inline void Store(uint64_t& word, uint64_t value) noexcept {
    std::atomic_ref<uint64_t>(word).store(value, std::memory_order_relaxed);
}
inline uint64_t Load(const uint64_t& word) noexcept {
    return std::atomic_ref<uint64_t>(const_cast<uint64_t&>(word)).load(std::memory_order_relaxed);
}
// Copies a group of words of which some may have another writer at this moment.
template <typename Group>
Group Copy(const Group& group) noexcept {
    static_assert(sizeof(Group) % sizeof(uint64_t) == 0);
    Group copy;
    const auto* const from = reinterpret_cast<const uint64_t*>(&group);
    auto* const to = reinterpret_cast<uint64_t*>(&copy);
    for (size_t i = 0; i < sizeof(Group) / sizeof(uint64_t); ++i)
        to[i] = Load(from[i]);
    return copy;
}
inline void Add(uint64_t& word, uint64_t delta) noexcept {
    if constexpr (kCounts) Store(word, Load(word) + delta);
}
inline void Subtract(uint64_t& word, uint64_t delta) noexcept {
    if constexpr (kCounts) Store(word, Load(word) - delta);
}

// Sets bits of a word that any thread may be setting bits of.
inline void SetBits(uint64_t& word, uint64_t bits) noexcept {
    std::atomic_ref<uint64_t>(word).fetch_or(bits, std::memory_order_relaxed);
}

// Adds to a word that any thread may be adding to.
inline void AddShared(uint64_t& word, uint64_t delta) noexcept {
    std::atomic_ref<uint64_t>(word).fetch_add(delta, std::memory_order_relaxed);
}

// What is stored after it is visible only once all that was stored before it is. ThreadSanitizer
// knows no fences, and misses none: those who read are other processes.
inline void OrderWrites() noexcept {
#if defined(__SANITIZE_THREAD__)
    std::atomic_signal_fence(std::memory_order_release);
#else
    std::atomic_thread_fence(std::memory_order_release);
#endif
}

// Makes a group's sequence odd for its own lifetime.
// Requires: the caller holds the lock that owns the group, for at least as long.
class SequencedWrite {
 public:
    explicit SequencedWrite(uint64_t& sequence) noexcept : sequence_(sequence) {
        if constexpr (!kCounts) return;
        odd_ = Load(sequence_) + 1;
        Store(sequence_, odd_);
        // The odd value must be visible before any word of the group changes.
        OrderWrites();
    }
    ~SequencedWrite() {
        if constexpr (!kCounts) return;
        // Not loaded again: what was just stored would have to be waited for.
        std::atomic_ref<uint64_t>(sequence_).store(odd_ + 1, std::memory_order_release);
    }
    SequencedWrite(const SequencedWrite&) = delete;
    SequencedWrite& operator=(const SequencedWrite&) = delete;

 private:
    uint64_t& sequence_;
    uint64_t odd_ = 0;
};

// One allocation begins or ends in a view. The caller brackets it with a SequencedWrite.
inline void CountAllocation(tessera_totals& view, uint64_t bytes) noexcept {
    Add(view.live, 1);
    Add(view.live_bytes, bytes);
    Add(view.allocations, 1);
    if (Load(view.live_bytes) > Load(view.peak_bytes))
        Store(view.peak_bytes, Load(view.live_bytes));
}
inline void CountFree(tessera_totals& view, uint64_t bytes) noexcept {
    Subtract(view.live, 1);
    Subtract(view.live_bytes, bytes);
    Add(view.frees, 1);
}

// Counts a call. Returns which call of this command it was, from 0.
// Threads: any, at any time.
inline uint64_t CountCall(tessera_call_totals& call) noexcept {
    if constexpr (!kCounts) return 1;
    return std::atomic_ref<uint64_t>(call.count).fetch_add(1, std::memory_order_relaxed);
}

// Adds the duration of a call that CountCall counted and that stands for `weight` calls.
// Threads: any, at any time.
inline void CountDuration(tessera_call_totals& call, uint64_t duration_ns,
                          uint64_t weight = 1) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    std::atomic_ref<uint64_t>(call.timed).fetch_add(weight, relaxed);
    std::atomic_ref<uint64_t>(call.total_ns).fetch_add(duration_ns * weight, relaxed);
    std::atomic_ref<uint64_t>(call.histogram[tessera_histogram_bucket(duration_ns)])
        .fetch_add(weight, relaxed);
    std::atomic_ref<uint64_t> maximum(call.max_ns);
    for (uint64_t seen = maximum.load(relaxed);
         seen < duration_ns && !maximum.compare_exchange_weak(seen, duration_ns, relaxed);) {
    }
}

}  // namespace tessera::channel

#endif  // TESSERA_LAYER_CHANNEL_COUNTERS_H_
