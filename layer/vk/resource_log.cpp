// SPDX-License-Identifier: Apache-2.0
//
// See resource_log.h for the contract. What leads to a record, and which records are free, is kept
// in private memory: other processes of the user can write to a segment.

#include "layer/vk/resource_log.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "layer/channel/counters.h"
#include "layer/vk/chain.h"
#include "layer/vk/handle.h"
#include "layer/vk/late_vulkan.h"

namespace tessera {
namespace {

constexpr uint32_t kLinearTiling = 1u << 31;  // in tessera_resource_record::levels

// Types whose objects are bound to memory, and memory itself. All that have a record have a hook
// that tells of their end.
bool HasRecord(VkObjectType type) noexcept {
    switch (static_cast<int>(type)) {
        case VK_OBJECT_TYPE_DEVICE_MEMORY:
        case VK_OBJECT_TYPE_BUFFER:
        case VK_OBJECT_TYPE_IMAGE:
        case VK_OBJECT_TYPE_ACCELERATION_STRUCTURE_NV:
        case VK_OBJECT_TYPE_VIDEO_SESSION_KHR:
        case late::kObjectTypeTensor:
        case late::kObjectTypeDataGraphPipelineSession:
            return true;
        default:
            return false;
    }
}

bool IsContinuation(char byte) noexcept {
    return (static_cast<uint8_t>(byte) & 0xC0) == 0x80;
}

// The usage may be said in more bits by a structure that is chained (VK_KHR_maintenance5).
uint64_t UsageOf(const VkBufferCreateInfo& info) noexcept {
    const auto* more = FindInChain<late::BufferUsageFlags2CreateInfo>(
        info.pNext, late::kBufferUsageFlags2CreateInfo);
    return more != nullptr ? more->usage : info.usage;
}

}  // namespace

void CutName(const char* name, char (&out)[TESSERA_NAME_BYTES]) noexcept {
    std::memset(out, 0, sizeof(out));
    if (name == nullptr) return;
    size_t bytes = strnlen(name, sizeof(out) + 1);
    if (bytes > sizeof(out)) {
        // A character has at most three bytes after its first; what has more is not UTF-8.
        bytes = sizeof(out);
        while (bytes > sizeof(out) - 3 && IsContinuation(name[bytes]))
            --bytes;
        if (IsContinuation(name[bytes])) bytes = sizeof(out);
    }
    std::memcpy(out, name, bytes);
}

void ResourceLog::Start(tessera_device_record& record) noexcept {
    MutexLock lock(mutex_);
    const uint64_t owner = channel::Load(record.id);
    if (owner == 0) return;
    if (device_ != &record) table_.Forget();
    ClearLocked();
    device_ = &record;
    owner_ = owner;
    on_.store(true, std::memory_order_relaxed);
}

void ResourceLog::Stop() noexcept {
    MutexLock lock(mutex_);
    on_.store(false, std::memory_order_relaxed);
    named_memories_.store(0, std::memory_order_relaxed);
}

void ResourceLog::ClearLocked() noexcept {
    for (uint32_t number = 0; number < links_.size(); ++number)
        channel::WriteRecord(table_.At(number), tessera_resource_record{});
    links_.clear();
    first_parts_.clear();
    bound_.clear();
    first_free_ = kNone;
    named_memories_.store(0, std::memory_order_relaxed);
}

void ResourceLog::CountUnrecordedLocked() noexcept {
    channel::AddShared(device_->unrecorded[TESSERA_KIND_RESOURCES], 1);
}

// Returns: the number of a record that is not in use; kNone if there is no room. May throw.
uint32_t ResourceLog::TakeFreeLocked() {
    if (first_free_ != kNone) {
        const uint32_t number = first_free_;
        first_free_ = links_[number].next;
        return number;
    }
    if (links_.size() == table_.capacity() && !table_.Grow(owner_)) return kNone;
    links_.push_back({});
    return static_cast<uint32_t>(links_.size() - 1);
}

// Returns: the number of the part's record; kNone if it has none.
uint32_t ResourceLog::FindLocked(const Key& key, uint32_t part) noexcept {
    const auto first = first_parts_.find(key);
    if (first == first_parts_.end()) return kNone;
    uint32_t number = first->second;
    while (number != kNone && links_[number].part != part)
        number = links_[number].next;
    return number;
}

// Gives a part that has no record one that says `record`. Returns: its number, or kNone. May throw,
// and has changed nothing then.
uint32_t ResourceLog::AddLocked(const Key& key, uint32_t part,
                                const tessera_resource_record& record) {
    const auto [first, is_new] = first_parts_.try_emplace(key, kNone);
    uint32_t number = kNone;
    try {
        number = TakeFreeLocked();
    } catch (...) {
        if (is_new) first_parts_.erase(first);
        throw;
    }
    if (number == kNone) {
        if (is_new) first_parts_.erase(first);
        return kNone;
    }
    links_[number] = {part, first->second, 0};
    first->second = number;
    channel::WriteRecord(table_.At(number), record);
    if (key.type == VK_OBJECT_TYPE_DEVICE_MEMORY)
        named_memories_.fetch_add(1, std::memory_order_relaxed);
    return number;
}

void ResourceLog::ForgetLocked(const Key& key) noexcept {
    const auto first = first_parts_.find(key);
    if (first == first_parts_.end()) return;
    uint32_t number = first->second;
    first_parts_.erase(first);
    while (number != kNone) {
        channel::WriteRecord(table_.At(number), tessera_resource_record{});
        ForgetMemoryLocked(number);
        const uint32_t next = std::exchange(links_[number].next, first_free_);
        first_free_ = number;
        number = next;
    }
    if (key.type == VK_OBJECT_TYPE_DEVICE_MEMORY)
        named_memories_.fetch_sub(1, std::memory_order_relaxed);
}

// A record is bound to memory from now on. Without host memory that is not remembered.
void ResourceLog::NoteMemoryLocked(uint32_t number, uint64_t memory) noexcept {
    ForgetMemoryLocked(number);
    // Names of slots are not used again, as far as anybody could notice.
    if (memory == 0 || SlotTable::CarriesTag(memory)) return;
    try {
        ++bound_[memory];
        links_[number].memory = memory;
    } catch (...) {
    }
}

void ResourceLog::ForgetMemoryLocked(uint32_t number) noexcept {
    const uint64_t memory = std::exchange(links_[number].memory, 0);
    const auto bound = memory != 0 ? bound_.find(memory) : bound_.end();
    if (bound != bound_.end() && --bound->second == 0) bound_.erase(bound);
}

void ResourceLog::UnbindFrom(uint64_t memory) noexcept {
    MutexLock lock(mutex_);
    if (!on() || !bound_.contains(memory)) return;
    for (uint32_t number = 0; number < links_.size(); ++number) {
        if (links_[number].memory != memory) continue;
        ForgetMemoryLocked(number);
        tessera_resource_record& record = table_.At(number);
        const channel::SequencedWrite write(record.sequence);
        channel::Store(record.memory, 0);
        channel::Store(record.offset, 0);
    }
}

void ResourceLog::NoteMade(const tessera_resource_record& made) noexcept {
    MutexLock lock(mutex_);
    if (!on()) return;
    const Key key{made.object, made.object_type};
    // One whose end was not seen: it was destroyed while recording was off.
    ForgetLocked(key);
    try {
        if (AddLocked(key, 0, made) == kNone) CountUnrecordedLocked();
    } catch (...) {
        CountUnrecordedLocked();
    }
}

void ResourceLog::NoteMade(VkBuffer buffer, const VkBufferCreateInfo& info) noexcept {
    tessera_resource_record made = {};
    made.object = ObjectValue(buffer);
    made.object_type = VK_OBJECT_TYPE_BUFFER;
    made.usage = UsageOf(info);
    NoteMade(made);
}

void ResourceLog::NoteMade(VkImage image, const VkImageCreateInfo& info) noexcept {
    tessera_resource_record made = {};
    made.object = ObjectValue(image);
    made.object_type = VK_OBJECT_TYPE_IMAGE;
    made.usage = info.usage;
    made.format = static_cast<uint32_t>(info.format);
    made.width = info.extent.width;
    made.height = info.extent.height;
    made.depth_or_layers = std::max(info.extent.depth, info.arrayLayers);
    made.levels = info.mipLevels & ~kLinearTiling;
    if (info.tiling == VK_IMAGE_TILING_LINEAR) made.levels |= kLinearTiling;
    NoteMade(made);
}

void ResourceLog::NoteSize(VkObjectType type, uint64_t object, uint64_t bytes) noexcept {
    MutexLock lock(mutex_);
    if (!on()) return;
    const uint32_t number = FindLocked({object, static_cast<uint32_t>(type)}, 0);
    if (number == kNone) return;
    tessera_resource_record& record = table_.At(number);
    if (channel::Load(record.size_bytes) == bytes) return;
    const channel::SequencedWrite write(record.sequence);
    channel::Store(record.size_bytes, bytes);
}

void ResourceLog::NoteBound(VkObjectType type, uint64_t object, uint32_t part,
                            VkDeviceMemory memory, uint64_t offset, uint64_t bytes) noexcept {
    MutexLock lock(mutex_);
    if (!on()) return;
    const Key key{object, static_cast<uint32_t>(type)};
    const auto bind = [&](tessera_resource_record& record) {
        record.memory = HandleValue(memory);
        record.offset = offset;
        if (bytes != 0) record.size_bytes = bytes;
    };
    if (const uint32_t number = FindLocked(key, part); number != kNone) {
        tessera_resource_record changed = channel::Copy(table_.At(number));
        bind(changed);
        channel::WriteRecord(table_.At(number), changed);
        NoteMemoryLocked(number, HandleValue(memory));
        return;
    }
    // A further part is described as the one that is known.
    tessera_resource_record record = {};
    const auto first = first_parts_.find(key);
    if (first != first_parts_.end()) record = channel::Copy(table_.At(first->second));
    record.object = object;
    record.object_type = key.type;
    record.size_bytes = 0;
    bind(record);
    uint32_t number = kNone;
    try {
        number = AddLocked(key, part, record);
    } catch (...) {
    }
    if (number == kNone) return CountUnrecordedLocked();
    NoteMemoryLocked(number, HandleValue(memory));
}

void ResourceLog::NoteName(VkObjectType type, uint64_t object, const char* name) noexcept {
    if (object == 0 || !HasRecord(type)) return;
    tessera_resource_record named = {};
    named.object = object;
    named.object_type = static_cast<uint32_t>(type);
    CutName(name, named.name);
    MutexLock lock(mutex_);
    if (!on()) return;
    const Key key{object, named.object_type};
    // Memory has a record for its name alone.
    if (named.name[0] == '\0' && type == VK_OBJECT_TYPE_DEVICE_MEMORY) return ForgetLocked(key);
    const auto first = first_parts_.find(key);
    if (first == first_parts_.end()) {
        if (named.name[0] == '\0') return;
        try {
            if (AddLocked(key, 0, named) == kNone) CountUnrecordedLocked();
        } catch (...) {
            CountUnrecordedLocked();
        }
        return;
    }
    for (uint32_t number = first->second; number != kNone; number = links_[number].next) {
        tessera_resource_record changed = channel::Copy(table_.At(number));
        std::memcpy(changed.name, named.name, sizeof(changed.name));
        channel::WriteRecord(table_.At(number), changed);
    }
}

void ResourceLog::Forget(VkObjectType type, uint64_t object) noexcept {
    MutexLock lock(mutex_);
    if (on()) ForgetLocked({object, static_cast<uint32_t>(type)});
}

bool ResourceLog::CheckInvariants() noexcept {
    MutexLock lock(mutex_);
    uint64_t in_use = 0;
    uint64_t memories = 0;
    for (const auto& [key, first] : first_parts_) {
        if (key.type == VK_OBJECT_TYPE_DEVICE_MEMORY) ++memories;
        for (uint32_t number = first; number != kNone; number = links_[number].next, ++in_use) {
            const tessera_resource_record& record = table_.At(number);
            if (channel::Load(record.object) != key.object || record.object_type != key.type)
                return false;
        }
    }
    for (uint32_t number = first_free_; number != kNone; number = links_[number].next, ++in_use)
        if (table_.At(number).object_type != 0 || links_[number].memory != 0) return false;
    uint64_t bound = 0;
    for (const auto& [memory, count] : bound_)
        bound += count;
    for (const Link& link : links_)
        if (link.memory != 0) --bound;
    if (bound != 0) return false;
    return in_use == links_.size() && (!on() || memories == named_memories_.load()) &&
           links_.size() <= table_.capacity();
}

}  // namespace tessera
