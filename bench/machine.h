// SPDX-License-Identifier: Apache-2.0
//
// A Vulkan device through the system's loader, bare or with the layer, and the commands that are
// timed, as an application gets them from vkGetDeviceProcAddr.
//
// Threads: constant after construction.

#ifndef TESSERA_BENCH_MACHINE_H_
#define TESSERA_BENCH_MACHINE_H_

#include <vulkan/vulkan.h>

#include <cstdint>
#include <optional>
#include <string>

namespace bench {

struct Commands {
    PFN_vkAllocateMemory AllocateMemory = nullptr;
    PFN_vkFreeMemory FreeMemory = nullptr;
    PFN_vkCreateBuffer CreateBuffer = nullptr;
    PFN_vkDestroyBuffer DestroyBuffer = nullptr;
    PFN_vkGetBufferMemoryRequirements GetBufferMemoryRequirements = nullptr;
    PFN_vkBindBufferMemory BindBufferMemory = nullptr;
    PFN_vkMapMemory MapMemory = nullptr;
    PFN_vkUnmapMemory UnmapMemory = nullptr;
    PFN_vkFlushMappedMemoryRanges FlushMappedMemoryRanges = nullptr;
};

class Machine {
 public:
    struct Options {
        bool layered = false;
        // Enables sparse binding where there is any: what is bound may then need an alignment of
        // 64 KiB, so that the layer must be more careful.
        bool sparse = false;
        // The memory type that is measured; -1: the first that is device-local and not
        // host-visible, else the first.
        int type = -1;
    };

    // The first physical device of the loader. Throws std::runtime_error.
    explicit Machine(const Options& options);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    VkInstance instance() const { return instance_; }
    VkPhysicalDevice physical() const { return physical_; }
    VkDevice device() const { return device_; }
    const Commands& commands() const { return commands_; }
    uint32_t type() const { return type_; }
    VkMemoryPropertyFlags type_flags() const { return type_flags_; }
    std::string name() const { return name_; }

    bool sparse() const { return sparse_; }

    // What a storage buffer of so many bytes requires, and one to keep. Throw std::runtime_error.
    VkMemoryRequirements BufferRequirements(uint64_t bytes) const;
    VkBuffer CreateBuffer(uint64_t bytes) const;

    // What the driver says that this process has of the heap of the memory type, by
    // VK_EXT_memory_budget. Absent where there is none.
    std::optional<uint64_t> HeapUsage() const;

    // The first memory type that the host can map. Throws std::runtime_error.
    int HostVisibleType() const;

    // What sizes of buffers' requirements are multiples of, as this driver tells them.
    uint32_t SizeUnit() const;

 private:
    void CreateInstance(bool layered);
    void CreateDevice(bool sparse);

    VkInstance instance_ = VK_NULL_HANDLE;
    VkPhysicalDevice physical_ = VK_NULL_HANDLE;
    VkDevice device_ = VK_NULL_HANDLE;
    Commands commands_;
    uint32_t type_ = 0;
    VkMemoryPropertyFlags type_flags_ = 0;
    bool sparse_ = false;
    std::string name_;
};

}  // namespace bench

#endif  // TESSERA_BENCH_MACHINE_H_
