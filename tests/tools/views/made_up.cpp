// SPDX-License-Identifier: Apache-2.0
//
// See made_up.h.
#include "views/made_up.h"

#include <vulkan/vulkan_core.h>

namespace tessera::command {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

reader::Allocation Pooled(uint64_t memory, uint32_t block, uint64_t offset, uint64_t bytes) {
    reader::Allocation allocation;
    allocation.memory = memory;
    allocation.size_bytes = bytes;
    allocation.offset = offset;
    allocation.block = block;
    allocation.made_ns = 90 * kSecond;
    allocation.flags = TESSERA_ALLOCATION_BOUND;
    return allocation;
}

reader::Allocation Passed(uint64_t memory, tessera_reason reason, uint64_t bytes) {
    reader::Allocation allocation;
    allocation.memory = memory;
    allocation.size_bytes = bytes;
    allocation.reason = reason;
    allocation.type = 1;
    return allocation;
}

reader::Resource Bound(uint32_t type, uint32_t allocation, uint64_t offset, uint64_t bytes) {
    reader::Resource resource;
    resource.object = 0xb000 + allocation * 16 + offset;
    resource.object_type = type;
    resource.allocation = allocation;
    resource.offset = offset;
    resource.size_bytes = bytes;
    resource.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_VERTEX_BUFFER_BIT;
    return resource;
}

void FillDetail(reader::Detail& detail) {
    detail.level = TESSERA_LEVEL_full;
    for (uint64_t i = 0; i < 2; ++i) {
        reader::Block block;
        block.memory = 0xd000 + i;
        block.bytes = 1000;
        block.flags = TESSERA_BLOCK_LARGE;
        detail.blocks.push_back(block);
    }
    detail.allocations = {Pooled(0xa1, 0, 0, 100),
                          Pooled(0xa2, 0, 100, 200),
                          Pooled(0xa3, 1, 400, 400),
                          Passed(0xa4, TESSERA_REASON_external, 200),
                          Passed(0xa5, TESSERA_REASON_dedicated, 5000),
                          Passed(0xa6, TESSERA_REASON_external, 300)};
    detail.allocations[0].name = "vertices";
    detail.allocations[0].stack = 0;
    detail.allocations[0].thread = 0;
    detail.allocations[1].padding_bytes = 10;
    detail.allocations[2].name = "pool of the application";
    detail.resources = {
        Bound(VK_OBJECT_TYPE_BUFFER, 2, 200, 100), Bound(VK_OBJECT_TYPE_BUFFER, 0, 0, 100),
        Bound(VK_OBJECT_TYPE_IMAGE, 1, 0, 200), Bound(VK_OBJECT_TYPE_BUFFER, 2, 0, 100),
        Bound(VK_OBJECT_TYPE_IMAGE, 4, 0, 5000)};
    detail.resources[4].linear = true;
    detail.resources[2].usage = VK_IMAGE_USAGE_SAMPLED_BIT;
    detail.resources[2].width = 64;
    detail.resources[2].height = 32;
}

}  // namespace

reader::Process MadeUpProcess() {
    reader::Process process;
    process.pid = 4242;
    process.start_time = 77;
    process.name = "game";
    process.layer_version = "0.1.0";
    process.state = reader::ProcessState::kLive;
    process.level = TESSERA_LEVEL_full;
    process.copied_ns = 100 * kSecond;
    process.stacks = {{.addresses = {0x5011, 0x9999}}};
    process.modules = {{.start = 0x5000,
                        .end = 0x6000,
                        .bias = 0x5000,
                        .build_id = {0xab, 0x01},
                        .path = "/opt/game/libengine.so"}};
    process.threads = {{.tid = 4243, .name = "render"}};
    reader::Device device;
    device.id = 1;
    device.state = TESSERA_DEVICE_LIVE;
    device.name = "Some GPU";
    device.api_version = (1u << 22) | (3u << 12) | 239u;
    device.pooled = true;
    device.heaps = {{.size_bytes = 1 << 20,
                     .known = TESSERA_HEAP_BUDGET_KNOWN,
                     .budget_bytes = 1 << 19,
                     .usage_bytes = 7500,
                     .app_usage_bytes = 0},
                    {.size_bytes = 1 << 21,
                     .known = 0,
                     .budget_bytes = 0,
                     .usage_bytes = 0,
                     .app_usage_bytes = 0}};
    device.memory_types.resize(2);
    device.memory_types[0].flags = 1;
    device.memory_types[1].flags = 6;
    device.memory_types[1].heap = 1;
    tessera_type_totals& pooled = device.memory_types[0].totals;
    pooled.app = {
        .live = 3, .live_bytes = 700, .peak_bytes = 800, .allocations = 5, .frees = 2, .failed = 1};
    pooled.driver = {.live = 2,
                     .live_bytes = 2000,
                     .peak_bytes = 2000,
                     .allocations = 2,
                     .frees = 0,
                     .failed = 0};
    pooled.pooled = {.live = 3,
                     .live_bytes = 700,
                     .allocations = 5,
                     .blocks = 2,
                     .block_bytes = 2000,
                     .free_bytes = 1290,
                     .largest_free_bytes = 690};
    tessera_type_totals& passed = device.memory_types[1].totals;
    passed.app = {.live = 3,
                  .live_bytes = 5500,
                  .peak_bytes = 5500,
                  .allocations = 3,
                  .frees = 0,
                  .failed = 0};
    passed.driver = passed.app;
    passed.pass_through[TESSERA_REASON_external] = {.live = 2, .live_bytes = 500, .allocations = 2};
    passed.pass_through[TESSERA_REASON_dedicated] = {
        .live = 1, .live_bytes = 5000, .allocations = 1};
    device.calls.resize(TESSERA_CALL_COUNT);
    device.driver_calls.resize(TESSERA_CALL_COUNT);
    tessera_call_totals& call = device.calls[TESSERA_CALL_vkMapMemory];
    call.count = 5;
    call.timed = 2;
    call.total_ns = 1050;
    call.max_ns = 1000;
    call.histogram[tessera_histogram_bucket(50)] = 1;
    call.histogram[tessera_histogram_bucket(1000)] = 1;
    device.frames = 12;
    FillDetail(device.detail);
    process.devices = {device};
    return process;
}

}  // namespace tessera::command
