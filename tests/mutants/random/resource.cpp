// SPDX-License-Identifier: Apache-2.0
//
// See program.h: resources, where they come to lie, and the bytes that the device sees.

#include <algorithm>

#include "program.h"
#include "src/late_vulkan.h"

namespace tessera::test {
namespace {

constexpr VkDeviceSize kSparseBlock = 65536;

VkDeviceSize RoundUp(VkDeviceSize value, VkDeviceSize to) {
    return (value + to - 1) / to * to;
}

bool HasFilledBuffer(const Memory& memory) {
    return !memory.device.empty() &&
           std::any_of(memory.bound.begin(), memory.bound.end(),
                       [](const auto& resource) { return resource->buffer != VK_NULL_HANDLE; });
}

const Resource& SomeBuffer(const Memory& memory, uint64_t random) {
    std::vector<const Resource*> buffers;
    for (const auto& resource : memory.bound) {
        if (resource->buffer != VK_NULL_HANDLE) buffers.push_back(resource.get());
    }
    return *buffers[random % buffers.size()];
}

}  // namespace

std::shared_ptr<Resource> Program::MakeResource() {
    auto resource = std::make_shared<Resource>();
    if (OneIn(3)) {
        resource->linear = OneIn(3);
        resource->image = session_->MakeImage(
            static_cast<uint32_t>(1 + Random(resource->linear ? 32 : 128)),
            resource->linear ? VK_IMAGE_TILING_LINEAR : VK_IMAGE_TILING_OPTIMAL);
        resource->needs = session_->Requirements(resource->image);
        return resource;
    }
    VkBufferUsageFlags usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    if (OneIn(2)) usage |= VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    if (OneIn(3)) usage |= VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT;
    resource->has_address = OneIn(4);
    if (resource->has_address) usage |= VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
    resource->bytes = 4 * (1 + Random(OneIn(3) ? 16384 : 512));
    resource->buffer = session_->MakeBuffer(resource->bytes, usage);
    resource->needs = session_->Requirements(resource->buffer);
    TesseraMockBinding below = {};
    Expect(session_->mock->find_buffer(session_->device, resource->buffer, &below) == 1 &&
               below.size_bytes == resource->needs.size &&
               below.alignment == resource->needs.alignment,
           "a requirement is not the driver's");
    return resource;
}

void Program::Destroy(Resource& resource) {
    if (resource.buffer != VK_NULL_HANDLE) {
        vkDestroyBuffer(session_->device, resource.buffer, nullptr);
    }
    if (resource.image != VK_NULL_HANDLE) {
        vkDestroyImage(session_->device, resource.image, nullptr);
    }
    resource = {};
}

// Memory for a resource: what there is, if it has room, or new memory of exactly its size, somewhat
// more, or for it alone.
bool Program::FindPlace(const Resource& resource, std::shared_ptr<Memory>* memory,
                        VkDeviceSize* offset) {
    const VkMemoryRequirements& needs = resource.needs;
    *offset = 0;
    if (OneIn(2)) {
        const size_t start = Random(memories_.size() + 1);
        for (size_t i = 0; i < memories_.size(); ++i) {
            const auto& old = memories_[(start + i) % memories_.size()];
            if ((needs.memoryTypeBits >> old->type & 1) == 0 || old->size < needs.size ||
                old->dedicated || (resource.has_address && !old->has_address) ||
                (!old->bound.empty() && old->linear != resource.linear) ||
                RandomType(1u << old->type) == VK_MAX_MEMORY_TYPES) {
                continue;
            }
            *memory = old;
            *offset = Random((old->size - needs.size) / needs.alignment + 1) * needs.alignment;
            return true;
        }
    }
    const uint32_t type = RandomType(needs.memoryTypeBits);
    if (type == VK_MAX_MEMORY_TYPES) return false;
    const bool alone = OneIn(8);
    const VkDeviceSize size = alone || OneIn(2) ? needs.size : needs.size + Random(4096);
    *memory = AllocateAs(size, type, resource.has_address || OneIn(8), alone ? &resource : nullptr);
    if (*memory == nullptr) return false;
    // Half of the programs map before the first bind.
    if ((*memory)->visible() && OneIn(2)) MapWith(**memory, 0, VK_WHOLE_SIZE);
    return true;
}

// Blocks are what the driver sees: they must be what the program asked for.
void Program::CheckBlock(const Memory& memory) {
    std::vector<TesseraMockMemory> below(1000);
    below.resize(std::min(session_->mock->memories(session_->device, below.data(), 1000), 1000u));
    for (const TesseraMockMemory& block : below) {
        if (block.memory != memory.block) continue;
        Expect(block.type_index == memory.type, "memory is of another type than was asked for");
        Expect(((block.flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT) != 0) == memory.has_address,
               "memory has a device address although it was not asked for, or has none");
        Expect(block.priority == memory.priority, "memory has another priority");
        Expect(memory.base + memory.size <= block.size_bytes, "memory ends behind its block");
    }
}

void Program::CheckOverlap(const Memory& memory) {
    for (const auto& other : memories_) {
        if (other.get() == &memory || other->block != memory.block) continue;
        Expect(memory.base + memory.size <= other->base || other->base + other->size <= memory.base,
               "two memories lie in the same place");
    }
}

void Program::NoteBound(Memory& memory, const std::shared_ptr<Resource>& resource,
                        VkDeviceSize offset) {
    TesseraMockBinding place = {};
    if (resource->buffer != VK_NULL_HANDLE) {
        session_->mock->find_buffer(session_->device, resource->buffer, &place);
    } else {
        session_->mock->find_image(session_->device, resource->image, 0, &place);
    }
    Expect(place.memory != VK_NULL_HANDLE, "a bind that succeeded bound nothing");
    Expect(place.offset >= offset, "a resource lies before its memory");
    if (memory.block == VK_NULL_HANDLE) {
        memory.block = place.memory;
        memory.base = place.offset - offset;
        CheckBlock(memory);
        CheckOverlap(memory);
    }
    Expect(place.memory == memory.block && place.offset == memory.base + offset,
           "a resource does not lie where the others of its memory do");
    memory.linear = resource->linear;
    resource->offset = offset;
    memory.bound.push_back(resource);
}

void Program::BindSomething() {
    const auto resource = MakeResource();
    std::shared_ptr<Memory> memory;
    VkDeviceSize offset = 0;
    if (!FindPlace(*resource, &memory, &offset)) return Destroy(*resource);
    const VkResult result =
        resource->buffer != VK_NULL_HANDLE
            ? vkBindBufferMemory(session_->device, resource->buffer, memory->handle, offset)
            : vkBindImageMemory(session_->device, resource->image, memory->handle, offset);
    if (result == VK_SUCCESS) return NoteBound(*memory, resource, offset);
    Expect(may_fail_ && result == VK_ERROR_OUT_OF_DEVICE_MEMORY, "a bind fails");
    Destroy(*resource);
}

// Several buffers in one call, each with a status of its own.
void Program::BindSeveral() {
    constexpr size_t kMost = 12;
    std::vector<std::shared_ptr<Resource>> resources;
    std::vector<std::shared_ptr<Memory>> owners;
    std::vector<VkBindBufferMemoryInfo> infos;
    std::vector<VkBindMemoryStatus> status(kMost);
    std::vector<VkResult> results(kMost, VK_NOT_READY);
    for (uint64_t i = 1 + Random(kMost); i > 0; --i) {
        const auto resource = MakeResource();
        std::shared_ptr<Memory> memory;
        VkDeviceSize offset = 0;
        if (resource->buffer == VK_NULL_HANDLE || !FindPlace(*resource, &memory, &offset)) {
            Destroy(*resource);
            continue;
        }
        // What FindPlace() freed to make room may be what an earlier one was to be bound to.
        VkBindBufferMemoryInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO;
        info.buffer = resource->buffer;
        info.memory = memory->handle;
        info.memoryOffset = offset;
        VkBindMemoryStatus& own = status[infos.size()];
        own.sType = VK_STRUCTURE_TYPE_BIND_MEMORY_STATUS;
        own.pResult = &results[infos.size()];
        info.pNext = &own;
        infos.push_back(info);
        resources.push_back(resource);
        owners.push_back(memory);
    }
    for (size_t i = infos.size(); i-- > 0;) {
        const bool alive =
            std::find(memories_.begin(), memories_.end(), owners[i]) != memories_.end();
        // One kind of resource for each memory, also within this call: buffers are all linear.
        if (alive && (owners[i]->bound.empty() || owners[i]->linear)) continue;
        Destroy(*resources[i]);
        infos.erase(infos.begin() + static_cast<ptrdiff_t>(i));
        resources.erase(resources.begin() + static_cast<ptrdiff_t>(i));
        owners.erase(owners.begin() + static_cast<ptrdiff_t>(i));
    }
    if (infos.empty()) return;
    const VkResult result =
        vkBindBufferMemory2(session_->device, static_cast<uint32_t>(infos.size()), infos.data());
    Expect(result == VK_SUCCESS || may_fail_, "a bind of several fails");
    for (size_t i = 0; i < infos.size(); ++i) {
        const auto* own = static_cast<const VkBindMemoryStatus*>(infos[i].pNext);
        Expect(*own->pResult != VK_NOT_READY, "a bind leaves its status as it was");
        if (*own->pResult == VK_SUCCESS) {
            NoteBound(*owners[i], resources[i], infos[i].memoryOffset);
        } else {
            Expect(may_fail_, "one of several binds fails");
            Destroy(*resources[i]);
        }
    }
}

// An image whose planes lie in memories of their own, gone at once.
void Program::BindPlanes() {
    VkImageCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
    info.flags = VK_IMAGE_CREATE_DISJOINT_BIT;
    info.imageType = VK_IMAGE_TYPE_2D;
    info.format = VK_FORMAT_G8_B8R8_2PLANE_420_UNORM;
    info.extent = {64, 64, 1};
    info.mipLevels = 1;
    info.arrayLayers = 1;
    info.samples = VK_SAMPLE_COUNT_1_BIT;
    info.tiling = VK_IMAGE_TILING_OPTIMAL;
    info.usage = VK_IMAGE_USAGE_TRANSFER_DST_BIT;
    VkImage image = VK_NULL_HANDLE;
    if (vkCreateImage(session_->device, &info, nullptr, &image) != VK_SUCCESS) return;
    VkBindImagePlaneMemoryInfo planes[2] = {};
    VkBindImageMemoryInfo binds[2] = {};
    std::shared_ptr<Memory> owners[2];
    for (uint32_t i = 0; i < 2; ++i) {
        planes[i].sType = VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO;
        planes[i].planeAspect = i == 0 ? VK_IMAGE_ASPECT_PLANE_0_BIT : VK_IMAGE_ASPECT_PLANE_1_BIT;
        VkImagePlaneMemoryRequirementsInfo plane = {};
        plane.sType = VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO;
        plane.planeAspect = planes[i].planeAspect;
        VkImageMemoryRequirementsInfo2 query = {};
        query.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2;
        query.pNext = &plane;
        query.image = image;
        VkMemoryRequirements2 needs = {};
        needs.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
        vkGetImageMemoryRequirements2(session_->device, &query, &needs);
        const uint32_t type = RandomType(needs.memoryRequirements.memoryTypeBits);
        if (type != VK_MAX_MEMORY_TYPES) {
            owners[i] = AllocateAs(needs.memoryRequirements.size, type, false, nullptr);
        }
        binds[i].sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO;
        binds[i].pNext = &planes[i];
        binds[i].image = image;
        if (owners[i] != nullptr) binds[i].memory = owners[i]->handle;
    }
    const auto alive = [this](const std::shared_ptr<Memory>& memory) {
        return memory != nullptr &&
               std::find(memories_.begin(), memories_.end(), memory) != memories_.end();
    };
    if (alive(owners[0]) && alive(owners[1])) {
        Expect(vkBindImageMemory2(session_->device, 2, binds) == VK_SUCCESS || may_fail_,
               "a bind of planes fails");
    }
    vkDestroyImage(session_->device, image, nullptr);
}

void Program::BindTensor() {
    if (!abilities_.Has("VK_ARM_tensors")) return;
    const int64_t dimensions[] = {1 + static_cast<int64_t>(Random(20)), 10};
    VkTensorDescriptionARM description = {};
    description.tiling = OneIn(2) ? 1 : 0;
    description.format = VK_FORMAT_R32_SFLOAT;
    description.dimensionCount = 2;
    description.pDimensions = dimensions;
    VkTensorCreateInfoARM info = {};
    info.pDescription = &description;
    VkTensorARM tensor = VK_NULL_HANDLE;
    if (session_->Command<PFN_vkCreateTensorARM>("vkCreateTensorARM")(
            session_->device, &info, nullptr, &tensor) != VK_SUCCESS) {
        return;
    }
    VkTensorMemoryRequirementsInfoARM query = {};
    query.tensor = tensor;
    VkMemoryRequirements2 needs = {};
    needs.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
    session_->Command<PFN_vkGetTensorMemoryRequirementsARM>("vkGetTensorMemoryRequirementsARM")(
        session_->device, &query, &needs);
    const auto memory =
        AllocateAs(needs.memoryRequirements.size,
                   RandomType(needs.memoryRequirements.memoryTypeBits), false, nullptr);
    if (memory != nullptr) {
        VkBindTensorMemoryInfoARM bind = {};
        bind.sType = VK_STRUCTURE_TYPE_BIND_TENSOR_MEMORY_INFO_ARM;
        bind.tensor = tensor;
        bind.memory = memory->handle;
        Expect(session_->Command<PFN_vkBindTensorMemoryARM>("vkBindTensorMemoryARM")(
                   session_->device, 1, &bind) == VK_SUCCESS,
               "a bind of a tensor fails");
    }
    session_->Command<PFN_vkDestroyTensorARM>("vkDestroyTensorARM")(session_->device, tensor,
                                                                    nullptr);
}

void Program::BindStructure() {
    if (!abilities_.Has("VK_NV_ray_tracing")) return;
    VkAccelerationStructureCreateInfoNV info = {};
    info.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_CREATE_INFO_NV;
    info.info.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_INFO_NV;
    VkAccelerationStructureNV structure = VK_NULL_HANDLE;
    if (session_->Command<PFN_vkCreateAccelerationStructureNV>("vkCreateAccelerationStructureNV")(
            session_->device, &info, nullptr, &structure) != VK_SUCCESS) {
        return;
    }
    const auto memory = AllocateAs(4096, RandomType(~0u), false, nullptr);
    if (memory != nullptr) {
        VkBindAccelerationStructureMemoryInfoNV bind = {};
        bind.sType = VK_STRUCTURE_TYPE_BIND_ACCELERATION_STRUCTURE_MEMORY_INFO_NV;
        bind.accelerationStructure = structure;
        bind.memory = memory->handle;
        Expect(session_->Command<PFN_vkBindAccelerationStructureMemoryNV>(
                   "vkBindAccelerationStructureMemoryNV")(session_->device, 1, &bind) == VK_SUCCESS,
               "a bind of an acceleration structure fails");
    }
    session_->Command<PFN_vkDestroyAccelerationStructureNV>("vkDestroyAccelerationStructureNV")(
        session_->device, structure, nullptr);
}

void Program::DeviceFill() {
    Memory* memory = AnyMemory(HasFilledBuffer);
    if (memory == nullptr) return;
    const Resource& resource = SomeBuffer(*memory, random_());
    const auto value = static_cast<uint8_t>(random_());
    session_->Run([&](VkCommandBuffer commands) {
        vkCmdFillBuffer(commands, resource.buffer, 0, resource.bytes, value * 0x01010101u);
    });
    for (VkDeviceSize i = 0; i < resource.bytes; ++i) {
        memory->device[resource.offset + i] = value;
        if (memory->coherent() && memory->visible()) memory->host[resource.offset + i] = value;
    }
}

void Program::DeviceRead() {
    Memory* memory = AnyMemory(HasFilledBuffer);
    if (memory == nullptr) return;
    const Resource& resource = SomeBuffer(*memory, random_());
    std::vector<uint8_t> bytes(resource.bytes);
    TesseraMockBinding place = {};
    session_->mock->find_buffer(session_->device, resource.buffer, &place);
    Expect(session_->mock->read_memory(session_->device, place.memory, place.offset, bytes.data(),
                                       bytes.size()) == 1,
           "a buffer does not lie in memory");
    for (VkDeviceSize i = 0; i < resource.bytes; ++i) {
        const int16_t known = memory->device[resource.offset + i];
        if (known == kUnknown || known == bytes[i]) continue;
        Tell("the device sees other bytes than were written");
        return;
    }
}

// A sparse buffer over parts of memories, through which the device writes; gone at once.
void Program::SparseBind() {
    if (!abilities_.features.sparseBinding) return;
    constexpr uint32_t kBlocks = 3;
    const VkBuffer buffer =
        session_->MakeBuffer(kBlocks * kSparseBlock, VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                             VK_BUFFER_CREATE_SPARSE_BINDING_BIT);
    const VkMemoryRequirements needs = session_->Requirements(buffer);
    const auto memory = AllocateAs(RoundUp(kSparseBlock * (1 + Random(2)), needs.alignment),
                                   RandomType(needs.memoryTypeBits), false, nullptr);
    if (memory != nullptr) {
        if (memory->visible() && OneIn(2)) MapWith(*memory, 0, VK_WHOLE_SIZE);
        VkSparseMemoryBind binds[kBlocks] = {};
        for (uint32_t i = 0; i < kBlocks; ++i) {
            binds[i].resourceOffset = i * kSparseBlock;
            binds[i].size = kSparseBlock;
            binds[i].memory = memory->handle;
            binds[i].memoryOffset = Random(memory->size / kSparseBlock) * kSparseBlock;
        }
        VkSparseBufferMemoryBindInfo bind = {buffer, kBlocks, binds};
        VkBindSparseInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
        info.bufferBindCount = 1;
        info.pBufferBinds = &bind;
        Expect(vkQueueBindSparse(session_->queue, 1, &info, VK_NULL_HANDLE) == VK_SUCCESS,
               "a sparse bind fails");
        Expect(binds[0].memory == memory->handle, "the program's array is written");
        Expect(vkQueueWaitIdle(session_->queue) == VK_SUCCESS, "a wait fails");
        const auto value = static_cast<uint8_t>(random_());
        session_->Run([&](VkCommandBuffer commands) {
            vkCmdFillBuffer(commands, buffer, 0, VK_WHOLE_SIZE, value * 0x01010101u);
        });
        for (const VkSparseMemoryBind& one : binds) {
            for (VkDeviceSize i = 0; i < kSparseBlock && !memory->device.empty(); ++i) {
                memory->device[one.memoryOffset + i] = value;
                if (memory->coherent() && memory->visible()) {
                    memory->host[one.memoryOffset + i] = value;
                }
            }
        }
    }
    vkDestroyBuffer(session_->device, buffer, nullptr);
    if (memory != nullptr && OneIn(2)) {
        // Seen through an ordinary buffer.
        const auto window = std::make_shared<Resource>();
        window->bytes = kSparseBlock;
        window->buffer = session_->MakeBuffer(kSparseBlock, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
        if (vkBindBufferMemory(session_->device, window->buffer, memory->handle, 0) == VK_SUCCESS) {
            NoteBound(*memory, window, 0);
        } else {
            Tell("a bind beside a sparse one fails");
            Destroy(*window);
        }
    }
}

}  // namespace tessera::test
