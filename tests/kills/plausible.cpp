// SPDX-License-Identifier: Apache-2.0
//
// See plausible.h for the contract, and busy_application.cpp for what it does.
#include "plausible.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "sound.h"

namespace tessera::test {
namespace {

// What the application never passes: two threads' pieces, and those in between.
constexpr uint64_t kMostLive = 1000;
constexpr uint64_t kMostBytes = 256 * 1024 + 16 * 32;

bool BelongTogether(uint64_t size, uint32_t type) {
    return size > 16 * type && (size - 16 * type) % 256 == 0 && size <= kMostBytes;
}

uint64_t Distance(uint64_t a, uint64_t b) {
    return std::min(a - b, b - a);  // of sums that wrap around
}

std::string Say(const char* what, uint64_t a, uint64_t b) {
    return std::string(what) + ": " + std::to_string(a) + " and " + std::to_string(b);
}

// Of each line and each memory type, one thread at most is in the middle of a change.
std::string CheckTotals(const reader::Process& process, const reader::Device& device) {
    const uint64_t slack = process.torn ? kThreadsInTheMiddle : 0;
    for (const reader::MemoryType& type : device.memory_types) {
        const tessera_type_totals& totals = type.totals;
        const uint64_t difference = totals.app.allocations - totals.app.frees;
        if (Distance(totals.app.live, difference) > slack)
            return Say("live is not allocations less frees", totals.app.live, difference);
        if (Distance(totals.app.live, 0) > kMostLive)
            return Say("more is live than the application ever has", totals.app.live, kMostLive);
        uint64_t parts = totals.pooled.live;
        for (const tessera_pass_through& passed : totals.pass_through)
            parts += passed.live;
        if (Distance(parts, totals.app.live) > slack)
            return Say("live is not the sum of its parts", totals.app.live, parts);
    }
    return "";
}

// Holds in a segment at rest, whatever its process was doing when it died.
std::string CheckBlocks(const reader::Process& process, const reader::Device& device) {
    if (process.torn) return "";
    for (const reader::MemoryType& type : device.memory_types) {
        const tessera_pooled& pooled = type.totals.pooled;
        if (pooled.block_bytes < pooled.live_bytes + pooled.free_bytes ||
            pooled.free_bytes > pooled.block_bytes)
            return Say("more is live and free than the blocks have",
                       pooled.live_bytes + pooled.free_bytes, pooled.block_bytes);
    }
    return "";
}

std::string CheckHandles(const reader::Detail& detail, bool ran) {
    std::set<uint64_t> handles;
    for (const reader::Allocation& allocation : detail.allocations)
        // The driver may hand out again at once what it got back, in another record.
        if ((!ran || allocation.reason == TESSERA_REASON_none) &&
            !handles.insert(allocation.memory).second)
            return "two live allocations have one handle";
    return "";
}

std::string CheckOverlaps(const reader::Detail& detail) {
    std::vector<const reader::Allocation*> pooled;
    for (const reader::Allocation& allocation : detail.allocations)
        if (allocation.block != reader::kNone) pooled.push_back(&allocation);
    std::ranges::sort(pooled, {}, [](const reader::Allocation* allocation) {
        return std::pair(allocation->block, allocation->offset);
    });
    for (size_t i = 1; i < pooled.size(); ++i)
        if (pooled[i]->block == pooled[i - 1]->block &&
            pooled[i]->offset - pooled[i - 1]->offset <
                pooled[i - 1]->size_bytes + pooled[i - 1]->padding_bytes)
            return Say("two live allocations overlap", pooled[i - 1]->memory, pooled[i]->memory);
    return "";
}

std::string CheckWholeness(const reader::Process& process, const reader::Detail& detail) {
    for (const reader::Allocation& allocation : detail.allocations) {
        if (!BelongTogether(allocation.size_bytes, allocation.type))
            return Say("an allocation is of two halves: size and memory type",
                       allocation.size_bytes, allocation.type);
        if (allocation.made_ns != 0 && allocation.made_ns < process.monotonic_created_ns)
            return "an allocation is older than its process";
    }
    for (const reader::Resource& resource : detail.resources) {
        if (resource.offset != 0) return "a resource is bound where the application binds nothing";
        if (!resource.name.empty() && resource.size_bytes != 0 &&
            resource.name != "b" + std::to_string(resource.size_bytes))
            return "a resource is of two halves: it is called " + resource.name + " and has " +
                   std::to_string(resource.size_bytes) + " bytes";
    }
    return "";
}

// Records against totals, and records against each other.
std::string CheckRecords(const reader::Device& device) {
    const reader::Detail& detail = device.detail;
    uint64_t live = 0;
    uint64_t bytes = 0;
    uint64_t blocks = 0;
    for (const reader::MemoryType& type : device.memory_types) {
        live += type.totals.app.live;
        bytes += type.totals.app.live_bytes;
        blocks += type.totals.pooled.blocks;
    }
    const uint64_t left_out =
        kThreadsInTheMiddle + detail.moving +
        std::accumulate(detail.unrecorded.begin(), detail.unrecorded.end(), uint64_t{0});
    if (Distance(detail.blocks.size(), blocks) > left_out)
        return Say("blocks, in records and totals", detail.blocks.size(), blocks);
    for (const reader::Resource& resource : detail.resources)
        if (resource.allocation != reader::kNone && resource.size_bytes != 0 &&
            detail.allocations[resource.allocation].size_bytes != resource.size_bytes)
            return Say("a buffer is bound to memory of another size", resource.size_bytes,
                       detail.allocations[resource.allocation].size_bytes);
    if (Distance(detail.allocations.size(), live) > left_out)
        return Say("allocations, in records and totals", detail.allocations.size(), live);
    uint64_t recorded = 0;
    for (const reader::Allocation& allocation : detail.allocations)
        recorded += allocation.size_bytes;
    if (Distance(recorded, bytes) > left_out * kMostBytes)
        return Say("bytes, in records and totals", recorded, bytes);
    const auto astray = static_cast<uint64_t>(
        std::ranges::count_if(detail.resources, [](const reader::Resource& resource) {
            return resource.memory != 0 && resource.allocation == reader::kNone;
        }));
    if (astray > left_out) return Say("resources whose memory is gone", astray, left_out);
    return "";
}

}  // namespace

std::string WhatIsImplausible(const reader::Process& process, bool ran) {
    std::string problem = WhatIsUnsound(process);
    if (problem.empty() && process.devices.size() > 1) problem = "there is more than one device";
    for (const reader::Device& device : process.devices) {
        if (problem.empty()) problem = CheckTotals(process, device);
        if (problem.empty()) problem = CheckHandles(device.detail, ran);
        if (problem.empty()) problem = CheckWholeness(process, device.detail);
        if (ran) continue;
        if (problem.empty()) problem = CheckBlocks(process, device);
        if (problem.empty()) problem = CheckOverlaps(device.detail);
        if (problem.empty() && device.detail.level != TESSERA_LEVEL_totals)
            problem = CheckRecords(device);
        if (problem.empty() && device.detail.moving > kThreadsInTheMiddle)
            problem = Say("more records are in the middle of a change than there are threads",
                          device.detail.moving, kThreadsInTheMiddle);
    }
    return problem;
}

std::string WhatIsImplausible(const reader::EventBatch& batch) {
    const std::string problem = WhatIsUnsound(batch);
    if (!problem.empty()) return problem;
    for (const reader::Event& event : batch.events) {
        if (event.kind == 0 || event.kind >= TESSERA_EVENT_COUNT)
            return Say("an event of no kind", event.kind, TESSERA_EVENT_COUNT);
        const bool has_size = event.kind == TESSERA_EVENT_allocate ||
                              event.kind == TESSERA_EVENT_free ||
                              event.kind == TESSERA_EVENT_pass_through;
        if (has_size && !BelongTogether(event.value, event.type))
            return Say("an event is of two halves: size and memory type", event.value, event.type);
    }
    return "";
}

}  // namespace tessera::test
