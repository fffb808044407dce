// SPDX-License-Identifier: Apache-2.0
//
// See model.h. One function for each part of the page, in its order.
#include "tools/report/model.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "tools/account.h"
#include "tools/report/history.h"
#include "tools/report/holdings.h"
#include "tools/report/rules.h"
#include "tools/text.h"

namespace tessera::command::report {
namespace {

constexpr int kReportSchema = 1;
constexpr size_t kMaxHotSpots = 100;
constexpr size_t kQuantities = static_cast<size_t>(Quantity::kCount);

// Call stacks that the page refers to, each once.
class Stacks {
 public:
    Stacks(const reader::Process& process, const FrameTexts& frames)
        : process_(process), frames_(frames) {}

    // `index`: into Process::stacks. Returns: its number in the model; null for none.
    Json Number(uint32_t index) {
        if (index >= process_.stacks.size()) return {};
        const auto [entry, is_new] = numbers_.try_emplace(index, json_.size());
        if (is_new) json_.push_back(frames_(process_.stacks[index]));
        return entry->second;
    }
    Json Take() { return std::move(json_); }

 private:
    const reader::Process& process_;
    const FrameTexts& frames_;
    std::map<uint32_t, size_t> numbers_;
    Json json_ = Json::array();
};

// Texts of rectangles, each once.
class Texts {
 public:
    Json Number(const std::string& text) {
        if (text.empty()) return {};
        const auto [entry, is_new] = numbers_.try_emplace(text, json_.size());
        if (is_new) json_.push_back(text);
        return entry->second;
    }
    Json Take() { return std::move(json_); }

