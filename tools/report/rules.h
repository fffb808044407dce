// SPDX-License-Identifier: Apache-2.0
//
// Findings: what in the numbers deserves attention, in sentences, each with what it costs.
//
// The one idea: a finding has a rule, and a rule has a threshold that is a constant here; below it
// nothing is said. A cost is only told if it was measured. docs/report.md lists the rules.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tessera/reader.h"
#include "tools/account.h"
#include "tools/report/history.h"
#include "tools/report/holdings.h"
#include "tools/report/words.h"

namespace tessera::command::report {

// Calls a second of one size from one place, by the thread that presents, and their share of its
// time.
inline constexpr double kFrameChurnPerSecond = 100;
inline constexpr double kFrameChurnShare = 0.02;
inline constexpr double kGraveShare = 0.1;  // from which on it is an error
// The same of any thread, where there are no frames or it presents none.
inline constexpr double kChurnPerSecond = 1'000;
inline constexpr double kChurnShare = 0.01;
// Calls that were timed, for a mean to be believed.
inline constexpr uint64_t kMinTimed = 8;
// Sentences of one rule.
inline constexpr size_t kMaxOfOneRule = 10;
// Recorded time below which rates say nothing.
inline constexpr double kMinSeconds = 0.1;
// One call of the driver.
inline constexpr uint64_t kSlowDriverNs = 4'000'000;
// Allocations that passed through, and their share.
inline constexpr uint64_t kPassedCount = 16;
inline constexpr double kPassedShare = 0.1;
// Of a heap's budget that is in use.
inline constexpr double kBudgetShare = 0.9;
// Free bytes in the blocks of a memory type, and their share.
inline constexpr uint64_t kIdleBytes = uint64_t{64} << 20;
inline constexpr double kIdleShare = 0.5;
// Allocations without a use.
inline constexpr uint64_t kUnboundBytes = uint64_t{16} << 20;
// Growth of a heap: the least of the last third against the most of the first.
inline constexpr uint64_t kGrowthBytes = uint64_t{64} << 20;
inline constexpr double kGrowthSeconds = 10;
// Maps and unmaps a second.
inline constexpr double kMapsPerSecond = 1'000;

enum class Weight { kNote, kWarning, kError };
const char* Name(Weight weight);  // "note", "warning", "error"

struct Remark {
    std::string rule;  // for programs: "frame_churn"
    Weight weight = Weight::kNote;
    std::string text;  // a sentence or two
    // What it costs; each only if it is known.
    std::optional<uint64_t> cost_ns;
    std::optional<double> share;  // of the time that the text names
    std::optional<uint64_t> cost_bytes;
};

struct Facts {
    const reader::Process& process;
    const History& history;
    const Holdings& holdings;
    const Account& account;
    const FrameTexts& frames;
    size_t common_depth = 0;  // CommonDepth() of the process's stacks
};

// Gravest first, then costliest.
std::vector<Remark> FindRemarks(const Facts& facts);

// The caller of stack `number` of an event, for a sentence: " from main.cpp:12"; "" if unknown.
std::string FromCaller(const Facts& facts, uint16_t number);

}  // namespace tessera::command::report
