// SPDX-License-Identifier: Apache-2.0
//
// See rules.h. One function for each rule, in the order of the list in docs/report.md.
#include "tools/report/rules.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>
#include <tuple>
#include <utility>

#include "tools/text.h"

namespace tessera::command::report {
namespace {

using Remarks = std::vector<Remark>;

std::string Percent(double share) {
    std::array<char, 32> text;
    snprintf(text.data(), text.size(), share < 0.0995 ? "%.1f %%" : "%.0f %%", share * 100);
    return text.data();
}

// "3,120 allocations of 256 B per second"
std::string RateText(const ChurnGroup& group, double per_second) {
    return FormatCount(Whole(per_second + 0.5)) + " allocations of " +
           (group.size_class ? "about " : "") + FormatBytes(group.size_bytes) + " per second";
}

// The thread that presents most, over all devices, and the time in which there were frames.
struct FrameThread {
    uint16_t thread = 0;
    double seconds = 0;
    uint64_t frames = 0;
};

FrameThread FrameThreadOf(const History& history) {
    FrameThread best;
    for (const auto& [device, frames] : history.frames) {
        if (frames.count < 2 || frames.threads.empty()) continue;
        const auto most = std::ranges::max_element(frames.threads, {},
                                                   [](const auto& entry) { return entry.second; });
        if (most->second <= best.frames) continue;
        best = {.thread = most->first,
                .seconds = static_cast<double>(frames.last_ns - frames.first_ns) / 1e9,
                .frames = most->second};
    }
    return best;
}

// Appends the costliest of `found`: a hundred sentences about one thing help nobody.
void AppendCostliest(Remarks& found, Remarks& remarks) {
    std::ranges::stable_sort(found, [](const Remark& a, const Remark& b) {
        return std::tuple(a.cost_ns, a.text) > std::tuple(b.cost_ns, b.text);
    });
    if (found.size() > kMaxOfOneRule) found.resize(kMaxOfOneRule);
    std::ranges::move(found, std::back_inserter(remarks));
}

// Allocations of one size from one place that the thread which presents makes again and again.
void FrameChurn(const Facts& facts, Remarks& remarks) {
    const FrameThread frame = FrameThreadOf(facts.history);
    if (frame.frames == 0 || frame.seconds < kMinSeconds || frame.thread == 0) return;
    const Churn& churn = facts.history.churn;
    Remarks found;
    churn.ForEach([&](const ChurnGroup& group) {
        if (group.thread != frame.thread || churn.TimedCalls(group) < kMinTimed) return;
        const double rate = static_cast<double>(group.framed_allocate.count) / frame.seconds;
        const double cost_ns = churn.FramedCostNs(group);
        const double share = cost_ns / (frame.seconds * 1e9);
        if (rate < kFrameChurnPerSecond || share < kFrameChurnShare) return;
        const double per_frame =
            static_cast<double>(group.framed_allocate.count) / static_cast<double>(frame.frames);
        std::array<char, 32> count;
        snprintf(count.data(), count.size(), "%.1f", per_frame);
        found.push_back({.rule = "frame_churn",
                         .weight = share >= kGraveShare ? Weight::kError : Weight::kWarning,
                         .text = RateText(group, rate) + FromCaller(facts, group.stack) + " cost " +
                                 Percent(share) + " of the frame thread's time: " + count.data() +
                                 " in each frame.",
                         .cost_ns = Whole(cost_ns),
                         .share = share,
                         .cost_bytes = {}});
    });
    AppendCostliest(found, remarks);
}

// The same where it is not a frame that waits.
void ThreadChurn(const Facts& facts, Remarks& remarks) {
    const double seconds = facts.history.churn_seconds();
    if (seconds < kMinSeconds) return;
    const FrameThread frame = FrameThreadOf(facts.history);
    const Churn& churn = facts.history.churn;
    Remarks found;
    churn.ForEach([&](const ChurnGroup& group) {
        if (group.thread == frame.thread && frame.frames > 0) return;
        const double rate = static_cast<double>(group.allocate.count) / seconds;
        const double cost_ns = churn.CostNs(group);
        const double share = cost_ns / (seconds * 1e9);
        if (rate < kChurnPerSecond || share < kChurnShare || churn.TimedCalls(group) < kMinTimed)
            return;
        const std::string thread =
            group.thread == 0 ? "" : ThreadText(facts.process, group.thread - 1u);
        found.push_back({.rule = "churn",
                         .weight = Weight::kWarning,
                         .text = RateText(group, rate) + FromCaller(facts, group.stack) + " cost " +
                                 Percent(share) + " of the time of " +
                                 (thread.empty() ? "a thread that is not known" : thread) + ".",
                         .cost_ns = Whole(cost_ns),
                         .share = share,
                         .cost_bytes = {}});
    });
    AppendCostliest(found, remarks);
}

void SlowDriver(const Facts& facts, Remarks& remarks) {
    for (const reader::Device& device : facts.process.devices) {
        for (const uint32_t call : {TESSERA_CALL_vkAllocateMemory, TESSERA_CALL_vkFreeMemory}) {
            if (call >= device.driver_calls.size()) continue;
            const tessera_call_totals& totals = device.driver_calls[call];
            if (totals.max_ns < kSlowDriverNs) continue;
            remarks.push_back(
                {.rule = "slow_driver",
                 .weight = Weight::kWarning,
                 .text = "The driver's slowest " + std::string(reader::CallName(call)) + " took " +
                         FormatDuration(totals.max_ns) +
                         ": whoever waited for it lost that time. " + FormatCount(totals.count) +
                         " such calls took " + FormatDuration(totals.total_ns) + " in all.",
                 .cost_ns = totals.total_ns,
                 .share = {},
                 .cost_bytes = {}});
        }
    }
}

void PassedThrough(const Facts& facts, Remarks& remarks) {
    const Account& account = facts.account;
    uint64_t time_ns = 0;
    uint64_t timed = 0;
    for (const reader::Device& device : facts.process.devices) {
        if (device.driver_calls.size() <= TESSERA_CALL_vkAllocateMemory) continue;
        time_ns += device.driver_calls[TESSERA_CALL_vkAllocateMemory].total_ns;
        timed += device.driver_calls[TESSERA_CALL_vkAllocateMemory].timed;
    }
    for (uint32_t reason = 1; reason < account.passed.size(); ++reason) {
        const uint64_t count = account.passed[reason];
        const double share =
            account.app.allocations == 0
                ? 0
                : static_cast<double>(count) / static_cast<double>(account.app.allocations);
        if (count < kPassedCount || share < kPassedShare) continue;
        Remark remark;
        remark.rule = "passed_through";
        remark.weight = Weight::kNote;
        remark.share = share;
        remark.text =
            FormatCount(count) + " allocations, " + Percent(share) +
            " of all, went to the driver as they came: " + std::string(reader::ReasonText(reason)) +
            " (" + reader::ReasonName(reason) + ").";
        if (timed > 0) {
            const double cost_ns = static_cast<double>(time_ns) / static_cast<double>(timed) *
                                   static_cast<double>(count);
            remark.cost_ns = Whole(cost_ns);
            remark.text += " At the mean of the driver's calls that is " +
                           FormatDuration(*remark.cost_ns) + ".";
        }
        remarks.push_back(std::move(remark));
    }
}

void Leaks(const Facts& facts, Remarks& remarks) {
    const Holdings& holdings = facts.holdings;
    if (holdings.leaked > 0) {
        std::string text = Plural(holdings.leaked, "allocation");
        // Of what was only counted as a broken rule the bytes are not known.
        if (holdings.leaked_bytes > 0)
            text += " of " + FormatBytes(holdings.leaked_bytes) + " in all";
        text += " still lived when their device or their process ended.";
        if (holdings.leaked_known < holdings.leaked)
            text += " Which they were is known at level full" +
                    std::string(holdings.leaked_known == 0 ? "." : ", as far as there was room.");
        const auto most = std::ranges::find_if(holdings.holders, &Holder::leaked);
        if (most != holdings.holders.end() && !most->name.empty())
            text += " The largest holder: '" + most->name + "', " + FormatBytes(most->bytes) + ".";
        remarks.push_back({.rule = "leaks",
                           .weight = Weight::kError,
                           .text = std::move(text),
                           .cost_ns = {},
                           .share = {},
                           .cost_bytes = holdings.leaked_bytes});
    }
}

void NearBudget(const Facts& facts, Remarks& remarks) {
    for (const reader::Device& device : facts.process.devices) {
        if (device.state != TESSERA_DEVICE_LIVE) continue;
        for (size_t i = 0; i < device.heaps.size(); ++i) {
            const tessera_heap_record& heap = device.heaps[i];
            if ((heap.known & TESSERA_HEAP_BUDGET_KNOWN) == 0 || heap.budget_bytes == 0) continue;
            const double share =
                static_cast<double>(heap.usage_bytes) / static_cast<double>(heap.budget_bytes);
            if (share < kBudgetShare) continue;
            remarks.push_back({.rule = "near_budget",
                               .weight = share >= 1 ? Weight::kError : Weight::kWarning,
                               .text = "Heap " + std::to_string(i) + " of device " +
                                       std::to_string(device.id) + " is at " + Percent(share) +
                                       " of its budget: " + FormatBytes(heap.usage_bytes) + " of " +
                                       FormatBytes(heap.budget_bytes) +
                                       ". Beyond it drivers move memory about, or fail.",
                               .cost_ns = {},
                               .share = share,
                               .cost_bytes = heap.usage_bytes});
        }
    }
}

void IdleBytes(const Facts& facts, Remarks& remarks) {
    for (const reader::Device& device : facts.process.devices) {
        for (size_t i = 0; i < device.memory_types.size(); ++i) {
            const tessera_pooled& pooled = device.memory_types[i].totals.pooled;
            if (pooled.free_bytes < kIdleBytes || pooled.block_bytes == 0) continue;
            const double share =
                static_cast<double>(pooled.free_bytes) / static_cast<double>(pooled.block_bytes);
            if (share < kIdleShare) continue;
            remarks.push_back({.rule = "idle_bytes",
                               .weight = Weight::kNote,
                               .text = FormatBytes(pooled.free_bytes) + ", " + Percent(share) +
                                       " of the blocks of memory type " + std::to_string(i) +
                                       ", hold nothing; the largest free range has " +
                                       FormatBytes(pooled.largest_free_bytes) + ".",
                               .cost_ns = {},
                               .share = share,
                               .cost_bytes = pooled.free_bytes});
        }
    }
}

void Unbound(const Facts& facts, Remarks& remarks) {
    const Holdings& holdings = facts.holdings;
    // Without any bind at all it is the recording that lacks them.
    if (!holdings.binds_known || holdings.unbound_bytes < kUnboundBytes) return;
    remarks.push_back({.rule = "unbound",
                       .weight = Weight::kNote,
                       .text = Plural(holdings.unbound, "allocation") + " of " +
                               FormatBytes(holdings.unbound_bytes) +
                               " in all are older than 10 seconds, and nothing was ever bound to "
                               "them.",
                       .cost_ns = {},
                       .share = {},
                       .cost_bytes = holdings.unbound_bytes});
}

// The most of the first third and the least of the last, as far as they are known.
void Growth(const Facts& facts, Remarks& remarks) {
    const Timeline& timeline = facts.history.timeline;
    if (timeline.empty()) return;
    const uint64_t length_ns = timeline.end_ns() - timeline.origin_ns();
    const double seconds = static_cast<double>(length_ns) / 1e9;
    if (seconds < kGrowthSeconds) return;
    const uint64_t spans = length_ns / timeline.width_ns() + 1;
    for (const Curve& curve : facts.history.curves) {
        if (curve.quantity != Quantity::kAppBytes) continue;
        // What is live when the history begins counts, also if no event tells of its beginning.
        int64_t carried = timeline.first(curve.series);
        int64_t first_most = carried;
        int64_t last_least = -1;
        for (const Timeline::Span& span : timeline.Spans(curve.series)) {
            if (span.index < spans / 3) first_most = std::max(first_most, span.max);
            if (span.index >= spans - spans / 3)
                last_least =
                    last_least < 0 ? std::min(carried, span.min) : std::min(last_least, span.min);
            carried = span.last;
        }
        if (last_least < 0) last_least = carried;
        const int64_t grown = static_cast<int64_t>(static_cast<uint64_t>(last_least) -
                                                   static_cast<uint64_t>(first_most));
        if (grown < static_cast<int64_t>(kGrowthBytes)) continue;
        const double per_minute = static_cast<double>(grown) / seconds * 60;
        remarks.push_back({.rule = "growth",
                           .weight = Weight::kWarning,
                           .text = "What is held in heap " + std::to_string(curve.heap) +
                                   " only grew: by " + FormatBytes(static_cast<uint64_t>(grown)) +
                                   " from the first third of the time to the last, about " +
                                   FormatBytes(Whole(per_minute)) + " a minute.",
                           .cost_ns = {},
                           .share = {},
                           .cost_bytes = static_cast<uint64_t>(grown)});
    }
}

void MapChurn(const Facts& facts, Remarks& remarks) {
    const double seconds = facts.history.seconds();
    const uint64_t maps = facts.history.events[TESSERA_EVENT_map];
    if (seconds < kMinSeconds || static_cast<double>(maps) / seconds < kMapsPerSecond) return;
    uint64_t timed = 0;
    uint64_t time_ns = 0;
    for (const reader::Device& device : facts.process.devices) {
        for (const uint32_t call : {TESSERA_CALL_vkMapMemory, TESSERA_CALL_vkUnmapMemory,
                                    TESSERA_CALL_vkMapMemory2, TESSERA_CALL_vkUnmapMemory2}) {
            if (call >= device.calls.size()) continue;
            timed += device.calls[call].timed;
            time_ns += device.calls[call].total_ns;
        }
    }
    Remark remark;
    remark.rule = "map_churn";
    remark.weight = Weight::kNote;
    remark.text = "Memory is mapped " +
                  FormatCount(Whole(static_cast<double>(maps) / seconds + 0.5)) +
                  " times per second. Memory may stay mapped while it is used.";
    if (timed >= kMinTimed) {
        const uint64_t calls = maps + facts.history.events[TESSERA_EVENT_unmap];
        const double cost_ns =
            static_cast<double>(time_ns) / static_cast<double>(timed) * static_cast<double>(calls);
        remark.cost_ns = Whole(cost_ns);
        remark.text += " These calls took " + FormatDuration(*remark.cost_ns) + " in all.";
    }
    remarks.push_back(std::move(remark));
}

void Failures(const Facts& facts, Remarks& remarks) {
    if (facts.account.app.failed > 0)
        remarks.push_back(
            {.rule = "failures",
             .weight = Weight::kWarning,
             .text = Plural(facts.account.app.failed, "allocation") + " of the application failed.",
             .cost_ns = {},
             .share = {},
             .cost_bytes = {}});
    if (facts.account.placement_failures > 0)
        remarks.push_back({.rule = "placement",
                           .weight = Weight::kError,
                           .text = Plural(facts.account.placement_failures, "bind") +
                                   " failed because of where the layer had placed memory: a defect "
                                   "of the layer, which should be told.",
                           .cost_ns = {},
                           .share = {},
                           .cost_bytes = {}});
}

void Misuse(const Facts& facts, Remarks& remarks) {
    for (uint32_t kind = 0; kind < TESSERA_MISUSE_COUNT; ++kind) {
        const uint64_t count = facts.account.misuse[kind];
        if (count == 0 || kind == TESSERA_MISUSE_leaked) continue;
        remarks.push_back({.rule = "misuse",
                           .weight = Weight::kError,
                           .text = "The application broke a rule of Vulkan " +
                                   Plural(count, "time") + ": " + reader::MisuseText(kind) + " (" +
                                   reader::MisuseName(kind) + ").",
                           .cost_ns = {},
                           .share = {},
                           .cost_bytes = {}});
    }
}

void Incomplete(const Facts& facts, Remarks& remarks) {
    uint64_t unrecorded = 0;
    for (const reader::Device& device : facts.process.devices)
        for (const uint64_t count : device.detail.unrecorded)
            unrecorded += count;
    if (facts.history.lost == 0 && unrecorded == 0 && facts.process.dropped_devices == 0) return;
    std::string text = "Not everything was recorded:";
    if (facts.history.lost > 0) text += " " + Plural(facts.history.lost, "event") + " were lost,";
    if (unrecorded > 0) text += " there was no room for " + Plural(unrecorded, "record") + ",";
    if (facts.process.dropped_devices > 0)
        text += " there was no room for " + Plural(facts.process.dropped_devices, "device") + ",";
    text.back() = '.';
    remarks.push_back({.rule = "incomplete",
                       .weight = Weight::kNote,
                       .text = text + " Curves and hot spots show less than there was.",
                       .cost_ns = {},
                       .share = {},
                       .cost_bytes = {}});
}

}  // namespace

const char* Name(Weight weight) {
    switch (weight) {
        case Weight::kNote:
            return "note";
        case Weight::kWarning:
            return "warning";
        case Weight::kError:
            break;
    }
    return "error";
}

std::string FromCaller(const Facts& facts, uint16_t number) {
    if (number == 0 || number > facts.process.stacks.size()) return "";
    reader::CallStack stack = facts.process.stacks[number - 1u];
    const size_t common = std::min(facts.common_depth, stack.addresses.size());
    stack.addresses.erase(stack.addresses.begin(),
                          stack.addresses.begin() + static_cast<ptrdiff_t>(common));
    const std::string caller = Caller(facts.frames(stack));
    return caller.empty() ? "" : " from " + caller;
}

std::vector<Remark> FindRemarks(const Facts& facts) {
    Remarks remarks;
    for (const auto rule : {FrameChurn, ThreadChurn, SlowDriver, PassedThrough, Leaks, NearBudget,
                            IdleBytes, Unbound, Growth, MapChurn, Failures, Misuse, Incomplete})
        rule(facts, remarks);
    std::ranges::stable_sort(remarks, [](const Remark& a, const Remark& b) {
        return std::tuple(a.weight, a.cost_ns.value_or(0), a.cost_bytes.value_or(0)) >
               std::tuple(b.weight, b.cost_ns.value_or(0), b.cost_bytes.value_or(0));
    });
    return remarks;
}

}  // namespace tessera::command::report
