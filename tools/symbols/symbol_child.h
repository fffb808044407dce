// SPDX-License-Identifier: Apache-2.0
//
// The process that reads the symbols of one module, and what it answers.
//
// It opens what it needs, gives up everything else (further descriptors, the network, processor
// time, memory: Confine()), and only then looks into the file. Its answers are a stream of
// AnswerHead, each followed by its two texts. The reader of the stream trusts none of it.
//
// Threads: RunSymbolChild() belongs into a forked child, which has one; it never returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "tessera/reader.h"

namespace tessera::command {

// What became of the file of a module. kUsed and kUnverified have answers.
enum class FileStatus : uint32_t {
    kUsed,
    kUnverified,  // neither the process nor the file had a build id
    kNoPath,      // the process did not say where it lies, or it lies nowhere (the vDSO)
    kMissing,     // it cannot be opened
    kNotRegular,  // it is a pipe, a device, a folder
    kTooLarge,
    kNotElf,      // or nothing that could have been loaded
    kOtherBuild,  // its build id is not the module's
    kTimedOut,    // told by the parent: the child was stopped
    kBroken,      // likewise: the child crashed, or answered nonsense
    kCount
};

enum class AnswerTag : uint32_t {
    kStatus = 1,  // `index` is a FileStatus; comes first
    kLine = 2,    // a function at address number `index`, innermost first
    kDone = 3,    // comes last
};

struct AnswerHead {
    uint32_t tag = 0;
    uint32_t index = 0;
    uint32_t line = 0;
    uint32_t inlined = 0;         // 0 or 1
    uint32_t function_bytes = 0;  // of the texts that follow, without an end
    uint32_t file_bytes = 0;
};

inline constexpr uint32_t kMaxTextBytes = 2048;       // longer ones are cut
inline constexpr uint32_t kMaxLinesPerAddress = 32;   // further ones are left out
inline constexpr size_t kMaxAnswerBytes = 64u << 20;  // of one child
inline constexpr uint64_t kMaxSymbolFileBytes = uint64_t{1} << 30;

struct ChildLimits {
    uint64_t cpu_seconds = 10;
    uint64_t memory_bytes = uint64_t{3} << 30;  // beyond what the process had
    std::string debug_folder;
    bool debuginfod = false;
};

// Looks up `addresses` (of the process; where calls return to) in the file of `module` and writes
// what it finds to `out`. Ends the process.
[[noreturn]] void RunSymbolChild(const reader::Module& module, std::span<const uint64_t> addresses,
                                 const ChildLimits& limits, int out);

}  // namespace tessera::command
