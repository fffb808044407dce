// SPDX-License-Identifier: Apache-2.0
//
// What the tests of kills share: a folder of segments of their own, busy_application in it, and a
// look at what the folder holds.
//
// Threads: one.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "child.h"

namespace tessera::test {

// How many processes a test kills: TESSERA_TEST_KILLS, or `few`.
uint64_t KillsOf(uint64_t few);

// What lies in the folder of segments.
struct FolderContents {
    uint64_t dead_segments = 0;
    uint64_t dead_bytes = 0;  // of the disk
    uint64_t segments = 0;    // of processes that run
    // Requests for a level that no process will look at, and whatever else is there.
    std::vector<std::string> litter;
};

class KillsTest : public testing::Test {
 protected:
    KillsTest();
    ~KillsTest() override;

    const std::string& folder() const { return folder_; }
    std::string segments() const { return folder_ + "/tessera"; }

    static std::vector<std::string> Application(const std::string& mode, uint64_t seed);

    // A moment from 0 to `most_us` later.
    void SleepUpTo(uint64_t most_us);

    uint64_t Draw(uint64_t below) { return random_() % below; }

    // Reads the folder. Others may come and go meanwhile.
    FolderContents Look() const;

    // Starts one more process, and holds what is left while it runs against what the layer
    // promises to keep. Whatever was planted before must be gone.
    void ExpectCollected();

 private:
    std::string folder_;
    std::mt19937_64 random_{20261121};
};

}  // namespace tessera::test
