// SPDX-License-Identifier: Apache-2.0
//
// See device.h. Creation is a list of small readings of the physical device; the rest is making and
// giving back blocks.

#include "layer/vk/device.h"

#include "layer/vk/helper.h"

#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "layer/base/checked.h"
#include "layer/base/clock.h"
#include "layer/base/log.h"
#include "layer/channel/channel.h"
#include "layer/vk/budget.h"
#include "layer/vk/call_scope.h"
#include "layer/vk/classify.h"
#include "layer/vk/levels.h"
#include "layer/vk/requirement_probe.h"

namespace tessera {
namespace {

// Sizes of blocks: docs/placement.md has the reasons.
constexpr uint64_t kMaxBlockBytes = 64 * kMiB;
constexpr uint64_t kMaxHostVisibleBlockBytes = 32 * kMiB;
constexpr uint64_t kMax32BitBlockBytes = 4 * kMiB;
constexpr uint64_t kMinBlockBytes = 256 * kKiB;
constexpr uint64_t kHeapShare = 8;
// A heap that is both device-local and host-visible and not larger than this is a window of the
// device's memory that everybody competes for.
constexpr uint64_t kSmallWindowBytes = 512 * kMiB;
constexpr uint64_t kSmallWindowShare = 16;
// Of the address space for descriptor buffers, which a driver may share out by memory type, a block
// takes at most this share, and so do the empty blocks of a type.
constexpr uint64_t kDescriptorSpaceShare = 8;
// Of the driver's limit of memory objects blocks leave this many, at most half, to what goes
// through.
constexpr uint64_t kSpareObjects = 16;
// What is larger than this share of the largest block is passed through.
constexpr uint64_t kPooledShare = 2;

constexpr uint32_t kLeastEagerShards = 4;

constexpr uint64_t kSparseBlockBytes = 64 * kKiB;
constexpr uint64_t kDescriptorHeapAlignment = 64 * kKiB;
// The longest pause before a driver that has no memory to answer is asked again: 63 allocations.
constexpr uint32_t kMaxProbePauseLog2 = 6;
constexpr uint64_t kBudgetIntervalNs = 1'000'000'000;

bool Lists(const VkDeviceCreateInfo& info, const char* extension) noexcept {
    for (uint32_t i = 0; i < info.enabledExtensionCount; ++i) {
        if (std::strcmp(info.ppEnabledExtensionNames[i], extension) == 0) return true;
    }
    return false;
}

// More shards than threads can run at once only take memory; but who asks for several gets them on
// any machine.
uint32_t MaxShards(Shards shards) noexcept {
    if (shards == Shards::kOff) return 1;
    const uint32_t processors = std::thread::hardware_concurrency();
    return shards == Shards::kEager ? std::max(processors, kLeastEagerShards) : processors;
}

uint64_t MaxBlockBytes(const VkPhysicalDeviceMemoryProperties& memory, uint32_t type,
                       uint64_t largest_bytes, const Settings& settings) noexcept {
    const VkMemoryPropertyFlags flags = memory.memoryTypes[type].propertyFlags;
    const VkDeviceSize heap_bytes = memory.memoryHeaps[memory.memoryTypes[type].heapIndex].size;
    uint64_t limit = std::min(kMaxBlockBytes, heap_bytes / kHeapShare);
    if ((flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0) {
        limit = std::min(limit, kMaxHostVisibleBlockBytes);
        if ((flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) != 0 && heap_bytes <= kSmallWindowBytes) {
            limit = std::min(limit, heap_bytes / kSmallWindowShare);
        }
        if (sizeof(void*) == 4) limit = std::min(limit, kMax32BitBlockBytes);
    }
    if (settings.max_block_bytes != 0) limit = std::min(limit, settings.max_block_bytes);
    return AlignDown(std::min(limit, largest_bytes), kMinimumAlignment);
}

// The part of what is live that a new block is: less of it where the driver allows few objects, so
// that they suffice.
uint32_t GrowthShare(uint64_t object_limit) noexcept {
    return static_cast<uint32_t>(std::clamp<uint64_t>(object_limit / 64, 2, 24));
}

float PriorityOf(const pool::ArenaKey& key) noexcept {
    return static_cast<float>(key.priority_quarters) / 4.0f;
}

}  // namespace

namespace {

uint32_t BlockFlags(const pool::ArenaKey& key) noexcept {
    uint32_t flags = 0;
    if (key.solo) flags |= TESSERA_BLOCK_SOLO;
    if (key.large) flags |= TESSERA_BLOCK_LARGE;
    if (key.kind == pool::Kind::kLinear) flags |= TESSERA_BLOCK_LINEAR;
    if ((key.allocate_flags & VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT) != 0)
        flags |= TESSERA_BLOCK_DEVICE_ADDRESS;
    return flags;
}

channel::AllocationFacts FactsOf(const PassThrough& entry, uint64_t handle) noexcept {
    channel::AllocationFacts facts;
    facts.object = handle;
    facts.size_bytes = entry.size_bytes;
    facts.block = entry.reason;
    facts.type = static_cast<uint8_t>(entry.type_index);
    return facts;
}

}  // namespace

std::unique_ptr<Device> Device::Allocate() noexcept {
    return std::unique_ptr<Device>(new (std::nothrow) Device);
}

void Device::TakeOver(Instance& instance_below, VkPhysicalDevice physical, VkDevice device,
                      PFN_vkGetDeviceProcAddr next, const VkDeviceCreateInfo& info) noexcept {
    instance = &instance_below;
    physical_device = physical;
    handle = device;
    epoch_ = ForkEpoch();
    dt.Load(handle, next);
    ReadPhysicalDevice(info);
}

void Device::ReadPhysicalDevice(const VkDeviceCreateInfo& info) noexcept {
    instance->dt.GetPhysicalDeviceProperties(physical_device, &properties);
    instance->dt.GetPhysicalDeviceMemoryProperties(physical_device, &memory_);
    memory_.memoryTypeCount = std::min<uint32_t>(memory_.memoryTypeCount, VK_MAX_MEMORY_TYPES);
    memory_.memoryHeapCount = std::min<uint32_t>(memory_.memoryHeapCount, VK_MAX_MEMORY_HEAPS);
    atom_bytes_ = std::max<uint64_t>(1, properties.limits.nonCoherentAtomSize);

    DriverIdentity identity;
    char driver_name[VK_MAX_DRIVER_NAME_SIZE] = {};
    ReadDriver(identity, driver_name);
    gates_ = EvaluateGates(info, identity, instance->settings);
    FindDescriptorSpace();
    FindMaintenance4(info);
    has_keyed_mutexes =
        Lists(info, "VK_KHR_win32_keyed_mutex") || Lists(info, "VK_NV_win32_keyed_mutex");
    optional_buffer_usages = OptionalBufferUsages(info, gates_.device_address);
    has_tile_memory = Lists(info, "VK_QCOM_tile_memory_heap");

    object_limit_ = properties.limits.maxMemoryAllocationCount;
    block_limit_ = object_limit_ - std::min(object_limit_ / 2, kSpareObjects);
    InitPlacement();
    OpenRecord(driver_name);
    InitPools();
    SampleBudget(true);
    if (!is_published()) return;
    BeginLevel(*this);
    // From here on it looks whether a reader wishes another level.
    if (instance->settings.helper) WantService();
}

bool Device::HasExtension(const char* name) const noexcept {
    uint32_t count = 0;
    const auto enumerate = instance->dt.EnumerateDeviceExtensionProperties;
    if (enumerate(physical_device, nullptr, &count, nullptr) != VK_SUCCESS) return false;
    try {
        std::vector<VkExtensionProperties> extensions(count);
        if (enumerate(physical_device, nullptr, &count, extensions.data()) < 0) return false;
        extensions.resize(std::min<size_t>(count, extensions.size()));
        return std::any_of(extensions.begin(), extensions.end(),
                           [name](const VkExtensionProperties& extension) {
                               return std::strcmp(extension.extensionName, name) == 0;
                           });
    } catch (...) {
        return false;
    }
}

void Device::ReadDriver(DriverIdentity& identity,
                        char (&driver_name)[VK_MAX_DRIVER_NAME_SIZE]) noexcept {
    identity.vendor_id = properties.vendorID;
    identity.driver_version = properties.driverVersion;
    identity.device_name = properties.deviceName;
    const auto get_properties2 = instance->Properties2(properties.apiVersion);
    if (get_properties2 != nullptr) {
        VkPhysicalDeviceMaintenance3Properties maintenance3 = {};
        maintenance3.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES;
        VkPhysicalDeviceIDProperties ids = {};
        ids.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
        VkPhysicalDeviceDriverProperties driver = {};
        driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES;
        VkPhysicalDeviceProperties2 all = {};
        all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
        // Only what is core at the version that both sides agree on may be chained.
        const uint32_t version = std::min(instance->api_version, properties.apiVersion);
        if (version >= VK_API_VERSION_1_1) {
            ids.pNext = &maintenance3;
            all.pNext = &ids;
        }
        if (version >= VK_API_VERSION_1_2) maintenance3.pNext = &driver;
        get_properties2(physical_device, &all);
        if (version >= VK_API_VERSION_1_1) {
            has_uuid = true;
            std::memcpy(uuid, ids.deviceUUID, sizeof uuid);
            max_allocation_bytes_ = std::max(maintenance3.maxMemoryAllocationSize, kMinBlockBytes);
        }
        if (version >= VK_API_VERSION_1_2) {
            identity.has_driver_id = true;
            identity.driver_id = driver.driverID;
            std::snprintf(driver_name, sizeof driver_name, "%s", driver.driverName);
        }
        has_budget_ = instance->MemoryProperties2(properties.apiVersion) != nullptr &&
                      HasExtension(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    }
    if (driver_name[0] == '\0') {
        std::snprintf(driver_name, sizeof driver_name, "vendor 0x%04x, driver version 0x%08x",
                      properties.vendorID, properties.driverVersion);
    }
}

void Device::FindDescriptorSpace() noexcept {
    const auto get_properties2 = instance->Properties2(properties.apiVersion);
    if (!gates_.descriptor_buffer || get_properties2 == nullptr) return;
    VkPhysicalDeviceDescriptorBufferPropertiesEXT descriptors = {};
    descriptors.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DESCRIPTOR_BUFFER_PROPERTIES_EXT;
    VkPhysicalDeviceProperties2 all = {};
    all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    all.pNext = &descriptors;
    get_properties2(physical_device, &all);
    for (uint64_t space : {descriptors.descriptorBufferAddressSpaceSize,
                           descriptors.samplerDescriptorBufferAddressSpaceSize,
                           descriptors.resourceDescriptorBufferAddressSpaceSize}) {
        // A driver that does not fill it in has no limit to tell.
        if (space != 0) space_share_ = std::min(space_share_, space / kDescriptorSpaceShare);
    }
}

void Device::FindMaintenance4(const VkDeviceCreateInfo& info) noexcept {
    if (std::min(instance->api_version, properties.apiVersion) >= VK_API_VERSION_1_3) {
        get_device_buffer_requirements = dt.GetDeviceBufferMemoryRequirements;
        get_device_image_requirements = dt.GetDeviceImageMemoryRequirements;
    } else if (Lists(info, VK_KHR_MAINTENANCE_4_EXTENSION_NAME)) {
        get_device_buffer_requirements = dt.GetDeviceBufferMemoryRequirementsKHR;
        get_device_image_requirements = dt.GetDeviceImageMemoryRequirementsKHR;
    }
}

void Device::InitPlacement() noexcept {
    const VkPhysicalDeviceLimits& limits = properties.limits;
    PlacementLimits placement;
    placement.granularity = std::bit_ceil(std::max<uint64_t>(1, limits.bufferImageGranularity));
    placement.host_alignment = std::bit_ceil(
        std::max<uint64_t>({1, limits.nonCoherentAtomSize, limits.minMemoryMapAlignment}));
    if (gates_.sparse_binding) placement.sparse_block = kSparseBlockBytes;
    if (gates_.descriptor_heap) placement.address_floor = kDescriptorHeapAlignment;
    placement.page_align = instance->settings.page_align;
    book.Init(memory_, placement);
}

void Device::OpenRecord(const char* driver_name) noexcept {
    tessera_heap_record heaps[VK_MAX_MEMORY_HEAPS] = {};
    for (uint32_t i = 0; i < memory_.memoryHeapCount; ++i) {
        heaps[i].size_bytes = memory_.memoryHeaps[i].size;
    }
    tessera_memory_type_record types[VK_MAX_MEMORY_TYPES] = {};
    for (uint32_t i = 0; i < memory_.memoryTypeCount; ++i) {
        types[i] = {memory_.memoryTypes[i].heapIndex, memory_.memoryTypes[i].propertyFlags};
    }
    channel::DeviceFacts facts;
    facts.name = properties.deviceName;
    facts.driver = driver_name;
    facts.api_version = properties.apiVersion;
    facts.driver_version = properties.driverVersion;
    facts.vendor_id = properties.vendorID;
    facts.device_id = properties.deviceID;
    facts.sample_interval = kSampleInterval;
    facts.pooled = pools_memory();
    facts.why = gates_.off;
    facts.heaps = {heaps, memory_.memoryHeapCount};
    facts.types = {types, memory_.memoryTypeCount};
    record_ = channel::DeviceCreated(facts);
    slots.recorder().Open(*record_);
    published_ = channel::Load(record_->id) != 0;
    TESSERA_LOG(kInfo, "device %s: %s", properties.deviceName,
                pools_memory() ? "pooling" : "passing everything through");
}

void Device::InitPools() noexcept {
    for (uint32_t type = 0; type < memory_.memoryTypeCount; ++type) {
        pool::PoolLimits limits;
        limits.max_block_bytes = MaxBlockBytes(
            memory_, type, std::min(max_allocation_bytes_, space_share_), instance->settings);
        limits.min_block_bytes = std::min(kMinBlockBytes, limits.max_block_bytes);
        limits.idle_bytes = std::min(instance->settings.idle_bytes, space_share_);
        pooled_limit_[type] = limits.max_block_bytes / kPooledShare;
        if (pools_memory() && ClassifyType(type, gates_, memory_) == TESSERA_REASON_none)
            plain_limit_[type] = pooled_limit_[type];
        // A larger one would not be kept, so that it would never be used again.
        if (instance->settings.recycle)
            solo_limit_[type] =
                AlignDown(std::min(limits.idle_bytes, max_allocation_bytes_), pool::kBlockGrain);
        limits.growth_share = GrowthShare(object_limit_);
        limits.max_shards = MaxShards(instance->settings.shards);
        limits.helped = instance->settings.helper;
        limits.idle_ms = instance->settings.idle_ms;
        pools_[type].emplace(type, limits, slots, *this, record_->totals[type], *AddCounters(type));
    }
    if (instance->settings.shards != Shards::kEager) return;
    // The record's lines may not be enough for all: the types take turns.
    for (uint32_t shard = 1; shard < MaxShards(Shards::kEager); ++shard)
        for (uint32_t type = 0; type < memory_.memoryTypeCount; ++type)
            pools_[type]->AddShardInAdvance();
}

tessera_shard_counters* Device::AddCounters(uint32_t) noexcept {
    const uint32_t number = counter_lines_.fetch_add(1, std::memory_order_relaxed);
    if (number >= TESSERA_MAX_SHARDS) return nullptr;
    // Every other line first: processors fetch lines in pairs, and each is written by another
    // thread.
    constexpr uint32_t kHalf = TESSERA_MAX_SHARDS / 2;
    return &record_->shards[number < kHalf ? number * 2 : (number - kHalf) * 2 + 1];
}

void Device::RecordFailure(VkResult result, uint32_t type_index) noexcept {
    slots.recorder().Note(
        TESSERA_EVENT_failure, 0, static_cast<uint64_t>(static_cast<int64_t>(result)),
        static_cast<uint8_t>(std::min<uint32_t>(type_index, 255)), TESSERA_CALL_vkAllocateMemory);
}

bool Device::WantService() noexcept {
    pools_wait_.store(true, std::memory_order_relaxed);
    return InOwnProcess() && WantHelper(*this);
}

uint64_t Device::NowMs() noexcept {
    return CoarseMs();
}

uint64_t Device::Service(uint64_t now_ms) noexcept {
    // The pools are looked at when they asked for it or their time has come, not each time that
    // somebody else's has.
    if (pools_wait_.exchange(false, std::memory_order_relaxed) || now_ms >= pools_due_ms_) {
        pools_due_ms_ = pool::TypePool::kNever;
        for (auto& pool : pools_)
            if (pool.has_value()) pools_due_ms_ = std::min(pools_due_ms_, pool->Service(now_ms));
    }
    if (!is_published()) return pools_due_ms_;
    // An application that does nothing is left alone: to ask may wake its device.
    const uint64_t calls =
        channel::Load(record_->driver_calls[TESSERA_CALL_vkAllocateMemory].count) +
        channel::Load(record_->driver_calls[TESSERA_CALL_vkFreeMemory].count);
    if (slots.recorder().on() || calls != budget_calls_) {
        budget_calls_ = calls;
        SampleBudget(false);
    }
    return std::min(pools_due_ms_, ServeLevel(*this, now_ms));
}

uint32_t Device::RecordPassed(const PassThrough& entry, uint64_t object) noexcept {
    return slots.recorder().Passed(FactsOf(entry, object));
}

void Device::RecordPassedFree(const PassThrough& entry, uint64_t object) noexcept {
    slots.recorder().PassedFreed(entry.record, FactsOf(entry, object));
}

void Device::ReportLeaks() noexcept {
    uint64_t leaked = 0;
    for (uint32_t type = 0; type < memory_.memoryTypeCount; ++type) {
        pools_[type]->FreeAllReturned();
        leaked += pools_[type]->Totals().app.live;
    }
    if (leaked == 0) return;
    CountMisuse(TESSERA_MISUSE_leaked, leaked);
    TESSERA_LOG(kWarning,
                "the application breaks a rule of Vulkan: it destroys a device of which %" PRIu64
                " allocations are not freed",
                leaked);
}

Device::~Device() {
    if (record_ == nullptr || abandoned_) return;  // it was never taken over, or left behind
    ForgetHelped(*this);
    ReportLeaks();
    if (is_published()) EndLevel(*this);
    if (slots.recorder().on()) {
        channel::Calibrate();
        // Unless another device is served, nobody sets it any more.
        channel::coarse_ticks.store(0, std::memory_order_relaxed);
    }
    SampleBudget(true);
    for (auto& pool : pools_)
        pool.reset();
    channel::DeviceDestroyed(record_);
}

bool Device::IsHostVisible(uint32_t type) const noexcept {
    return (memory_.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0;
}

bool Device::NeedsFlush(uint32_t type) const noexcept {
    constexpr VkMemoryPropertyFlags kBoth =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    return (memory_.memoryTypes[type].propertyFlags & kBoth) == VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
}

void Device::FlushSlot(const Slot& slot) noexcept {
    if (!NeedsFlush(slot.TypeIndex())) return;
    VkMappedMemoryRange range = {};
    range.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE;
    range.memory = MakeHandle(slot.Handle());
    range.offset = slot.OffsetBytes();
    range.size = slot.SizeBytes();
    DriverCall timer(*this, TESSERA_CALL_vkFlushMappedMemoryRanges);
    dt.FlushMappedMemoryRanges(handle, 1, &range);
}

void Device::Clear(const Slot& slot) noexcept {
    if (slot.Host() == nullptr) return;
    std::memset(slot.Host(), 0, slot.SizeBytes());
    FlushSlot(slot);
}

bool Device::Probe() noexcept {
    // A driver without memory must not be made to try dozens of resources at every allocation.
    uint32_t pause = probe_pause_.load(std::memory_order_relaxed);
    while (pause != 0) {
        if (probe_pause_.compare_exchange_weak(pause, pause - 1, std::memory_order_relaxed)) {
            return false;
        }
    }
    if (!ProbeRequirements(*this)) {
        const uint32_t refusals = probe_refusals_.fetch_add(1, std::memory_order_relaxed);
        probe_pause_.store((1u << std::min(refusals, kMaxProbePauseLog2)) - 1,
                           std::memory_order_relaxed);
        return false;
    }
    probed_.store(true, std::memory_order_release);
    return true;
}

uint64_t Device::ReleaseEmptyBlocks() noexcept {
    uint64_t released = 0;
    for (auto& pool : pools_) {
        if (pool.has_value()) released += pool->ReleaseEmptyBlocks();
    }
    return released;
}

VkResult Device::MapBlock(pool::BlockMemory& memory) noexcept {
    void* host = nullptr;
    DriverCall timer(*this, TESSERA_CALL_vkMapMemory);
    const VkResult result =
        dt.MapMemory(handle, MakeHandle(memory.handle), 0, VK_WHOLE_SIZE, 0, &host);
    if (result == VK_SUCCESS) memory.host = static_cast<std::byte*>(host);
    return result;
}

VkResult Device::MapSolo(Slot& slot) noexcept {
    VkResult result = MapBlock(slot.block->memory);
    // Empty blocks take up address space as well.
    if (result != VK_SUCCESS && InOwnProcess() && ReleaseEmptyBlocks() != 0)
        result = MapBlock(slot.block->memory);
    return result;
}

void Device::RestorePriority(Slot& slot) noexcept {
    if (!slot.block->hinted.exchange(false, std::memory_order_relaxed)) return;
    DriverCall timer(*this, TESSERA_CALL_vkSetDeviceMemoryPriorityEXT);
    dt.SetDeviceMemoryPriorityEXT(handle, MakeHandle(slot.Handle()), PriorityOf(slot.Key()));
}

pool::BlockStatus Device::CreateBlock(uint32_t type_index, const pool::ArenaKey& key,
                                      uint64_t size_bytes, pool::BlockMemory* memory) noexcept {
    if (!ReserveBlockObject()) return pool::BlockStatus::kNotAsked;
    VkMemoryPriorityAllocateInfoEXT priority = {};
    priority.sType = VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT;
    priority.priority = PriorityOf(key);
    VkMemoryAllocateFlagsInfo flags = {};
    flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
    flags.flags = key.allocate_flags;
    VkMemoryAllocateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.allocationSize = size_bytes;
    info.memoryTypeIndex = type_index;
    // What is left out has the same meaning as the default, and may not be known below.
    if (key.allocate_flags != 0) info.pNext = &flags;
    if (key.priority_quarters != pool::ArenaKey{}.priority_quarters) {
        priority.pNext = info.pNext;
        info.pNext = &priority;
    }

    VkDeviceMemory block = VK_NULL_HANDLE;
    VkResult result = VK_SUCCESS;
    const uint64_t start_ns = NowNs();
    {
        DriverCall timer(*this, TESSERA_CALL_vkAllocateMemory);
        // The block may outlive the allocation that caused it, so the device's own allocator is
        // used.
        result = dt.AllocateMemory(handle, &info, nullptr, &block);
    }
    if (result != VK_SUCCESS || block == VK_NULL_HANDLE) {
        RemoveObject();
        RecordFailure(result, type_index);
        return result == VK_ERROR_TOO_MANY_OBJECTS ? pool::BlockStatus::kObjectLimit
                                                   : pool::BlockStatus::kOutOfMemory;
    }
    memory->handle = HandleValue(block);
    memory->size_bytes = size_bytes;
    memory->host = nullptr;
    memory->record = slots.recorder().BlockMade({.object = memory->handle,
                                                 .bytes = size_bytes,
                                                 .made_ns = NowNs() - start_ns,
                                                 .type = type_index,
                                                 .flags = BlockFlags(key)});
    // A block for one large slot waits for the application to map it, which may never happen;
    // unless it is to be cleared for the next one.
    const bool maps = !key.solo || instance->settings.zero == Zero::kReuse;
    if (maps && IsHostVisible(type_index) && MapBlock(*memory) != VK_SUCCESS) {
        DestroyBlock(type_index, *memory);
        *memory = {};
        return pool::BlockStatus::kUnusable;
    }
    SampleBudget(false);
    return pool::BlockStatus::kOk;
}

void Device::DestroyBlock(uint32_t type_index, const pool::BlockMemory& memory) noexcept {
    if (abandoned_) return;
    slots.recorder().BlockReleased(
        memory.record, {.object = memory.handle, .bytes = memory.size_bytes, .type = type_index},
        memory.leaked);
    // Freeing unmaps (spec: vkFreeMemory). Slots flushed what they had written when they were
    // freed.
    {
        DriverCall timer(*this, TESSERA_CALL_vkFreeMemory);
        dt.FreeMemory(handle, MakeHandle(memory.handle), nullptr);
    }
    RemoveObject();
}

void Device::SampleBudget(bool now) noexcept {
    if (!has_budget_) return;
    const uint64_t time_ns = NowNs();
    uint64_t last_ns = budget_read_ns_.load(std::memory_order_relaxed);
    if (!now && time_ns - last_ns < kBudgetIntervalNs) return;
    if (!budget_read_ns_.compare_exchange_strong(last_ns, time_ns)) return;
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {};
    budget.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT;
    VkPhysicalDeviceMemoryProperties2 all = {};
    all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
    all.pNext = &budget;
    instance->MemoryProperties2(properties.apiVersion)(physical_device, &all);
    for (uint32_t i = 0; i < memory_.memoryHeapCount; ++i) {
        RecordBudget(record_->heaps[i], budget.heapBudget[i], budget.heapUsage[i]);
    }
}

}  // namespace tessera
