// SPDX-License-Identifier: Apache-2.0
//
// See levels.h.

#include "layer/vk/levels.h"

#include <algorithm>
#include <atomic>
#include <new>

#include "layer/base/mutex.h"
#include "layer/channel/call_stacks.h"
#include "layer/channel/channel.h"

namespace tessera {
namespace {

// How soon a reader's wish is noticed, and how often the clock's pace is looked at meanwhile.
constexpr uint64_t kLookMs = 250;
// How old the ages of allocations may be, while any are recorded.
constexpr uint64_t kTickMs = 10;

struct Wish {
    std::atomic<uint32_t> level = TESSERA_LEVEL_totals;
    std::atomic<uint64_t> stack_interval = 0;
    std::atomic<uint64_t> serial = 0;        // of the last request; 0: there was none
    std::atomic<uint64_t> next_look_ms = 0;  // of all devices one looks
    std::atomic<uint64_t> next_pace_ms = 0;
};
constinit Wish wish;

// How many devices there are that somebody can read, and how many of these have not taken the last
// request yet: readers are told once all have.
constinit Mutex count_mutex;
constinit uint32_t devices ABSL_GUARDED_BY(count_mutex) = 0;
constinit uint32_t behind ABSL_GUARDED_BY(count_mutex) = 0;

constinit std::atomic<uint32_t> stack_turn = 0;

tessera_level WishedLevel() noexcept {
    return static_cast<tessera_level>(wish.level.load(std::memory_order_relaxed));
}

void Show() noexcept {
    channel::ShowLevel(WishedLevel(), wish.stack_interval.load(std::memory_order_relaxed),
                       wish.serial.load(std::memory_order_relaxed));
}

// Writes down what is live. Requires: the locks of all pools.
void RecordExisting(Device& device) noexcept {
    pool::SlotTable& slots = device.slots;
    for (pool::SlotId id = 0; id < slots.SlotCount(); ++id) {
        const Slot& slot = slots.At(id);
        const uint64_t name = pool::SlotTable::NameOf(slot, id);
        slots.recorder().Existed(
            id, name != 0 ? pool::Shard::FactsOf(slot, name) : channel::AllocationFacts());
    }
}

// Whether a request is one that was not dealt with yet. Then it is the process's wish.
bool TakeRequest(uint64_t now_ms) noexcept ABSL_LOCKS_EXCLUDED(count_mutex) {
    uint64_t due = wish.next_look_ms.load(std::memory_order_relaxed);
    if (now_ms < due || !wish.next_look_ms.compare_exchange_strong(due, now_ms + kLookMs))
        return false;
    tessera_level_request request;
    if (!channel::ReadLevelRequest(&request)) return false;
    MutexLock lock(count_mutex);
    if (request.serial == wish.serial.load(std::memory_order_relaxed)) return false;
    behind = devices;
    wish.level.store(static_cast<uint32_t>(request.level), std::memory_order_relaxed);
    if (request.stacks != TESSERA_STACKS_AS_IS)
        wish.stack_interval.store(request.stacks, std::memory_order_relaxed);
    wish.serial.store(request.serial, std::memory_order_relaxed);
    return true;
}

// The device has taken the process's level. Returns: whether it was the last to take it.
bool CatchUp(Device& device) noexcept {
    MutexLock lock(count_mutex);
    const uint64_t serial = wish.serial.load(std::memory_order_relaxed);
    if (device.level_serial == serial) return false;
    device.level_serial = serial;
    if (behind != 0) --behind;
    return behind == 0;
}

}  // namespace

void WishLevel(const Settings& settings) noexcept {
    if (wish.serial.load(std::memory_order_relaxed) == 0) {
        wish.level.store(settings.level, std::memory_order_relaxed);
        wish.stack_interval.store(settings.stacks, std::memory_order_relaxed);
    }
    Show();
}

void ForgetLevelRequests() noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    // The parent's threads may hold it.
    new (&count_mutex) Mutex;
    devices = 0;
    behind = 0;
    wish.serial.store(0, std::memory_order_relaxed);
    wish.next_look_ms.store(0, std::memory_order_relaxed);
    wish.next_pace_ms.store(0, std::memory_order_relaxed);
    channel::coarse_ticks.store(0, std::memory_order_relaxed);
}

void BeginLevel(Device& device) noexcept {
    // It may be the first device for a while: nobody has looked meanwhile. Without a helper nobody
    // looks at all.
    const bool asked = device.instance->settings.helper && TakeRequest(~uint64_t{0} - kLookMs);
    wish.next_look_ms.store(0, std::memory_order_relaxed);
    TakeLevel(device);
    bool last = false;
    {
        MutexLock lock(count_mutex);
        ++devices;
        device.level_serial = wish.serial.load(std::memory_order_relaxed);
        last = behind == 0;
    }
    // Else the last of the others tells.
    if (asked && last) Show();
}

void EndLevel(Device& device) noexcept {
    bool last = false;
    {
        MutexLock lock(count_mutex);
        --devices;
        if (device.level_serial != wish.serial.load(std::memory_order_relaxed) && behind != 0)
            last = --behind == 0;
    }
    if (last) Show();
}

