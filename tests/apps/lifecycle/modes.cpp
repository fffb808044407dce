// SPDX-License-Identifier: Apache-2.0
//
// The ways in which a Vulkan process can live and end: see modes.h. Those that fork are in
// fork_modes.cpp.
#include "lifecycle/modes.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "common/check.h"
#include "lifecycle/client.h"

namespace apps {
namespace {

constexpr uint32_t kBaselineIteration = 10;
constexpr auto kLongestWait = std::chrono::minutes(10);

void PrintLine(const nlohmann::json& line) {
    std::printf("%s\n", line.dump().c_str());
    std::fflush(stdout);
}

/// What the process has in memory, file-backed pages of libraries included.
int64_t ResidentBytes() {
    std::ifstream statm("/proc/self/statm");
    int64_t total_pages = 0;
    int64_t resident_pages = 0;
    if (!(statm >> total_pages >> resident_pages)) throw Failure("Cannot read /proc/self/statm.");
    return resident_pages * sysconf(_SC_PAGESIZE);
}

/// Includes the one that lists them, so only differences mean something.
int64_t OpenDescriptors() {
    const std::filesystem::directory_iterator entries("/proc/self/fd");
    return std::distance(begin(entries), end(entries));
}

/// Whether a library whose path contains `library` is loaded now.
bool IsMapped(const std::string& library) {
    std::ifstream maps("/proc/self/maps");
    std::string line;
    while (std::getline(maps, line)) {
        if (line.find(library) != std::string::npos) return true;
    }
    return false;
}

/// Empties the slots: the even ones upwards, then the odd ones downwards.
template <typename T>
void DestroyMixed(std::vector<std::unique_ptr<T>>& items) {
    for (size_t index = 0; index < items.size(); index += 2)
        items[index].reset();
    for (size_t index = items.size(); index-- > 0;)
        items[index].reset();
}

/// A device and allocations on an instance that others share.
struct DeviceClient {
    DeviceClient(const Instance& instance, uint32_t device_index, uint32_t key)
        : device(instance, device_index), allocations(device, kAllocations, key) {}

    Device device;
    AllocationSet allocations;
};

}  // namespace

void RunClean(uint32_t device_index) {
    const Client client(device_index);
    client.allocations.Verify();
}

void RunExit(uint32_t device_index) {
    const Client client(device_index);
    client.allocations.Verify();
    std::puts("ok");
    std::exit(0);
}

void RunKill(uint32_t device_index) {
    const Client client(device_index);
    client.allocations.Verify();
    std::raise(SIGKILL);
    std::abort();
}

void RunCrash(uint32_t device_index) {
    const Client client(device_index);
    client.allocations.Verify();
    // In the page at address 0, where nothing is mapped; UBSan would catch address 0 itself.
    volatile uintptr_t address = 64;
    *reinterpret_cast<volatile int*>(address) = 1;
    std::abort();
}

void RunReload(uint32_t device_index, uint32_t count, const std::string& watched) {
    // The first iterations fill caches that stay (the loader's, the C library's, the driver's).
    int64_t baseline_bytes = 0;
    int64_t baseline_descriptors = 0;
    bool was_mapped = false;
    for (uint32_t iteration = 1; iteration <= count; ++iteration) {
        RunClean(device_index);
        was_mapped = was_mapped || (!watched.empty() && IsMapped(watched));
        if (iteration == std::min(kBaselineIteration, count)) {
            baseline_bytes = ResidentBytes();
            baseline_descriptors = OpenDescriptors();
        }
    }
    PrintLine({{"iterations", count},
               {"rss_growth_bytes", ResidentBytes() - baseline_bytes},
               {"fd_growth", OpenDescriptors() - baseline_descriptors},
               {"watched_library_absent",
                watched.empty() ? nlohmann::json(nullptr) : nlohmann::json(!was_mapped)}});
}

void RunDevices(uint32_t device_index, uint32_t count) {
    const Instance instance("lifecycle_app");
    std::vector<std::unique_ptr<DeviceClient>> clients;
    for (uint32_t key = 0; key < count; ++key) {
        clients.push_back(std::make_unique<DeviceClient>(instance, device_index, key));
    }
    for (const auto& client : clients)
        client->allocations.Verify();
    DestroyMixed(clients);
}

void RunInstances(uint32_t device_index, uint32_t count) {
    std::vector<std::unique_ptr<Client>> clients;
    for (uint32_t key = 0; key < count; ++key) {
        clients.push_back(std::make_unique<Client>(device_index, key));
    }
    for (const auto& client : clients)
        client->allocations.Verify();
    DestroyMixed(clients);
}

void RunWait(uint32_t device_index, const std::string& path) {
    const Client client(device_index);
    nlohmann::json types = nlohmann::json::array();
    for (const LiveMemory& live : client.allocations.Live()) {
        types.push_back({{"index", live.memory_type},
                         {"allocations", live.allocations},
                         {"bytes", live.bytes}});
    }
    // Before the file exists: who sees the file can read the line.
    PrintLine({{"memory_types", types}});

    if (!std::ofstream(path)) throw Failure("Cannot create " + path + ".");
    const auto deadline = std::chrono::steady_clock::now() + kLongestWait;
    while (std::filesystem::exists(path)) {
        if (std::chrono::steady_clock::now() > deadline) {
            throw Failure("Nobody deleted " + path + ".");
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    client.allocations.Verify();
}

void RunChurn(uint32_t device_index, uint32_t seconds) {
    Client client(device_index);
    std::mt19937 random(1);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    do {
        client.allocations.Replace(static_cast<uint32_t>(random()) % client.allocations.size());
    } while (std::chrono::steady_clock::now() < deadline);
    client.allocations.Verify();
}

}  // namespace apps
