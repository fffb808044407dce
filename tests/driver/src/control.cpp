// SPDX-License-Identifier: Apache-2.0
//
// The back door of mock_control.h: thin functions over the registry, the rules of calls and the
// violation store. See the header for each contract.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "call.h"
#include "mock_control.h"
#include "violations.h"

namespace tessera::mock {
namespace {

size_t ViolationTextInto(uint64_t index, char* buffer, size_t size) {
    const std::string text = ViolationText(index);
    if (size > 0) std::snprintf(buffer, size, "%s", text.c_str());
    return text.size();
}

int SetDescription(const char* text) {
    std::string given = text == nullptr ? "" : text;
    std::string problem;
    if (ParseDescriptions(given, &problem).empty()) {
        std::fprintf(stderr, "tessera-mock: cannot use the description: %s\n", problem.c_str());
        return 0;
    }
    StateLock lock;
    TheRegistry().description_text = std::move(given);
    return 1;
}

uint64_t CountCalls(const char* command) {
    const Entry* entry = FindEntry(command);
    return entry == nullptr ? 0 : CallCount(entry->command);
}

int FailCall(const char* command, uint64_t nth, VkResult result, int sticky) {
    const Entry* entry = FindEntry(command);
    if (entry == nullptr || !entry->returns_result || nth == 0 || result == VK_SUCCESS) return 0;
    AddFault(entry->command, nth, result, sticky != 0);
    return 1;
}

const char* ResultCommand(uint32_t index) {
    for (size_t i = 0; i < kCommandCount; ++i) {
        const Entry& entry = EntryOf(static_cast<Command>(i));
        if (entry.returns_result && index-- == 0) return entry.name;
    }
    return nullptr;
}

int SetCostNs(const char* command, uint64_t ns) {
    const Entry* entry = FindEntry(command);
    if (entry == nullptr) return 0;
    SetCost(entry->command, ns);
    return 1;
}

int SetHookOn(const char* command, TesseraMockHook hook, void* user) {
    const Entry* entry = FindEntry(command);
    if (entry == nullptr) return 0;
    SetHook(entry->command, hook, user);
    return 1;
}

void SetNextHandles(VkObjectType type, const uint64_t* values, uint32_t count) {
    StateLock lock;
    auto& queue = TheRegistry().forced_handles[type];
    queue.insert(queue.end(), values, values + count);
}

// Peaks of different devices did not happen at the same time, so the largest one is taken.
void AddTotals(TesseraMockTotals* out, const MemoryTotals& totals) {
    out->live += totals.live;
    out->live_bytes += totals.live_bytes;
    out->peak_live = std::max(out->peak_live, totals.peak_live);
    out->peak_bytes = std::max(out->peak_bytes, totals.peak_bytes);
    out->allocations += totals.allocations;
    out->frees += totals.frees;
}

// Visits one device, or all of them for a null handle.
template <class Visit>
void ForEachDeviceLocked(VkDevice device, Visit visit) {
    for (Device* candidate : TheRegistry().devices) {
        if (device == VK_NULL_HANDLE || candidate->handle() == device) visit(*candidate);
    }
}

void Totals(VkDevice device, uint32_t type_index, TesseraMockTotals* out) {
    *out = {};
    if (type_index >= VK_MAX_MEMORY_TYPES) return;
    StateLock lock;
    if (device == VK_NULL_HANDLE) AddTotals(out, TheRegistry().retired[type_index]);
    ForEachDeviceLocked(device, [&](const Device& d) { AddTotals(out, d.totals[type_index]); });
}

TesseraMockMemory Describe(Device& device, const Memory& memory) {
    TesseraMockMemory out{};
    out.device = device.handle();
    out.memory = FromRaw<VkDeviceMemory>(memory.handle);
    out.type_index = memory.type_index;
    out.flags = memory.flags;
    out.size_bytes = memory.size_bytes;
    out.priority = memory.priority;
    out.mapped = memory.mapped;
    out.map_offset = memory.map_begin;
    out.map_size = memory.map_end - memory.map_begin;
    out.dedicated_buffer = memory.dedicated_buffer;
    out.dedicated_image = memory.dedicated_image;
    out.bound_count = memory.bound_count;
    out.chain_count = static_cast<uint32_t>(memory.chain.size());
    std::copy_n(memory.chain.begin(), std::min<size_t>(memory.chain.size(), TESSERA_MOCK_MAX_CHAIN),
                out.chain);
    auto name = device.names.find({Memory::kType, memory.handle});
    if (name != device.names.end()) {
        std::snprintf(out.name, sizeof(out.name), "%s", name->second.c_str());
    }
    return out;
}

uint32_t Memories(VkDevice device, TesseraMockMemory* out, uint32_t capacity) {
    std::vector<TesseraMockMemory> all;
    {
        StateLock lock;
        ForEachDeviceLocked(device, [&](Device& d) {
            for (const auto& [handle, object] : d.objects.all()) {
                if (object->type != Memory::kType) continue;
                all.push_back(Describe(d, static_cast<const Memory&>(*object)));
            }
        });
    }
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return Raw(a.memory) < Raw(b.memory); });
    std::copy_n(all.begin(), std::min<size_t>(all.size(), capacity), out);
    return static_cast<uint32_t>(all.size());
}