 private:
    std::map<std::string, size_t> numbers_;
    Json json_ = Json::array();
};

Json Known(uint64_t value) {
    return value == 0 ? Json() : Json(value);
}

Json TextOrNull(std::string text) {
    return text.empty() ? Json() : Json(std::move(text));
}

Json ViewJson(const View& view) {
    return {{"live", view.live},
            {"live_bytes", view.live_bytes},
            {"peak_bytes", view.peak_bytes},
            {"allocations", view.allocations},
            {"failed", view.failed},
            {"time_ns", view.time_ns}};
}

// The shortest time in which the driver served a command, over all devices: the lower end of the
// first bucket in use. Null if none was timed.
Json DriverFastest(const reader::Process& process, tessera_call call) {
    std::optional<uint64_t> fastest_ns;
    for (const reader::Device& device : process.devices) {
        if (call >= device.driver_calls.size()) continue;
        const tessera_call_totals& totals = device.driver_calls[call];
        for (uint32_t i = 0; i < TESSERA_HISTOGRAM_BUCKETS; ++i) {
            if (totals.histogram[i] == 0) continue;
            fastest_ns = std::min(fastest_ns.value_or(UINT64_MAX), tessera_histogram_floor(i));
            break;
        }
    }
    return fastest_ns ? Json(*fastest_ns) : Json();
}

// What the application's calls would have cost at least, had each been one of the driver's, less
// what they did cost: at the driver's fastest, since those that were timed are of blocks, and
// larger. It may be negative; then nothing is certain.
Json TimeSaved(const reader::Process& process, const Account& account) {
    const Json allocate = DriverFastest(process, TESSERA_CALL_vkAllocateMemory);
    const Json release = DriverFastest(process, TESSERA_CALL_vkFreeMemory);
    const uint64_t frees =
        account.app.allocations - std::min(account.app.live, account.app.allocations);
    Json json = {{"driver_allocate_fastest_ns", allocate},
                 {"driver_free_fastest_ns", release},
                 {"saved_at_least_ns", nullptr}};
    if (!allocate.is_null()) {
        const double free_ns = release.is_null() ? 0 : release.get<double>();
        const double saved_ns =
            allocate.get<double>() * static_cast<double>(account.app.allocations) +
            free_ns * static_cast<double>(frees) - static_cast<double>(account.app.time_ns);
        // 2^62 ns are 146 years, either way.
        constexpr double kMost = 4'611'686'018'427'387'904.0;
        json["saved_at_least_ns"] = static_cast<int64_t>(std::clamp(saved_ns, -kMost, kMost));
    }
    return json;
}

Json SummaryJson(const reader::Process& process, const Account& account) {
    Json reasons = Json::array();
    for (uint32_t reason = 1; reason < account.passed.size(); ++reason) {
        if (account.passed[reason] == 0) continue;
        uint64_t live = 0;
        uint64_t live_bytes = 0;
        for (const reader::Device& device : process.devices) {
            for (const reader::MemoryType& type : device.memory_types) {
                live += type.totals.pass_through[reason].live;
                live_bytes += type.totals.pass_through[reason].live_bytes;
            }
        }
        reasons.push_back({{"reason", reader::ReasonName(reason)},
                           {"text", reader::ReasonText(reason)},
                           {"allocations", account.passed[reason]},
                           {"live", live},
                           {"live_bytes", live_bytes}});
    }
    uint64_t blocks = 0;
    uint64_t free_bytes = 0;
    for (const reader::Device& device : process.devices) {
        for (const reader::MemoryType& type : device.memory_types) {
            blocks += type.totals.pooled.blocks;
            free_bytes += type.totals.pooled.free_bytes;
        }
    }
    return {
        {"app", ViewJson(account.app)},
        {"driver", ViewJson(account.driver)},
        {"app_time_estimated", account.app_time_estimated},
        {"pooled_allocations", account.pooled_allocations},
        {"blocks", blocks},
        {"block_free_bytes", free_bytes},
        {"bytes_saved", static_cast<int64_t>(account.app.live_bytes - account.driver.live_bytes)},
        {"time", TimeSaved(process, account)},
        {"moved_slots", account.moved_slots},
        {"passed_through", std::move(reasons)}};
}

Json TimelineJson(const reader::Process& process, const History& history) {
    constexpr std::array<const char*, kQuantities> kKeys = {"app_bytes", "driver_bytes", "app_live",
                                                            "driver_live"};
    const Timeline& timeline = history.timeline;
    Json heaps = Json::array();
    for (const Curve& curve : history.curves) {
        if (curve.quantity == Quantity::kAppBytes) {
            Json heap = {{"device", curve.device}, {"heap", curve.heap}};
            for (const reader::Device& device : process.devices) {
                if (device.id != curve.device || curve.heap >= device.heaps.size()) continue;
                const tessera_heap_record& record = device.heaps[curve.heap];
                const bool budget = (record.known & TESSERA_HEAP_BUDGET_KNOWN) != 0;
                heap["size_bytes"] = record.size_bytes;
                heap["budget_bytes"] = budget ? Json(record.budget_bytes) : Json();
            }
            heaps.push_back(std::move(heap));
        }
        Json index = Json::array();
        Json min = Json::array();
        Json max = Json::array();
        Json last = Json::array();
        for (const Timeline::Span& span : timeline.Spans(curve.series)) {
            index.push_back(span.index);
            min.push_back(span.min);
            max.push_back(span.max);
            last.push_back(span.last);
        }
        // The curves of a heap follow each other, its first one first.
        heaps.back()[kKeys.at(static_cast<size_t>(curve.quantity))] = {
            {"first", timeline.first(curve.series)},
            {"index", std::move(index)},
            {"min", std::move(min)},
            {"max", std::move(max)},
            {"last", std::move(last)}};
    }
    return {{"origin_ns", timeline.origin_ns()},
            {"end_ns", timeline.end_ns()},
            {"span_ns", timeline.width_ns()},
            {"heaps", std::move(heaps)},
            {"left_out", history.curves_left_out}};
}

Json FramesJson(const History& history) {
    Json all = Json::array();
    for (const auto& [device, frames] : history.frames) {
        tessera_call_totals totals = {};
        totals.max_ns = frames.longest_ns;
        for (size_t i = 0; i < frames.intervals.size(); ++i) {
            totals.histogram[i] = frames.intervals[i];
            totals.timed += frames.intervals[i];
        }
        all.push_back({{"device", device},
                       {"count", frames.count},
                       {"seconds", static_cast<double>(frames.last_ns - frames.first_ns) / 1e9},
                       {"p50_ns", reader::Percentile(totals, 0.5)},
                       {"p99_ns", reader::Percentile(totals, 0.99)},
                       {"max_ns", frames.longest_ns}});
    }
    return all;
}

Json BlocksJson(const Holdings& holdings, Texts& texts, Stacks& stacks) {
    Json blocks = Json::array();
    for (const BlockMap& block : holdings.blocks) {
        Json slots = Json::array();
        for (const Rectangle& r : block.rectangles) {
            slots.push_back({r.offset, r.bytes, r.used_bytes, r.count, static_cast<int>(r.use),
                             texts.Number(r.name), texts.Number(r.what), Known(r.age_ns),
                             r.thread == reader::kNone ? Json() : Json(r.thread),
                             stacks.Number(r.stack)});
        }
        const bool passed = block.number == reader::kNone;
        blocks.push_back({{"device", block.device},
                          {"type", block.type},
                          {"number", passed ? Json() : Json(block.number)},
                          {"bytes", block.bytes},
                          {"used_bytes", block.used_bytes},
                          {"allocations", block.allocations},
                          {"largest_free_bytes", block.largest_free_bytes},
                          {"age_ns", Known(block.age_ns)},
                          {"driver_ns", Known(block.driver_ns)},
                          {"flags", block.flags},
                          {"slots", std::move(slots)}});
    }
    Json uses = Json::array();
    for (size_t i = 0; i < static_cast<size_t>(Use::kCount); ++i) {
        uses.push_back({{"name", Name(static_cast<Use>(i))},
                        {"text", Text(static_cast<Use>(i))},
                        {"allocations", holdings.used[i]},
                        {"bytes", holdings.used_bytes[i]}});
    }
    return {{"known", holdings.known},
            {"blocks", std::move(blocks)},
            {"left_out", holdings.blocks_left_out},
            {"merged_allocations", holdings.merged},
            {"uses", std::move(uses)}};
}

// One entry for each power of two from the first that is in use to the last.
Json SizesJson(const History& history, const Holdings& holdings) {
    size_t first = History::kSizeClasses;
    size_t last = 0;
    for (size_t i = 0; i < History::kSizeClasses; ++i) {
        if (history.made[i] == 0 && holdings.live[i] == 0) continue;
        first = std::min(first, i);
        last = i;
    }
    Json sizes = Json::array();
    for (size_t i = first; i <= last && i < History::kSizeClasses; ++i) {
        sizes.push_back({{"from_bytes", i == 0 ? 0 : uint64_t{1} << (i - 1)},
                         {"live", holdings.live[i]},
                         {"live_bytes", holdings.live_bytes[i]},
                         {"made", history.made[i]},
                         {"made_bytes", history.made_bytes[i]}});
    }
    return sizes;
}

Json LatencyJson(const tessera_call_totals& totals) {
    if (totals.count == 0) return {};
    Json buckets = Json::array();
    for (uint32_t i = 0; i < TESSERA_HISTOGRAM_BUCKETS; ++i)
        if (totals.histogram[i] > 0) buckets.push_back({i, totals.histogram[i]});
    return {{"count", totals.count},
            {"timed", totals.timed},
            {"mean_ns", totals.timed == 0 ? Json() : Json(totals.total_ns / totals.timed)},
            {"p50_ns", reader::Percentile(totals, 0.5)},
            {"p99_ns", reader::Percentile(totals, 0.99)},
            {"max_ns", totals.max_ns},
            {"buckets", std::move(buckets)}};
}

void AddCall(tessera_call_totals& sum, const tessera_call_totals& call) {
    sum.count += call.count;
    sum.timed += call.timed;
    sum.total_ns += call.total_ns;
    sum.max_ns = std::max(sum.max_ns, call.max_ns);
    for (uint32_t i = 0; i < TESSERA_HISTOGRAM_BUCKETS; ++i)
        sum.histogram[i] += call.histogram[i];
}

// Over all devices.
Json LatenciesJson(const reader::Process& process) {
    Json calls = Json::array();
    for (uint32_t call = 0; call < TESSERA_CALL_COUNT; ++call) {
        tessera_call_totals app = {};
        tessera_call_totals driver = {};
        for (const reader::Device& device : process.devices) {
            if (call < device.calls.size()) AddCall(app, device.calls[call]);
            if (call < device.driver_calls.size()) AddCall(driver, device.driver_calls[call]);
        }
        if (app.count == 0 && driver.count == 0) continue;
        calls.push_back({{"call", reader::CallName(call)},
                         {"app", LatencyJson(app)},
                         {"driver", LatencyJson(driver)}});
    }
    // Where buckets begin, so that nobody else has to know.
    Json floors = Json::array();
    for (uint32_t i = 0; i < TESSERA_HISTOGRAM_BUCKETS; ++i)
        floors.push_back(tessera_histogram_floor(i));
    return {{"calls", std::move(calls)}, {"bucket_floors_ns", std::move(floors)}};
}

Json HotSpotsJson(const History& history, Churn::By by, Stacks& stacks) {
    const Churn& churn = history.churn;
    const std::vector<ChurnGroup> groups = churn.Groups(by);
    const double seconds = history.churn_seconds();
    Json spots = Json::array();
    for (const ChurnGroup& group : groups) {
        if (spots.size() == kMaxHotSpots) break;
        const bool known = churn.TimedCalls(group) > 0;
        Json spot = {
            {"allocations", group.allocate.count},
            {"frees", group.free.count},
            {"per_second",
             seconds > 0 ? Json(static_cast<double>(group.allocate.count) / seconds) : Json()},
            {"timed", Churn::OwnTimedCalls(group)},
            {"cost_ns", known ? Json(Whole(churn.CostNs(group))) : Json()}};
        if (by == Churn::By::kSize) {
            spot["size_bytes"] = group.size_bytes;
            spot["size_class"] = group.size_class;
        } else if (by == Churn::By::kStack) {
            spot["stack"] = group.stack == 0 ? Json() : stacks.Number(group.stack - 1u);
        } else {
            spot["thread"] = group.thread == 0 ? Json() : Json(group.thread - 1);
        }
        spots.push_back(std::move(spot));
    }
    return {{"groups", groups.size()}, {"top", std::move(spots)}};
}

Json ChurnJson(const History& history, Stacks& stacks) {
    return {{"seconds", history.churn_seconds()},
            {"by_size", HotSpotsJson(history, Churn::By::kSize, stacks)},
            {"by_stack", HotSpotsJson(history, Churn::By::kStack, stacks)},
            {"by_thread", HotSpotsJson(history, Churn::By::kThread, stacks)},
            {"folded_groups", history.churn.folded()}};
}

Json HoldersJson(const Holdings& holdings, Stacks& stacks) {
    Json holders = Json::array();
    for (const Holder& holder : holdings.holders) {
        holders.push_back(
            {{"device", holder.device},
             {"type", holder.type == reader::kNone ? Json() : Json(holder.type)},
             {"use", Name(holder.use)},
             {"name", TextOrNull(holder.name)},
             {"what", TextOrNull(holder.what)},
             {"count", holder.count},
             {"bytes", holder.bytes},
             {"size_bytes", Known(holder.size_bytes)},
             {"oldest_ns", Known(holder.oldest_ns)},
             {"youngest_ns", Known(holder.youngest_ns)},
             {"thread", holder.thread == reader::kNone ? Json() : Json(holder.thread)},
             {"stack", stacks.Number(holder.stack)},
             {"leaked", holder.leaked}});
    }
    return {{"leaked", holdings.leaked},
            {"leaked_bytes", holdings.leaked_bytes},
            {"top", std::move(holders)},
            {"left_out", holdings.holders_left_out}};
}

Json RemarksJson(const std::vector<Remark>& remarks) {
    Json all = Json::array();
    for (const Remark& remark : remarks) {
        all.push_back({{"rule", remark.rule},
                       {"level", Name(remark.weight)},
                       {"text", remark.text},
                       {"cost_ns", remark.cost_ns ? Json(*remark.cost_ns) : Json()},
                       {"share", remark.share ? Json(*remark.share) : Json()},
                       {"cost_bytes", remark.cost_bytes ? Json(*remark.cost_bytes) : Json()}});
    }
    return all;
}

Json SourceJson(Source& source, const std::string& what, const History& history) {
    Json events = Json::object();
    for (uint32_t kind = 0; kind < TESSERA_EVENT_COUNT; ++kind)
        if (history.events[kind] > 0) events[reader::EventName(kind)] = history.events[kind];
    uint32_t level = TESSERA_LEVEL_totals;
    for (const reader::Device& device : source.process().devices)
        level = std::max<uint32_t>(level, device.detail.level);
    return {{"what", Printable(what)},
            {"recording", source.IsRecording()},
            {"remark", TextOrNull(Printable(source.remark()))},
            {"level", reader::LevelName(level)},
            {"samples", source.samples().size()},
            {"events", history.total_events()},
            {"events_by_kind", std::move(events)},
            {"lost", history.lost},
            {"stack_interval", source.process().stack_interval}};
}

}  // namespace

Json ModelOf(Source& source, const std::string& what, const FrameTexts& frames,
             std::string* problem) {
    History history;
    *problem = ReadHistory(source, &history);
    const reader::Process& process = source.process();
    const Holdings holdings = HoldingsOf(process);
    const Account account = AccountOf(process);
    const Facts facts = {.process = process,
                         .history = history,
                         .holdings = holdings,
                         .account = account,
                         .frames = frames,
                         .common_depth = CommonDepth(process.stacks)};
    Stacks stacks(process, frames);
    Texts texts;
    Json threads = Json::array();
    for (uint32_t i = 0; i < process.threads.size(); ++i)
        threads.push_back(ThreadText(process, i));
    Json model = {{"schema", kReportSchema},
                  {"source", SourceJson(source, what, history)},
                  {"process", ProcessJson(process)},
                  {"created_ns", process.created_ns},
                  {"copied_ns", process.copied_ns -
                                    std::min(process.copied_ns, process.monotonic_created_ns) +
                                    process.created_ns},
                  {"findings", RemarksJson(FindRemarks(facts))},
                  {"summary", SummaryJson(process, account)},
                  {"timeline", TimelineJson(process, history)},
                  {"frames", FramesJson(history)},
                  {"map", BlocksJson(holdings, texts, stacks)},
                  {"sizes", SizesJson(history, holdings)},
                  {"latencies", LatenciesJson(process)},
                  {"churn", ChurnJson(history, stacks)},
                  {"holders", HoldersJson(holdings, stacks)},
                  {"threads", std::move(threads)}};
    model["texts"] = texts.Take();
    model["stacks"] = stacks.Take();
    return model;
}

}  // namespace tessera::command::report
