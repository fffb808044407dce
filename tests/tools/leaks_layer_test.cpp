// SPDX-License-Identifier: Apache-2.0
//
// `tessera run --leaks` and `tessera leaks` with the real layer, the real loader and lavapipe.
#include <gtest/gtest.h>
#include <signal.h>

#include "support.h"
#include "tools/exit_codes.h"
#include "tools/json.h"

namespace tessera::command {
namespace {

using test::Outcome;
using test::ProgramOptions;
using test::ReadFile;
using test::RunProgram;
using test::TempFolder;

class LeaksWithLayer : public testing::Test {
 protected:
    LeaksWithLayer() {
        options_.environment["XDG_RUNTIME_DIR"] = folder_.path();
        options_.environment["VK_ICD_FILENAMES"] = TESSERA_LAVAPIPE;
    }
    Outcome Tessera(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), TESSERA_COMMAND);
        return RunProgram(arguments, options_);
    }
    Outcome Run(std::vector<std::string> options, const std::string& mode) const {
        options.insert(options.begin(), {"run", "--stats", folder_ / "s.json"});
        options.insert(options.end(), {"--", TESSERA_LIFECYCLE_APP, mode});
        return Tessera(options);
    }
    Json Process() const { return Json::parse(ReadFile(folder_ / "s.json"))["processes"][0]; }

    const TempFolder folder_;
    ProgramOptions options_;
};

TEST_F(LeaksWithLayer, AnApplicationThatFreesEverythingPasses) {
    const Outcome outcome = Run({"--leaks"}, "clean");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("nothing leaked"), std::string::npos) << outcome.err;
    EXPECT_EQ(Process()["leaks"], Json::array());
}

TEST_F(LeaksWithLayer, WhatIsLeftAtTheEndFailsASuccessfulApplicationAndIsListed) {
    EXPECT_EQ(Run({}, "exit").code, 0);
    const Outcome outcome = Run({"--leaks=3", "--stacks", "all"}, "exit");
    EXPECT_EQ(outcome.code, kLeaks) << outcome.err;
    EXPECT_NE(outcome.err.find("still allocated at the end: 64 allocations"), std::string::npos)
        << outcome.err;
    EXPECT_NE(outcome.err.find("AllocationSet::Make at lifecycle/allocations.cpp:"),
              std::string::npos)
        << outcome.err;
    EXPECT_NE(outcome.err.find("tessera:   #3  "), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find("tessera:   #4  "), std::string::npos) << outcome.err;
    const Json leaks = Process()["leaks"];
    ASSERT_EQ(leaks.size(), 1u);
    EXPECT_EQ(leaks[0]["count"], 64);
    EXPECT_EQ(leaks[0]["in_groups"], 64);
    uint64_t bytes = 0;
    for (const Json& group : leaks[0]["groups"]) {
        bytes += group["bytes"].get<uint64_t>();
        EXPECT_FALSE(group["stack"].is_null());
        EXPECT_FALSE(group["oldest_after_start_ns"].is_null());
        ASSERT_EQ(group["resources"].size(), 1u);
        EXPECT_EQ(group["resources"][0]["kind"], "buffer");
        EXPECT_EQ(group["resources"][0]["usage"],
                  Json::parse(R"(["TRANSFER_SRC", "STORAGE_BUFFER"])"));
        EXPECT_EQ(group["resources"][0]["size_bytes"], group["size_bytes"]);
    }
    EXPECT_EQ(leaks[0]["bytes"], bytes);
}

TEST_F(LeaksWithLayer, AnApplicationThatFailsKeepsItsOwnCode) {
    const Outcome outcome = Run({"--leaks"}, "crash");
    EXPECT_EQ(outcome.code, 128 + SIGSEGV);
    EXPECT_NE(outcome.err.find("ended by signal 11 ("), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("still allocated at the end: "), std::string::npos) << outcome.err;
}

TEST_F(LeaksWithLayer, QuietOnesAreToldByTheExitCodeAlone) {
    const Outcome outcome = Run({"--leaks", "--quiet"}, "exit");
    EXPECT_EQ(outcome.code, kLeaks);
    EXPECT_EQ(outcome.err, "");
}

TEST_F(LeaksWithLayer, OfTotalsAloneTheyAreCounted) {
    const Outcome outcome = Run({"--leaks", "--level", "totals"}, "exit");
    EXPECT_EQ(outcome.code, kLeaks);
    EXPECT_NE(outcome.err.find("64 allocations"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("Which they are is not known"), std::string::npos) << outcome.err;
}

TEST_F(LeaksWithLayer, TheCommandReadsAProcessThatHasEnded) {
    Run({"--level", "full"}, "exit");
    const std::string pid = Process()["pid"].dump();
    const Outcome text = Tessera({"leaks", pid, "--limit", "1"});
    EXPECT_EQ(text.code, kLeaks) << text.err;
    EXPECT_NE(text.out.find("  and 63 smaller groups: 63 allocations"), std::string::npos)
        << text.out;
    const Outcome json = Tessera({"leaks", pid, "--json"});
    EXPECT_EQ(json.code, kLeaks);
    const Json leaks = Json::parse(json.out)["processes"][0]["leaks"];
    EXPECT_EQ(leaks[0]["groups"].size(), 64u);
    EXPECT_EQ(leaks[0]["moment"], "process_ended");
    EXPECT_TRUE(leaks[0]["groups"][0]["stack"].is_null());
}

}  // namespace
}  // namespace tessera::command
