// SPDX-License-Identifier: Apache-2.0
//
// What the layer keeps for one VkDevice: the next layer's commands, what was decided about pooling,
// the slots and pools, and the record in the channel.
//
// A Device is also the BlockSource of its pools: the only place where blocks of driver memory are
// made, mapped and given back.
//
// Threads: all members may be used from any thread unless said otherwise. Locks: the process lock
// may be held while a TypePool's or the channel's is taken; these two, the slot table's, the
// pass-through table's, the private data's and the linear images' are leaves. None is held across a
// call down the chain.

#ifndef TESSERA_LAYER_VK_DEVICE_H_
#define TESSERA_LAYER_VK_DEVICE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "layer/base/fork_guard.h"
#include "layer/channel/counters.h"
#include "layer/pool/type_pool.h"
#include "layer/vk/dispatch.h"
#include "layer/vk/gates.h"
#include "layer/vk/handle.h"
#include "layer/vk/instance.h"
#include "layer/vk/linear_images.h"
#include "layer/vk/map_ranges.h"
#include "layer/vk/pass_through_table.h"
#include "layer/vk/private_data_store.h"
#include "layer/vk/requirements.h"
#include "layer/vk/resource_log.h"
#include "tessera/channel_abi.h"

namespace tessera {

// Of the application's calls that stay in the layer one in this many is timed.
inline constexpr uint32_t kSampleInterval = 64;
// And of those of several threads at once one in this many: they would wait for each other to write
// down what they measured.
inline constexpr uint32_t kSampleIntervalOfMany = 1024;

class Device final : public pool::BlockSource {
 public:
    // Host memory for a device that is about to be created below. Null without host memory.
    static std::unique_ptr<Device> Allocate() noexcept;

    // Takes over a device that exists below; `info` is the application's create info. Makes the
    // channel's record. To be called once; it cannot fail.
    void TakeOver(Instance& instance_below, VkPhysicalDevice physical, VkDevice device,
                  PFN_vkGetDeviceProcAddr next, const VkDeviceCreateInfo& info) noexcept;

    // Gives all blocks back, leaked slots or not, and closes the channel's record.
    // Requires, of one that was taken over: the device below still exists, nobody uses it any more,
    // and it was made by this process: in a forked child the blocks and the record are the
    // parent's.
    ~Device();

    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    // The device below must not be called any more: its end gives nothing back, and its record in
    // the channel stays as it is.
    void Abandon() noexcept { abandoned_ = true; }

    // False in a forked child of the process that made this device: then nothing is counted, no
    // lock is taken and nothing new is pooled. One load and a comparison.
    bool InOwnProcess() const noexcept { return ForkEpoch() == epoch_; }

    bool pools_memory() const noexcept { return gates_.off == TESSERA_REASON_none; }
    // Whether calls on this device concern the layer at all: it pools, or somebody may be reading.
    bool NeedsHooks() const noexcept { return pools_memory() || instance->settings.channel; }
    // Whether its record is in a segment, where readers see it.
    bool is_published() const noexcept { return published_; }
    // Whether what happens to its resources is to be told to `resources`.
    bool RecordsResources() const noexcept { return resources.on() && InOwnProcess(); }
    const Gates& gates() const noexcept { return gates_; }
    const VkPhysicalDeviceMemoryProperties& memory() const noexcept { return memory_; }
    bool IsHostVisible(uint32_t type) const noexcept;
    // Of a live image. In a forked child, whose locks are the parent's, the more careful answer.
    Layout LayoutOf(VkImage image) const noexcept {
        return InOwnProcess() && linear_images.Contains(image) ? Layout::kLinear : Layout::kOptimal;
    }
    // Host-visible and not coherent: the application flushes and invalidates.
    bool NeedsFlush(uint32_t type) const noexcept;
    uint64_t atom_bytes() const noexcept { return atom_bytes_; }

    // The largest allocation of a type that is pooled. Bytes.
    uint64_t PooledLimit(uint32_t type) const noexcept {
        return type < memory_.memoryTypeCount ? pooled_limit_[type] : 0;
    }

    // The largest allocation of a type that gets a block of its own, to be used again by the next
    // one. Bytes; 0 if none does.
    uint64_t SoloLimit(uint32_t type) const noexcept {
        return type < memory_.memoryTypeCount ? solo_limit_[type] : 0;
    }

    // The pool of a memory type below memoryTypeCount. Exists on every device, since it also
    // counts.
    pool::TypePool& PoolOf(uint32_t type) noexcept { return *pools_[type]; }

    // Whether an allocation of `bytes` of a type (any number), with nothing chained to it, is
    // pooled whatever else Classify() could say. One comparison, since nearly all allocations are
    // such.
    bool IsPlain(uint32_t type, uint64_t bytes) const noexcept {
        return type < VK_MAX_MEMORY_TYPES && bytes - 1 < plain_limit_[type];
    }

