// SPDX-License-Identifier: Apache-2.0
//
// A process that no segment was read for: what tests of map, diff and export look at.
//
// Device 1 has two blocks of 1,000 bytes and three allocations that passed through:
//   block 0  [0, 100) a buffer, [100, 300) an optimal image, [300, 310) its padding, [310, 1000)
//   free block 1  [0, 400) free, [400, 800) an allocation with two buffers of 100 bytes at its
//   start and
//            at its middle, [800, 1000) free
//   passed   5,000 bytes dedicated with a linear image, 300 and 200 bytes external, nothing bound
//
// Threads: pure functions.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tessera/reader.h"
#include "tools/source.h"

namespace tessera::command {

// What an application may name something to drive whoever shows it.
inline constexpr char kHostile[] =
    "=cmd()\x1b[2J</script><img onerror=x>\"'&\n\xff\xed\xa0\x80,;=1+1";

reader::Process MadeUpProcess();

// A source of which the test decides everything.
class MadeUpSource : public Source {
 public:
    explicit MadeUpSource(reader::Process process) { process_ = std::move(process); }
    bool IsRecording() const override { return !samples_.empty(); }
    const std::vector<Sample>& samples() const override { return samples_; }
    std::string ForEachEvents(
        const std::function<void(std::span<const reader::Event>)>& each) override {
        each(events_);
        return problem_;
    }
    uint64_t lost() const override { return lost_; }

    std::vector<Sample> samples_;
    std::vector<reader::Event> events_;
    std::string problem_;
    uint64_t lost_ = 0;
};

}  // namespace tessera::command
