// SPDX-License-Identifier: Apache-2.0
//
// What the machines of all threads share: one device of the mock driver with the layer before it,
// and the register of the places in driver memory that live allocations have.
//
// Nothing of the build tree is needed at run time: TESSERA_FUZZ_DRIVER (the mock driver's library)
// and TESSERA_FUZZ_LAYER_DIR win over the paths that were compiled in.
//
// Threads: commands as Vulkan has it; the register, the queue and the exchange have locks.
#ifndef TESSERA_TESTS_FUZZ_GPU_H
#define TESSERA_TESTS_FUZZ_GPU_H

#include <vulkan/vulkan.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "driver/mock_control.h"

namespace tessera::fuzz {

// Something is not as it must be. `what()` is a sentence.
class Finding : public std::runtime_error {
 public:
    using std::runtime_error::runtime_error;
};

// The control of the mock driver.
const TesseraMock& Mock();

// A place in memory of the driver.
struct Place {
    VkDeviceMemory block = VK_NULL_HANDLE;
    VkDeviceSize offset = 0;
    friend bool operator==(const Place&, const Place&) = default;
};

// Where live allocations lie. Throws Finding when two overlap.
class PlaceRegister {
 public:
    void Add(const Place& place, VkDeviceSize size);
    void Remove(const Place& place);

 private:
    std::mutex mutex_;
    std::unordered_map<VkDeviceMemory, std::map<VkDeviceSize, VkDeviceSize>> blocks_;
};

// Memory that several threads bind at once.
struct SharedMemory {
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkDeviceSize size = 0;
    uint32_t type = 0;
    std::mutex mutex;
    Place place;
};

// An instance and a device with every extension and feature that the description has and the
// machine uses.
class Gpu {
 public:
    // Throws Finding when it cannot be made.
    explicit Gpu(const std::string& description);
    ~Gpu();
    Gpu(const Gpu&) = delete;
    Gpu& operator=(const Gpu&) = delete;

    // Destroys device and instance, which must leave nothing behind. Throws Finding.
    void Close();

    bool Has(const char* extension) const { return extensions_.count(extension) != 0; }
    VkMemoryPropertyFlags Flags(uint32_t type) const {
        return memory.memoryTypes[type].propertyFlags;
    }
    VkDeviceSize HeapBytes(uint32_t type) const {
        return memory.memoryHeaps[memory.memoryTypes[type].heapIndex].size;
    }
    template <typename Pfn>
    Pfn Command(const char* name) const {
        return reinterpret_cast<Pfn>(vkGetDeviceProcAddr(device, name));
    }
    // Throws Finding with what the driver complained of, if it did.
    void CheckViolations() const;

    VkInstance instance = VK_NULL_HANDLE;
    VkPhysicalDevice physical = VK_NULL_HANDLE;
    VkDevice device = VK_NULL_HANDLE;
    VkQueue queue = VK_NULL_HANDLE;
    VkPhysicalDeviceMemoryProperties memory = {};
    VkPhysicalDeviceLimits limits = {};
    bool sparse = false;
    bool device_address = false;
    // The description makes calls fail by itself, so that results other than success are no news.
    bool refuses = false;
    std::mutex queue_mutex;
    PlaceRegister places;
    std::mutex exchange_mutex;
    std::vector<std::shared_ptr<SharedMemory>> exchange;

 private:
    void MakeInstance();
    void MakeDevice();
    std::set<std::string> extensions_;
};

}  // namespace tessera::fuzz

#endif  // TESSERA_TESTS_FUZZ_GPU_H
