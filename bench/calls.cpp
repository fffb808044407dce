// SPDX-License-Identifier: Apache-2.0
//
// See special.h: what the layer adds to the calls that it only translates.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "special.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kRepeats = 20;  // of map, flush and unmap in a round
enum Call { kBind, kMap, kFlush, kUnmap, kCalls };
constexpr const char* kNames[kCalls] = {"bind", "map", "flush", "unmap"};

void Check(VkResult result, const char* what) {
    if (result != VK_SUCCESS) throw std::runtime_error(std::string(what) + " failed");
}

// Allocations on one machine, and a buffer for each.
class Patient {
 public:
    Patient(const Machine& machine, const Scenario& scenario) : machine_(machine) {
        Random random(scenario.seed);
        const VkDevice device = machine.device();
        memories_.resize(scenario.live);
        for (VkDeviceMemory& memory : memories_) {
            sizes_.push_back(SizeOf(scenario.mix, machine.SizeUnit(), random));
            VkMemoryAllocateInfo info = {};
            info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
            info.allocationSize = machine.BufferRequirements(sizes_.back()).size;
            info.memoryTypeIndex = machine.type();
            Check(machine.commands().AllocateMemory(device, &info, nullptr, &memory), "allocating");
        }
    }
    Patient(const Patient&) = delete;
    Patient& operator=(const Patient&) = delete;
    ~Patient() {
        for (VkDeviceMemory memory : memories_)
            machine_.commands().FreeMemory(machine_.device(), memory, nullptr);
    }

    // Binds new buffers, and maps, flushes and unmaps everything. Returns ns for each call.
    std::array<double, kCalls> Round() const {
        std::array<double, kCalls> ns{};
        const Commands& commands = machine_.commands();
        const VkDevice device = machine_.device();
        std::vector<VkBuffer> buffers;
        for (const uint32_t size : sizes_)
            buffers.push_back(machine_.CreateBuffer(size));
        ns[kBind] = Time([&](size_t i) {
            Check(commands.BindBufferMemory(device, buffers[i], memories_[i], 0), "binding");
        });
        for (VkBuffer buffer : buffers)
            commands.DestroyBuffer(device, buffer, nullptr);
        for (uint32_t repeat = 0; repeat < kRepeats; ++repeat) {
            ns[kMap] += Time([&](size_t i) {
                void* host = nullptr;
                Check(commands.MapMemory(device, memories_[i], 0, VK_WHOLE_SIZE, 0, &host),
                      "mapping");
            });
            ns[kFlush] += Time([&](size_t i) {
                VkMappedMemoryRange range = {};
                range.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE;
                range.memory = memories_[i];
                range.size = VK_WHOLE_SIZE;
                Check(commands.FlushMappedMemoryRanges(device, 1, &range), "flushing");
            });
            ns[kUnmap] += Time([&](size_t i) { commands.UnmapMemory(device, memories_[i]); });
        }
        for (const Call call : {kMap, kFlush, kUnmap})
            ns[call] /= kRepeats;
        return ns;
    }

 private:
    template <typename Function>
    double Time(Function function) const {
        const Clock::time_point start = Clock::now();
        for (size_t i = 0; i < memories_.size(); ++i)
            function(i);
        const std::chrono::duration<double, std::nano> took = Clock::now() - start;
        return took.count() / static_cast<double>(memories_.size());
    }

    const Machine& machine_;
    std::vector<uint32_t> sizes_;
    std::vector<VkDeviceMemory> memories_;
};

double Median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

}  // namespace

std::vector<Outcome> RunCalls(const Scenario& scenario, const Settings& settings) {
    int type = settings.type;
    if (type < 0) type = Machine({}).HostVisibleType();
    const Machine bare({.layered = false, .type = type});
    const Machine layered({.layered = true, .type = type});
    const Patient with(layered, scenario);
    const Patient without(bare, scenario);
    // The first bind of an allocation is dearer: it decides where the allocation stays.
    const auto first_with = with.Round();
    const auto first_without = without.Round();
    std::vector<double> times_with[kCalls];
    std::vector<double> times_without[kCalls];
    for (uint32_t round = 0; round < settings.run.rounds; ++round) {
        const auto now_with = with.Round();
        const auto now_without = without.Round();
        for (int call = 0; call < kCalls; ++call) {
            times_with[call].push_back(now_with[call]);
            times_without[call].push_back(now_without[call]);
        }
    }
    std::vector<Outcome> outcomes;
    const auto tell = [&](const std::string& name, double ns_with, double ns_without) {
        std::printf("  %-10s bare %8.1f ns, through the layer %8.1f ns, more by %7.1f\n",
                    name.c_str(), ns_without, ns_with, ns_with - ns_without);
        for (const bool is_layered : {true, false}) {
            Outcome outcome;
            outcome.scenario = scenario.name + "/" + name;
            outcome.contender = is_layered ? "tessera" : "driver";
            outcome.live = scenario.live;
            outcome.more["ns_per_call"] = is_layered ? ns_with : ns_without;
            outcomes.push_back(outcome);
        }
    };
    tell("first_bind", first_with[kBind], first_without[kBind]);
    for (int call = 0; call < kCalls; ++call)
        tell(kNames[call], Median(times_with[call]), Median(times_without[call]));
    return outcomes;
}

}  // namespace bench