uint32_t LiveObjects(VkDevice device, VkObjectType type) {
    uint32_t count = 0;
    StateLock lock;
    ForEachDeviceLocked(device, [&](const Device& d) {
        for (const auto& [handle, object] : d.objects.all())
            count += object->type == type;
    });
    return count;
}

void Describe(const Backing& backing, const VkMemoryRequirements& needs, TesseraMockBinding* out) {
    *out = {};
    out->size_bytes = needs.size;
    out->alignment = needs.alignment;
    out->memory_type_bits = needs.memoryTypeBits;
    if (!backing.bound()) return;
    out->memory = FromRaw<VkDeviceMemory>(backing.whole().memory->handle);
    out->offset = backing.whole().offset;
}

int FindBuffer(VkDevice device, VkBuffer buffer, TesseraMockBinding* out) {
    StateLock lock;
    auto found = Of(device).objects.Find<Buffer>(Raw(buffer));
    if (found == nullptr) return 0;
    Describe(found->backing, found->requirements, out);
    return 1;
}

int FindImage(VkDevice device, VkImage image, uint32_t plane, TesseraMockBinding* out) {
    StateLock lock;
    auto found = Of(device).objects.Find<Image>(Raw(image));
    if (found == nullptr || plane >= found->planes.size()) return 0;
    Describe(found->planes[plane].backing, found->planes[plane].requirements, out);
    return 1;
}

// The device's bytes of a range, or null.
std::byte* DeviceBytesLocked(VkDevice device, VkDeviceMemory memory, VkDeviceSize offset,
                             size_t size) {
    auto found = Of(device).objects.Find<Memory>(Raw(memory));
    if (found == nullptr || offset > found->size_bytes || size > found->size_bytes - offset) {
        return nullptr;
    }
    return found->device_view.data() + offset;
}

int ReadMemory(VkDevice device, VkDeviceMemory memory, VkDeviceSize offset, void* out,
               size_t size) {
    StateLock lock;
    const std::byte* bytes = DeviceBytesLocked(device, memory, offset, size);
    if (bytes == nullptr) return 0;
    std::memcpy(out, bytes, size);
    return 1;
}

int WriteMemory(VkDevice device, VkDeviceMemory memory, VkDeviceSize offset, const void* data,
                size_t size) {
    StateLock lock;
    std::byte* bytes = DeviceBytesLocked(device, memory, offset, size);
    if (bytes == nullptr) return 0;
    std::memcpy(bytes, data, size);
    return 1;
}

void AbandonLocked(Device& device, const Object& object, const Backing& backing, bool linear) {
    const Backing::Range& range = backing.whole();
    if (range.memory == nullptr) return;
    range.memory->granules.Remove({object.handle, range.offset, range.offset + range.size_bytes},
                                  linear, device.description->granularity);
}

int Abandon(VkDevice device, VkBuffer buffer, VkImage image) {
    StateLock lock;
    const auto found_buffer = Of(device).objects.Find<Buffer>(Raw(buffer));
    const auto found_image = Of(device).objects.Find<Image>(Raw(image));
    if (found_buffer == nullptr && found_image == nullptr) return 0;
    if (found_buffer != nullptr) {
        AbandonLocked(Of(device), *found_buffer, found_buffer->backing, true);
    }
    if (found_image != nullptr) {
        for (const Image::Plane& plane : found_image->planes)
            AbandonLocked(Of(device), *found_image, plane.backing, found_image->linear());
    }
    return 1;
}

void Reset() {
    ClearViolations();
    ResetCallCounts();
    ClearFaults();
    ClearHooks();
    ClearCosts();
    StateLock lock;
    TheRegistry().forced_handles.clear();
    TheRegistry().description_text.clear();
}

}  // namespace
}  // namespace tessera::mock

// The order is that of the structure in mock_control.h.
extern "C" __attribute__((visibility("default"))) const TesseraMock* tessera_mock_get(void) {
    namespace mock = tessera::mock;
    static const TesseraMock kControl = {TESSERA_MOCK_CONTROL_VERSION,
                                         mock::ViolationCount,
                                         mock::ViolationTextInto,
                                         mock::ClearViolations,
                                         mock::SetDescription,
                                         mock::CountCalls,
                                         mock::ResetCallCounts,
                                         mock::FailCall,
                                         mock::ClearFaults,
                                         mock::SetCostNs,
                                         mock::SetHookOn,
                                         mock::SetNextHandles,
                                         mock::Totals,
                                         mock::Memories,
                                         mock::LiveObjects,
                                         mock::FindBuffer,
                                         mock::FindImage,
                                         mock::ReadMemory,
                                         mock::WriteMemory,
                                         mock::Reset,
                                         mock::PresetName,
                                         mock::ResultCommand,
                                         mock::Abandon};
    return &kControl;
}
