// SPDX-License-Identifier: Apache-2.0
//
// vkQueueBindSparse: the arrays are nested three deep, and every level that leads to a slot is
// copied. Entries without memory unbind and stay as they are.

#include <vulkan/vulkan.h>

#include <algorithm>

#include "layer/vk/call_scope.h"
#include "layer/vk/intercept/hooks.h"
#include "layer/vk/process.h"
#include "layer/vk/resource_need.h"
#include "layer/vk/scratch.h"
#include "layer/vk/translate.h"

namespace tessera {
namespace {

constexpr size_t kInPlace = 8;

// How many structures of each level a submission holds.
struct SparseCounts {
    size_t buffers = 0;
    size_t opaque_images = 0;
    size_t images = 0;
    size_t memory_binds = 0;
    size_t image_binds = 0;
};

SparseCounts Count(uint32_t count, const VkBindSparseInfo* infos) noexcept {
    SparseCounts counts;
    for (uint32_t i = 0; i < count; ++i) {
        const VkBindSparseInfo& info = infos[i];
        counts.buffers += info.bufferBindCount;
        counts.opaque_images += info.imageOpaqueBindCount;
        counts.images += info.imageBindCount;
        for (uint32_t j = 0; j < info.bufferBindCount; ++j) {
            counts.memory_binds += info.pBufferBinds[j].bindCount;
        }
        for (uint32_t j = 0; j < info.imageOpaqueBindCount; ++j) {
            counts.memory_binds += info.pImageOpaqueBinds[j].bindCount;
        }
        for (uint32_t j = 0; j < info.imageBindCount; ++j) {
            counts.image_binds += info.pImageBinds[j].bindCount;
        }
    }
    return counts;
}

// The memory that one entry binds. How many blocks a range of an image takes depends on its format:
// at least one byte is all that is sure.
uint64_t BoundBytes(const VkSparseMemoryBind& bind) noexcept {
    return bind.size;
}
uint64_t BoundBytes(const VkSparseImageMemoryBind&) noexcept {
    return 1;
}

// A deep copy of a submission in which every slot is translated.
class SparseCopy {
 public:
    SparseCopy(Device& device, const SparseCounts& counts, uint32_t info_count) noexcept
        : device_(device),
          infos_(info_count),
          buffers_(counts.buffers),
          opaque_images_(counts.opaque_images),
          images_(counts.images),
          memory_binds_(counts.memory_binds),
          image_binds_(counts.image_binds) {}

    bool HasMemory() noexcept {
        return infos_.data() != nullptr && buffers_.data() != nullptr &&
               opaque_images_.data() != nullptr && images_.data() != nullptr &&
               memory_binds_.data() != nullptr && image_binds_.data() != nullptr;
    }

    const VkBindSparseInfo* infos() noexcept { return infos_.data(); }

    VkResult Fill(uint32_t count, const VkBindSparseInfo* infos) noexcept {
        for (uint32_t i = 0; i < count; ++i) {
            const VkBindSparseInfo& from = infos[i];
            VkBindSparseInfo& to = infos_[i];
            to = from;
            to.pBufferBinds = CopyOuter(buffers_.data() + next_buffer_, from.pBufferBinds,
                                        from.bufferBindCount, next_buffer_);
            to.pImageOpaqueBinds =
                CopyOuter(opaque_images_.data() + next_opaque_image_, from.pImageOpaqueBinds,
                          from.imageOpaqueBindCount, next_opaque_image_);
            to.pImageBinds = CopyOuter(images_.data() + next_image_, from.pImageBinds,
                                       from.imageBindCount, next_image_);
        }
        return TranslateAll();
    }

 private:
    template <typename Outer>
    static const Outer* CopyOuter(Outer* to, const Outer* from, uint32_t count,
                                  size_t& next) noexcept {
        std::copy_n(from, count, to);
        next += count;
        return to;
    }

    template <typename Need, typename Bind, typename Resource>
    VkResult TranslateBinds(Resource resource, uint32_t count, const Bind*& binds, Bind* room,
                            size_t& next) noexcept {
        for (uint32_t i = 0; i < count; ++i) {
            room[i] = binds[i];
            // Without memory the range is unbound, and its offset is ignored.
            if (room[i].memory == VK_NULL_HANDLE) continue;
            Need need(device_, resource);
            need.BindOnly(BoundBytes(room[i]));
            BindTarget target;
            const VkResult result =
                TranslateBind(device_, room[i].memory, room[i].memoryOffset, need, &target);
            if (result != VK_SUCCESS) return result;
            room[i].memory = target.memory;
            room[i].memoryOffset = target.offset;
        }
        binds = room;
        next += count;
        return VK_SUCCESS;
    }

    VkResult TranslateAll() noexcept {
        size_t next_memory_bind = 0;
        size_t next_image_bind = 0;
        VkResult result = VK_SUCCESS;
        for (size_t i = 0; i < next_buffer_ && result == VK_SUCCESS; ++i) {
            result = TranslateBinds<BufferNeed>(
                buffers_[i].buffer, buffers_[i].bindCount, buffers_[i].pBinds,
                memory_binds_.data() + next_memory_bind, next_memory_bind);
        }
        for (size_t i = 0; i < next_opaque_image_ && result == VK_SUCCESS; ++i) {
            result = TranslateBinds<ImageNeed>(
                opaque_images_[i].image, opaque_images_[i].bindCount, opaque_images_[i].pBinds,
                memory_binds_.data() + next_memory_bind, next_memory_bind);
        }
        for (size_t i = 0; i < next_image_ && result == VK_SUCCESS; ++i) {
            result =
                TranslateBinds<ImageNeed>(images_[i].image, images_[i].bindCount, images_[i].pBinds,
                                          image_binds_.data() + next_image_bind, next_image_bind);
        }
        return result;
    }

    Device& device_;
    Scratch<VkBindSparseInfo, kInPlace> infos_;
    Scratch<VkSparseBufferMemoryBindInfo, kInPlace> buffers_;
    Scratch<VkSparseImageOpaqueMemoryBindInfo, kInPlace> opaque_images_;
    Scratch<VkSparseImageMemoryBindInfo, kInPlace> images_;
    Scratch<VkSparseMemoryBind, kInPlace> memory_binds_;
    Scratch<VkSparseImageMemoryBind, kInPlace> image_binds_;
    size_t next_buffer_ = 0;
    size_t next_opaque_image_ = 0;
    size_t next_image_ = 0;
};

// Spec: vkQueueBindSparse; VkSparseMemoryBind, VkSparseImageMemoryBind.
VKAPI_ATTR VkResult VKAPI_CALL QueueBindSparse(VkQueue queue, uint32_t bindInfoCount,
                                               const VkBindSparseInfo* pBindInfo,
                                               VkFence fence) noexcept {
    Device& d = DeviceOf(queue);
    AppCall timer(d, TESSERA_CALL_vkQueueBindSparse);
    SparseCopy copy(d, Count(bindInfoCount, pBindInfo), bindInfoCount);
    if (!copy.HasMemory()) return VK_ERROR_OUT_OF_HOST_MEMORY;
    const VkResult result = copy.Fill(bindInfoCount, pBindInfo);
    if (result != VK_SUCCESS) return result;
    DriverCall driver_timer(d, TESSERA_CALL_vkQueueBindSparse);
    return d.dt.QueueBindSparse(queue, bindInfoCount, copy.infos(), fence);
}

const Hook kHooks[] = {
    TESSERA_HOOK(QueueBindSparse, QueueBindSparse),
};

}  // namespace

HookList SparseHooks() noexcept {
    return {kHooks, std::size(kHooks)};
}

}  // namespace tessera
