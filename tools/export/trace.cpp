// SPDX-License-Identifier: Apache-2.0
//
// Chrome's trace events: see format.h. Times in the document are microseconds, with ns as decimals;
// they are written as text, since a double would lose the last digits.
//
// Devices become processes of the trace, so that each has counters of its own: their number is the
// real pid for the first and what follows it for others.
#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include "tools/detail.h"
#include "tools/export/format.h"
#include "tools/json.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

std::string Micros(uint64_t ns) {
    std::array<char, 40> text;
    snprintf(text.data(), text.size(), "%llu.%03llu", static_cast<unsigned long long>(ns / 1000),
             static_cast<unsigned long long>(ns % 1000));
    return text.data();
}

class TraceWriter {
 public:
    TraceWriter(const reader::Process& process, uint64_t slow_ns, const Sink& sink)
        : process_(process), slow_ns_(slow_ns), sink_(sink) {}

    bool reads() const { return reads_; }

    void Begin() {
        Text("{\"displayTimeUnit\":\"ns\",\"otherData\":" +
             Line({{"process", process_.name},
                   {"pid", process_.pid},
                   {"layer_version", process_.layer_version}}) +
             ",\"traceEvents\":[\n");
        for (const reader::Device& device : process_.devices) {
            if (device.id == 0) continue;
            Meta("process_name", device.id, 0,
                 process_.name + ", device " + std::to_string(device.id) + ": " + device.name);
            for (const reader::Thread& thread : process_.threads)
                Meta("thread_name", device.id, thread.tid, thread.name);
        }
    }

    void End(uint64_t lost) {
        Text(first_ ? "" : "\n");
        Text("],\"lost_events\":" + std::to_string(lost) + "}\n");
    }

    void Counters(const Sample& sample) {
        struct Sum {
            uint64_t app_bytes = 0, driver_bytes = 0, app_live = 0, driver_live = 0;
        };
        const reader::Device* const device = Find(sample.device);
        if (device == nullptr) return;
        std::map<uint32_t, Sum> heaps;
        for (size_t i = 0; i < sample.types.size() && i < device->memory_types.size(); ++i) {
            const Sample::Type& type = sample.types[i];
            Sum& sum = heaps[device->memory_types[i].heap];
            sum.app_bytes += type.app_live_bytes;
            sum.driver_bytes += type.driver_live_bytes;
            sum.app_live += type.app_live;
            sum.driver_live += type.driver_live;
        }
        for (const auto& [heap, sum] : heaps) {
            const std::string name = "heap " + std::to_string(heap);
            Counter(name + " bytes", sample,
                    {{"app", sum.app_bytes}, {"driver", sum.driver_bytes}});
            Counter(name + " allocations", sample,
                    {{"app", sum.app_live}, {"driver", sum.driver_live}});
        }
        for (size_t i = 0; i < sample.heaps.size(); ++i) {
            const Sample::Heap& heap = sample.heaps[i];
            if (heap.budget_bytes == 0) continue;
            Counter("heap " + std::to_string(i) + " budget", sample,
                    {{"budget", heap.budget_bytes}, {"usage", heap.usage_bytes}});
        }
    }

    void Event(const reader::Event& event) {
        switch (event.kind) {
            case TESSERA_EVENT_allocate:
            case TESSERA_EVENT_free:
            case TESSERA_EVENT_block_made:
            case TESSERA_EVENT_block_released:
                Slice(event);
                break;
            case TESSERA_EVENT_frame:
                Instant("frame", 'p', event, {{"number", event.value}});
                break;
            case TESSERA_EVENT_failure:
                Instant("failure", 't', event,
                        {{"call", reader::CallName(event.detail)},
                         {"result", static_cast<int64_t>(event.value)}});
                break;
            case TESSERA_EVENT_level:
                Instant("level", 'p', event,
                        {{"level", reader::LevelName(static_cast<uint32_t>(event.value))}});
                break;
            default:
                break;
        }
    }

 private:
    static std::string Line(const Json& json) {
        std::string text = Dump(json, Layout::kLine);
        text.pop_back();
        return text;
    }

    void Text(std::string_view text) { reads_ = reads_ && sink_(text); }

    const reader::Device* Find(uint64_t id) const {
        const auto found = std::ranges::find(process_.devices, id, &reader::Device::id);
        return found == process_.devices.end() ? nullptr : &*found;
    }

    uint64_t PidOf(uint64_t device) const { return process_.pid + (device == 0 ? 0 : device - 1); }