    // Whether a call of a pool is timed. `dice`: any number that is another at each call.
    // Returns: how many calls it stands for; 0: it is not timed.
    static uint64_t SampleWeight(uint64_t dice, const pool::TypePool& pool) noexcept {
        if (dice % kSampleInterval != 0) [[likely]]
            return 0;
        if (dice == 0) return 1;
        if (pool.ShardCount() == 1) return kSampleInterval;
        return dice % kSampleIntervalOfMany == 0 ? kSampleIntervalOfMany : 0;
    }
    // Such a number for the end of a slot: a name differs from one use of the slot to the next and
    // from slot to slot, so that no thread has to write what others read.
    static uint64_t DiceOf(uint64_t name) noexcept {
        return uint64_t{SlotTable::IdIn(name)} + SlotTable::GenerationIn(name);
    }

    // Asks the driver, once per device, what its resources require. Call before the first Place().
    // Several first callers may each ask; the answers are the same. Returns: false if the driver
    // does not answer now: nothing may be placed, since a map could pin it where it does not suit.
    // Then it is asked again at the next call, and after more refusals more and more rarely.
    bool EnsureProbed() noexcept { return probed_.load(std::memory_order_acquire) || Probe(); }

    // What a handle is to this device.
    SlotTable::Found Find(VkDeviceMemory memory) const noexcept {
        return slots.Find(HandleValue(memory));
    }

    // Notes a handle that the driver just made; see SlotTable::AdmitForeign. In a forked child no
    // slot gets a name any more, and the locks are the parent's.
    bool AdmitForeign(VkDeviceMemory memory) noexcept {
        return slots.AdmitForeign(HandleValue(memory), [this] {
            for (auto& pool : pools_)
                if (pool.has_value() && InOwnProcess()) pool->Fence();
        });
    }

    // Maps the block of a slot that has it to itself; host-visible ones only. Returns what the
    // driver says. Requires: the caller has the slot to itself, as vkMapMemory does.
    VkResult MapSolo(Slot& slot) noexcept;

    // Tells the driver the priority of a slot's block again, if it was told another one meanwhile.
    void RestorePriority(Slot& slot) noexcept;

    // Makes host writes to a slot reach the device, if that takes a flush.
    void FlushSlot(const Slot& slot) noexcept;

    // Fills a slot with zeroes if it lies where somebody else's was and the settings ask for it.
    // Call without a lock, before the application can see the place.
    void ClearReused(const Slot& slot) noexcept {
        if (slot.reused && instance->settings.zero == Zero::kReuse) [[unlikely]]
            Clear(slot);
    }

    // Gives the empty blocks of every type back to the driver. Returns the bytes.
    uint64_t ReleaseEmptyBlocks() noexcept;

    // Takes or gives back the right to one more object below. Blocks and what is passed through
    // count alike, and exceeding the driver's limit is undefined
    // (VUID-vkAllocateMemory-maxMemoryAllocationCount-04101). Blocks leave a few for the rest. An
    // application that keeps below the limit itself is not refused once empty blocks are gone,
    // since every other block holds at least one of its allocations; but blocks that another thread
    // has given up and not yet freed still count.
    bool ReserveBlockObject() noexcept { return ReserveObject(block_limit_); }
    bool ReservePassThroughObject() noexcept { return ReserveObject(object_limit_); }
    void RemoveObject() noexcept { objects_.fetch_sub(1, std::memory_order_relaxed); }

    // An object that goes through and that there is no host memory to remember keeps its place
    // among the objects. Every handle that is freed later and that nobody remembers is taken for
    // one.
    void AddUntrackedObject() noexcept { untracked_.fetch_add(1, std::memory_order_relaxed); }
    void RemoveUntrackedObject() noexcept {
        uint64_t count = untracked_.load(std::memory_order_relaxed);
        while (count != 0) {
            if (!untracked_.compare_exchange_weak(count, count - 1, std::memory_order_relaxed)) {
                continue;
            }
            RemoveObject();
            return;
        }
    }

    // BlockSource.
    pool::BlockStatus CreateBlock(uint32_t type_index, const pool::ArenaKey& key,
                                  uint64_t size_bytes, pool::BlockMemory* memory) noexcept override;
    void DestroyBlock(uint32_t type_index, const pool::BlockMemory& memory) noexcept override;
    tessera_shard_counters* AddCounters(uint32_t type_index) noexcept override;
    bool WantService() noexcept override;
    uint64_t NowMs() noexcept override;

    // Notes a refusal of the driver's, or of the layer's, to allocate.
    void RecordFailure(VkResult result, uint32_t type_index) noexcept;

    // What the helper does for the device; see pool::TypePool::Service.
    uint64_t Service(uint64_t now_ms) noexcept;

    // An object below that the layer did not make for itself: it is passed through. See
    // channel/recorder.h. Requires: InOwnProcess().
    uint32_t RecordPassed(const PassThrough& entry, uint64_t object) noexcept;
    void RecordPassedFree(const PassThrough& entry, uint64_t object) noexcept;

    // Reads the driver's budget into the record if that was not done for a while.
    void SampleBudget(bool now) noexcept;

    tessera_call_totals& call(tessera_call which) noexcept { return record_->calls[which]; }
    tessera_call_totals& driver_call(tessera_call which) noexcept {
        return record_->driver_calls[which];
    }
    tessera_device_record& record() noexcept { return *record_; }

