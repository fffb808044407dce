// SPDX-License-Identifier: Apache-2.0
//
// What is bound where, and what it is called: the records of a device's resources in the segment,
// from the level `full` on.
//
// Buffers and images have a record from their creation (if recording was on by then, else from
// their first bind or name), other objects that take memory from their first bind or name, and
// memory itself while it has a name. What is bound in several parts (planes of a disjoint image,
// places of a video session) has a record for each. Images of a swapchain take no memory of the
// application's: what names one has a record until the swapchain goes.
//
// Threads: any; one mutex, which is held while the channel's is taken when the table grows. While
// recording is off, each function costs one load and a branch. In a forked child nothing may be
// called but on(): the caller asks Device::InOwnProcess().
//
// The one idea: nothing here can fail a call. Without room or host memory a record is missing, and
// counted.

#ifndef TESSERA_LAYER_VK_RESOURCE_LOG_H_
#define TESSERA_LAYER_VK_RESOURCE_LOG_H_

#include <vulkan/vulkan_core.h>

#include <atomic>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "layer/base/mutex.h"
#include "layer/channel/record_table.h"
#include "tessera/channel_abi.h"

namespace tessera {

// What a name's first TESSERA_NAME_BYTES hold: all of it with its end, all without, or as many
// whole characters of UTF-8 as there is room for. Null counts as empty. The rest of `out` is zero.
void CutName(const char* name, char (&out)[TESSERA_NAME_BYTES]) noexcept;

class ResourceLog {
 public:
    // Whether there is anything to be told.
    bool on() const noexcept { return on_.load(std::memory_order_relaxed); }

    // Recording begins, with an empty table. `record` is the device's, in a segment: without a
    // segment (its id is 0) this does nothing.
    void Start(tessera_device_record& record) noexcept;

    // Recording ends; the table stays as it is until the next beginning.
    void Stop() noexcept;

    // ---- What the application does. Each returns at once unless on().

    // It made a buffer or an image, which now has this handle.
    void Made(VkBuffer buffer, const VkBufferCreateInfo& info) noexcept {
        if (on()) [[unlikely]]
            NoteMade(buffer, info);
    }
    void Made(VkImage image, const VkImageCreateInfo& info) noexcept {
        if (on()) [[unlikely]]
            NoteMade(image, info);
    }

    // It was told how large a resource is that has a record. Bytes.
    void Sized(VkObjectType type, uint64_t object, uint64_t bytes) noexcept {
        if (on()) [[unlikely]]
            NoteSize(type, object, bytes);
    }

    // It bound a part of an object (0: the whole, or the first) to memory of its own naming.
    // `bytes`: 0 if not known.
    void Bound(VkObjectType type, uint64_t object, uint32_t part, VkDeviceMemory memory,
               uint64_t offset, uint64_t bytes) noexcept {
        if (on()) [[unlikely]]
            NoteBound(type, object, part, memory, offset, bytes);
    }

    // It named an object; null or empty: it has no name any more. Types that take no memory are
    // left out.
    void Named(VkObjectType type, uint64_t object, const char* name) noexcept {
        if (on()) [[unlikely]]
            NoteName(type, object, name);
    }

    // It destroys an object. To be told before the driver is: the handle may come back at once.
    void Destroyed(VkObjectType type, uint64_t object) noexcept {
        if (on()) [[unlikely]]
            Forget(type, object);
    }

    // It freed memory, with the same care. Costs a load while no memory has a name.
    void MemoryFreed(uint64_t memory) noexcept {
        if (named_memories_.load(std::memory_order_relaxed) != 0) [[unlikely]]
            Forget(VK_OBJECT_TYPE_DEVICE_MEMORY, memory);
    }
    // The same of memory whose handle is the driver's, which may use it for the next memory: what
    // is still bound to it must not seem to be bound to that. Costs a look-up while recording is
    // on.
    void ForeignMemoryFreed(uint64_t memory) noexcept {
        MemoryFreed(memory);
        if (on()) [[unlikely]]
            UnbindFrom(memory);
    }

    // For tests: what is kept here agrees with the records.
    bool CheckInvariants() noexcept;

 private:
    // Handles of different types may have the same value.
    struct Key {
        uint64_t object;
        uint32_t type;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        size_t operator()(const Key& key) const noexcept {
            const uint64_t mixed = (key.object ^ uint64_t{key.type} << 48) * 0x9E3779B97F4A7C15u;
            return static_cast<size_t>(mixed ^ mixed >> 32);
        }
    };
    // Beside each record: which part of its object it is, and the next one of that object; of a
    // free record, the next free one.
    struct Link {
        uint32_t part;
        uint32_t next;
        uint64_t memory = 0;  // that it is bound to, if the handle is the driver's
    };
    static constexpr uint32_t kNone = ~uint32_t{0};
    // 48 KiB to begin with. No segment has room for the last of them.
    using Table = channel::RecordTable<tessera_resource_record, TESSERA_KIND_RESOURCES, 256,
                                       (1u << 22) - 256>;

    void NoteMade(VkBuffer buffer, const VkBufferCreateInfo& info) noexcept;
    void NoteMade(VkImage image, const VkImageCreateInfo& info) noexcept;
    void NoteMade(const tessera_resource_record& made) noexcept;
    void NoteSize(VkObjectType type, uint64_t object, uint64_t bytes) noexcept;
    void NoteBound(VkObjectType type, uint64_t object, uint32_t part, VkDeviceMemory memory,
                   uint64_t offset, uint64_t bytes) noexcept;
    void NoteName(VkObjectType type, uint64_t object, const char* name) noexcept;
    void Forget(VkObjectType type, uint64_t object) noexcept;

    uint32_t FindLocked(const Key& key, uint32_t part) noexcept
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    uint32_t AddLocked(const Key& key, uint32_t part, const tessera_resource_record& record)
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    uint32_t TakeFreeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void ForgetLocked(const Key& key) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void UnbindFrom(uint64_t memory) noexcept;
    void NoteMemoryLocked(uint32_t number, uint64_t memory) noexcept
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void ForgetMemoryLocked(uint32_t number) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void ClearLocked() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void CountUnrecordedLocked() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    std::atomic<bool> on_ = false;
    // Records of VK_OBJECT_TYPE_DEVICE_MEMORY. 0 while recording is off.
    std::atomic<uint64_t> named_memories_ = 0;
    Mutex mutex_;
    tessera_device_record* device_ ABSL_GUARDED_BY(mutex_) = nullptr;
    uint64_t owner_ ABSL_GUARDED_BY(mutex_) = 0;
    Table table_ ABSL_GUARDED_BY(mutex_);
    std::unordered_map<Key, uint32_t, KeyHash> first_parts_ ABSL_GUARDED_BY(mutex_);
    std::vector<Link> links_ ABSL_GUARDED_BY(mutex_);  // one for each number in use so far
    // How many links name a memory. Nearly always what is bound goes first, and nothing is left to
    // be looked for when the memory does.
    std::unordered_map<uint64_t, uint32_t> bound_ ABSL_GUARDED_BY(mutex_);
    uint32_t first_free_ ABSL_GUARDED_BY(mutex_) = kNone;
};

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_RESOURCE_LOG_H_
