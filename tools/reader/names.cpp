// SPDX-License-Identifier: Apache-2.0
//
// What the numbers of the ABI mean: names of states, reasons and commands, and percentiles of
// histograms. See include/tessera/reader.h for the contracts.
#include <algorithm>
#include <cmath>

#include "tessera/reader.h"

namespace tessera::reader {

const char* Name(ProcessState state) {
    switch (state) {
        case ProcessState::kLive:
            return "live";
        case ProcessState::kClosed:
            return "closed";
        case ProcessState::kEnded:
            return "ended";
    }
    return "unknown";
}

const char* ReasonName(uint32_t reason) {
    switch (reason) {
#define TESSERA_CASE(name, number, text) \
    case number:                         \
        return #name;
        TESSERA_REASONS(TESSERA_CASE)
#undef TESSERA_CASE
        default:
            return "unknown";
    }
}

const char* ReasonText(uint32_t reason) {
    switch (reason) {
#define TESSERA_CASE(name, number, text) \
    case number:                         \
        return text;
        TESSERA_REASONS(TESSERA_CASE)
#undef TESSERA_CASE
        default:
            return "";
    }
}

const char* MisuseName(uint32_t misuse) {
    switch (misuse) {
#define TESSERA_CASE(name, number, text) \
    case number:                         \
        return #name;
        TESSERA_MISUSES(TESSERA_CASE)
#undef TESSERA_CASE
        default:
            return "unknown";
    }
}

const char* MisuseText(uint32_t misuse) {
    switch (misuse) {
#define TESSERA_CASE(name, number, text) \
    case number:                         \
        return text;
        TESSERA_MISUSES(TESSERA_CASE)
#undef TESSERA_CASE
        default:
            return "";
    }
}

const char* CallName(uint32_t call) {
    switch (call) {
#define TESSERA_CASE(name, number) \
    case number:                   \
        return #name;
        TESSERA_CALLS(TESSERA_CASE)
#undef TESSERA_CASE
        default:
            return "unknown";
    }
}

const char* LevelName(uint32_t level) {
    switch (level) {
        case TESSERA_LEVEL_totals:
            return "totals";
        case TESSERA_LEVEL_full:
            return "full";
        case TESSERA_LEVEL_events:
            return "events";
        default:
            return "unknown";
    }
}

const char* EventName(uint32_t kind) {
    switch (kind) {
#define TESSERA_CASE(name, number, text) \
    case number:                         \
        return #name;
        TESSERA_EVENTS(TESSERA_CASE)
#undef TESSERA_CASE
        default:
            return "unknown";
    }
}

uint64_t Percentile(const tessera_call_totals& call, double fraction) {
    // The histogram's own sum: `timed` may have been copied a few calls earlier or later.
    uint64_t timed = 0;
    for (const uint64_t count : call.histogram)
        timed += count;
    if (timed == 0) return 0;

    // Not std::clamp, so that no number (NaN) means the smallest.
    const double share = fraction > 0 ? std::min(fraction, 1.0) : 0;
    const double wanted = std::ceil(share * static_cast<double>(timed));
    uint64_t seen = 0;
    for (uint32_t bucket = 0; bucket < TESSERA_HISTOGRAM_BUCKETS; ++bucket) {
        seen += call.histogram[bucket];
        if (call.histogram[bucket] == 0 || static_cast<double>(seen) < wanted) continue;
        const bool is_last = bucket + 1 == TESSERA_HISTOGRAM_BUCKETS;
        return is_last ? call.max_ns
                       : std::min(tessera_histogram_floor(bucket + 1) - 1, call.max_ns);
    }
    return call.max_ns;
}

}  // namespace tessera::reader