    // The application broke a rule; see misuse.h.
    void CountMisuse(tessera_misuse which, uint64_t count = 1) noexcept {
        if (InOwnProcess()) channel::AddShared(record_->misuse[which], count);
    }

    // Constant after creation.
    VkDevice handle = VK_NULL_HANDLE;
    VkPhysicalDevice physical_device = VK_NULL_HANDLE;
    Instance* instance = nullptr;
    DeviceDispatch dt;
    VkPhysicalDeviceProperties properties = {};
    bool has_uuid = false;
    // An extension is enabled with which memory may come with submissions, or with command buffers.
    bool has_keyed_mutexes = false;
    bool has_tile_memory = false;
    // Usages of buffers beyond those of Vulkan 1.0 that may be described on this device.
    VkBufferUsageFlags optional_buffer_usages = 0;
    uint8_t uuid[VK_UUID_SIZE] = {};
    // VK_KHR_maintenance4 by the name under which it is enabled: requirements without objects.
    PFN_vkGetDeviceBufferMemoryRequirements get_device_buffer_requirements = nullptr;
    PFN_vkGetDeviceImageMemoryRequirements get_device_image_requirements = nullptr;

    Device* next_in_process = nullptr;  // guarded by the process lock; see process.cpp

    // The helper's; see helper.cpp, whose lock guards all but the first.
    std::atomic<bool> helper_wanted = false;
    uint64_t helper_due_ms = ~uint64_t{0};
    uint64_t level_serial = 0;  // levels.cpp's: the last request that it has taken
    Device* next_helped = nullptr;
    bool helper_busy = false;  // Service is being called
    CondVar helper_done;

    SlotTable slots;
    MapRanges map_ranges;
    RequirementBook book;
    LinearImages linear_images;
    PassThroughTable pass_through;
    // Something was passed through that the table does not hold, so that a handle which it does not
    // know says nothing about the application.
    std::atomic<bool> lost_track = false;
    PrivateDataStore private_data;
    ResourceLog resources;

 private:
    Device() = default;
    void ReadPhysicalDevice(const VkDeviceCreateInfo& info) noexcept;
    void ReadDriver(DriverIdentity& identity,
                    char (&driver_name)[VK_MAX_DRIVER_NAME_SIZE]) noexcept;
    bool HasExtension(const char* name) const noexcept;
    void FindDescriptorSpace() noexcept;
    void FindMaintenance4(const VkDeviceCreateInfo& info) noexcept;
    void InitPlacement() noexcept;
    void InitPools() noexcept;
    void OpenRecord(const char* driver_name) noexcept;
    bool Probe() noexcept;
    VkResult MapBlock(pool::BlockMemory& memory) noexcept;
    void Clear(const Slot& slot) noexcept;
    void ReportLeaks() noexcept;
    bool ReserveObject(uint64_t limit) noexcept {
        // Never above the limit, not even for a moment: another thread would be refused for it.
        uint64_t count = objects_.load(std::memory_order_relaxed);
        while (count < limit) {
            if (objects_.compare_exchange_weak(count, count + 1, std::memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }

    uint64_t epoch_ = 0;
    bool abandoned_ = false;
    bool published_ = false;
    Gates gates_;
    VkPhysicalDeviceMemoryProperties memory_ = {};
    uint64_t max_allocation_bytes_ = ~uint64_t{0};  // maxMemoryAllocationSize
    uint64_t space_share_ = ~uint64_t{0};  // of the address space of descriptor buffers, if small
    uint64_t atom_bytes_ = 1;
    uint64_t pooled_limit_[VK_MAX_MEMORY_TYPES] = {};
    uint64_t solo_limit_[VK_MAX_MEMORY_TYPES] = {};
    uint64_t plain_limit_[VK_MAX_MEMORY_TYPES] = {};  // 0: not to be said without Classify()
    uint64_t object_limit_ = ~uint64_t{0};            // maxMemoryAllocationCount
    uint64_t block_limit_ = ~uint64_t{0};             // somewhat below it
    std::atomic<uint64_t> objects_ = 0;
    std::atomic<uint64_t> untracked_ = 0;  // of these, what nobody remembers
    std::atomic<bool> probed_ = false;
    std::atomic<uint32_t> probe_refusals_ = 0;
    std::atomic<uint32_t> probe_pause_ = 0;  // so many calls do not ask
    std::atomic<bool> pools_wait_ = false;   // for the helper
    uint64_t pools_due_ms_ = 0;              // the helper's, and the next
    uint64_t budget_calls_ = 0;
    bool has_budget_ = false;  // VK_EXT_memory_budget can be asked for
    std::atomic<uint64_t> budget_read_ns_ = 0;
    tessera_device_record* record_ = nullptr;
    std::atomic<uint32_t> counter_lines_ = 0;  // of the record's lines for shards, those in use
    std::optional<pool::TypePool> pools_[VK_MAX_MEMORY_TYPES];
};

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_DEVICE_H_
