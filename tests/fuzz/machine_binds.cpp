// SPDX-License-Identifier: Apache-2.0
//
// The machine's resources, and what they are bound to. See machine.h.
#include <algorithm>

#include "machine_choice.h"

namespace tessera::fuzz {
namespace {

constexpr size_t kMostResources = 200;
constexpr VkDeviceSize kSparsePages = 4;

VkDeviceSize AlignUp(VkDeviceSize value, VkDeviceSize alignment) {
    return (value + alignment - 1) / alignment * alignment;
}

}  // namespace

bool Machine::CreateBuffer(const Op& op) {
    if (resources_.size() >= kMostResources) return false;
    auto resource = std::make_unique<Resource>();
    VkBufferCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    constexpr VkBufferUsageFlags kUsages[] = {
        VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
        VK_BUFFER_USAGE_VERTEX_BUFFER_BIT, VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT};
    info.usage |= kUsages[op.a % 4];
    if (gpu_.device_address && op.a >> 4 & 1) {
        info.usage |= VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
        resource->device_address = true;
    }
    if ((op.a >> 9) % 8 == 0) {
        info.usage |= VK_BUFFER_USAGE_VIDEO_DECODE_SRC_BIT_KHR;
        resource->demanding = true;
    }
    info.size = 1 + (op.c * 65536ull + op.d) % (VkDeviceSize{1} << (1 + op.b % 18));
    if (gpu_.sparse && (op.a >> 5) % 4 == 0) {
        info.flags = VK_BUFFER_CREATE_SPARSE_BINDING_BIT | VK_BUFFER_CREATE_SPARSE_RESIDENCY_BIT;
        info.usage &= ~VkBufferUsageFlags{VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT};
        resource->device_address = false;
        resource->sparse = true;
        info.size = kSparsePages * 65536;
    }
    const VkResult result = vkCreateBuffer(gpu_.device, &info, nullptr, &resource->buffer);
    if (result != VK_SUCCESS && gpu_.refuses) return false;
    Require(result, "vkCreateBuffer");
    resource->size = info.size;
    LearnRequirements(*resource,
                      resource->demanding ? asks_about_demanding_ : (op.a >> 7) % 4 != 0);
    if (resource->sparse) resource->pages.resize(info.size / resource->requirements.alignment);
    resources_.push_back(std::move(resource));
    return true;
}

bool Machine::CreateImage(const Op& op) {
    if (resources_.size() >= kMostResources) return false;
    auto resource = std::make_unique<Resource>();
    VkImageCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
    info.imageType = VK_IMAGE_TYPE_2D;
    info.format = VK_FORMAT_R8G8B8A8_UNORM;
    info.extent = {1 + op.b % 128u, 1 + op.c % 128u, 1};
    info.mipLevels = 1;
    info.arrayLayers = 1;
    info.samples = VK_SAMPLE_COUNT_1_BIT;
    info.tiling = op.a % 4 == 0 ? VK_IMAGE_TILING_LINEAR : VK_IMAGE_TILING_OPTIMAL;
    info.usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;
    if (op.a >> 4 & 1 && info.tiling == VK_IMAGE_TILING_OPTIMAL) {
        info.usage |= VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT;
    }
    if (op.a >> 5 & 1) info.flags |= VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT;
    if (gpu_.sparse && info.tiling == VK_IMAGE_TILING_OPTIMAL && (op.a >> 6) % 4 == 0) {
        info.flags = VK_IMAGE_CREATE_SPARSE_BINDING_BIT | VK_IMAGE_CREATE_SPARSE_RESIDENCY_BIT;
        info.extent.width += 200;
        resource->sparse = true;
    }
    const VkResult result = vkCreateImage(gpu_.device, &info, nullptr, &resource->image);
    if (result != VK_SUCCESS && gpu_.refuses) return false;
    Require(result, "vkCreateImage");
    resource->linear = info.tiling == VK_IMAGE_TILING_LINEAR;
    LearnRequirements(*resource, (op.a >> 8) % 4 != 0);
    resources_.push_back(std::move(resource));
    return true;
}

// Requirements are the same wherever a resource is described in the same way, so that an
// application may know them without asking here.
void Machine::LearnRequirements(Resource& resource, bool ask) const {
    if (ask && resource.buffer != VK_NULL_HANDLE) {
        vkGetBufferMemoryRequirements(gpu_.device, resource.buffer, &resource.requirements);
        return;
    }
    if (ask) {
        vkGetImageMemoryRequirements(gpu_.device, resource.image, &resource.requirements);
        return;
    }
    TesseraMockBinding needs = {};
    const int known = resource.buffer != VK_NULL_HANDLE
                          ? Mock().find_buffer(gpu_.device, resource.buffer, &needs)
                          : Mock().find_image(gpu_.device, resource.image, 0, &needs);
    if (known != 1) throw Finding("the driver does not know of a resource that was created");
    resource.requirements = {needs.size_bytes, needs.alignment, needs.memory_type_bits};
}

bool Machine::Destroy(const Op& op) {
    if (resources_.size() < 6 + op.b % 48u) return false;
    const size_t index = op.a % resources_.size();
    DestroyResource(*resources_[index]);
    std::swap(resources_[index], resources_.back());
    resources_.pop_back();
    return true;
}

void Machine::DestroyResource(Resource& resource) {
    if (resource.allocation != nullptr) --resource.allocation->uses;
    for (const auto& allocation : allocations_) {
        if (allocation->dedicated == &resource) allocation->dedicated = nullptr;
    }
    if (resource.buffer != VK_NULL_HANDLE) vkDestroyBuffer(gpu_.device, resource.buffer, nullptr);
    if (resource.image != VK_NULL_HANDLE) vkDestroyImage(gpu_.device, resource.image, nullptr);
}

// By the rules that bind an application.
bool Machine::MayHold(const Allocation& allocation, const Resource& resource) const {
    if ((resource.requirements.memoryTypeBits >> allocation.type & 1) == 0) return false;
    if (!IsOrdinary(allocation.type) || allocation.shared != nullptr) return false;
    if (allocation.size < resource.requirements.size) return false;
    if (allocation.is_dedicated && allocation.dedicated != &resource) return false;
    if (resource.device_address && !allocation.device_address) return false;
    // Where memory lies for good, only the resources that the driver can be asked about in advance
    // are sure to find room (docs/design.md, "Learned sizes").
    const bool seen =
        allocation.host != nullptr || allocation.addressed || allocation.linear.has_value();
    if (resource.demanding && seen && !allocation.is_dedicated) return false;
    return !allocation.linear || *allocation.linear == resource.linear;
}

// Memory that suits a resource: what is there, or new memory, sometimes for this resource alone.
Machine::Allocation* Machine::FindOrMakeMemory(const Op& op, const Resource& resource,
                                               VkDeviceSize* offset) {
    *offset = 0;
    Allocation* found =
        op.b % 3 != 0
            ? ChooseAllocation(op.c, [&](const Allocation& a) { return MayHold(a, resource); })
            : nullptr;
    if (found != nullptr) {
        const VkDeviceSize room =
            (found->size - resource.requirements.size) / resource.requirements.alignment;
        if (!found->is_dedicated && op.d & 1)
            *offset = (op.d >> 1) % (room + 1) * resource.requirements.alignment;
        return found;
    }
    return NewAllocationFor(resource, op.d);
}

Machine::Allocation* Machine::NewAllocationFor(const Resource& resource, uint32_t operand) {
    const auto type = ChooseType(operand, resource.requirements.memoryTypeBits);
    if (!type) return nullptr;
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    VkMemoryDedicatedAllocateInfo dedicated = {};
    dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
    dedicated.buffer = resource.buffer;
    dedicated.image = resource.image;
    const bool alone =
        gpu_.Has("VK_KHR_dedicated_allocation") && operand % 50 == 0 && !resource.sparse;
    const void* chain = nullptr;
    if (resource.device_address) chain = &flags;
    if (alone) {
        dedicated.pNext = chain;
        chain = &dedicated;
    }
    Allocation* made =
        NewAllocation(resource.requirements.size, *type, chain, resource.device_address);
    if (made != nullptr && alone) {
        made->is_dedicated = true;
        made->dedicated = &resource;
    }
    return made;
}

bool Machine::Bind(const Op& op) {
    if (op.a % 16 == 0 && BindShared(op)) return true;
    Resource* resource =
        ChooseResource(op.a, [](const Resource& r) { return !r.bound && !r.sparse; });
    if (resource == nullptr) return false;
    VkDeviceSize offset = 0;
    Allocation* allocation = FindOrMakeMemory(op, *resource, &offset);
    if (allocation == nullptr) return false;
    BindTo(*resource, *allocation, offset, op.b >> 4);
    return true;
}

void Machine::BindTo(Resource& resource, Allocation& allocation, VkDeviceSize offset,
                     uint32_t form) {
    CountUse(allocation);
    const bool second = gpu_.Has("VK_KHR_bind_memory2") && form & 1;
    if (resource.buffer != VK_NULL_HANDLE) {
        const VkBindBufferMemoryInfo info{VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO, nullptr,
                                          resource.buffer, allocation.memory, offset};
        Require(second
                    ? gpu_.Command<PFN_vkBindBufferMemory2KHR>("vkBindBufferMemory2KHR")(
                          gpu_.device, 1, &info)
                    : vkBindBufferMemory(gpu_.device, resource.buffer, allocation.memory, offset),
                "a bind of a buffer");
    } else {
        const VkBindImageMemoryInfo info{VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO, nullptr,
                                         resource.image, allocation.memory, offset};
        Require(second ? gpu_.Command<PFN_vkBindImageMemory2KHR>("vkBindImageMemory2KHR")(
                             gpu_.device, 1, &info)
                       : vkBindImageMemory(gpu_.device, resource.image, allocation.memory, offset),
                "a bind of an image");
    }
    NoteBound(resource, allocation, offset);
}

void Machine::NoteBound(Resource& resource, Allocation& allocation, VkDeviceSize offset) {
    resource.bound = true;
    resource.allocation = &allocation;
    resource.offset = offset;
    ++allocation.uses;
    allocation.linear = resource.linear;
    TesseraMockBinding binding = {};
    const int known = resource.buffer != VK_NULL_HANDLE
                          ? Mock().find_buffer(gpu_.device, resource.buffer, &binding)
                          : Mock().find_image(gpu_.device, resource.image, 0, &binding);
    if (known != 1 || binding.memory == VK_NULL_HANDLE) {
        throw Finding("the driver does not know of a bind that succeeded");
    }
    if (binding.offset < offset) throw Finding("a bind lies before its allocation");
    NotePlace(allocation, {binding.memory, binding.offset - offset});
}

void Machine::NotePlace(Allocation& allocation, const Place& place) {
    if (allocation.place && !(*allocation.place == place)) {
        throw Finding("an allocation lies somewhere else than before");
    }
    if (allocation.place) return;
    gpu_.places.Add(place, allocation.size);
    allocation.place = place;
    const bool driver_handle = place.block == allocation.memory && place.offset == 0;
    if (allocation.pooled == driver_handle) allocation.pooled = !driver_handle;
}

bool Machine::BindMany(const Op& op) {
    if (!gpu_.Has("VK_KHR_bind_memory2")) return false;
    struct Wish {
        Resource* resource;
        Allocation* allocation;
        VkDeviceSize offset;
    };
    std::vector<Wish> wishes;
    const bool buffers = op.b & 1;
    for (uint32_t i = 0; i < 2 + op.c % 4u; ++i) {
        Resource* resource = ChooseResource(op.a + i * 5, [&](const Resource& r) {
            const bool taken =
                std::ranges::any_of(wishes, [&r](const Wish& wish) { return wish.resource == &r; });
            return !taken && !r.bound && !r.sparse && (r.buffer != VK_NULL_HANDLE) == buffers;
        });
        if (resource == nullptr) continue;
        Op each = op;
        each.b = static_cast<uint16_t>(op.b + i);
        each.c = static_cast<uint16_t>(op.c + i * 3);
        Wish wish{resource, nullptr, 0};
        wish.allocation = FindOrMakeMemory(each, *resource, &wish.offset);
        if (wish.allocation == nullptr) continue;
        // Two of one call must agree on what kind the memory holds.
        wish.allocation->linear = resource->linear;
        wishes.push_back(wish);
    }
    if (wishes.empty()) return false;
    std::vector<VkBindBufferMemoryInfo> buffer_infos;
    std::vector<VkBindImageMemoryInfo> image_infos;
    for (const Wish& wish : wishes) {
        CountUse(*wish.allocation);
        buffer_infos.push_back({VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO, nullptr,
                                wish.resource->buffer, wish.allocation->memory, wish.offset});
        image_infos.push_back({VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO, nullptr,
                               wish.resource->image, wish.allocation->memory, wish.offset});
    }
    const auto count = static_cast<uint32_t>(wishes.size());
    Require(buffers ? gpu_.Command<PFN_vkBindBufferMemory2KHR>("vkBindBufferMemory2KHR")(
                          gpu_.device, count, buffer_infos.data())
                    : gpu_.Command<PFN_vkBindImageMemory2KHR>("vkBindImageMemory2KHR")(
                          gpu_.device, count, image_infos.data()),
            "a bind of several");
    for (const Wish& wish : wishes)
        NoteBound(*wish.resource, *wish.allocation, wish.offset);
    return true;
}

// Memory that other threads bind at the same time: everybody must find it at one place.
bool Machine::BindShared(const Op& op) {
    std::shared_ptr<SharedMemory> shared;
    {
        const std::lock_guard lock(gpu_.exchange_mutex);
        if (gpu_.exchange.size() < 8) {
            const auto type = ChooseType(op.b, ~0u);
            if (!type) return false;
            VkMemoryAllocateInfo info = {};
            info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
            info.allocationSize = 4096 + op.c % 8192u;
            info.memoryTypeIndex = *type;
            auto made = std::make_shared<SharedMemory>();
            if (vkAllocateMemory(gpu_.device, &info, nullptr, &made->memory) != VK_SUCCESS)
                return false;
            made->size = info.allocationSize;
            made->type = *type;
            gpu_.exchange.push_back(made);
        }
        const size_t index = op.d % gpu_.exchange.size();
        shared = gpu_.exchange[index];
        // Whoever takes it out last frees it.
        if (op.b % 8 == 0) gpu_.exchange.erase(gpu_.exchange.begin() + static_cast<long>(index));
    }
    VkBufferCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = 64 + op.c % 512u;
    info.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    VkBuffer buffer = VK_NULL_HANDLE;
    if (vkCreateBuffer(gpu_.device, &info, nullptr, &buffer) == VK_SUCCESS) {
        VkMemoryRequirements needs = {};
        vkGetBufferMemoryRequirements(gpu_.device, buffer, &needs);
        const VkDeviceSize room =
            shared->size < needs.size ? 0 : (shared->size - needs.size) / needs.alignment;
        if (needs.memoryTypeBits >> shared->type & 1 && needs.size <= shared->size) {
            const VkDeviceSize offset = op.d % (room + 1) * needs.alignment;
            Require(vkBindBufferMemory(gpu_.device, buffer, shared->memory, offset),
                    "a bind to shared memory");
            TesseraMockBinding binding = {};
            Mock().find_buffer(gpu_.device, buffer, &binding);
            const std::lock_guard lock(shared->mutex);
            const Place place{binding.memory, binding.offset - offset};
            if (shared->place.block == VK_NULL_HANDLE) {
                gpu_.places.Add(place, shared->size);
                shared->place = place;
            }
            if (!(shared->place == place))
                throw Finding("two threads found shared memory at different places");
        }
        vkDestroyBuffer(gpu_.device, buffer, nullptr);
    }
    const std::lock_guard lock(gpu_.exchange_mutex);
    const bool listed = std::ranges::find(gpu_.exchange, shared) != gpu_.exchange.end();
    // Threads that still bind it hold it as well, and hold the lock when they look.
    if (!listed && shared.use_count() == 1) {
        if (shared->place.block != VK_NULL_HANDLE) gpu_.places.Remove(shared->place);
        vkFreeMemory(gpu_.device, shared->memory, nullptr);
    }
    shared.reset();
    return true;
}

bool Machine::Sparse(const Op& op) {
    if (!gpu_.sparse) return false;
    Resource* resource = ChooseResource(op.a, [](const Resource& r) { return r.sparse; });
    if (resource == nullptr) return false;
    return resource->buffer != VK_NULL_HANDLE ? SparseBuffer(op, *resource)
                                              : SparseImage(op, *resource);
}

void Machine::SubmitSparse(const VkBindSparseInfo& info) {
    {
        const std::lock_guard lock(gpu_.queue_mutex);
        Require(vkQueueBindSparse(gpu_.queue, 1, &info, fence_), "vkQueueBindSparse");
    }
    Require(vkWaitForFences(gpu_.device, 1, &fence_, VK_TRUE, UINT64_MAX), "vkWaitForFences");
    Require(vkResetFences(gpu_.device, 1, &fence_), "vkResetFences");
}

// Some pages of a buffer go to pages of an allocation, in reverse; others go to nothing.
bool Machine::SparseBuffer(const Op& op, Resource& resource) {
    const VkDeviceSize page = resource.requirements.alignment;
    const auto suits = [&](const Allocation& a) {
        return a.size >= page && (resource.requirements.memoryTypeBits >> a.type & 1) &&
               IsOrdinary(a.type) && !a.is_dedicated && a.shared == nullptr &&
               (!a.linear || *a.linear);
    };
    Allocation* allocation = op.b % 4 == 0 ? nullptr : ChooseAllocation(op.b, suits);
    if (allocation == nullptr && op.b % 4 != 0) {
        const auto type = ChooseType(op.b, resource.requirements.memoryTypeBits);
        if (!type) return false;
        allocation = NewAllocation(AlignUp(page * (1 + op.c % 3u), page), *type, nullptr, false);
        if (allocation == nullptr) return false;
    }
    std::vector<VkSparseMemoryBind> binds;
    const auto pages = static_cast<uint32_t>(resource.pages.size());
    const uint32_t count = 1 + op.c % pages;
    for (uint32_t i = 0; i < count; ++i) {
        const uint32_t index = (op.d + i) % pages;
        VkSparseMemoryBind bind = {};
        bind.resourceOffset = index * page;
        bind.size = page;
        // An offset without memory means nothing.
        bind.memoryOffset = 12345;
        Page bound;
        if (allocation != nullptr) {
            CountUse(*allocation);
            const VkDeviceSize room = allocation->size / page;
            bound = {allocation, (room - 1 - i % room) * page};
            bind.memory = allocation->memory;
            bind.memoryOffset = bound.offset;
            allocation->linear = true;
        }
        resource.pages[index] = bound;
        binds.push_back(bind);
    }
    const VkSparseBufferMemoryBindInfo buffer{resource.buffer, count, binds.data()};
    VkBindSparseInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
    info.bufferBindCount = 1;
    info.pBufferBinds = &buffer;
    SubmitSparse(info);
    // Where the pages went shows through a buffer that is bound to the same memory.
    if (allocation != nullptr && op.c & 1) Discover(*allocation);
    return true;
}

// A tile, or the mip tail, of an image; or nothing in place of it.
bool Machine::SparseImage(const Op& op, Resource& resource) {
    uint32_t count = 0;
    vkGetImageSparseMemoryRequirements(gpu_.device, resource.image, &count, nullptr);
    if (count == 0) return false;
    VkSparseImageMemoryRequirements sparse = {};
    count = 1;
    vkGetImageSparseMemoryRequirements(gpu_.device, resource.image, &count, &sparse);
    const VkDeviceSize page = resource.requirements.alignment;
    const bool tail = sparse.imageMipTailFirstLod == 0;
    const VkDeviceSize bytes = tail ? sparse.imageMipTailSize : page;
    const auto suits = [&](const Allocation& a) {
        return a.size >= bytes && (resource.requirements.memoryTypeBits >> a.type & 1) &&
               IsOrdinary(a.type) && !a.is_dedicated && a.shared == nullptr &&
               (!a.linear || !*a.linear);
    };
    Allocation* allocation = op.b % 4 == 0 ? nullptr : ChooseAllocation(op.b, suits);
    if (allocation == nullptr && op.b % 4 != 0) {
        const auto type = ChooseType(op.b, resource.requirements.memoryTypeBits);
        if (!type) return false;
        allocation =
            NewAllocation(AlignUp(bytes, page) + page * (op.c % 2u), *type, nullptr, false);
        if (allocation == nullptr) return false;
    }
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkDeviceSize offset = 0;
    if (allocation != nullptr) {
        CountUse(*allocation);
        memory = allocation->memory;
        offset = op.d % ((allocation->size - bytes) / page + 1) * page;
        allocation->linear = false;
    }
    VkSparseMemoryBind range = {};
    range.resourceOffset = sparse.imageMipTailOffset;
    range.size = bytes;
    range.memory = memory;
    range.memoryOffset = offset;
    const VkExtent3D tile = sparse.formatProperties.imageGranularity;
    VkSparseImageMemoryBind block = {};
    block.subresource.aspectMask = sparse.formatProperties.aspectMask;
    block.extent = tile;
    block.memory = memory;
    block.memoryOffset = offset;
    const VkSparseImageOpaqueMemoryBindInfo opaque{resource.image, 1, &range};
    const VkSparseImageMemoryBindInfo tiles{resource.image, 1, &block};
    VkBindSparseInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
    info.imageOpaqueBindCount = tail ? 1 : 0;
    info.pImageOpaqueBinds = &opaque;
    info.imageBindCount = tail ? 0 : 1;
    info.pImageBinds = &tiles;
    SubmitSparse(info);
    return true;
}

// Finds out where an allocation lies, by a buffer that is bound to its beginning for a moment.
void Machine::Discover(Allocation& allocation) {
    if (allocation.place || allocation.is_dedicated || !IsOrdinary(allocation.type)) return;
    if (allocation.linear && !*allocation.linear) return;
    VkBufferCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = 1;
    info.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT;
    VkBuffer buffer = VK_NULL_HANDLE;
    if (vkCreateBuffer(gpu_.device, &info, nullptr, &buffer) != VK_SUCCESS) return;
    VkMemoryRequirements needs = {};
    vkGetBufferMemoryRequirements(gpu_.device, buffer, &needs);
    if (needs.memoryTypeBits >> allocation.type & 1 && needs.size <= allocation.size) {
        Require(vkBindBufferMemory(gpu_.device, buffer, allocation.memory, 0),
                "a bind of a small buffer");
        TesseraMockBinding binding = {};
        Mock().find_buffer(gpu_.device, buffer, &binding);
        allocation.linear = true;
        NotePlace(allocation, {binding.memory, binding.offset});
    }
    vkDestroyBuffer(gpu_.device, buffer, nullptr);
}

}  // namespace tessera::fuzz
