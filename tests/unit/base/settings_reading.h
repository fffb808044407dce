// SPDX-License-Identifier: Apache-2.0
//
// One reading of the settings as a process that starts now would see it: in a child, because the
// log falls silent after three lines of a kind, and for a process that is for good.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "layer/base/settings.h"
#include "scratch.h"

namespace tessera::test {

struct Reading {
    Settings settings;
    std::string log;  // what went to stderr
};

// Calls ReadSettings in a child process.
inline Reading ReadInChild(const LayerSettingsFromApp* api = nullptr, bool elevated = false) {
    Reading reading;
    void* const shared =
        mmap(nullptr, sizeof(Settings), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const int sink = memfd_create("stderr", MFD_CLOEXEC);
    if (shared == MAP_FAILED || sink < 0) {
        ADD_FAILURE() << "no memory to share with the child";
        return reading;
    }
    const pid_t child = fork();
    if (child == 0) {
        dup2(sink, STDERR_FILENO);
        new (shared) Settings(ReadSettings(api, elevated));
        _exit(0);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "reading the settings ended the process";
    reading.settings = *static_cast<const Settings*>(shared);
    reading.log.resize(static_cast<size_t>(lseek(sink, 0, SEEK_END)));
    EXPECT_EQ(pread(sink, reading.log.data(), reading.log.size(), 0),
              static_cast<ssize_t>(reading.log.size()));
    close(sink);
    munmap(shared, sizeof(Settings));
    return reading;
}

// A process start with nothing set: no variables of ours, empty home and working directory.
class SettingsTest : public testing::Test {
 protected:
    // Where the user's own file is.
    std::string UserFile() const {
        return folder_ / "home/.local/share/vulkan/settings.d/vk_layer_settings.txt";
    }

    ScratchFolder folder_;
    ScopedVariable home_{"HOME", folder_ / "home"};
    ScopedVariable data_home_{"XDG_DATA_HOME", std::nullopt};
    ScopedVariable settings_path_{"VK_LAYER_SETTINGS_PATH", std::nullopt};
};

}  // namespace tessera::test
