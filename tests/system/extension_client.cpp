// SPDX-License-Identifier: Apache-2.0
//
// A Vulkan program for what ordinary applications on this driver do not use: budgets, the second
// form of mapping, priorities, sparse buffers. Each mode prints what it saw, which is the same with
// a layer as without, and checks what it wrote.
//
// It knows nothing of the layer. Exit codes: 0 done, 1 failed, 2 wrong arguments, 77 the driver
// does not have it. Threads: one.
#include <vulkan/vulkan.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "common/check.h"

namespace apps {
namespace {

// Missing in the oldest headers that this is built with: VK_KHR_map_memory2.
struct MemoryMapInfo {
    VkStructureType sType;
    const void* pNext;
    VkMemoryMapFlags flags;
    VkDeviceMemory memory;
    VkDeviceSize offset;
    VkDeviceSize size;
};
struct MemoryUnmapInfo {
    VkStructureType sType;
    const void* pNext;
    VkFlags flags;
    VkDeviceMemory memory;
};
using PfnMapMemory2 = VkResult(VKAPI_PTR*)(VkDevice, const MemoryMapInfo*, void**);
using PfnUnmapMemory2 = VkResult(VKAPI_PTR*)(VkDevice, const MemoryUnmapInfo*);
constexpr auto kMemoryMapInfo = static_cast<VkStructureType>(1000271000);
constexpr auto kMemoryUnmapInfo = static_cast<VkStructureType>(1000271001);

// What the driver does not have.
struct Missing {
    std::string what;
};

class Gpu {
 public:
    Gpu(const std::vector<const char*>& extensions, const VkPhysicalDeviceFeatures& features) {
        VkApplicationInfo application = {};
        application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
        application.apiVersion = VK_API_VERSION_1_1;
        VkInstanceCreateInfo instance_info = {};
        instance_info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
        instance_info.pApplicationInfo = &application;
        Check(vkCreateInstance(&instance_info, nullptr, &instance), "vkCreateInstance");
        uint32_t one = 1;
        if (vkEnumeratePhysicalDevices(instance, &one, &physical) < 0 || one == 0)
            throw Failure("There is no device.");
        RequireAll(extensions, features);

        const float priority = 1.0f;
        VkDeviceQueueCreateInfo queue_info = {};
        queue_info.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
        queue_info.queueCount = 1;
        queue_info.pQueuePriorities = &priority;
        VkDeviceCreateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
        info.queueCreateInfoCount = 1;
        info.pQueueCreateInfos = &queue_info;
        info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
        info.ppEnabledExtensionNames = extensions.data();
        info.pEnabledFeatures = &features;
        Check(vkCreateDevice(physical, &info, nullptr, &device), "vkCreateDevice");
        vkGetDeviceQueue(device, 0, 0, &queue);
        vkGetPhysicalDeviceMemoryProperties(physical, &memory_properties);
    }
    ~Gpu() {
        vkDestroyDevice(device, nullptr);
        vkDestroyInstance(instance, nullptr);
    }
    Gpu(const Gpu&) = delete;
    Gpu& operator=(const Gpu&) = delete;

    VkDeviceMemory Allocate(VkDeviceSize bytes, uint32_t type = 0,
                            const void* chain = nullptr) const {
        VkMemoryAllocateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        info.pNext = chain;
        info.allocationSize = bytes;
        info.memoryTypeIndex = type;
        VkDeviceMemory memory = VK_NULL_HANDLE;
        Check(vkAllocateMemory(device, &info, nullptr, &memory), "vkAllocateMemory");
        return memory;
    }
    void Free(VkDeviceMemory memory) const { vkFreeMemory(device, memory, nullptr); }

    uint32_t HostType() const {
        for (uint32_t type = 0; type < memory_properties.memoryTypeCount; ++type) {
            constexpr VkMemoryPropertyFlags kWanted =
                VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
            if ((memory_properties.memoryTypes[type].propertyFlags & kWanted) == kWanted)
                return type;
        }
        throw Failure("There is no memory that the host sees.");
    }

