// SPDX-License-Identifier: Apache-2.0
//
// An application that does what it is told and then rests: it reads commands from standard input,
// a line each, and answers each with one line. While it waits for the next, nothing of its changes.
// It plays the driver's part as well, since it shares the process with the mock driver: the answer
// to `count` is what the application holds by its own account, and what the driver counts itself.
//
//   grow SEED COUNT THREADS   each thread makes COUNT allocations on each device, some with a
//   buffer
//                             bound, and frees every third of its own at once
//   shrink SEED THREADS       threads free about a half of what there is, whoever made it
//   dedicate COUNT            buffers with memory of their own, on each device
//   large BYTES               one allocation, on each device
//   device                    one device more
//   count                     JSON: {"devices": [{"app": [TYPE..], "driver": [TYPE..]}..]}
//   end                       destroys everything and ends
//   forget                    as `end`, but for a half of the memory, which is never freed
//   leave                     ends with everything alive
//
// Threads: main, which waits for those that a command starts.
#include <unistd.h>
#include <vulkan/vulkan.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "mock_client.h"

namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void Break(const char* what) {
    std::fprintf(stderr, "resting_application: %s\n", what);
    _exit(5);
}
void Check(VkResult result, const char* what) {
    if (result != VK_SUCCESS) Break(what);
}

struct Held {
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkBuffer buffer = VK_NULL_HANDLE;
    uint32_t type = 0;
    VkDeviceSize size = 0;
};

// One device and what the application holds on it. Several threads may call Make() and Free(), with
// vectors of their own.
class Device {
 public:
    explicit Device(VkPhysicalDevice physical) {
        vkGetPhysicalDeviceMemoryProperties(physical, &properties_);
        const float priority = 1.0f;
        VkDeviceQueueCreateInfo queue = {};
        queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
        queue.queueCount = 1;
        queue.pQueuePriorities = &priority;
        VkDeviceCreateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
        info.queueCreateInfoCount = 1;
        info.pQueueCreateInfos = &queue;
        Check(vkCreateDevice(physical, &info, nullptr, &device_), "no device");
    }

    Held Make(uint32_t type, VkDeviceSize size) const { return Allocate(type, size, nullptr); }

    // With a buffer bound to it, which it may be for alone.
    Held MakeBuffer(uint32_t choice, VkDeviceSize size, bool dedicated) const {
        VkBufferCreateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
        info.size = size;
        info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
        VkBuffer buffer = VK_NULL_HANDLE;
        Check(vkCreateBuffer(device_, &info, nullptr, &buffer), "no buffer");
        VkMemoryRequirements needs = {};
        vkGetBufferMemoryRequirements(device_, buffer, &needs);
        VkMemoryDedicatedAllocateInfo alone = {};
        alone.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
        alone.buffer = buffer;
        Held one = Allocate(TypeOf(needs.memoryTypeBits, choice), needs.size,
                            dedicated ? &alone : nullptr);
        one.buffer = buffer;
        Check(vkBindBufferMemory(device_, buffer, one.memory, 0), "no bind");
        return one;
    }

    void Free(const Held& one) const {
        vkDestroyBuffer(device_, one.buffer, nullptr);
        vkFreeMemory(device_, one.memory, nullptr);
    }

    // What is bound to it goes all the same.
    void Forget() {
        for (size_t i = held.size() / 2; i < held.size(); ++i)
            vkDestroyBuffer(device_, held[i].buffer, nullptr);
        held.resize(held.size() / 2);
    }

    void Destroy() const {
        for (const Held& one : held)
            Free(one);
        vkDestroyDevice(device_, nullptr);
    }

    uint32_t types() const { return properties_.memoryTypeCount; }

    Json Count() const {
        std::vector<std::pair<uint64_t, uint64_t>> own(types());
        for (const Held& one : held) {
            own[one.type].first += 1;
            own[one.type].second += one.size;
        }
        Json app = Json::array();
        Json driver = Json::array();
        for (uint32_t type = 0; type < types(); ++type) {
            app.push_back({{"live", own[type].first}, {"live_bytes", own[type].second}});
            TesseraMockTotals totals = {};
            tessera::mock::Control().totals(device_, type, &totals);
            driver.push_back({{"live", totals.live},
                              {"live_bytes", totals.live_bytes},
                              {"allocations", totals.allocations},
                              {"frees", totals.frees}});
        }
        return {{"app", app}, {"driver", driver}};
    }

    std::vector<Held> held;

 private:
    Held Allocate(uint32_t type, VkDeviceSize size, const void* next) const {
        VkMemoryAllocateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        info.pNext = next;
        info.allocationSize = size;
        info.memoryTypeIndex = type;
        Held one = {.type = type, .size = size};
        Check(vkAllocateMemory(device_, &info, nullptr, &one.memory), "no memory");
        return one;
    }