void TakeLevel(Device& device) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    channel::Recorder& recorder = device.slots.recorder();
    const tessera_level level = WishedLevel();
    const tessera_level before = recorder.level();
    if (level == before) return;
    channel::Calibrate();
    // What was set long ago is no time for what comes.
    if (before == TESSERA_LEVEL_totals) channel::coarse_ticks.store(0, std::memory_order_relaxed);
    const uint32_t types = device.memory().memoryTypeCount;
    // What was recorded at an earlier time goes before readers are told to look.
    if (before == TESSERA_LEVEL_totals) device.resources.Start(device.record());
    if (level != TESSERA_LEVEL_totals) recorder.MakeRoom(device.slots.SlotCount());
    for (uint32_t type = 0; type < types; ++type)
        device.PoolOf(type).LockAll();
    // What was added meanwhile.
    if (level != TESSERA_LEVEL_totals) recorder.MakeRoom(device.slots.SlotCount());
    if (before == TESSERA_LEVEL_totals) RecordExisting(device);
    for (uint32_t type = 0; type < types; ++type)
        device.PoolOf(type).ForgetThreads();
    recorder.SetLevel(level);
    for (uint32_t type = types; type-- > 0;)
        device.PoolOf(type).UnlockAll();
    if (level == TESSERA_LEVEL_totals) device.resources.Stop();
}

uint64_t ServeLevel(Device& device, uint64_t now_ms) noexcept {
    TakeRequest(now_ms);
    TakeLevel(device);
    if (CatchUp(device)) Show();
    if (!device.slots.recorder().on()) return now_ms + kLookMs;
    channel::coarse_ticks.store(Ticks(), std::memory_order_relaxed);
    if (now_ms >= wish.next_pace_ms.load(std::memory_order_relaxed)) {
        wish.next_pace_ms.store(now_ms + kLookMs, std::memory_order_relaxed);
        channel::Calibrate();
    }
    return now_ms + kTickMs;
}

void TakeCallStack(Device& device) noexcept {
    // One that was taken for an allocation which then failed is not the next one's.
    channel::SetStack(0);
    const uint64_t interval = wish.stack_interval.load(std::memory_order_relaxed);
    if (interval == 0) return;
    if (interval > 1 && stack_turn.fetch_add(1, std::memory_order_relaxed) % interval != 0) return;
    const uint16_t stack = channel::CaptureCallStack();
    if (stack == 0) device.slots.recorder().CountUnrecorded(TESSERA_KIND_STACKS);
    channel::SetStack(stack);
}

namespace {

// Of a live slot, its number and type; else none.
struct Subject {
    pool::SlotId slot = pool::kNoSlot;
    uint8_t type = channel::Recorder::kNoType;
};
Subject SubjectOf(const Device& device, VkDeviceMemory memory) noexcept {
    const SlotTable::Found found = device.Find(memory);
    if (found.kind != SlotTable::Kind::kLive) return {};
    return {SlotTable::IdIn(HandleValue(memory)), static_cast<uint8_t>(found.slot->TypeIndex())};
}

}  // namespace

void NoteMap(Device& device, VkDeviceMemory memory, uint64_t size_bytes) noexcept {
    const Subject subject = SubjectOf(device, memory);
    channel::Recorder& recorder = device.slots.recorder();
    if (subject.slot != pool::kNoSlot) recorder.AddFlags(subject.slot, TESSERA_ALLOCATION_MAPPED);
    recorder.Note(TESSERA_EVENT_map, HandleValue(memory), size_bytes, subject.type);
}

void NoteUnmap(Device& device, VkDeviceMemory memory) noexcept {
    const Subject subject = SubjectOf(device, memory);
    channel::Recorder& recorder = device.slots.recorder();
    if (subject.slot != pool::kNoSlot)
        recorder.RemoveFlags(subject.slot, TESSERA_ALLOCATION_MAPPED);
    recorder.Note(TESSERA_EVENT_unmap, HandleValue(memory), 0, subject.type);
}

void NoteBind(Device& device, VkDeviceMemory memory, uint64_t offset) noexcept {
    const Subject subject = SubjectOf(device, memory);
    channel::Recorder& recorder = device.slots.recorder();
    if (subject.slot != pool::kNoSlot) recorder.AddFlags(subject.slot, TESSERA_ALLOCATION_BOUND);
    recorder.Note(TESSERA_EVENT_bind, HandleValue(memory), offset, subject.type);
}

void NoteFailure(Device& device, tessera_call call, VkDeviceMemory memory,
                 VkResult result) noexcept {
    channel::Recorder& recorder = device.slots.recorder();
    if (!recorder.records_events() || !device.InOwnProcess()) return;
    recorder.Note(TESSERA_EVENT_failure, HandleValue(memory),
                  static_cast<uint64_t>(static_cast<int64_t>(result)),
                  SubjectOf(device, memory).type, static_cast<uint16_t>(call));
}

}  // namespace tessera
