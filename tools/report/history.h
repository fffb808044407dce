// SPDX-License-Identifier: Apache-2.0
//
// What led to the last state: all events and samples of a source, summed up as they stream by.
//
// The one idea: events say how much changes and samples say how much there is, so the curve of a
// value is drawn from events and hung up at samples. Where there is no sample (a segment), it is
// hung up at its end, the last state. Nothing here grows with the number of events.
//
// Threads: one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "tools/report/churn.h"
#include "tools/report/timeline.h"
#include "tools/source.h"

namespace tessera::command::report {

// What is drawn of each heap.
enum class Quantity : uint8_t { kAppBytes, kDriverBytes, kAppLive, kDriverLive, kCount };

// A curve of the timeline.
struct Curve {
    uint64_t device = 0;  // id
    uint32_t heap = 0;
    Quantity quantity = Quantity::kAppBytes;
    size_t series = 0;     // of History::timeline
    bool hung = false;     // a sample said once how much there was
    bool touched = false;  // by an event, since the last sample
    int64_t off_by = 0;    // what the last sample differed by
};

// Pictures of one device.
struct Frames {
    uint64_t count = 0;
    uint64_t first_ns = 0;
    uint64_t last_ns = 0;
    std::map<uint16_t, uint64_t> threads;  // that presented, and how often
    // Times from one picture to the next, as the ABI counts latencies.
    std::array<uint64_t, TESSERA_HISTOGRAM_BUCKETS> intervals = {};
    uint64_t longest_ns = 0;
};

struct History {
    // Curves at most: those of four heaps of two devices, say. More are left out and said.
    static constexpr size_t kMaxCurves = 32;
    static constexpr size_t kSizeClasses = 65;  // by bit width

    Timeline timeline;
    std::vector<Curve> curves;
    bool curves_left_out = false;
    Churn churn;
    std::map<uint64_t, Frames> frames;  // by device id
    std::array<uint64_t, TESSERA_EVENT_COUNT> events = {};
    uint64_t unknown_events = 0;
    uint64_t first_ns = 0;  // of events; 0: there are none
    uint64_t last_ns = 0;
    // Since when allocations and frees are known. Of a process each ring goes back as far as it
    // holds events: one with few others may begin long before the first allocation that is left.
    uint64_t churn_first_ns = 0;
    // Of allocations made, pooled or not, by std::bit_width of their size.
    std::array<uint64_t, kSizeClasses> made = {};
    std::array<uint64_t, kSizeClasses> made_bytes = {};
    uint64_t lost = 0;

    uint64_t total_events() const;
    double seconds() const { return static_cast<double>(last_ns - first_ns) / 1e9; }
    double churn_seconds() const {
        return churn_first_ns == 0 ? 0 : static_cast<double>(last_ns - churn_first_ns) / 1e9;
    }
};

// Reads everything that `source` has. Returns: an empty text, or what went wrong; what was read
// until then is in `*history`.
std::string ReadHistory(Source& source, History* history);

// The duration that a bucket of the ABI's histograms stands for: its middle. Units: ns.
uint64_t BucketNs(uint32_t bucket);

}  // namespace tessera::command::report
