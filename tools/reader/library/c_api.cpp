// SPDX-License-Identifier: Apache-2.0
//
// The C API over the C++ reader. See include/tessera/tessera.h for the contract.
//
// The one idea: each function is a few lines inside of Guard(), which turns whatever happens into a
// result and a sentence; nothing is thrown through a caller that may be C.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>
#include <numeric>
#include <string_view>

#include "channel/segment_name.h"
#include "reader/open_segment.h"
#include "tessera/reader.h"
#include "tessera/tessera.h"

struct tessera_reader {
    std::string path;
    tessera::reader::OpenFile file;
    std::unique_ptr<tessera::reader::EventReader> event_reader;
    tessera::reader::Process process;
    // Events that were read and had no room yet.
    std::vector<tessera::reader::Event> events;
    size_t events_given = 0;
    uint64_t lost = 0;
};

namespace tessera::reader {
namespace {

// A size that no structure reaches: one that was not set is told from one of a later version.
constexpr size_t kMostStructBytes = 4096;

// Not a std::string: its destructor would have to run at the thread's end, when this library may
// have been unloaded.
thread_local char t_error[1024];

tessera_result Fail(tessera_result result, std::string_view text) noexcept {
    const int length = static_cast<int>(std::min(text.size(), sizeof(t_error) - 1));
    std::snprintf(t_error, sizeof(t_error), "%.*s", length, text.data());
    return result;
}

tessera_result FailArgument(const char* text) noexcept {
    return Fail(TESSERA_ERROR_ARGUMENT, text);
}

template <typename Body>
tessera_result Guard(Body body) noexcept {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        return Fail(TESSERA_ERROR_NO_MEMORY, "There is not enough memory.");
    } catch (...) {
        return Fail(TESSERA_ERROR_UNREADABLE, "An unexpected error occurred.");
    }
}

constexpr char kNullReader[] = "The reader is null.";
constexpr char kNullOutput[] = "There is no place for the result: a pointer is null.";

// Gives `value` to a caller whose structure may be older or newer.
template <typename T>
tessera_result Give(T* out, T value) noexcept {
    const size_t size = out->size;
    if (size < sizeof(size_t) || size > kMostStructBytes)
        return FailArgument("The structure's first field is not its size.");
    value.size = size;
    std::memset(static_cast<void*>(out), 0, size);
    std::memcpy(static_cast<void*>(out), &value, std::min(size, sizeof(T)));
    return TESSERA_OK;
}

// Looks up entry `index` of `list` and gives what `describe` makes of it.
template <typename T, typename List, typename Describe>
tessera_result GiveEntry(const List& list, uint64_t index, T* out, Describe describe) {
    if (out == nullptr) return FailArgument(kNullOutput);
    if (index >= list.size()) return FailArgument("There is nothing of that index.");
    return Give(out, describe(list[index]));
}

// The same of a device's list.
template <typename T, typename Member, typename Describe>
tessera_result GiveOfDevice(const tessera_reader* reader, uint32_t device, Member list_of,
                            uint64_t index, T* out, Describe describe) noexcept {
    return Guard([&] {
        if (reader == nullptr) return FailArgument(kNullReader);
        if (device >= reader->process.devices.size())
            return FailArgument("There is no device of that index.");
        return GiveEntry(list_of(reader->process.devices[device]), index, out, describe);
    });
}

// The same of the process's lists.
template <typename T, typename List, typename Describe>
tessera_result GiveOfProcess(const tessera_reader* reader, List Process::*list, uint64_t index,
                             T* out, Describe describe) noexcept {
    return Guard([&] {
        if (reader == nullptr) return FailArgument(kNullReader);
        return GiveEntry(reader->process.*list, index, out, describe);
    });
}

tessera_result Open(std::string path, tessera_reader** out) {
    Result<OpenFile> file = OpenSegment(path);
    if (!file.ok()) return Fail(TESSERA_ERROR_UNREADABLE, file.error);
    auto reader = std::make_unique<tessera_reader>();
    reader->path = std::move(path);
    reader->file = std::move(file.value);
    reader->event_reader = std::make_unique<EventReader>(reader->file.get());
    *out = reader.release();
    return TESSERA_OK;
}

template <typename Range>
uint64_t Sum(const Range& numbers) {
    return std::accumulate(std::begin(numbers), std::end(numbers), uint64_t{0});
}

tessera_process_info Describe(const Process& process) {
    tessera_process_info info{};
    info.pid = process.pid;
    info.start_time = process.start_time;
    info.parent_pid = process.parent_pid;
    info.created_ns = process.created_ns;
    info.created_monotonic_ns = process.monotonic_created_ns;
    info.copied_ns = process.copied_ns;
    info.name = process.name.c_str();
    info.layer_version = process.layer_version.c_str();
    info.path = process.path.c_str();
    info.state = process.state == ProcessState::kLive     ? TESSERA_STATE_LIVE
                 : process.state == ProcessState::kClosed ? TESSERA_STATE_CLOSED
                                                          : TESSERA_STATE_ENDED;
    info.level = process.level;
    info.stack_interval = process.stack_interval;
    info.segment_bytes = process.segment_bytes;
    info.dropped_devices = process.dropped_devices;
    info.torn = process.torn ? 1 : 0;
    info.device_count = static_cast<uint32_t>(process.devices.size());
    info.stack_count = static_cast<uint32_t>(process.stacks.size());
    info.module_count = static_cast<uint32_t>(process.modules.size());
    info.thread_count = static_cast<uint32_t>(process.threads.size());
    return info;
}

tessera_device_info DescribeDevice(const Device& device) {
    const Detail& detail = device.detail;
    tessera_device_info info{};
    info.id = device.id;
    info.name = device.name.c_str();
    info.driver = device.driver.c_str();
    info.state = device.state;
    info.api_version = device.api_version;
    info.pooled = device.pooled ? 1 : 0;
    info.why = device.why;
    info.level = detail.level;
    info.heap_count = static_cast<uint32_t>(device.heaps.size());
    info.memory_type_count = static_cast<uint32_t>(device.memory_types.size());
    info.block_count = static_cast<uint32_t>(detail.blocks.size());
    info.allocation_count = detail.allocations.size();
    info.resource_count = detail.resources.size();
    info.level_since_ns = detail.since_ns;
    info.unrecorded = Sum(detail.unrecorded);
    info.moving = detail.moving;
    info.frames = device.frames;
    info.misuses = Sum(device.misuse);
    return info;
}

tessera_memory_type_info DescribeType(const MemoryType& type) {
    const tessera_type_totals& totals = type.totals;
    tessera_memory_type_info info{};
    info.heap = type.heap;
    info.flags = type.flags;
    info.app_live = totals.app.live;
    info.app_live_bytes = totals.app.live_bytes;
    info.app_peak_bytes = totals.app.peak_bytes;
    info.app_allocations = totals.app.allocations;
    info.app_frees = totals.app.frees;
    info.app_failed = totals.app.failed;
    info.driver_live = totals.driver.live;
    info.driver_live_bytes = totals.driver.live_bytes;
    info.driver_peak_bytes = totals.driver.peak_bytes;
    info.driver_allocations = totals.driver.allocations;
    info.driver_frees = totals.driver.frees;
    info.driver_failed = totals.driver.failed;
    info.pooled_live = totals.pooled.live;
    info.pooled_live_bytes = totals.pooled.live_bytes;
    info.blocks = totals.pooled.blocks;
    info.block_bytes = totals.pooled.block_bytes;
    info.block_free_bytes = totals.pooled.free_bytes;
    for (const tessera_pass_through& passed : totals.pass_through) {
        info.passed_live += passed.live;
        info.passed_live_bytes += passed.live_bytes;
    }
    return info;
}

tessera_heap_info DescribeHeap(const Device& device, uint32_t heap) {
    const tessera_heap_record& record = device.heaps[heap];
    tessera_heap_info info{};
    info.heap_bytes = record.size_bytes;
    if ((record.known & TESSERA_HEAP_BUDGET_KNOWN) != 0) {
        info.budget_bytes = record.budget_bytes;
        info.usage_bytes = record.usage_bytes;
    }
    for (const MemoryType& type : device.memory_types) {
        if (type.heap != heap) continue;
        info.app_live_bytes += type.totals.app.live_bytes;
        info.driver_live_bytes += type.totals.driver.live_bytes;
        info.driver_live += type.totals.driver.live;
    }
    return info;
}

tessera_event_info DescribeEvent(const Event& event) {
    return {.time_ns = event.time_ns,
            .device = event.device,
            .object = event.object,
            .value = event.value,
            .kind = event.kind,
            .type = event.type,
            .detail = event.detail,
            .thread = event.thread != 0 ? event.thread - 1u : TESSERA_NONE,
            .stack = event.stack != 0 ? event.stack - 1u : TESSERA_NONE,
            .reserved = 0};
}

tessera_result ReadEvents(tessera_reader& reader, tessera_event_info* events, size_t event_size,
                          size_t capacity, size_t& count) {
    auto* out = reinterpret_cast<std::byte*>(events);
    if (reader.events_given == reader.events.size() && capacity > 0) {
        Result<EventBatch> batch = reader.event_reader->Read();
        if (!batch.ok()) return Fail(TESSERA_ERROR_UNREADABLE, batch.error);
        reader.events = std::move(batch.value.events);
        reader.events_given = 0;
        reader.lost += batch.value.lost;
    }
    count = std::min(capacity, reader.events.size() - reader.events_given);
    for (size_t i = 0; i < count; ++i, out += event_size) {
        const tessera_event_info info = DescribeEvent(reader.events[reader.events_given + i]);
        std::memset(out, 0, event_size);
        std::memcpy(out, &info, std::min(event_size, sizeof(info)));
    }
    reader.events_given += count;
    return TESSERA_OK;
}

// The longest part of `text`, made of whole characters and whole \x1b, that `size` bytes hold.
std::string_view Fit(std::string_view text, size_t size) {
    if (text.size() <= size) return text;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80)
        --size;
    return text.substr(0, size);
}

}  // namespace
}  // namespace tessera::reader

