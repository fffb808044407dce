// SPDX-License-Identifier: Apache-2.0
//
// Every test publishes into a runtime directory of its own, so that nothing of the user's is
// touched, nothing of the user's disturbs, and no test sees the segment of another.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace {

class OwnRuntimeDirectory : public testing::EmptyTestEventListener {
    void OnTestStart(const testing::TestInfo&) override {
        char directory[] = "/tmp/tessera-layer-test-XXXXXX";
        if (mkdtemp(directory) == nullptr) std::abort();
        directory_ = directory;
        setenv("XDG_RUNTIME_DIR", directory, 1);
        // Settings of the user who runs the tests are not part of them.
        setenv("XDG_DATA_HOME", directory, 1);
    }
    void OnTestEnd(const testing::TestInfo&) override {
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
    std::string directory_;
};

}  // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    for (const char* name : {"VK_INSTANCE_LAYERS", "VK_ADD_LAYER_PATH", "VK_LAYER_SETTINGS_PATH",
                             "TESSERA_MODE", "TESSERA_CHANNEL", "TESSERA_LOG_LEVEL"}) {
        unsetenv(name);
    }
    // What the driver is asked for, and when, is a test's own affair: no thread of the layer's
    // decides it unless a test or whoever runs this asks for that.
    setenv("TESSERA_HELPER", "off", 0);
    testing::UnitTest::GetInstance()->listeners().Append(new OwnRuntimeDirectory);
    return RUN_ALL_TESTS();
}
