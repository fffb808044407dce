// SPDX-License-Identifier: Apache-2.0
//
// See sound.h for the contract.
#include "sound.h"

#include <algorithm>

namespace tessera::test {
namespace {

constexpr uint64_t kLatestNs = uint64_t{1} << 63;

const char* CheckDevice(const reader::Device& device) {
    if (device.state != TESSERA_DEVICE_LIVE && device.state != TESSERA_DEVICE_DESTROYED &&
        device.state != TESSERA_DEVICE_RETIRED)
        return "a device is in no state";
    if (device.heaps.size() > TESSERA_MAX_HEAPS || device.memory_types.size() > TESSERA_MAX_TYPES)
        return "a device has more heaps or types than there can be";
    for (const reader::MemoryType& type : device.memory_types)
        if (type.heap >= device.heaps.size()) return "a memory type has no heap";
    if (device.calls.size() != TESSERA_CALL_COUNT ||
        device.driver_calls.size() != TESSERA_CALL_COUNT)
        return "a device has another number of commands";
    for (const tessera_call_totals& call : device.calls)
        if (reader::Percentile(call, 0.5) > call.max_ns) return "a percentile is above all";
    if (device.sample_interval == 0) return "a device is sampled never";
    if (device.name.size() > 256 || device.driver.size() > 256) return "a name is too long";
    if (device.why >= TESSERA_MAX_REASONS) return "a device has a reason that cannot be";
    if (device.detail.level > TESSERA_LEVEL_events) return "a device has a level that cannot be";
    return "";
}

const char* CheckAllocation(const reader::Allocation& allocation, const reader::Device& device,
                            const reader::Process& process) {
    if (allocation.type >= device.memory_types.size()) return "an allocation has no memory type";
    if (allocation.reason >= TESSERA_MAX_REASONS) return "an allocation has no reason that can be";
    if (allocation.made_ns >= kLatestNs) return "an allocation was made at no time";
    if (allocation.thread != reader::kNone && allocation.thread >= process.threads.size())
        return "an allocation has a thread that is not there";
    if (allocation.stack != reader::kNone && (allocation.stack >= process.stacks.size() ||
                                              process.stacks[allocation.stack].addresses.empty()))
        return "an allocation has a call stack that is not there";
    if (allocation.name.size() > TESSERA_NAME_BYTES) return "a name is too long";
    if (allocation.memory == 0) return "an allocation is none";
    if (allocation.block == reader::kNone) return "";
    if (allocation.reason != TESSERA_REASON_none) return "what is passed through lies in a block";
    if (allocation.block >= device.detail.blocks.size())
        return "an allocation has a block that is not there";
    const reader::Block& block = device.detail.blocks[allocation.block];
    if (allocation.offset > block.bytes ||
        allocation.size_bytes > block.bytes - allocation.offset ||
        allocation.padding_bytes > block.bytes - allocation.offset - allocation.size_bytes)
        return "an allocation reaches past its block";
    return "";
}

const char* CheckDetail(const reader::Device& device, const reader::Process& process) {
    const reader::Detail& detail = device.detail;
    for (const reader::Block& block : detail.blocks) {
        if (block.type >= device.memory_types.size()) return "a block has no memory type";
        if (block.made_ns >= kLatestNs) return "a block was made at no time";
    }
    for (const reader::Allocation& allocation : detail.allocations)
        if (const char* const text = CheckAllocation(allocation, device, process); *text != '\0')
            return text;
    const auto passed = std::ranges::find_if(detail.allocations, [](const auto& allocation) {
        return allocation.reason != TESSERA_REASON_none;
    });
    if (std::any_of(passed, detail.allocations.end(), [](const auto& allocation) {
            return allocation.reason == TESSERA_REASON_none;
        }))
        return "pooled allocations are not first";
    for (const reader::Resource& resource : detail.resources) {
        if (resource.object_type == 0) return "a resource is none";
        if (resource.name.size() > TESSERA_NAME_BYTES) return "a name is too long";
        if (resource.allocation == reader::kNone) continue;
        if (resource.allocation >= detail.allocations.size() ||
            detail.allocations[resource.allocation].memory != resource.memory)
            return "a resource is bound to another allocation";
    }
    return "";
}

}  // namespace

std::string WhatIsUnsound(const reader::Process& process) {
    if (process.name.size() > 256 || process.layer_version.size() > 32) return "a text is too long";
    if (process.level > TESSERA_LEVEL_events) return "a process has a level that cannot be";
    if (!std::ranges::is_sorted(process.devices, {}, &reader::Device::id))
        return "devices are out of order";
    for (const reader::Device& device : process.devices) {
        if (const char* const text = CheckDevice(device); *text != '\0') return text;
        if (const char* const text = CheckDetail(device, process); *text != '\0') return text;
    }
    for (const reader::CallStack& stack : process.stacks)
        if (stack.addresses.size() > TESSERA_MAX_FRAMES) return "a call stack is too deep";
    if (process.stacks.size() > UINT16_MAX || process.threads.size() > UINT16_MAX)
        return "there are more call stacks or threads than numbers for them";
    if (!std::ranges::is_sorted(process.modules, {}, &reader::Module::start))
        return "modules are out of order";
    for (const reader::Module& module : process.modules)
        if (module.end <= module.start || module.build_id.size() > 32 || module.path.size() > 440)
            return "a module is none";
    return "";
}

std::string WhatIsUnsound(const reader::EventBatch& batch) {
    if (batch.events.size() > TESSERA_CHANNEL_LIMIT_BYTES / sizeof(tessera_event))
        return "there are more events than a segment holds";
    if (!std::ranges::is_sorted(batch.events, {}, &reader::Event::time_ns))
        return "events are out of order";
    return "";
}

}  // namespace tessera::test