    uint64_t TidOf(const reader::Event& event) const {
        const bool known = event.thread > 0 && event.thread <= process_.threads.size();
        return known ? process_.threads[event.thread - 1u].tid : 0;
    }

    // Writes `json`, an object, with a time among its members.
    void Write(const Json& json, const std::string& times) {
        const std::string text = Line(json);
        Text((first_ ? "" : ",\n") + text.substr(0, text.size() - 1) + times + "}");
        first_ = false;
    }

    void Meta(const char* what, uint64_t device, uint64_t tid, const std::string& name) {
        Write({{"ph", "M"},
               {"name", what},
               {"pid", PidOf(device)},
               {"tid", tid},
               {"args", {{"name", name}}}},
              "");
    }

    void Counter(const std::string& name, const Sample& sample, const Json& values) {
        Write({{"ph", "C"}, {"name", name}, {"pid", PidOf(sample.device)}, {"args", values}},
              ",\"ts\":" + Micros(sample.time_ns));
    }

    void Instant(const char* name, char scope, const reader::Event& event, const Json& values) {
        Write({{"ph", "i"},
               {"name", name},
               {"s", std::string(1, scope)},
               {"pid", PidOf(event.device)},
               {"tid", TidOf(event)},
               {"args", values}},
              ",\"ts\":" + Micros(event.time_ns));
    }

    // A call that was measured and slow. What is known of its time is a bucket: the least that it
    // can have been is shown. It is over when its event is written.
    void Slice(const reader::Event& event) {
        if (event.detail == 0) return;
        const uint64_t duration = tessera_histogram_floor(
            std::min<uint32_t>(event.detail - 1u, TESSERA_HISTOGRAM_BUCKETS - 1));
        if (duration < slow_ns_) return;
        Json values = {{"bytes", event.value}, {"memory", HandleText(event.object)}};
        if (event.type != 255) values["type"] = event.type;
        if (event.stack > 0 && event.stack <= process_.stacks.size()) {
            const reader::CallStack& stack = process_.stacks[event.stack - 1u];
            if (!stack.addresses.empty())
                values["from"] = FrameText(process_, stack.addresses.front());
        }
        const uint64_t start = event.time_ns > duration ? event.time_ns - duration : 0;
        Write({{"ph", "X"},
               {"name", reader::EventName(event.kind)},
               {"pid", PidOf(event.device)},
               {"tid", TidOf(event)},
               {"args", std::move(values)}},
              ",\"ts\":" + Micros(start) + ",\"dur\":" + Micros(duration));
    }

    const reader::Process& process_;
    const uint64_t slow_ns_;
    const Sink& sink_;
    bool first_ = true;
    bool reads_ = true;
};

// What a process that is not a recording has: the totals as they are now.
std::vector<Sample> PresentSamples(const reader::Process& process) {
    std::vector<Sample> samples;
    for (const reader::Device& device : process.devices) {
        if (device.id == 0) continue;
        Sample sample;
        sample.time_ns = process.copied_ns;
        sample.device = device.id;
        sample.frames = device.frames;
        for (const reader::MemoryType& type : device.memory_types) {
            sample.types.push_back({.app_live = type.totals.app.live,
                                    .app_live_bytes = type.totals.app.live_bytes,
                                    .driver_live = type.totals.driver.live,
                                    .driver_live_bytes = type.totals.driver.live_bytes,
                                    .allocations = type.totals.app.allocations,
                                    .frees = type.totals.app.frees});
        }
        for (const tessera_heap_record& heap : device.heaps) {
            const bool known = (heap.known & TESSERA_HEAP_BUDGET_KNOWN) != 0;
            sample.heaps.push_back({.budget_bytes = known ? heap.budget_bytes : 0,
                                    .usage_bytes = known ? heap.usage_bytes : 0});
        }
        samples.push_back(std::move(sample));
    }
    return samples;
}

}  // namespace

std::string WriteTrace(Source& source, uint64_t slow_ns, const Sink& sink) {
    TraceWriter writer(source.process(), slow_ns, sink);
    writer.Begin();
    for (const Sample& sample : source.samples())
        writer.Counters(sample);
    if (source.samples().empty())
        for (const Sample& sample : PresentSamples(source.process()))
            writer.Counters(sample);
    const std::string problem = source.ForEachEvents([&](std::span<const reader::Event> events) {
        for (const reader::Event& event : events)
            if (writer.reads()) writer.Event(event);
    });
    writer.End(source.lost());
    return problem;
}

}  // namespace tessera::command
