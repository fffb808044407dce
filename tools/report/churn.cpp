// SPDX-License-Identifier: Apache-2.0
//
// See churn.h.
#include "tools/report/churn.h"

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

namespace tessera::command::report {
namespace {

void CountCall(CallSum& sum, const Churn::Call& call) {
    ++sum.count;
    if (call.driver) {
        ++sum.driver;
        sum.driver_ns += call.took_ns;
    } else if (call.timed) {
        ++sum.timed;
        sum.timed_ns += call.took_ns;
    }
}

}  // namespace

void CallSum::Add(const CallSum& other) {
    count += other.count;
    timed += other.timed;
    timed_ns += other.timed_ns;
    driver += other.driver;
    driver_ns += other.driver_ns;
}

double CallSum::MeanNs(double otherwise) const {
    return timed == 0 ? otherwise : static_cast<double>(timed_ns) / static_cast<double>(timed);
}

double CallSum::CostNs(double otherwise) const {
    const uint64_t in_layer = count - std::min(count, driver);
    return static_cast<double>(driver_ns) + MeanNs(otherwise) * static_cast<double>(in_layer);
}

void ChurnGroup::Add(const ChurnGroup& other) {
    allocate.Add(other.allocate);
    free.Add(other.free);
    framed_allocate.Add(other.framed_allocate);
    framed_free.Add(other.framed_free);
}

uint64_t Whole(double value) {
    constexpr double kTooMuch = 18'446'744'073'709'551'616.0;  // 2^64
    if (!(value > 0)) return 0;
    return value < kTooMuch ? static_cast<uint64_t>(value) : UINT64_MAX;
}

uint64_t SizeClass(uint64_t size_bytes) {
    if (size_bytes < 8) return size_bytes;
    const int shift = static_cast<int>(std::bit_width(size_bytes)) - 3;
    return size_bytes >> shift << shift;
}

size_t Churn::Hash::operator()(const Key& key) const {
    // The multiplier spreads small differences over all bits; which one hardly matters.
    uint64_t hash = key.size_bytes * 0x9e3779b97f4a7c15u;
    hash ^= (uint64_t{key.stack_and_thread} << 1 | (key.size_class ? 1 : 0)) * 0xc2b2ae3d27d4eb4fu;
    return static_cast<size_t>(hash ^ hash >> 29);
}

ChurnGroup& Churn::GroupOf(const Call& call) {
    Key key = {.size_bytes = call.size_bytes,
               .stack_and_thread = uint32_t{call.stack} << 16 | call.thread};
    auto found = groups_.find(key);
    if (found == groups_.end() && groups_.size() >= kExact) {
        key.size_class = true;
        key.size_bytes = SizeClass(call.size_bytes);
        found = groups_.find(key);
        if (found == groups_.end() && groups_.size() >= kLimit) {
            // At most 256 such keys exist.
            key.stack_and_thread = 0;
            found = groups_.find(key);
        }
    }
    if (found == groups_.end()) {
        if (key.size_class) ++folded_;
        found =
            groups_
                .emplace(key,
                         ChurnGroup{.size_bytes = key.size_bytes,
                                    .size_class = key.size_class,
                                    .stack = static_cast<uint16_t>(key.stack_and_thread >> 16),
                                    .thread = static_cast<uint16_t>(key.stack_and_thread & 0xffffu),
                                    .allocate = {},
                                    .free = {},
                                    .framed_allocate = {},
                                    .framed_free = {}})
                .first;
    }
    return found->second;
}

void Churn::Count(const Call& call) {
    ChurnGroup& group = GroupOf(call);
    CountCall(call.frees ? group.free : group.allocate, call);
    CountCall(call.frees ? all_free_ : all_allocate_, call);
    if (call.framed) CountCall(call.frees ? group.framed_free : group.framed_allocate, call);
}

uint64_t Churn::OwnTimedCalls(const ChurnGroup& group) {
    return group.allocate.timed + group.allocate.driver + group.free.timed + group.free.driver;
}

uint64_t Churn::TimedCalls(const ChurnGroup& group) const {
    const uint64_t own = OwnTimedCalls(group);
    if (own > 0) return own;
    const uint64_t all = all_allocate_.timed + all_free_.timed;
    return all > 0 ? all : measured_.timed;
}

double Churn::CostNs(const ChurnGroup& group) const {
    return group.allocate.CostNs(AllocateMeanNs()) + group.free.CostNs(FreeMeanNs());
}

double Churn::FramedCostNs(const ChurnGroup& group) const {
    // The means of all calls of the group: those between frames alone may be too few.
    return group.framed_allocate.CostNs(group.allocate.MeanNs(AllocateMeanNs())) +
           group.framed_free.CostNs(group.free.MeanNs(FreeMeanNs()));
}

void Churn::ForEach(const std::function<void(const ChurnGroup&)>& each) const {
    for (const auto& [key, group] : groups_)
        each(group);
}

std::vector<ChurnGroup> Churn::Groups(By by) const {
    std::unordered_map<Key, ChurnGroup, Hash> sums;
    for (const auto& [group_key, group] : groups_) {
        ChurnGroup head;
        head.size_bytes = by == By::kSize ? group.size_bytes : 0;
        head.size_class = by == By::kSize && group.size_class;
        head.stack = by == By::kStack ? group.stack : uint16_t{0};
        head.thread = by == By::kThread ? group.thread : uint16_t{0};
        const Key key = {.size_bytes = head.size_bytes,
                         .stack_and_thread = uint32_t{head.stack} << 16 | head.thread,
                         .size_class = head.size_class};
        sums.try_emplace(key, head).first->second.Add(group);
    }
    std::vector<std::pair<double, ChurnGroup>> order;
    order.reserve(sums.size());
    for (const auto& [key, group] : sums)
        order.emplace_back(CostNs(group), group);
    // The last words of the key make the order the same each time.
    const auto rank = [](const std::pair<double, ChurnGroup>& entry) {
        const ChurnGroup& group = entry.second;
        return std::tuple(-entry.first, ~group.allocate.count, group.size_bytes, group.size_class,
                          group.stack, group.thread);
    };
    std::ranges::sort(order, {}, rank);
    std::vector<ChurnGroup> groups;
    groups.reserve(order.size());
    for (const auto& [cost, group] : order)
        groups.push_back(group);
    return groups;
}

}  // namespace tessera::command::report