    // One of the types in `bits`.
    uint32_t TypeOf(uint32_t bits, uint32_t choice) const {
        std::vector<uint32_t> types_of_bits;
        for (uint32_t type = 0; type < types(); ++type)
            if ((bits >> type & 1) != 0) types_of_bits.push_back(type);
        if (types_of_bits.empty()) Break("a buffer without a memory type");
        return types_of_bits[choice % types_of_bits.size()];
    }

    VkPhysicalDeviceMemoryProperties properties_ = {};
    VkDevice device_ = VK_NULL_HANDLE;
};

class Application {
 public:
    Application() {
        VkApplicationInfo application = {};
        application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
        application.apiVersion = VK_API_VERSION_1_1;
        VkInstanceCreateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
        info.pApplicationInfo = &application;
        Check(vkCreateInstance(&info, nullptr, &instance_), "no instance");
        uint32_t count = 1;
        if (vkEnumeratePhysicalDevices(instance_, &count, &physical_) < 0 || count == 0)
            Break("no physical device");
        devices_.emplace_back(physical_);
    }

    // Returns: the answer.
    std::string Obey(const std::string& line) {
        std::istringstream words(line);
        std::string command;
        words >> command;
        uint64_t numbers[3] = {};
        for (uint64_t& number : numbers)
            words >> number;
        if (command == "count") return Count().dump();
        if (command == "device") {
            devices_.emplace_back(physical_);
        } else if (command == "grow") {
            Grow(numbers[0], numbers[1], numbers[2]);
        } else if (command == "shrink") {
            Shrink(numbers[0], numbers[1]);
        } else if (command == "dedicate") {
            for (Device& device : devices_)
                for (uint32_t i = 0; i < numbers[0]; ++i)
                    device.held.push_back(device.MakeBuffer(i, 1000 + 4096 * i, true));
        } else if (command == "large") {
            for (Device& device : devices_)
                device.held.push_back(device.Make(0, numbers[0]));
        } else if (command == "end" || command == "forget") {
            for (Device& device : devices_) {
                if (command == "forget") device.Forget();
                device.Destroy();
            }
            vkDestroyInstance(instance_, nullptr);
        } else if (command != "leave") {
            Break("an unknown command");
        }
        return "done";
    }

 private:
    Json Count() const {
        Json devices = Json::array();
        for (const Device& device : devices_)
            devices.push_back(device.Count());
        return {{"devices", devices}};
    }

    static void InThreads(uint64_t count, const std::function<void(uint64_t)>& work) {
        std::vector<std::thread> threads;
        for (uint64_t i = 0; i < count; ++i)
            threads.emplace_back(work, i);
        for (std::thread& thread : threads)
            thread.join();
    }

    void Grow(uint64_t seed, uint64_t count, uint64_t threads) {
        for (Device& device : devices_) {
            std::vector<std::vector<Held>> made(threads);
            InThreads(threads, [&](uint64_t index) {
                std::mt19937_64 random(seed * 1000 + index);
                for (uint64_t i = 0; i < count; ++i) {
                    const VkDeviceSize size = 1 + random() % (64 << 10);
                    const auto choice = static_cast<uint32_t>(random());
                    const Held held = i % 2 == 0 ? device.MakeBuffer(choice, size, false)
                                                 : device.Make(choice % device.types(), size);
                    if (i % 3 == 0)
                        device.Free(held);
                    else
                        made[index].push_back(held);
                }
            });
            for (const std::vector<Held>& part : made)
                device.held.insert(device.held.end(), part.begin(), part.end());
        }
    }

    void Shrink(uint64_t seed, uint64_t threads) {
        for (Device& device : devices_) {
            std::mt19937_64 random(seed);
            std::shuffle(device.held.begin(), device.held.end(), random);
            const size_t kept = device.held.size() / 2;
            InThreads(threads, [&](uint64_t index) {
                for (size_t i = kept + index; i < device.held.size(); i += threads)
                    device.Free(device.held[i]);
            });
            device.held.resize(kept);
        }
    }

    VkInstance instance_ = VK_NULL_HANDLE;
    VkPhysicalDevice physical_ = VK_NULL_HANDLE;
    std::vector<Device> devices_;
};

}  // namespace

// Usage: resting_application DESCRIPTION, a text that describes the mock driver's device.
int main(int argc, char** argv) {
    if (argc != 2) Break("usage: resting_application DESCRIPTION");
    const tessera::mock::ScopedMock mock(argv[1]);
    if (!mock.good()) Break("the description is wrong");
    Application application;
    std::puts("ready");
    std::fflush(stdout);
    for (std::string line; std::getline(std::cin, line);) {
        std::puts(application.Obey(line).c_str());
        std::fflush(stdout);
        if (line == "end") break;
        if (line == "forget") return 0;  // the driver may well complain
        if (line == "leave") _exit(0);
    }
    const std::string violations = mock.Violations();
    if (!violations.empty()) Break(violations.c_str());
    return 0;
}
