// SPDX-License-Identifier: Apache-2.0
//
// Made-up sources for tests of the report: what a process published, and what led to it.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/source.h"

namespace tessera::test {

// A source whose parts a test sets.
class MadeSource : public command::Source {
 public:
    reader::Process& process() { return process_; }
    using Source::process;
    void set_remark(std::string remark) { remark_ = std::move(remark); }

    bool IsRecording() const override { return recording; }
    const std::vector<command::Sample>& samples() const override { return made_samples; }
    uint64_t lost() const override { return made_lost; }
    std::string ForEachEvents(
        const std::function<void(std::span<const reader::Event>)>& each) override;

    std::vector<command::Sample> made_samples;
    std::vector<reader::Event> events;
    // If set, it is asked for batch after batch, until it returns none, instead of `events`.
    std::function<std::vector<reader::Event>(size_t batch)> generate;
    uint64_t made_lost = 0;
    bool recording = false;
    std::string problem;  // that ForEachEvents() ends with
};

// One live device with the given heaps and types, all in heap 0 unless said otherwise, that holds
// nothing.
reader::Device EmptyDevice(size_t types = 2);

// A process with one such device, which began to record at second 100 of the clock.
std::unique_ptr<MadeSource> EmptyScene();

// An allocation of the application in block `block`, with its totals.
reader::Allocation& AddAllocation(reader::Device& device, uint32_t block, uint64_t offset,
                                  uint64_t size_bytes);

// What a game does: blocks, textures and buffers with names, call stacks, threads, and 20 seconds
// of frames in which 3 allocations are made and freed each.
std::unique_ptr<MadeSource> GameScene();

// The game, where every text that an application can choose is an attack on the page.
std::unique_ptr<MadeSource> HostileScene();

// `allocations` live ones in many blocks, and as many events as asked for, generated as they are
// read.
std::unique_ptr<MadeSource> LargeScene(size_t allocations, uint64_t events);

// "game", "hostile", "empty", "large" (100,000 allocations, 1 million events), "huge" (the same
// with 10 million). Null for another name.
std::unique_ptr<MadeSource> SceneNamed(const std::string& name);

}  // namespace tessera::test
