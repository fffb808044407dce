// SPDX-License-Identifier: Apache-2.0
//
// Buffers and images, each with a memory allocation of its own, as tutorials teach it.
//
// The one idea: vkAllocateMemory is called once per resource, with exactly the size that the driver
// asks for, and freed with it. That is the habit whose cost this program shows, so nothing here
// shares, keeps or rounds memory. The allocator also counts and times its calls, for the statistics
// at the end. All of it belongs to one thread.
#ifndef TESSERA_TESTS_APPS_NAIVE_SCENE_MEMORY_H_
#define TESSERA_TESTS_APPS_NAIVE_SCENE_MEMORY_H_

#include <vulkan/vulkan.h>

#include <cstdint>
#include <vector>

#include "common/device.h"

namespace apps {

/// What the program asked of device memory so far. Bytes are those passed to vkAllocateMemory.
struct MemoryStats {
    uint64_t allocations = 0;
    uint64_t frees = 0;
    uint64_t live_bytes = 0;
    uint64_t peak_allocations = 0;
    uint64_t peak_bytes = 0;
    uint64_t allocate_ns = 0;
    uint64_t free_ns = 0;
    uint64_t allocations_of_type[VK_MAX_MEMORY_TYPES] = {};
    uint64_t sparse_images = 0;

    uint64_t live() const { return allocations - frees; }
};

class Allocator;

/// Device memory of one resource. Movable; frees what it holds when it goes, mapped or not.
class Memory {
 public:
    Memory() = default;
    Memory(Allocator& owner, VkMemoryRequirements requirements, VkMemoryPropertyFlags flags);
    Memory(Memory&& other) noexcept;
    Memory& operator=(Memory&& other) noexcept;
    ~Memory();

    VkDeviceMemory handle() const { return handle_; }

 private:
    Allocator* owner_ = nullptr;
    VkDeviceMemory handle_ = VK_NULL_HANDLE;
    uint64_t bytes_ = 0;
};

/// A buffer with its own memory. Empty when default-constructed or moved from.
class Buffer {
 public:
    Buffer() = default;
    /// Creates, allocates and binds. `bytes` > 0 is the buffer's size, `flags` what its memory
    /// must offer. Throws Failure when the driver refuses; nothing is left behind then.
    Buffer(Allocator& owner, uint64_t bytes, VkBufferUsageFlags usage, VkMemoryPropertyFlags flags);
    Buffer(Buffer&& other) noexcept;
    Buffer& operator=(Buffer&& other) noexcept;
    ~Buffer();

    VkBuffer handle() const { return handle_; }
    uint64_t bytes() const { return bytes_; }

    /// Maps `bytes` (or VK_WHOLE_SIZE) from `offset`. Requires host-visible memory, not mapped.
    uint32_t* Map(uint64_t offset = 0, uint64_t bytes = VK_WHOLE_SIZE);
    void Unmap();

 private:
    Allocator* owner_ = nullptr;
    VkBuffer handle_ = VK_NULL_HANDLE;
    uint64_t bytes_ = 0;
    Memory memory_;
};

/// How an image comes to its memory. Where the device cannot, an image is bound as kPlain.
enum class Binding {
    kPlain,         ///< vkBindImageMemory
    kSparseOpaque,  ///< vkQueueBindSparse, its whole memory in one range
    kSparseTiles,   ///< vkQueueBindSparse, tile by tile, and the mip tail
};

/// A two-dimensional RGBA image, 8 bits a channel, optimal tiling, in device-local memory of its
/// own, with a view of it. Empty when default-constructed or moved from.
class Image {
 public:
    Image() = default;
    /// Creates, allocates, binds and makes the view; the layout is undefined. Throws as Buffer.
    Image(Allocator& owner, uint32_t width, uint32_t height, VkImageUsageFlags usage,
          Binding binding = Binding::kPlain);
    Image(Image&& other) noexcept;
    Image& operator=(Image&& other) noexcept;
    ~Image();

    static constexpr VkFormat kFormat = VK_FORMAT_R8G8B8A8_UNORM;

    VkImage handle() const { return handle_; }
    VkImageView view() const { return view_; }
    uint32_t width() const { return width_; }
    uint32_t height() const { return height_; }

 private:
    void CreateView();

    Allocator* owner_ = nullptr;
    VkImage handle_ = VK_NULL_HANDLE;
    VkImageView view_ = VK_NULL_HANDLE;
    uint32_t width_ = 0;
    uint32_t height_ = 0;
    Memory memory_;
};

/// The device that resources are made on, and the count of what they cost.
/// Requires: outlives every resource made with it.
class Allocator {
 public:
    /// With `all_types`, every memory type that admits a resource takes its turn.
    explicit Allocator(const Device& device, bool all_types = false)
        : device_(device), all_types_(all_types) {}

    VkDevice device() const { return device_.handle(); }
    const Device& owner() const { return device_; }
    void CountSparseImage() { ++stats_.sparse_images; }
    const MemoryStats& stats() const { return stats_; }

    /// One vkAllocateMemory of exactly requirements.size bytes. Throws Failure when it fails.
    VkDeviceMemory Allocate(const VkMemoryRequirements& requirements, VkMemoryPropertyFlags flags);
    /// One vkFreeMemory. `bytes` is what Allocate() asked for.
    void Free(VkDeviceMemory memory, uint64_t bytes);

 private:
    std::vector<uint32_t> TypesFor(uint32_t allowed_types, VkMemoryPropertyFlags flags);

    const Device& device_;
    const bool all_types_;
    uint32_t turn_ = 0;
    MemoryStats stats_;
};

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_NAIVE_SCENE_MEMORY_H_
