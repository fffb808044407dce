// SPDX-License-Identifier: Apache-2.0
//
// An application that bears failures: it makes every Vulkan call through Call(), which judges what
// came back while something below was made to fail, lets the fault go, and makes the call again.
//
// After a failed call these must hold, and are checked at once:
//   * the result is an error that the command may return, and one that rules.h allows to be told;
//   * nothing has been created or destroyed: as many buffers and images below as before, no more
//     memory objects, and the channel's numbers are those of the application's own books;
//   * the same call succeeds once the fault is gone.
// A call in which something failed and that succeeds must be one where rules.h asks for that.
//
// Threads: one.
#ifndef TESSERA_TESTS_FAULTS_APPLICATION_H_
#define TESSERA_TESTS_FAULTS_APPLICATION_H_

#include <vulkan/vulkan.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fault.h"
#include "rules.h"

namespace tessera::faults {

// What the application enables.
struct Machine {
    const char* description = "preset:discrete";  // of the mock driver
    std::vector<std::string> environment = {};    // KEY=VALUE; "@" is the own folder
    std::vector<const char*> instance_extensions = {};
    std::vector<const char*> device_extensions = {};
    bool sparse = false;
    bool device_address = false;
    bool private_data = false;
    bool look_alikes = false;  // the driver's handles carry the tag of the layer's own
    bool use_layer = true;
};

// Thrown without the layer after the first failure that the application hears of: what was to be
// seen was seen.
struct GivenUp {};

// What happened in one call of the application while a fault was armed.
struct Event {
    std::string command;
    bool fired = false;  // something failed below during the call
    VkResult result = VK_SUCCESS;
};

class Application {
 public:
    // With a fault, every call is judged; without one, every call must succeed.
    Application(const Machine& machine, std::optional<Fault> fault);
    ~Application();
    Application(const Application&) = delete;
    Application& operator=(const Application&) = delete;

    // Lifecycle. What is made becomes the current one; a scenario with several devices assigns
    // `device` itself. Close() destroys the current ones.
    void MakeInstance();
    void DestroyInstance();
    void MakeDevice();
    void DestroyDevice();
    void Close();
    // Frees and destroys everything at once.
    void Abandon();

    // From here on calls are counted and the fault is armed.
    void Start();
    // From here on nothing fails.
    void Stop();

    // One call of Vulkan. `call` must be able to run twice.
    VkResult Call(const char* command, Kind kind, const std::function<VkResult()>& call);
    void Void(const char* command, const std::function<void()>& call);

    // Memory. What is Pooled must become a slot when nothing fails, and what goes Through must not.
    VkDeviceMemory Pooled(VkDeviceSize size, uint32_t type, const void* chain = nullptr,
                          const VkAllocationCallbacks* allocator = nullptr);
    VkDeviceMemory Through(VkDeviceSize size, uint32_t type, const void* chain = nullptr,
                           const VkAllocationCallbacks* allocator = nullptr);
    void Free(VkDeviceMemory memory, const VkAllocationCallbacks* allocator = nullptr);
    std::byte* Map(VkDeviceMemory memory, VkDeviceSize offset = 0,
                   VkDeviceSize size = VK_WHOLE_SIZE);
    void Unmap(VkDeviceMemory memory);
    void Flush(const std::vector<VkMappedMemoryRange>& ranges);
    void Invalidate(const std::vector<VkMappedMemoryRange>& ranges);

    VkBuffer Buffer(VkDeviceSize size,
                    VkBufferUsageFlags usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                    VkBufferCreateFlags flags = 0);
    VkImage Image(uint32_t edge, VkImageTiling tiling = VK_IMAGE_TILING_OPTIMAL,
                  VkImageCreateFlags flags = 0);
    VkMemoryRequirements Needs(VkBuffer buffer);
    VkMemoryRequirements Needs(VkImage image);
    void Bind(VkBuffer buffer, VkDeviceMemory memory, VkDeviceSize offset = 0);
    void Bind(VkImage image, VkDeviceMemory memory, VkDeviceSize offset = 0);
    void Destroy(VkBuffer buffer);
    void Destroy(VkImage image);

    template <typename Pfn>
    Pfn Command(const char* name) const {
        return reinterpret_cast<Pfn>(vkGetDeviceProcAddr(device, name));
    }

    // Compares what the channel says of the current device with the books and with the driver, and
    // asks for no failed placement.
    void CheckNumbers();

    // Expects that the layer pooled on the current device exactly what it was to pool there.
    void ExpectPooledAsAsked();

    // What happened in the calls in which something failed below.
    const std::vector<Event>& events() const { return events_; }
    bool fired() const { return fired_; }

    VkInstance instance = VK_NULL_HANDLE;
    VkPhysicalDevice physical_device = VK_NULL_HANDLE;
    VkDevice device = VK_NULL_HANDLE;
    VkQueue queue = VK_NULL_HANDLE;

 private:
    struct Books {
        uint64_t live = 0;
        uint64_t live_bytes = 0;
    };
    struct Below {
        uint32_t memories = 0;
        uint32_t buffers = 0;
        uint32_t images = 0;
    };
    struct Entry {
        uint32_t type = 0;
        VkDeviceSize size = 0;
    };

    VkDeviceMemory Allocate(Kind kind, VkDeviceSize size, uint32_t type, const void* chain,
                            const VkAllocationCallbacks* allocator);
    void SetEnvironment();
    void RestoreEnvironment();
    Below LookBelow() const;
    // The place of the current device among the live ones.
    size_t DeviceOrder() const;
    void Judge(const Event& event, Kind kind, const Below& before, uint64_t allocations,
               uint64_t frees);
    const Machine machine_;
    const std::optional<Fault> fault_;
    bool armed_ = false;
    bool fired_ = false;
    uint64_t pooled_calls_ = 0;
    std::vector<std::pair<std::string, std::string>> replaced_;  // of the environment
    std::vector<Event> events_;
    std::vector<VkDevice> devices_;  // alive, in the order of their creation, as in the channel
    std::map<VkDevice, std::map<uint32_t, Books>> books_;  // by memory type
    std::map<std::pair<VkDevice, VkDeviceMemory>, Entry> memories_;
};

}  // namespace tessera::faults

#endif  // TESSERA_TESTS_FAULTS_APPLICATION_H_