    VkBuffer MakeBuffer(VkDeviceSize bytes, VkBufferCreateFlags flags = 0) const {
        VkBufferCreateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
        info.flags = flags;
        info.size = bytes;
        info.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
        VkBuffer buffer = VK_NULL_HANDLE;
        Check(vkCreateBuffer(device, &info, nullptr, &buffer), "vkCreateBuffer");
        return buffer;
    }

    VkInstance instance = VK_NULL_HANDLE;
    VkPhysicalDevice physical = VK_NULL_HANDLE;
    VkDevice device = VK_NULL_HANDLE;
    VkQueue queue = VK_NULL_HANDLE;
    VkPhysicalDeviceMemoryProperties memory_properties = {};

 private:
    void RequireAll(const std::vector<const char*>& extensions,
                    const VkPhysicalDeviceFeatures& features) const {
        uint32_t count = 0;
        vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, nullptr);
        std::vector<VkExtensionProperties> has(count);
        vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, has.data());
        for (const char* name : extensions) {
            if (std::ranges::none_of(has, [name](const VkExtensionProperties& extension) {
                    return std::strcmp(extension.extensionName, name) == 0;
                }))
                throw Missing{name};
        }
        VkPhysicalDeviceFeatures supported = {};
        vkGetPhysicalDeviceFeatures(physical, &supported);
        if (features.sparseBinding && !supported.sparseBinding) throw Missing{"sparseBinding"};
    }
};

// Whether the figures are such as the specification wants them: budgets that are not zero and not
// above the heap, nothing for heaps that do not exist. What is used is not compared with what was
// allocated: a software driver tells what the whole system uses.
bool IsSane(const Gpu& gpu) {
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {};
    budget.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT;
    VkPhysicalDeviceMemoryProperties2 properties = {};
    properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
    properties.pNext = &budget;
    vkGetPhysicalDeviceMemoryProperties2(gpu.physical, &properties);
    const VkPhysicalDeviceMemoryProperties& memory = properties.memoryProperties;
    for (uint32_t heap = 0; heap < VK_MAX_MEMORY_HEAPS; ++heap) {
        const VkDeviceSize bytes = budget.heapBudget[heap];
        if (heap >= memory.memoryHeapCount) {
            if (bytes != 0 || budget.heapUsage[heap] != 0) return false;
        } else if (bytes == 0 || bytes > memory.memoryHeaps[heap].size) {
            return false;
        }
    }
    return budget.heapUsage[0] > 0;
}

void RunBudget() {
    constexpr VkDeviceSize kBytes = 4 << 20;
    constexpr int kCount = 24;
    const Gpu gpu({VK_EXT_MEMORY_BUDGET_EXTENSION_NAME}, {});
    const Gpu observer({VK_EXT_MEMORY_BUDGET_EXTENSION_NAME}, {});
    std::vector<VkDeviceMemory> memories;
    int sane = 0;
    for (int i = 0; i < kCount; ++i) {
        memories.push_back(gpu.Allocate(kBytes));
        sane += IsSane(gpu) && IsSane(observer) ? 1 : 0;
    }
    for (const VkDeviceMemory memory : memories)
        gpu.Free(memory);
    std::printf("%d answers are sane\n", sane);
}

