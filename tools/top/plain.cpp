// SPDX-License-Identifier: Apache-2.0
//
// See plain.h.
#include "tools/top/plain.h"

#include <algorithm>
#include <cmath>

#include "tools/json.h"
#include "tools/text.h"
#include "tools/top/draw.h"

namespace tessera::top {
namespace {

using command::FormatBytes;
using command::FormatCount;
using command::Json;

// With three digits after the point; null if it is not known.
Json RateJson(const Rates& rates, double per_second) {
    if (!rates.known) return nullptr;
    return std::round(per_second * 1000) / 1000;
}

}  // namespace

std::string PlainLines(const std::vector<ProcessRow>& rows) {
    std::string text;
    for (const ProcessRow& row : rows) {
        text += std::to_string(row.pid) + " " + row.name + " " + reader::Name(row.state) +
                ": app " + FormatCount(row.app_live) + " live, " + FormatBytes(row.app_bytes) +
                "; driver " + FormatCount(row.driver_live) + " live, " +
                FormatBytes(row.driver_bytes) + "; " +
                RateText(row.rates.known, row.rates.allocations) + " allocations/s, " +
                RateText(row.rates.known, row.rates.frees) + " frees/s, " +
                RateText(row.rates.known, row.rates.driver_calls) + " driver calls/s, " +
                RateText(row.rates.known, row.rates.frames) + " frames/s\n";
    }
    return text;
}

std::string JsonLine(const std::vector<ProcessRow>& rows, std::span<const reader::Process> now) {
    Json processes = Json::array();
    for (const ProcessRow& row : rows) {
        const auto process = std::ranges::find(now, row.pid, &reader::Process::pid);
        processes.push_back({{"pid", row.pid},
                             {"process", process == now.end() ? row.name : process->name},
                             {"state", reader::Name(row.state)},
                             {"level", reader::LevelName(row.level)},
                             {"devices", row.devices},
                             {"app", {{"live", row.app_live}, {"bytes", row.app_bytes}}},
                             {"driver", {{"live", row.driver_live}, {"bytes", row.driver_bytes}}},
                             {"per_second",
                              {{"allocations", RateJson(row.rates, row.rates.allocations)},
                               {"frees", RateJson(row.rates, row.rates.frees)},
                               {"driver_calls", RateJson(row.rates, row.rates.driver_calls)},
                               {"frames", RateJson(row.rates, row.rates.frames)}}}});
    }
    return Dump(Json{{"schema", command::kSchema}, {"processes", std::move(processes)}},
                command::Layout::kLine);
}

}  // namespace tessera::top
