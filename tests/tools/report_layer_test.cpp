// SPDX-License-Identifier: Apache-2.0
//
// `tessera report` of a recording that the real layer wrote, with the real loader and lavapipe: its
// parts agree with each other and with the totals.
#include <gtest/gtest.h>

#include "support.h"
#include "tools/json.h"

namespace tessera::command {
namespace {

using test::Outcome;
using test::ReadFile;
using test::RunProgram;
using test::TempFolder;

class ReportWithLayer : public testing::Test {
 protected:
    ReportWithLayer() {
        options_.environment["XDG_RUNTIME_DIR"] = folder_.path();
        options_.environment["VK_ICD_FILENAMES"] = TESSERA_LAVAPIPE;
    }
    Outcome Tessera(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), TESSERA_COMMAND);
        return RunProgram(arguments, options_);
    }

    const TempFolder folder_;
    test::ProgramOptions options_;
};

TEST_F(ReportWithLayer, AgreesWithTheTotalsOfARecordingWithLeaks) {
    const std::string recording = folder_ / "app.rec";
    const Outcome recorded = Tessera(
        {"record", "-q", "--stacks", "all", "-o", recording, "--", TESSERA_LIFECYCLE_APP, "exit"});
    ASSERT_EQ(recorded.code, 0) << recorded.err;
    const Outcome printed = Tessera({"report", recording, "--json"});
    ASSERT_EQ(printed.code, 0) << printed.err;
    const Json model = Json::parse(printed.out);
    const Json& app = model["summary"]["app"];
    const Json& events = model["source"]["events_by_kind"];
    EXPECT_EQ(model["source"]["lost"], 0);
    EXPECT_EQ(app["allocations"].get<uint64_t>(),
              events.value("allocate", uint64_t{0}) + events.value("pass_through", uint64_t{0}));
    // What was never freed is in the totals, in the map, among the holders and at the curves' ends.
    EXPECT_EQ(app["live"], 64);
    EXPECT_EQ(model["holders"]["leaked"], 64);
    EXPECT_EQ(model["holders"]["leaked_bytes"], app["live_bytes"]);
    uint64_t in_map = 0;
    for (const Json& block : model["map"]["blocks"])
        for (const Json& slot : block["slots"])
            in_map += slot[2].get<uint64_t>();
    EXPECT_EQ(in_map, app["live_bytes"]);
    uint64_t at_end = 0;
    for (const Json& heap : model["timeline"]["heaps"])
        at_end += heap["app_bytes"]["last"].back().get<uint64_t>();
    EXPECT_EQ(at_end, app["live_bytes"]);
    EXPECT_EQ(model["findings"][0]["rule"], "leaks");
    EXPECT_FALSE(model["stacks"].empty());
}

}  // namespace
}  // namespace tessera::command
