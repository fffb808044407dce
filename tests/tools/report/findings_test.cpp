// SPDX-License-Identifier: Apache-2.0
//
// Each rule of the findings: it speaks at its threshold, with its cost, and is silent below it.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "tests/tools/report/scenes.h"
#include "tools/report/rules.h"

namespace tessera::command::report {
namespace {

using test::AddAllocation;
using test::EmptyScene;
using test::MadeSource;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kStart = 100 * kSecond;

std::vector<Remark> RemarksOf(MadeSource& source) {
    History history;
    EXPECT_EQ(ReadHistory(source, &history), "");
    const Holdings holdings = HoldingsOf(source.process());
    const Account account = AccountOf(source.process());
    const FrameTexts frames = ModuleFrames(source.process());
    return FindRemarks({.process = source.process(),
                        .history = history,
                        .holdings = holdings,
                        .account = account,
                        .frames = frames,
                        .common_depth = CommonDepth(source.process().stacks)});
}

std::optional<Remark> Find(MadeSource& source, const std::string& rule) {
    for (const Remark& remark : RemarksOf(source))
        if (remark.rule == rule) return remark;
    return {};
}

reader::Device& DeviceOf(MadeSource& source) {
    return source.process().devices[0];
}

void AddEvent(MadeSource& source, uint64_t time_ns, tessera_event_kind kind, uint64_t value,
              uint16_t detail = 0, uint16_t thread = 1) {
    reader::Event event;
    event.time_ns = time_ns;
    event.device = 1;
    event.kind = static_cast<uint8_t>(kind);
    event.detail = detail;
    event.thread = thread;
    event.stack = 1;
    event.object = source.events.size() / 2;
    event.value = value;
    source.events.push_back(event);
}

struct Frames {
    uint64_t per_frame = 1;
    uint64_t took_ns = 0;  // 0: nothing is timed
    uint16_t thread = 1;   // that allocates; thread 1 presents
    bool present = true;
};

// 10 seconds at 100 frames a second.
void PlayFrames(MadeSource& source, const Frames& play) {
    source.process().threads = {{.tid = 11, .name = "render"}, {.tid = 12, .name = "worker"}};
    source.process().modules = {
        {.start = 0x1000, .end = 0x2000, .bias = 0x1000, .build_id = {}, .path = "/opt/game"}};
    source.process().stacks = {{.addresses = {0x1040}}};
    const uint16_t detail = play.took_ns == 0
                                ? uint16_t{0}
                                : static_cast<uint16_t>(1 + tessera_histogram_bucket(play.took_ns));
    for (uint64_t frame = 0; frame < 1'000; ++frame) {
        uint64_t time_ns = kStart + frame * kSecond / 100;
        if (play.present) AddEvent(source, time_ns++, TESSERA_EVENT_frame, frame);
        for (uint64_t i = 0; i < play.per_frame; ++i) {
            AddEvent(source, time_ns++, TESSERA_EVENT_allocate, 256, detail, play.thread);
            AddEvent(source, time_ns++, TESSERA_EVENT_free, 256, 0, play.thread);
        }
    }
}

TEST(Findings, NoneOfAnEmptyProcess) {
    const auto source = EmptyScene();
    EXPECT_TRUE(RemarksOf(*source).empty());
}

TEST(Findings, FrameChurnTellsRatePlaceAndShareOfTheFrameThread) {
    const auto source = EmptyScene();
    PlayFrames(*source, {.per_frame = 30, .took_ns = 140'000});
    const auto remark = Find(*source, "frame_churn");
    ASSERT_TRUE(remark);
    // 30 in each of 1,000 frames; the middle of the bucket of 140 us is 147,456 ns.
    EXPECT_NE(remark->text.find("3,003 allocations of 256 B per second from game+0x40 cost 44 % of "
                                "the frame thread's time"),
              std::string::npos)
        << remark->text;
    EXPECT_NEAR(remark->share.value(), 30'000.0 * 147'456 / 9.99e9, 0.005);
    EXPECT_EQ(remark->weight, Weight::kError);
    EXPECT_FALSE(Find(*source, "churn"));
}

TEST(Findings, FrameChurnIsSilentWhereNothingWasTimed) {
    const auto source = EmptyScene();
    PlayFrames(*source, {.per_frame = 30});
    EXPECT_FALSE(Find(*source, "frame_churn"));
}

// As where the process times its calls, and not each event.
TEST(Findings, FrameChurnTakesTheMeanOfTheCommandWhereNoEventWasTimed) {
    const auto source = EmptyScene();
    PlayFrames(*source, {.per_frame = 30});
    tessera_call_totals& call = DeviceOf(*source).calls[TESSERA_CALL_vkAllocateMemory];
    call.count = 30'000;
    call.timed = 7;
    call.total_ns = 7 * 100'000;
    EXPECT_FALSE(Find(*source, "frame_churn"));
    call.timed = 8;
    call.total_ns = 8 * 100'000;
    const auto remark = Find(*source, "frame_churn");
    ASSERT_TRUE(remark);
    EXPECT_EQ(remark->cost_ns, 30'000u * 100'000);
}

TEST(Findings, FrameChurnIsSilentBelowItsShareAndItsRate) {
    const auto cheap = EmptyScene();
    PlayFrames(*cheap, {.per_frame = 30, .took_ns = 5'000});
    EXPECT_FALSE(Find(*cheap, "frame_churn"));
    const auto rare = EmptyScene();
    PlayFrames(*rare, {.per_frame = 1, .took_ns = 900'000});
    for (reader::Event& event : rare->events)
        if (event.kind == TESSERA_EVENT_allocate && event.object % 2 == 0)
            event.kind = TESSERA_EVENT_unmap;
    EXPECT_FALSE(Find(*rare, "frame_churn"));
}

TEST(Findings, ChurnOfAnotherThreadIsNotThatOfFrames) {
    const auto source = EmptyScene();
    PlayFrames(*source, {.per_frame = 30, .took_ns = 140'000, .thread = 2});
    EXPECT_FALSE(Find(*source, "frame_churn"));
    const auto remark = Find(*source, "churn");
    ASSERT_TRUE(remark);
    EXPECT_NE(remark->text.find("of the time of worker (12)"), std::string::npos) << remark->text;
}

TEST(Findings, ChurnNeedsNoFrames) {
    const auto source = EmptyScene();
    PlayFrames(*source, {.per_frame = 30, .took_ns = 140'000, .present = false});
    EXPECT_TRUE(Find(*source, "churn"));
    const auto few = EmptyScene();
    PlayFrames(*few, {.per_frame = 9, .took_ns = 140'000, .present = false});
    EXPECT_FALSE(Find(*few, "churn"));
    const auto cheap = EmptyScene();
    PlayFrames(*cheap, {.per_frame = 30, .took_ns = 200, .present = false});
    EXPECT_FALSE(Find(*cheap, "churn"));
}

TEST(Findings, SlowDriverAtItsThreshold) {
    const auto source = EmptyScene();
    tessera_call_totals& call = DeviceOf(*source).driver_calls[TESSERA_CALL_vkAllocateMemory];
    call.count = call.timed = 3;
    call.total_ns = kSlowDriverNs + 2;
    call.max_ns = kSlowDriverNs - 1;
    EXPECT_FALSE(Find(*source, "slow_driver"));
    call.max_ns = kSlowDriverNs;
    const auto remark = Find(*source, "slow_driver");
    ASSERT_TRUE(remark);
    EXPECT_EQ(remark->cost_ns, kSlowDriverNs + 2);
}

TEST(Findings, PassedThroughNeedsACountAndAShare) {
    const auto source = EmptyScene();
    tessera_type_totals& totals = DeviceOf(*source).memory_types[0].totals;
    totals.app.allocations = 100;
    totals.pass_through[TESSERA_REASON_dedicated].allocations = kPassedCount - 1;
    EXPECT_FALSE(Find(*source, "passed_through"));
    totals.pass_through[TESSERA_REASON_dedicated].allocations = kPassedCount;
    auto remark = Find(*source, "passed_through");
    ASSERT_TRUE(remark);
    EXPECT_FALSE(remark->cost_ns);  // nothing was timed
    tessera_call_totals& call = DeviceOf(*source).driver_calls[TESSERA_CALL_vkAllocateMemory];
    call.count = call.timed = 10;
    call.total_ns = 1'000;
    remark = Find(*source, "passed_through");
    EXPECT_EQ(remark.value().cost_ns, 100 * kPassedCount);
    totals.app.allocations = 10 * kPassedCount + 1;
    EXPECT_FALSE(Find(*source, "passed_through"));
}

TEST(Findings, LeaksOnlyOfWhatHasEnded) {
    const auto source = EmptyScene();
    AddAllocation(DeviceOf(*source), reader::kNone, 0, 4'096).name = "shadow map";
    EXPECT_FALSE(Find(*source, "leaks"));
    DeviceOf(*source).state = TESSERA_DEVICE_DESTROYED;
    const auto remark = Find(*source, "leaks");
    ASSERT_TRUE(remark);
    EXPECT_EQ(remark->cost_bytes, 4'096u);
    EXPECT_NE(remark->text.find("'shadow map'"), std::string::npos);
}

TEST(Findings, LeaksThatOnlyTheTotalsKnow) {
    const auto source = EmptyScene();
    DeviceOf(*source).state = TESSERA_DEVICE_DESTROYED;
    DeviceOf(*source).misuse[TESSERA_MISUSE_leaked] = 3;
    EXPECT_EQ(Find(*source, "leaks").value().text,
              "3 allocations still lived when their device or their process ended. Which they were "
              "is known at level full.");
    EXPECT_FALSE(Find(*source, "misuse"));
    // Of a process that crashed nothing is counted as misuse.
    const auto crashed = EmptyScene();
    DeviceOf(*crashed).detail.level = TESSERA_LEVEL_totals;
    DeviceOf(*crashed).memory_types[0].totals.app.live = 2;
    DeviceOf(*crashed).memory_types[0].totals.app.live_bytes = 300;
    EXPECT_FALSE(Find(*crashed, "leaks"));
    crashed->process().state = reader::ProcessState::kEnded;
    EXPECT_EQ(Find(*crashed, "leaks").value().cost_bytes, 300u);
}

TEST(Findings, NearBudgetFromNineTenths) {
    const auto source = EmptyScene();
    tessera_heap_record& heap = DeviceOf(*source).heaps[0];
    heap.budget_bytes = 1'000;
    heap.usage_bytes = 899;
    EXPECT_FALSE(Find(*source, "near_budget"));
    heap.usage_bytes = 900;
    EXPECT_EQ(Find(*source, "near_budget").value().weight, Weight::kWarning);
    heap.usage_bytes = 1'000;
    EXPECT_EQ(Find(*source, "near_budget").value().weight, Weight::kError);
    heap.known = 0;
    EXPECT_FALSE(Find(*source, "near_budget"));
}

TEST(Findings, IdleBytesNeedBytesAndAShare) {
    const auto source = EmptyScene();
    tessera_pooled& pooled = DeviceOf(*source).memory_types[0].totals.pooled;
    pooled.block_bytes = 2 * kIdleBytes;
    pooled.free_bytes = kIdleBytes;
    EXPECT_EQ(Find(*source, "idle_bytes").value().cost_bytes, kIdleBytes);
    pooled.free_bytes = kIdleBytes - 1;
    EXPECT_FALSE(Find(*source, "idle_bytes"));
    pooled.free_bytes = kIdleBytes;
    pooled.block_bytes = 2 * kIdleBytes + 8;
    EXPECT_FALSE(Find(*source, "idle_bytes"));
}

TEST(Findings, UnboundOnlyWhatIsLargeAndOld) {
    const auto source = EmptyScene();
    AddAllocation(DeviceOf(*source), reader::kNone, 0, kUnboundBytes);
    EXPECT_FALSE(Find(*source, "unbound"));  // nothing knows of binds at all
    AddAllocation(DeviceOf(*source), reader::kNone, 0, 64).flags = TESSERA_ALLOCATION_BOUND;
    EXPECT_TRUE(Find(*source, "unbound"));
    DeviceOf(*source).detail.allocations[0].flags = TESSERA_ALLOCATION_BOUND;
    EXPECT_FALSE(Find(*source, "unbound"));
    DeviceOf(*source).detail.allocations[0].flags = 0;
    DeviceOf(*source).detail.allocations[0].made_ns = source->process().copied_ns - kSecond;
    EXPECT_FALSE(Find(*source, "unbound"));
    DeviceOf(*source).detail.allocations[0].made_ns = kStart;
    DeviceOf(*source).detail.allocations[0].size_bytes = kUnboundBytes - 1;
    EXPECT_FALSE(Find(*source, "unbound"));
}

// 30 allocations of 16 MiB in 30 seconds; `freed`: each is freed at once.
void Grow(MadeSource& source, bool freed) {
    constexpr uint64_t kBytes = uint64_t{16} << 20;
    source.process().copied_ns = kStart + 30 * kSecond;
    for (uint64_t i = 0; i < 30; ++i) {
        AddEvent(source, kStart + i * kSecond, TESSERA_EVENT_allocate, kBytes);
        if (freed) AddEvent(source, kStart + i * kSecond + 1, TESSERA_EVENT_free, kBytes);
    }
    DeviceOf(source).memory_types[0].totals.app.live_bytes = freed ? 0 : 30 * kBytes;
    DeviceOf(source).memory_types[0].totals.app.live = freed ? 0 : 30;
}

TEST(Findings, GrowthOfWhatIsNeverFreed) {
    const auto source = EmptyScene();
    Grow(*source, false);
    const auto remark = Find(*source, "growth");
    ASSERT_TRUE(remark);
    EXPECT_NEAR(static_cast<double>(remark->cost_bytes.value()), 10.0 * (16 << 20),
                2.0 * (16 << 20));
    const auto steady = EmptyScene();
    Grow(*steady, true);
    EXPECT_FALSE(Find(*steady, "growth"));
}

TEST(Findings, GrowthIsNoneWhereEventsBeginLateAndMuchWasLive) {
    constexpr uint64_t kBytes = uint64_t{200} << 20;
    const auto source = EmptyScene();
    source->process().copied_ns = kStart + 30 * kSecond;
    // The ring of another thread goes back farther than that of the one which allocates.
    AddEvent(*source, kStart, TESSERA_EVENT_map, 64);
    AddEvent(*source, kStart, TESSERA_EVENT_block_made, 64, 0, 2);
    for (uint64_t i = 15; i < 30; ++i) {
        AddEvent(*source, kStart + i * kSecond, TESSERA_EVENT_allocate, 4'096);
        AddEvent(*source, kStart + i * kSecond + 1, TESSERA_EVENT_free, 4'096);
    }
    DeviceOf(*source).memory_types[0].totals.app.live_bytes = kBytes;
    DeviceOf(*source).memory_types[0].totals.app.live = 1;
    EXPECT_FALSE(Find(*source, "growth"));
}

TEST(Findings, MapChurnAtItsRate) {
    const auto source = EmptyScene();
    for (uint64_t i = 0; i <= 2'100; ++i)
        AddEvent(*source, kStart + i * kSecond / 1'050, TESSERA_EVENT_map, 64);
    auto remark = Find(*source, "map_churn");
    ASSERT_TRUE(remark);
    EXPECT_FALSE(remark->cost_ns);
    tessera_call_totals& call = DeviceOf(*source).calls[TESSERA_CALL_vkMapMemory];
    call.count = call.timed = 10;
    call.total_ns = 2'000;
    remark = Find(*source, "map_churn");
    EXPECT_EQ(remark.value().cost_ns, 2'101u * 200);
    source->events.resize(900);
    for (size_t i = 0; i < source->events.size(); ++i)
        source->events[i].time_ns = kStart + i * kSecond / 900;
    EXPECT_FALSE(Find(*source, "map_churn"));
}

TEST(Findings, FailuresDefectsAndBrokenRules) {
    const auto source = EmptyScene();
    EXPECT_FALSE(Find(*source, "failures"));
    EXPECT_FALSE(Find(*source, "placement"));
    EXPECT_FALSE(Find(*source, "misuse"));
    DeviceOf(*source).memory_types[0].totals.app.failed = 1;
    DeviceOf(*source).memory_types[0].totals.placement_failures = 1;
    DeviceOf(*source).misuse[TESSERA_MISUSE_double_free] = 2;
    EXPECT_TRUE(Find(*source, "failures"));
    EXPECT_TRUE(Find(*source, "placement"));
    EXPECT_NE(Find(*source, "misuse").value().text.find("double_free"), std::string::npos);
}

TEST(Findings, IncompleteWhereSomethingWasNotRecorded) {
    const auto source = EmptyScene();
    EXPECT_FALSE(Find(*source, "incomplete"));
    source->made_lost = 1;
    EXPECT_TRUE(Find(*source, "incomplete"));
    source->made_lost = 0;
    DeviceOf(*source).detail.unrecorded[TESSERA_KIND_SLOTS] = 1;
    EXPECT_TRUE(Find(*source, "incomplete"));
}

TEST(Findings, GravestFirstThenCostliest) {
    const auto source = test::GameScene();
    const std::vector<Remark> remarks = RemarksOf(*source);
    ASSERT_GE(remarks.size(), 3u);
    EXPECT_TRUE(std::ranges::is_sorted(
        remarks, [](const Remark& a, const Remark& b) { return a.weight > b.weight; }));
}

}  // namespace
}  // namespace tessera::command::report
