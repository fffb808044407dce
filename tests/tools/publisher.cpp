// SPDX-License-Identifier: Apache-2.0
//
// A program that publishes statistics as the layer does, without Vulkan: what the command reads in
// its tests.
//
//   publisher close         publishes a device, destroys it, and ends with code 0
//   publisher exit CODE     ends with everything alive
//   publisher signal N      is ended by a signal
//   publisher crowd         makes more devices at once than have records, and destroys them
//   publisher empty         publishes a device that allocates nothing, and destroys it
//   publisher wait FILE     creates FILE, waits until it is gone, and goes on as `close`
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "channel/channel.h"
#include "channel/counters.h"
#include "channel/segment.h"

namespace {

using tessera::channel::SequencedWrite;

constexpr uint64_t kHeapBytes = uint64_t{1} << 30;
constexpr uint64_t kBlockBytes = uint64_t{1} << 20;
constexpr std::array<tessera_heap_record, 1> kHeaps = {{{.size_bytes = kHeapBytes,
                                                         .known = TESSERA_HEAP_BUDGET_KNOWN,
                                                         .budget_bytes = kHeapBytes / 2,
                                                         .usage_bytes = kBlockBytes,
                                                         .app_usage_bytes = 0}}};
constexpr std::array<tessera_memory_type_record, 1> kTypes = {{{.heap = 0, .flags = 7}}};

// Ten allocations in a block, and two that passed through.
void Count(tessera_device_record& record) {
    tessera_type_totals& totals = record.totals[0];
    const SequencedWrite write(totals.sequence);
    for (int i = 0; i < 12; ++i)
        tessera::channel::CountAllocation(totals.app, 1024);
    tessera::channel::CountAllocation(totals.driver, kBlockBytes);
    for (int i = 0; i < 2; ++i)
        tessera::channel::CountAllocation(totals.driver, 1024);
    totals.pooled = {.live = 10,
                     .live_bytes = 10 * 1024,
                     .allocations = 10,
                     .blocks = 1,
                     .block_bytes = kBlockBytes,
                     .free_bytes = kBlockBytes - 10 * 1024,
                     .largest_free_bytes = kBlockBytes - 10 * 1024};
    totals.pass_through[TESSERA_REASON_dedicated] = {
        .live = 2, .live_bytes = 2048, .allocations = 2};
    for (int i = 0; i < 12; ++i) {
        tessera::channel::CountCall(record.calls[TESSERA_CALL_vkAllocateMemory]);
        tessera::channel::CountDuration(record.calls[TESSERA_CALL_vkAllocateMemory], 1000);
    }
}

// Two devices more at once than have records.
void MakeCrowd(const tessera::channel::DeviceFacts& facts) {
    std::vector<tessera_device_record*> records;
    for (uint64_t i = 0; i < tessera::channel::kMostRecords + 2; ++i)
        records.push_back(tessera::channel::DeviceCreated(facts));
    for (tessera_device_record* const record : records)
        tessera::channel::DeviceDestroyed(record);
}

void WaitWhileThere(const std::string& path) {
    std::ofstream(path) << "waiting\n";
    while (access(path.c_str(), F_OK) == 0)
        usleep(1000);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 1 ? argv[1] : "";
    const std::string argument = argc > 2 ? argv[2] : "";
    tessera::channel::InstanceCreated(true);
    tessera::channel::DeviceFacts facts;
    facts.name = "Test device";
    facts.driver = "Test driver";
    facts.api_version = (1u << 22) | (3u << 12) | 239u;
    facts.pooled = true;
    facts.sample_interval = 1;
    facts.heaps = kHeaps;
    facts.types = kTypes;
    if (mode == "crowd") {
        MakeCrowd(facts);
        tessera::channel::InstanceDestroyed();
        return 0;
    }
    tessera_device_record* const record = tessera::channel::DeviceCreated(facts);
    if (mode != "empty") Count(*record);

    if (mode == "exit") return std::atoi(argument.c_str());
    if (mode == "signal") {
        signal(std::atoi(argument.c_str()), SIG_DFL);
        raise(std::atoi(argument.c_str()));
    }
    if (mode == "wait") WaitWhileThere(argument);
    tessera::channel::DeviceDestroyed(record);
    tessera::channel::InstanceDestroyed();
    return 0;
}
