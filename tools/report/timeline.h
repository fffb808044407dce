// SPDX-License-Identifier: Apache-2.0
//
// Values over time, in a memory that does not grow with the number of their changes.
//
// The one idea: time is cut into at most kSpans spans of one width for all values, and of each span
// a value keeps its lowest, its highest and its last. When time runs past the last span, the width
// doubles and pairs of spans become one. No peak is ever lost, only its exact moment. The page
// draws the spans as they are when it is zoomed in, and merges neighbours when it is not.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::command::report {

class Timeline {
 public:
    // Spans of time at most: 16,384, which is eight for each point of an overview.
    static constexpr size_t kSpans = size_t{1} << 14;
    // Of the spans at the start. Units: ns.
    static constexpr uint64_t kFirstWidthNs = 1024;

    struct Span {
        uint64_t index = 0;  // it begins at origin_ns() + index * width_ns()
        int64_t min = 0;
        int64_t max = 0;
        int64_t last = 0;  // the value at its end, and until the next span that is known
    };

    // A new value, 0 from the start. Returns: its number, from 0.
    size_t AddSeries();

    // The first call says when time begins; what is earlier counts as then. Time may not run
    // backward by more than it can without harm: what comes late counts for the span it names.
    void Change(size_t series, uint64_t time_ns, int64_t by);
    void Set(size_t series, uint64_t time_ns, int64_t value);

    // Adds `by` to everything that is known of the value: it did not begin with 0.
    void Shift(size_t series, int64_t by);

    // As of the last change.
    int64_t value(size_t series) const { return values_[series].now; }

    // Before its first change.
    int64_t first(size_t series) const { return values_[series].first; }

    bool empty() const { return !started_; }
    uint64_t origin_ns() const { return origin_ns_; }
    uint64_t width_ns() const { return width_ns_; }
    uint64_t end_ns() const { return end_ns_; }  // the latest time that was seen

    // Spans in which the value was touched, in order of time.
    std::vector<Span> Spans(size_t series) const;

 private:
    struct Cell {
        int64_t min = 0;
        int64_t max = 0;
        int64_t last = 0;
        bool used = false;
    };
    struct Value {
        int64_t first = 0;
        int64_t now = 0;
        std::vector<Cell> cells;
    };

    // The cell of `value` for a time; the width grows until there is one.
    Cell& CellAt(Value& value, uint64_t time_ns);
    void Coarsen();

    bool started_ = false;
    uint64_t origin_ns_ = 0;
    uint64_t end_ns_ = 0;
    uint64_t width_ns_ = kFirstWidthNs;
    std::vector<Value> values_;
};

}  // namespace tessera::command::report
