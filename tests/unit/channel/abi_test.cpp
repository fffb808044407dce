// SPDX-License-Identifier: Apache-2.0
//
// The channel's ABI: what version 2 lays where. A test that fails here means a new version.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <limits>
#include <string>

#include "abi_from_c.h"
#include "tessera/channel_abi.h"
#include "tessera/reader.h"

namespace tessera {
namespace {

TEST(ChannelAbi, CAndCppAgreeOnTheLayout) {
    const AbiFromC abi = DescribeAbiInC();
    EXPECT_EQ(abi.header_bytes, sizeof(tessera_channel_header));
    EXPECT_EQ(abi.record_bytes, sizeof(tessera_device_record));
    EXPECT_EQ(abi.totals_offset, offsetof(tessera_device_record, totals));
    EXPECT_EQ(abi.calls_offset, offsetof(tessera_device_record, calls));
    EXPECT_EQ(abi.driver_calls_offset, offsetof(tessera_device_record, driver_calls));
    EXPECT_EQ(abi.process_offset, offsetof(tessera_channel_header, process));
    EXPECT_EQ(abi.reason_count, static_cast<uint32_t>(TESSERA_REASON_COUNT));
    EXPECT_EQ(abi.call_count, static_cast<uint32_t>(TESSERA_CALL_COUNT));
}

TEST(ChannelAbi, HeaderFieldsLieWhereVersion3PutsThem) {
    EXPECT_EQ(sizeof(tessera_channel_header), 36864u);
    EXPECT_EQ(offsetof(tessera_channel_header, magic), 0u);
    EXPECT_EQ(offsetof(tessera_channel_header, abi_version), 8u);
    EXPECT_EQ(offsetof(tessera_channel_header, header_bytes), 12u);
    EXPECT_EQ(offsetof(tessera_channel_header, record_bytes), 16u);
    EXPECT_EQ(offsetof(tessera_channel_header, segment_bytes), 24u);
    EXPECT_EQ(offsetof(tessera_channel_header, max_bytes), 32u);
    EXPECT_EQ(offsetof(tessera_channel_header, extent_count), 40u);
    EXPECT_EQ(offsetof(tessera_channel_header, pid), 48u);
    EXPECT_EQ(offsetof(tessera_channel_header, pid_start_time), 56u);
    EXPECT_EQ(offsetof(tessera_channel_header, parent_pid), 64u);
    EXPECT_EQ(offsetof(tessera_channel_header, uid), 72u);
    EXPECT_EQ(offsetof(tessera_channel_header, created_ns), 80u);
    EXPECT_EQ(offsetof(tessera_channel_header, closed_ns), 88u);
    EXPECT_EQ(offsetof(tessera_channel_header, state), 96u);
    EXPECT_EQ(offsetof(tessera_channel_header, loads), 104u);
    EXPECT_EQ(offsetof(tessera_channel_header, dropped_devices), 112u);
    EXPECT_EQ(offsetof(tessera_channel_header, next_device_id), 120u);
    EXPECT_EQ(offsetof(tessera_channel_header, sequence), 128u);
    EXPECT_EQ(offsetof(tessera_channel_header, destroyed_devices), 136u);
    EXPECT_EQ(offsetof(tessera_channel_header, level), 144u);
    EXPECT_EQ(offsetof(tessera_channel_header, stack_interval), 152u);
    EXPECT_EQ(offsetof(tessera_channel_header, level_serial), 160u);
    EXPECT_EQ(offsetof(tessera_channel_header, created_monotonic_ns), 168u);
    EXPECT_EQ(offsetof(tessera_channel_header, clock), 176u);
    EXPECT_EQ(offsetof(tessera_channel_header, process), 256u);
    EXPECT_EQ(offsetof(tessera_channel_header, layer_version), 512u);
    EXPECT_EQ(offsetof(tessera_channel_header, extents), 4096u);
}

TEST(ChannelAbi, TableFieldsLieWhereVersion3PutsThem) {
    EXPECT_EQ(offsetof(tessera_extent, offset), 0u);
    EXPECT_EQ(offsetof(tessera_extent, bytes), 8u);
    EXPECT_EQ(offsetof(tessera_extent, kind), 16u);
    EXPECT_EQ(offsetof(tessera_extent, first), 20u);
    EXPECT_EQ(offsetof(tessera_extent, owner), 24u);
    EXPECT_EQ(offsetof(tessera_allocation_record, object), 8u);
    EXPECT_EQ(offsetof(tessera_allocation_record, size_bytes), 16u);
    EXPECT_EQ(offsetof(tessera_allocation_record, offset), 24u);
    EXPECT_EQ(offsetof(tessera_allocation_record, ticks), 32u);
    EXPECT_EQ(offsetof(tessera_allocation_record, block), 40u);
    EXPECT_EQ(offsetof(tessera_allocation_record, padding), 44u);
    EXPECT_EQ(offsetof(tessera_allocation_record, flags), 48u);
    EXPECT_EQ(offsetof(tessera_allocation_record, type), 56u);
    EXPECT_EQ(offsetof(tessera_allocation_record, thread), 60u);
    EXPECT_EQ(offsetof(tessera_allocation_record, stack), 62u);
    EXPECT_EQ(offsetof(tessera_block_record, made_ns), 32u);
    EXPECT_EQ(offsetof(tessera_block_record, type), 40u);
    EXPECT_EQ(offsetof(tessera_resource_record, usage), 40u);
    EXPECT_EQ(offsetof(tessera_resource_record, object_type), 48u);
    EXPECT_EQ(offsetof(tessera_resource_record, name), 128u);
    EXPECT_EQ(offsetof(tessera_event, kind), 8u);
    EXPECT_EQ(offsetof(tessera_event, detail), 10u);
    EXPECT_EQ(offsetof(tessera_event, thread), 12u);
    EXPECT_EQ(offsetof(tessera_event, stack), 14u);
    EXPECT_EQ(offsetof(tessera_event, object), 16u);
    EXPECT_EQ(offsetof(tessera_event, value), 24u);
    EXPECT_EQ(offsetof(tessera_stack_record, addresses), 16u);
    EXPECT_EQ(offsetof(tessera_module_record, build_id), 40u);
    EXPECT_EQ(offsetof(tessera_module_record, path), 72u);
    EXPECT_EQ(offsetof(tessera_thread_record, name), 16u);
    EXPECT_EQ(offsetof(tessera_level_request, check), 48u);
}

TEST(ChannelAbi, DeviceFieldsLieWhereVersion3PutsThem) {
    EXPECT_EQ(sizeof(tessera_device_record), 108288u);
    EXPECT_EQ(offsetof(tessera_device_record, state), 0u);
    EXPECT_EQ(offsetof(tessera_device_record, id), 8u);
    EXPECT_EQ(offsetof(tessera_device_record, mode), 16u);
    EXPECT_EQ(offsetof(tessera_device_record, why), 24u);
    EXPECT_EQ(offsetof(tessera_device_record, api_version), 32u);
    EXPECT_EQ(offsetof(tessera_device_record, sample_interval), 64u);
    EXPECT_EQ(offsetof(tessera_device_record, retired_devices), 72u);
    EXPECT_EQ(offsetof(tessera_device_record, heap_count), 80u);
    EXPECT_EQ(offsetof(tessera_device_record, type_count), 88u);
    EXPECT_EQ(offsetof(tessera_device_record, destroyed_order), 96u);
    EXPECT_EQ(offsetof(tessera_device_record, frames), 104u);
    EXPECT_EQ(offsetof(tessera_device_record, level), 112u);
    EXPECT_EQ(offsetof(tessera_device_record, level_since), 120u);
    EXPECT_EQ(offsetof(tessera_device_record, unrecorded), 128u);
    EXPECT_EQ(offsetof(tessera_device_record, misuse), 256u);
    EXPECT_EQ(offsetof(tessera_device_record, name), 384u);
    EXPECT_EQ(offsetof(tessera_device_record, driver), 640u);
    EXPECT_EQ(offsetof(tessera_device_record, heaps), 896u);
    EXPECT_EQ(offsetof(tessera_device_record, types), 1536u);
    EXPECT_EQ(offsetof(tessera_device_record, totals), 2048u);
    EXPECT_EQ(offsetof(tessera_device_record, shards), 32512u);
    EXPECT_EQ(offsetof(tessera_device_record, calls), 40704u);
    EXPECT_EQ(offsetof(tessera_device_record, driver_calls), 74496u);
    EXPECT_EQ(sizeof(tessera_shard_counters), 64u);
    EXPECT_EQ(offsetof(tessera_type_totals, app), 32u);
    EXPECT_EQ(offsetof(tessera_type_totals, driver), 80u);
    EXPECT_EQ(offsetof(tessera_type_totals, pooled), 128u);
    EXPECT_EQ(offsetof(tessera_type_totals, pass_through), 184u);
    EXPECT_EQ(offsetof(tessera_call_totals, histogram), 32u);
}

TEST(ChannelAbi, NumbersOnceGivenOutKeepTheirMeaning) {
    EXPECT_EQ(static_cast<int>(TESSERA_REASON_none), 0);
    EXPECT_EQ(static_cast<int>(TESSERA_REASON_too_large), 7);
    EXPECT_EQ(static_cast<int>(TESSERA_REASON_forked), 17);
    EXPECT_EQ(static_cast<int>(TESSERA_REASON_out_of_host_memory), 24);
    EXPECT_EQ(static_cast<int>(TESSERA_CALL_vkAllocateMemory), 0);
    EXPECT_EQ(static_cast<int>(TESSERA_CALL_vkQueueBindSparse), 10);
    EXPECT_EQ(static_cast<int>(TESSERA_CALL_vkBindDataGraphPipelineSessionMemoryARM), 25);
    EXPECT_EQ(static_cast<int>(TESSERA_MISUSE_use_after_free), 0);
    EXPECT_EQ(static_cast<int>(TESSERA_MISUSE_wrong_use), 11);
    EXPECT_EQ(static_cast<int>(TESSERA_DEVICE_RETIRED), 3);
    EXPECT_EQ(static_cast<int>(TESSERA_PROCESS_CLOSED), 2);
    EXPECT_EQ(static_cast<int>(TESSERA_KIND_FREE), 0);
    EXPECT_EQ(static_cast<int>(TESSERA_KIND_DEVICE), 1);
    EXPECT_EQ(static_cast<int>(TESSERA_KIND_RING), 6);
    EXPECT_EQ(static_cast<int>(TESSERA_KIND_THREADS), 9);
    EXPECT_EQ(static_cast<int>(TESSERA_LEVEL_events), 2);
    EXPECT_EQ(static_cast<int>(TESSERA_EVENT_allocate), 1);
    EXPECT_EQ(static_cast<int>(TESSERA_EVENT_frame), 11);
    EXPECT_EQ(static_cast<int>(TESSERA_EVENT_level), 12);
}

TEST(ChannelAbi, MagicSpellsItsNameInMemory) {
    const uint64_t magic = TESSERA_CHANNEL_MAGIC;
    char text[sizeof(magic)];
    std::memcpy(text, &magic, sizeof(magic));
    EXPECT_EQ(std::string(text, sizeof(text)), "TSSACHN1");
}

TEST(Histogram, EachBucketStartsWhereTheOneBeforeEnds) {
    EXPECT_EQ(tessera_histogram_floor(0), 0u);
    for (uint32_t bucket = 1; bucket < TESSERA_HISTOGRAM_BUCKETS; ++bucket) {
        const uint64_t floor = tessera_histogram_floor(bucket);
        EXPECT_EQ(tessera_histogram_bucket(floor), bucket);
        EXPECT_EQ(tessera_histogram_bucket(floor - 1), bucket - 1);
    }
}

TEST(Histogram, TheLastBucketTakesTheLongestDuration) {
    EXPECT_EQ(tessera_histogram_bucket(std::numeric_limits<uint64_t>::max()),
              TESSERA_HISTOGRAM_BUCKETS - 1);
    EXPECT_EQ(HistogramBucketInC(1'000'000'000), tessera_histogram_bucket(1'000'000'000));
}

}  // namespace
}  // namespace tessera
