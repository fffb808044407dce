// SPDX-License-Identifier: Apache-2.0
//
// What `tessera top` looks at: all processes of the user, or one, now and a moment ago.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tessera/reader.h"
#include "tools/symbols/symbolizer.h"
#include "tools/top/model.h"

namespace tessera::top {

class Watch {
 public:
    ~Watch();
    Watch() = default;
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    // Copies the totals of all processes; those that cannot be read are left out.
    void LookAtAll();

    // Copies process `pid` with its detail. Once it was found it is followed to its end, and shown
    // as it ended. Returns: empty, or a sentence if it cannot be read.
    std::string LookAt(uint64_t pid);

    const std::vector<reader::Process>& processes() const { return now_; }
    const std::vector<reader::Process>& processes_before() const { return before_; }

    const reader::Process& process() const { return process_; }
    const reader::Process* process_before() const {
        return has_before_ ? &process_before_ : nullptr;
    }
    // The process has ended: nothing will change any more.
    bool ended() const { return ended_; }

    // The lines of a call stack of process(), innermost first. `resolve`: names of functions are
    // looked up, which may take a moment for each file.
    std::vector<std::string> Lines(uint32_t stack, bool resolve);

 private:
    void Forget();

    std::vector<reader::Process> now_, before_;
    uint64_t pid_ = 0;
    int file_ = -1;
    std::string path_;
    reader::Process process_, process_before_;
    bool has_before_ = false;
    bool ended_ = false;
    std::unique_ptr<command::Symbolizer> symbolizer_;
    size_t modules_ = 0;                                  // that the symbolizer knows
    std::map<uint32_t, std::vector<std::string>> lines_;  // of stacks whose names were looked up
};

}  // namespace tessera::top