void RunMap2() {
    const Gpu gpu({"VK_KHR_map_memory2"}, {});
    const auto map =
        reinterpret_cast<PfnMapMemory2>(vkGetDeviceProcAddr(gpu.device, "vkMapMemory2KHR"));
    const auto unmap =
        reinterpret_cast<PfnUnmapMemory2>(vkGetDeviceProcAddr(gpu.device, "vkUnmapMemory2KHR"));
    if (map == nullptr || unmap == nullptr) throw Failure("The commands are missing.");
    constexpr uint32_t kWords = 1024;
    const VkDeviceMemory first = gpu.Allocate(kWords * 4, gpu.HostType());
    const VkDeviceMemory second = gpu.Allocate(kWords * 4, gpu.HostType());
    uint32_t wrong = 0;
    for (const VkDeviceMemory memory : {first, second}) {
        const uint32_t seed = memory == first ? 1 : 100'000;
        for (uint32_t half = 0; half < 2; ++half) {
            const MemoryMapInfo info{
                kMemoryMapInfo, nullptr,           0,
                memory,         half * kWords * 2, half == 0 ? kWords * 2 : VK_WHOLE_SIZE};
            void* data = nullptr;
            Check(map(gpu.device, &info, &data), "vkMapMemory2KHR");
            for (uint32_t i = 0; i < kWords / 2; ++i)
                static_cast<uint32_t*>(data)[i] = seed + half * kWords / 2 + i;
            const MemoryUnmapInfo end{kMemoryUnmapInfo, nullptr, 0, memory};
            Check(unmap(gpu.device, &end), "vkUnmapMemory2KHR");
        }
    }
    for (const VkDeviceMemory memory : {first, second}) {
        const uint32_t seed = memory == first ? 1 : 100'000;
        void* data = nullptr;
        Check(vkMapMemory(gpu.device, memory, 0, VK_WHOLE_SIZE, 0, &data), "vkMapMemory");
        for (uint32_t i = 0; i < kWords; ++i)
            wrong += static_cast<uint32_t*>(data)[i] != seed + i ? 1 : 0;
        gpu.Free(memory);
    }
    std::printf("%u words differ\n", wrong);
}

void RunPriority() {
    const Gpu gpu({VK_EXT_MEMORY_PRIORITY_EXTENSION_NAME}, {});
    std::vector<VkDeviceMemory> memories;
    for (int i = 0; i < 64; ++i) {
        VkMemoryPriorityAllocateInfoEXT priority = {};
        priority.sType = VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT;
        priority.priority = static_cast<float>(i % 5) / 4;
        memories.push_back(gpu.Allocate(5000, 0, &priority));
    }
    for (const VkDeviceMemory memory : memories)
        gpu.Free(memory);
    std::printf("%zu allocations with priorities\n", memories.size());
}

