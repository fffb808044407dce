// SPDX-License-Identifier: Apache-2.0
//
// Buffers and images, each with a memory allocation of its own: see memory.h.
//
// Moves exchange the members, so that a moved-from resource is empty and a resource that is
// assigned over goes away with the temporary that held the new one. Memory is the last member, so a
// resource is destroyed before its memory is freed.
#include "naive_scene/memory.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/check.h"
#include "naive_scene/sparse_image.h"

namespace apps {
namespace {

class Stopwatch {
 public:
    uint64_t ElapsedNs() const {
        const auto elapsed = std::chrono::steady_clock::now() - start_;
        return static_cast<uint64_t>(
            std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count());
    }

 private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

// In the order in which they are to be tried.
std::vector<uint32_t> Allocator::TypesFor(uint32_t allowed_types, VkMemoryPropertyFlags flags) {
    if (!all_types_) return {device_.FindMemoryType(allowed_types, flags)};
    // What only some uses may have: protected memory, and what comes into being as it is used.
    constexpr VkMemoryPropertyFlags kSpecial =
        VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
        VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;
    const VkMemoryPropertyFlags wanted = flags & kHostMemory;
    const VkPhysicalDeviceMemoryProperties& memory = device_.memory_properties();
    std::vector<uint32_t> types;
    for (uint32_t type = 0; type < memory.memoryTypeCount; ++type) {
        const VkMemoryPropertyFlags has = memory.memoryTypes[type].propertyFlags;
        const bool allowed = (allowed_types & (1u << type)) != 0;
        if (allowed && (has & (wanted | kSpecial)) == wanted) types.push_back(type);
    }
    if (types.empty()) throw Failure("No memory type admits a resource.");
    std::ranges::rotate(types, types.begin() + turn_++ % static_cast<uint32_t>(types.size()));
    return types;
}

VkDeviceMemory Allocator::Allocate(const VkMemoryRequirements& requirements,
                                   VkMemoryPropertyFlags flags) {
    VkMemoryAllocateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    // Exactly what was asked for: no rounding, no sharing, no reuse.
    info.allocationSize = requirements.size;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    for (uint32_t type : TypesFor(requirements.memoryTypeBits, flags)) {
        info.memoryTypeIndex = type;
        const Stopwatch stopwatch;
        result = vkAllocateMemory(device(), &info, nullptr, &memory);
        stats_.allocate_ns += stopwatch.ElapsedNs();
        // A small heap may be full, of which another type knows nothing.
        if (result != VK_ERROR_OUT_OF_DEVICE_MEMORY) break;
    }
    Check(result, "vkAllocateMemory");

    ++stats_.allocations;
    ++stats_.allocations_of_type[info.memoryTypeIndex];
    stats_.live_bytes += requirements.size;
    stats_.peak_allocations = std::max(stats_.peak_allocations, stats_.live());
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes);
    return memory;
}

void Allocator::Free(VkDeviceMemory memory, uint64_t bytes) {
    const Stopwatch stopwatch;
    vkFreeMemory(device(), memory, nullptr);
    stats_.free_ns += stopwatch.ElapsedNs();
    ++stats_.frees;
    stats_.live_bytes -= bytes;
}

Memory::Memory(Allocator& owner, VkMemoryRequirements requirements, VkMemoryPropertyFlags flags)
    : owner_(&owner), handle_(owner.Allocate(requirements, flags)), bytes_(requirements.size) {}

Memory::Memory(Memory&& other) noexcept {
    *this = std::move(other);
}

Memory& Memory::operator=(Memory&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(handle_, other.handle_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

Memory::~Memory() {
    if (owner_ != nullptr) owner_->Free(handle_, bytes_);
}

// The default constructor is complete before anything is made, so a throw below runs the
// destructor, which removes what exists by then.
Buffer::Buffer(Allocator& owner, uint64_t bytes, VkBufferUsageFlags usage,
               VkMemoryPropertyFlags flags)
    : Buffer() {
    owner_ = &owner;
    bytes_ = bytes;
    VkBufferCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = bytes;
    info.usage = usage;
    info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    Check(vkCreateBuffer(owner.device(), &info, nullptr, &handle_), "vkCreateBuffer");

    VkMemoryRequirements requirements{};
    vkGetBufferMemoryRequirements(owner.device(), handle_, &requirements);
    memory_ = Memory(owner, requirements, flags);
    Check(vkBindBufferMemory(owner.device(), handle_, memory_.handle(), 0), "vkBindBufferMemory");
}

Buffer::Buffer(Buffer&& other) noexcept {
    *this = std::move(other);
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(handle_, other.handle_);
    std::swap(bytes_, other.bytes_);
    memory_ = std::move(other.memory_);
    return *this;
}

Buffer::~Buffer() {
    if (owner_ != nullptr) vkDestroyBuffer(owner_->device(), handle_, nullptr);
}

uint32_t* Buffer::Map(uint64_t offset, uint64_t bytes) {
    void* mapped = nullptr;
    // The pointer is aligned to minMemoryMapAlignment, at least 64 bytes, plus the offset.
    Check(vkMapMemory(owner_->device(), memory_.handle(), offset, bytes, 0, &mapped),
          "vkMapMemory");
    return static_cast<uint32_t*>(mapped);
}

void Buffer::Unmap() {
    vkUnmapMemory(owner_->device(), memory_.handle());
}

Image::Image(Allocator& owner, uint32_t width, uint32_t height, VkImageUsageFlags usage,
             Binding binding)
    : Image() {
    owner_ = &owner;
    width_ = width;
    height_ = height;
    VkImageCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
    info.imageType = VK_IMAGE_TYPE_2D;
    info.format = kFormat;
    info.extent = {width, height, 1};
    info.mipLevels = 1;
    info.arrayLayers = 1;
    info.samples = VK_SAMPLE_COUNT_1_BIT;
    info.tiling = VK_IMAGE_TILING_OPTIMAL;
    info.usage = usage;
    info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
    info.initialLayout = VK_IMAGE_LAYOUT_UNDEFINED;
    info.flags = SparseFlags(owner.owner(), info, binding);
    Check(vkCreateImage(owner.device(), &info, nullptr, &handle_), "vkCreateImage");

    VkMemoryRequirements requirements{};
    vkGetImageMemoryRequirements(owner.device(), handle_, &requirements);
    memory_ = Memory(owner, requirements, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    if (info.flags == 0) {
        Check(vkBindImageMemory(owner.device(), handle_, memory_.handle(), 0), "vkBindImageMemory");
    } else {
        BindSparsely(owner.owner(), handle_, info, requirements, memory_.handle());
        owner.CountSparseImage();
    }
    CreateView();
}

// A view can only be made of an image that has memory.
void Image::CreateView() {
    VkImageViewCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO;
    info.image = handle_;
    info.viewType = VK_IMAGE_VIEW_TYPE_2D;
    info.format = kFormat;
    info.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
    Check(vkCreateImageView(owner_->device(), &info, nullptr, &view_), "vkCreateImageView");
}

Image::Image(Image&& other) noexcept {
    *this = std::move(other);
}

Image& Image::operator=(Image&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(handle_, other.handle_);
    std::swap(view_, other.view_);
    std::swap(width_, other.width_);
    std::swap(height_, other.height_);
    memory_ = std::move(other.memory_);
    return *this;
}

Image::~Image() {
    if (owner_ == nullptr) return;
    vkDestroyImageView(owner_->device(), view_, nullptr);
    vkDestroyImage(owner_->device(), handle_, nullptr);
}

}  // namespace apps
