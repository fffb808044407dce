// SPDX-License-Identifier: Apache-2.0
//
// Budgets, the second form of mapping, priorities and sparse memory on a real driver that has them:
// the newer lavapipe does, that of Debian 12 does not.
#include "system_fixture.h"

namespace tessera::test {
namespace {

class Extensions : public SystemTest {
 protected:
    // Runs a program bare and with the layer. Returns: what it printed, "" if the driver lacks what
    // it needs, and then the test is skipped. `devices`: how many it makes.
    std::string Compare(const Command& command, size_t devices = 1) {
        const Outcome without = RunProgram(command, bare());
        if (without.code == 77) {
            Skip(without.err);
            return "";
        }
        EXPECT_EQ(without.code, 0) << without.err;
        const Ended with = RunToEnd(command, Layered());
        ExpectSame(with.outcome, without);
        ExpectPooling(with.outcome, devices);
        const Json process = Stat(with.pid);
        EXPECT_GT(Sum(process, "pooled", "allocations"), 0u);
        EXPECT_EQ(PlacementFailures(process), 0u);
        return without.out;
    }

 private:
    static void Skip(const std::string& why) { GTEST_SKIP() << why; }
};

TEST_F(Extensions, BudgetsAreSaneAfterEachAllocation) {
    const std::string said = Compare({TESSERA_EXTENSION_CLIENT, "budget"}, 2);
    if (said.empty()) return;
    EXPECT_EQ(said, "24 answers are sane\n");
}

TEST_F(Extensions, SecondFormOfMappingShowsTheSameBytes) {
    const std::string said = Compare({TESSERA_EXTENSION_CLIENT, "map2"});
    if (said.empty()) return;
    EXPECT_EQ(said, "0 words differ\n");
}

TEST_F(Extensions, PrioritiesAreBorne) {
    const std::string said = Compare({TESSERA_EXTENSION_CLIENT, "priority"});
    if (said.empty()) return;
    EXPECT_EQ(said, "64 allocations with priorities\n");
}

TEST_F(Extensions, SparseBufferFindsItsPages) {
    const std::string said = Compare({TESSERA_EXTENSION_CLIENT, "sparse-buffer"});
    if (said.empty()) return;
    EXPECT_EQ(said, "0 words differ after the pages changed places\n");
}

// Opaque binds, tiles and mip tails, in one scene with plain images.
TEST_F(Extensions, SparseImagesGiveTheSamePicture) {
    const Command scene = {TESSERA_NAIVE_SCENE, "--resources", "400", "--frames", "3",
                           "--all-types",       "--sparse"};
    const Outcome without = RunProgram(scene, bare());
    ASSERT_EQ(without.code, 0) << without.err;
    const Ended with = RunToEnd(scene, Layered());
    EXPECT_EQ(with.outcome.code, 0) << with.outcome.err;
    for (const char* line : {"checksum ", "sparse ", "memory types"}) {
        EXPECT_EQ(LinesWith(with.outcome.out, line), LinesWith(without.out, line));
        EXPECT_EQ(LinesWith(without.out, line).size(), 1u);
    }
    EXPECT_EQ(PlacementFailures(Stat(with.pid)), 0u);
}

}  // namespace
}  // namespace tessera::test
