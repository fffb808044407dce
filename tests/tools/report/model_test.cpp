// SPDX-License-Identifier: Apache-2.0
//
// The model: that its numbers are those of the source, and that it stays small.
#include "tools/report/model.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/tools/report/scenes.h"

namespace tessera::command::report {
namespace {

Json ModelOfScene(test::MadeSource& source) {
    std::string problem;
    Json model = ModelOf(source, "scene", ModuleFrames(source.process()), &problem);
    EXPECT_EQ(problem, "");
    return model;
}

TEST(Model, HasEveryPartAlsoOfAnEmptyProcess) {
    const auto source = test::EmptyScene();
    const Json model = ModelOfScene(*source);
    for (const char* const key : {"schema", "source", "process", "created_ns", "copied_ns",
                                  "findings", "summary", "timeline", "frames", "map", "sizes",
                                  "latencies", "churn", "holders", "threads", "texts", "stacks"})
        EXPECT_TRUE(model.contains(key)) << key;
    EXPECT_EQ(model["schema"], 1);
    EXPECT_EQ(model["copied_ns"], model["created_ns"].get<uint64_t>() + 20'000'000'000u);
}

TEST(Model, AgreesWithTheTotalsEverywhere) {
    const auto source = test::GameScene();
    const Json model = ModelOfScene(*source);
    uint64_t live = 0;
    uint64_t live_bytes = 0;
    for (const reader::MemoryType& type : source->process().devices[0].memory_types) {
        live += type.totals.app.live;
        live_bytes += type.totals.app.live_bytes;
    }
    EXPECT_EQ(model["summary"]["app"]["live"], live);
    uint64_t in_map = 0;
    uint64_t map_bytes = 0;
    for (const Json& block : model["map"]["blocks"]) {
        for (const Json& slot : block["slots"]) {
            in_map += slot[3].get<uint64_t>();
            map_bytes += slot[2].get<uint64_t>();
        }
    }
    EXPECT_EQ(in_map, live);
    EXPECT_EQ(map_bytes, live_bytes);
    uint64_t in_sizes = 0;
    for (const Json& size : model["sizes"])
        in_sizes += size["live"].get<uint64_t>();
    EXPECT_EQ(in_sizes, live);
    uint64_t held = 0;
    for (const Json& holder : model["holders"]["top"])
        held += holder["bytes"].get<uint64_t>();
    EXPECT_EQ(held, live_bytes);
    int64_t at_end = 0;
    for (const Json& heap : model["timeline"]["heaps"])
        at_end += heap["app_bytes"]["last"].back().get<int64_t>();
    EXPECT_EQ(at_end, static_cast<int64_t>(live_bytes));
    EXPECT_EQ(model["source"]["events"], source->events.size());
}

TEST(Model, RefersOnlyToStacksTextsAndThreadsThatItHas) {
    const auto source = test::GameScene();
    const Json model = ModelOfScene(*source);
    for (const Json& block : model["map"]["blocks"]) {
        for (const Json& slot : block["slots"]) {
            ASSERT_EQ(slot.size(), 10u);
            for (const size_t field : {5u, 6u})
                EXPECT_TRUE(slot[field].is_null() ||
                            slot[field].get<size_t>() < model["texts"].size());
            EXPECT_TRUE(slot[8].is_null() || slot[8].get<size_t>() < model["threads"].size());
            EXPECT_TRUE(slot[9].is_null() || slot[9].get<size_t>() < model["stacks"].size());
        }
    }
    EXPECT_EQ(model["stacks"].size(), 4u);
}

TEST(Model, SavesTimeAgainstTheDriversFastest) {
    const auto source = test::EmptyScene();
    reader::Device& device = source->process().devices[0];
    EXPECT_TRUE(ModelOfScene(*source)["summary"]["time"]["saved_at_least_ns"].is_null());
    device.memory_types[0].totals.app.allocations = 1'000;
    device.memory_types[0].totals.app.live = 1'000;
    tessera_call_totals& app = device.calls[TESSERA_CALL_vkAllocateMemory];
    app.count = app.timed = 1'000;
    app.total_ns = 300'000;
    tessera_call_totals& driver = device.driver_calls[TESSERA_CALL_vkAllocateMemory];
    driver.count = driver.timed = 2;
    driver.total_ns = 20'000;
    driver.histogram[tessera_histogram_bucket(4'096)] = 1;
    driver.histogram[tessera_histogram_bucket(16'000)] = 1;
    EXPECT_EQ(ModelOfScene(*source)["summary"]["time"]["saved_at_least_ns"],
              1'000 * 4'096 - 300'000);
}

TEST(Model, TellsWhatCouldNotBeRead) {
    const auto source = test::GameScene();
    source->problem = "the recording is cut short";
    std::string problem;
    const Json model = ModelOf(*source, "scene", ModuleFrames(source->process()), &problem);
    EXPECT_EQ(problem, "the recording is cut short");
    EXPECT_GT(model["source"]["events"], 0);
}

TEST(Model, StaysSmallWhateverTheSourceHolds) {
    const auto source = test::LargeScene(100'000, 1'000'000);
    const std::string text = Dump(ModelOfScene(*source), Layout::kLine);
    EXPECT_LT(text.size(), size_t{12} << 20);
    const auto twice = test::LargeScene(100'000, 2'000'000);
    EXPECT_LT(Dump(ModelOfScene(*twice), Layout::kLine).size(), size_t{12} << 20);
}

// Of a forged recording: whatever the numbers are, there is a model, and it is JSON.
TEST(Model, SurvivesTheLargestNumbersEverywhere) {
    const auto source = test::GameScene();
    source->recording = true;
    reader::Device& device = source->process().devices[0];
    for (reader::MemoryType& type : device.memory_types) {
        type.heap = 77;
        type.totals.app = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
        type.totals.pooled.free_bytes = UINT64_MAX;
        type.totals.pooled.block_bytes = 1;
    }
    for (auto* calls : {&device.calls, &device.driver_calls})
        for (tessera_call_totals& call : *calls)
            call = {.count = UINT64_MAX,
                    .timed = 9,
                    .total_ns = UINT64_MAX,
                    .max_ns = UINT64_MAX,
                    .histogram = {}};
    for (reader::Allocation& allocation : device.detail.allocations)
        allocation.size_bytes = allocation.offset = allocation.padding_bytes = UINT64_MAX;
    for (size_t i = 0; i < source->events.size(); i += 3)
        source->events[i].value = uint64_t{1} << 63;
    source->events.back().time_ns = UINT64_MAX;
    Sample sample;
    sample.device = 1;
    sample.types.resize(2, {.app_live = UINT64_MAX,
                            .app_live_bytes = uint64_t{1} << 63,
                            .driver_live = 1,
                            .driver_live_bytes = 1,
                            .allocations = 0,
                            .frees = 0});
    source->made_samples = {sample, sample};
    const Json model = ModelOfScene(*source);
    EXPECT_EQ(Json::parse(Dump(model, Layout::kLine)), model);
}

TEST(Model, HasNothingThatDrivesATerminalInItsTexts) {
    const auto source = test::HostileScene();
    const Json model = ModelOfScene(*source);
    for (const char* const key : {"texts", "threads", "stacks", "findings", "holders", "source"})
        EXPECT_EQ(Dump(model[key], Layout::kLine).find("\\u001b"), std::string::npos) << key;
}

}  // namespace
}  // namespace tessera::command::report