// Records with `record`, submits and waits.
template <typename Record>
void RunOnce(const Gpu& gpu, Record record) {
    VkCommandPoolCreateInfo pool_info = {};
    pool_info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    VkCommandPool pool = VK_NULL_HANDLE;
    Check(vkCreateCommandPool(gpu.device, &pool_info, nullptr, &pool), "vkCreateCommandPool");
    VkCommandBufferAllocateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    info.commandPool = pool;
    info.commandBufferCount = 1;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    Check(vkAllocateCommandBuffers(gpu.device, &info, &commands), "vkAllocateCommandBuffers");
    VkCommandBufferBeginInfo begin = {};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    Check(vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
    record(commands);
    Check(vkEndCommandBuffer(commands), "vkEndCommandBuffer");
    VkSubmitInfo submit = {};
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands;
    Check(vkQueueSubmit(gpu.queue, 1, &submit, VK_NULL_HANDLE), "vkQueueSubmit");
    Check(vkQueueWaitIdle(gpu.queue), "vkQueueWaitIdle");
    vkDestroyCommandPool(gpu.device, pool, nullptr);
}

void BindPages(const Gpu& gpu, VkBuffer buffer, const std::vector<VkSparseMemoryBind>& pages) {
    const VkSparseBufferMemoryBindInfo binds{buffer, static_cast<uint32_t>(pages.size()),
                                             pages.data()};
    VkBindSparseInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
    info.bufferBindCount = 1;
    info.pBufferBinds = &binds;
    Check(vkQueueBindSparse(gpu.queue, 1, &info, VK_NULL_HANDLE), "vkQueueBindSparse");
    Check(vkQueueWaitIdle(gpu.queue), "vkQueueWaitIdle");
}

// A buffer whose pages lie alternately in two allocations, backwards, and exchange places in the
// middle: what was written through one page must be found through the other.
void RunSparseBuffer() {
    VkPhysicalDeviceFeatures features = {};
    features.sparseBinding = VK_TRUE;
    const Gpu gpu({}, features);
    constexpr uint32_t kPages = 8;
    const VkBuffer probe = gpu.MakeBuffer(1, VK_BUFFER_CREATE_SPARSE_BINDING_BIT);
    VkMemoryRequirements requirements = {};
    vkGetBufferMemoryRequirements(gpu.device, probe, &requirements);
    vkDestroyBuffer(gpu.device, probe, nullptr);
    const VkDeviceSize page = requirements.alignment;
    const VkBuffer sparse = gpu.MakeBuffer(page * kPages, VK_BUFFER_CREATE_SPARSE_BINDING_BIT);
    const VkDeviceMemory halves[2] = {gpu.Allocate(page * kPages / 2),
                                      gpu.Allocate(page * kPages / 2)};
    const auto places = [&](bool exchanged) {
        std::vector<VkSparseMemoryBind> pages(kPages);
        for (uint32_t i = 0; i < kPages; ++i) {
            pages[i].resourceOffset = i * page;
            pages[i].size = page;
            pages[i].memory = halves[(i + (exchanged ? 1 : 0)) % 2];
            pages[i].memoryOffset = (kPages / 2 - 1 - i / 2) * page;
        }
        return pages;
    };
    BindPages(gpu, sparse, places(false));
    RunOnce(gpu, [&](VkCommandBuffer commands) {
        for (uint32_t i = 0; i < kPages; ++i)
            vkCmdFillBuffer(commands, sparse, i * page, page, 0x1111'0000 + i);
    });
    BindPages(gpu, sparse, places(true));

    const VkBuffer target = gpu.MakeBuffer(page * kPages);
    vkGetBufferMemoryRequirements(gpu.device, target, &requirements);
    const VkDeviceMemory memory = gpu.Allocate(requirements.size, gpu.HostType());
    Check(vkBindBufferMemory(gpu.device, target, memory, 0), "vkBindBufferMemory");
    RunOnce(gpu, [&](VkCommandBuffer commands) {
        const VkBufferCopy region{0, 0, page * kPages};
        vkCmdCopyBuffer(commands, sparse, target, 1, &region);
    });
    void* data = nullptr;
    Check(vkMapMemory(gpu.device, memory, 0, VK_WHOLE_SIZE, 0, &data), "vkMapMemory");
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < kPages; ++i) {
        for (VkDeviceSize word = 0; word < page / 4; ++word) {
            const uint32_t seen = static_cast<const uint32_t*>(data)[i * page / 4 + word];
            wrong += seen != 0x1111'0000 + (i ^ 1u) ? 1 : 0;
        }
    }
    std::vector<VkSparseMemoryBind> nothing = places(false);
    for (VkSparseMemoryBind& bind : nothing)
        bind.memory = VK_NULL_HANDLE;
    BindPages(gpu, sparse, nothing);
    for (const VkBuffer buffer : {sparse, target})
        vkDestroyBuffer(gpu.device, buffer, nullptr);
    for (const VkDeviceMemory used : {halves[0], halves[1], memory})
        gpu.Free(used);
    std::printf("%u words differ after the pages changed places\n", wrong);
}

}  // namespace
}  // namespace apps

int main(int argc, char** argv) {
    const std::map<std::string, void (*)()> modes = {{"budget", apps::RunBudget},
                                                     {"map2", apps::RunMap2},
                                                     {"priority", apps::RunPriority},
                                                     {"sparse-buffer", apps::RunSparseBuffer}};
    const auto mode = argc == 2 ? modes.find(argv[1]) : modes.end();
    if (mode == modes.end()) {
        std::fputs("extension_client: say budget, map2, priority or sparse-buffer.\n", stderr);
        return 2;
    }
    try {
        mode->second();
    } catch (const apps::Missing& missing) {
        std::fprintf(stderr, "extension_client: the driver has no %s\n", missing.what.c_str());
        return 77;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "extension_client: %s\n", error.what());
        return 1;
    }
    return 0;
}
