// SPDX-License-Identifier: Apache-2.0
//
// See timeline.h.
#include "tools/report/timeline.h"

#include <algorithm>

namespace tessera::command::report {

size_t Timeline::AddSeries() {
    values_.emplace_back();
    return values_.size() - 1;
}

void Timeline::Change(size_t series, uint64_t time_ns, int64_t by) {
    // Unsigned, since what a recording says may overflow.
    const uint64_t sum = static_cast<uint64_t>(values_[series].now) + static_cast<uint64_t>(by);
    Set(series, time_ns, static_cast<int64_t>(sum));
}

void Timeline::Set(size_t series, uint64_t time_ns, int64_t value) {
    Value& entry = values_[series];
    Cell& cell = CellAt(entry, time_ns);
    entry.now = value;
    cell.min = std::min(cell.min, value);
    cell.max = std::max(cell.max, value);
    cell.last = value;
}

void Timeline::Shift(size_t series, int64_t by) {
    const auto add = [by](int64_t& value) {
        value = static_cast<int64_t>(static_cast<uint64_t>(value) + static_cast<uint64_t>(by));
    };
    Value& entry = values_[series];
    add(entry.first);
    add(entry.now);
    for (Cell& cell : entry.cells) {
        add(cell.min);
        add(cell.max);
        add(cell.last);
    }
}

Timeline::Cell& Timeline::CellAt(Value& value, uint64_t time_ns) {
    if (!started_) {
        started_ = true;
        origin_ns_ = end_ns_ = time_ns;
    }
    end_ns_ = std::max(end_ns_, time_ns);
    const uint64_t since_ns = time_ns > origin_ns_ ? time_ns - origin_ns_ : 0;
    // Ends: 2^64 ns are few spans of the widest width.
    while (since_ns / width_ns_ >= kSpans)
        Coarsen();
    const size_t index = static_cast<size_t>(since_ns / width_ns_);
    if (value.cells.size() <= index) value.cells.resize(index + 1);
    Cell& cell = value.cells[index];
    // A span begins with the value that the one before it left.
    if (!cell.used) cell = {.min = value.now, .max = value.now, .last = value.now, .used = true};
    return cell;
}

void Timeline::Coarsen() {
    width_ns_ *= 2;
    for (Value& value : values_) {
        const size_t count = value.cells.size();
        for (size_t i = 0; i < count; i += 2) {
            Cell merged = value.cells[i];
            const Cell next = i + 1 < count ? value.cells[i + 1] : Cell{};
            if (!merged.used) {
                merged = next;
            } else if (next.used) {
                merged.min = std::min(merged.min, next.min);
                merged.max = std::max(merged.max, next.max);
                merged.last = next.last;
            }
            value.cells[i / 2] = merged;
        }
        value.cells.resize((count + 1) / 2);
    }
}

std::vector<Timeline::Span> Timeline::Spans(size_t series) const {
    std::vector<Span> spans;
    const std::vector<Cell>& cells = values_[series].cells;
    for (size_t i = 0; i < cells.size(); ++i) {
        const Cell& cell = cells[i];
        if (cell.used)
            spans.push_back({.index = i, .min = cell.min, .max = cell.max, .last = cell.last});
    }
    return spans;
}

}  // namespace tessera::command::report