using namespace tessera::reader;

extern "C" {

const char* tessera_version(void) {
    return TESSERA_VERSION;
}

const char* tessera_error_text(void) {
    return t_error;
}

tessera_result tessera_list_pids(uint64_t* pids, size_t capacity, size_t* count) {
    return Guard([&] {
        if (count == nullptr || (pids == nullptr && capacity > 0)) return FailArgument(kNullOutput);
        std::vector<uint64_t> found;
        for (const std::string& path : ListSegments()) {
            const auto owner = tessera::channel::ParseSegmentName(
                std::string_view(path).substr(path.rfind('/') + 1));
            if (owner && std::ranges::find(found, owner->pid) == found.end())
                found.push_back(owner->pid);
        }
        std::copy_n(found.begin(), std::min(found.size(), capacity), pids);
        *count = found.size();
        return TESSERA_OK;
    });
}

tessera_result tessera_open_pid(uint64_t pid, tessera_reader** reader) {
    if (reader == nullptr) return FailArgument(kNullOutput);
    *reader = nullptr;
    return Guard([&] {
        Result<std::string> path = FindSegment(pid);
        if (!path.ok()) return Fail(TESSERA_ERROR_NOT_FOUND, path.error);
        return Open(std::move(path.value), reader);
    });
}

tessera_result tessera_open_path(const char* path, tessera_reader** reader) {
    if (reader == nullptr) return FailArgument(kNullOutput);
    *reader = nullptr;
    if (path == nullptr) return FailArgument("The path is null.");
    return Guard([&] { return Open(path, reader); });
}

void tessera_close(tessera_reader* reader) {
    delete reader;
}

tessera_result tessera_refresh(tessera_reader* reader, uint32_t depth) {
    if (reader == nullptr) return FailArgument(kNullReader);
    if (depth > TESSERA_DEPTH_DETAIL) return FailArgument("There is no such depth.");
    return Guard([&] {
        Result<Process> process =
            ReadSegmentFd(reader->file.get(), reader->path,
                          depth == TESSERA_DEPTH_DETAIL ? Depth::kDetail : Depth::kTotals);
        if (!process.ok()) return Fail(TESSERA_ERROR_UNREADABLE, process.error);
        reader->process = std::move(process.value);
        return TESSERA_OK;
    });
}

tessera_result tessera_get_process(const tessera_reader* reader, tessera_process_info* info) {
    if (reader == nullptr) return FailArgument(kNullReader);
    if (info == nullptr) return FailArgument(kNullOutput);
    return Guard([&] { return Give(info, Describe(reader->process)); });
}

tessera_result tessera_get_device(const tessera_reader* reader, uint32_t device,
                                  tessera_device_info* info) {
    return GiveOfProcess(reader, &Process::devices, device, info, DescribeDevice);
}

tessera_result tessera_get_heap(const tessera_reader* reader, uint32_t device, uint32_t heap,
                                tessera_heap_info* info) {
    const auto list = [](const Device& of) -> const auto& {
        return of.heaps;
    };
    return GiveOfDevice(reader, device, list, heap, info, [&](const tessera_heap_record&) {
        return DescribeHeap(reader->process.devices[device], heap);
    });
}

tessera_result tessera_get_memory_type(const tessera_reader* reader, uint32_t device, uint32_t type,
                                       tessera_memory_type_info* info) {
    const auto list = [](const Device& of) -> const auto& {
        return of.memory_types;
    };
    return GiveOfDevice(reader, device, list, type, info, DescribeType);
}

tessera_result tessera_get_call(const tessera_reader* reader, uint32_t device, uint32_t call,
                                uint32_t by_layer, tessera_call_info* info) {
    const auto list = [by_layer](const Device& of) -> const auto& {
        return by_layer != 0 ? of.driver_calls : of.calls;
    };
    return GiveOfDevice(reader, device, list, call, info,
                        [call](const tessera_call_totals& totals) {
                            return tessera_call_info{.size = 0,
                                                     .name = CallName(call),
                                                     .count = totals.count,
                                                     .timed = totals.timed,
                                                     .total_ns = totals.total_ns,
                                                     .p50_ns = Percentile(totals, 0.50),
                                                     .p99_ns = Percentile(totals, 0.99),
                                                     .max_ns = totals.max_ns};
                        });
}

tessera_result tessera_get_allocation(const tessera_reader* reader, uint32_t device, uint64_t index,
                                      tessera_allocation_info* info) {
    const auto list = [](const Device& of) -> const auto& {
        return of.detail.allocations;
    };
    return GiveOfDevice(reader, device, list, index, info, [](const Allocation& allocation) {
        return tessera_allocation_info{.size = 0,
                                       .memory = allocation.memory,
                                       .bytes = allocation.size_bytes,
                                       .offset = allocation.offset,
                                       .padding_bytes = allocation.padding_bytes,
                                       .made_ns = allocation.made_ns,
                                       .name = allocation.name.c_str(),
                                       .block = allocation.block,
                                       .reason = static_cast<uint32_t>(allocation.reason),
                                       .type = allocation.type,
                                       .flags = allocation.flags,
                                       .thread = allocation.thread,
                                       .stack = allocation.stack};
    });
}

tessera_result tessera_get_block(const tessera_reader* reader, uint32_t device, uint64_t index,
                                 tessera_block_info* info) {
    const auto list = [](const Device& of) -> const auto& {
        return of.detail.blocks;
    };
    return GiveOfDevice(reader, device, list, index, info, [](const Block& block) {
        return tessera_block_info{.size = 0,
                                  .memory = block.memory,
                                  .bytes = block.bytes,
                                  .made_ns = block.made_ns,
                                  .driver_ns = block.driver_ns,
                                  .type = block.type,
                                  .flags = block.flags};
    });
}

tessera_result tessera_get_resource(const tessera_reader* reader, uint32_t device, uint64_t index,
                                    tessera_resource_info* info) {
    const auto list = [](const Device& of) -> const auto& {
        return of.detail.resources;
    };
    return GiveOfDevice(reader, device, list, index, info, [](const Resource& resource) {
        return tessera_resource_info{.size = 0,
                                     .object = resource.object,
                                     .memory = resource.memory,
                                     .offset = resource.offset,
                                     .bytes = resource.size_bytes,
                                     .usage = resource.usage,
                                     .name = resource.name.c_str(),
                                     .allocation = resource.allocation,
                                     .object_type = resource.object_type,
                                     .format = resource.format,
                                     .width = resource.width,
                                     .height = resource.height,
                                     .depth_or_layers = resource.depth_or_layers,
                                     .levels = resource.levels,
                                     .linear = resource.linear ? 1u : 0u};
    });
}

tessera_result tessera_get_stack(const tessera_reader* reader, uint32_t stack,
                                 tessera_stack_info* info) {
    return GiveOfProcess(reader, &Process::stacks, stack, info, [](const CallStack& of) {
        return tessera_stack_info{
            .size = 0, .addresses = of.addresses.data(), .depth = of.addresses.size()};
    });
}

tessera_result tessera_get_module(const tessera_reader* reader, uint32_t module,
                                  tessera_module_info* info) {
    return GiveOfProcess(reader, &Process::modules, module, info, [](const Module& of) {
        return tessera_module_info{.size = 0,
                                   .start = of.start,
                                   .end = of.end,
                                   .bias = of.bias,
                                   .path = of.path.c_str(),
                                   .build_id = of.build_id.data(),
                                   .build_id_bytes = of.build_id.size()};
    });
}

tessera_result tessera_get_thread(const tessera_reader* reader, uint32_t thread,
                                  tessera_thread_info* info) {
    return GiveOfProcess(reader, &Process::threads, thread, info, [](const Thread& of) {
        return tessera_thread_info{.size = 0, .tid = of.tid, .name = of.name.c_str()};
    });
}

tessera_result tessera_read_events(tessera_reader* reader, tessera_event_info* events,
                                   size_t event_size, size_t capacity, size_t* count,
                                   uint64_t* lost) {
    if (reader == nullptr) return FailArgument(kNullReader);
    if (count == nullptr || (events == nullptr && capacity > 0)) return FailArgument(kNullOutput);
    if (event_size < sizeof(uint64_t) || event_size > kMostStructBytes)
        return FailArgument("An event has another size.");
    return Guard([&] {
        size_t read = 0;
        const tessera_result result = ReadEvents(*reader, events, event_size, capacity, read);
        if (result != TESSERA_OK) return result;
        *count = read;
        if (lost != nullptr) *lost = std::exchange(reader->lost, 0);
        return TESSERA_OK;
    });
}

tessera_result tessera_request_level(tessera_reader* reader, uint32_t level,
                                     uint64_t stack_interval, uint64_t timeout_ms) {
    if (reader == nullptr) return FailArgument(kNullReader);
    if (level > TESSERA_LEVEL_events) return FailArgument("There is no such level.");
    return Guard([&] {
        const std::string error = RequestLevel(reader->path, static_cast<tessera_level>(level),
                                               stack_interval, timeout_ms);
        return error.empty() ? TESSERA_OK : Fail(TESSERA_ERROR_REFUSED, error);
    });
}

const char* tessera_state_name(uint32_t state) {
    switch (state) {
        case TESSERA_STATE_LIVE:
            return Name(ProcessState::kLive);
        case TESSERA_STATE_CLOSED:
            return Name(ProcessState::kClosed);
        case TESSERA_STATE_ENDED:
            return Name(ProcessState::kEnded);
        default:
            return "unknown";
    }
}

const char* tessera_level_name(uint32_t level) {
    return LevelName(level);
}

const char* tessera_reason_name(uint32_t reason) {
    return ReasonName(reason);
}

const char* tessera_event_name(uint32_t kind) {
    return EventName(kind);
}

size_t tessera_terminal_text(const char* text, char* out, size_t size) {
    size_t length = 0;
    Guard([&] {
        const std::string safe = TerminalText(text != nullptr ? text : "");
        length = safe.size();
        if (size == 0 || out == nullptr) return TESSERA_OK;
        const std::string_view fits = Fit(safe, size - 1);
        std::ranges::copy(fits, out);
        out[fits.size()] = '\0';
        return TESSERA_OK;
    });
    if (length == 0 && size > 0 && out != nullptr) *out = '\0';
    return length;
}

}  // extern "C"
