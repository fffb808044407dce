// SPDX-License-Identifier: Apache-2.0
//
// See report.h.

#include "report.h"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace bench {
namespace {

constexpr const char* kDriverCalls = "driver_calls_per_1000_pairs";

void PrintNumber(std::optional<double> value, int width, int digits) {
    if (value) {
        std::printf(" %*.*f", width, digits, *value);
    } else {
        std::printf(" %*s", width, "-");
    }
}

std::optional<double> More(const Outcome& outcome, const char* name) {
    const auto found = outcome.more.find(name);
    if (found == outcome.more.end()) return std::nullopt;
    return found->second;
}

std::optional<double> Over(std::optional<double> value, std::optional<double> unit) {
    if (!value || !unit || *unit == 0) return std::nullopt;
    return *value / *unit;
}

nlohmann::json Number(std::optional<double> value) {
    return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
}

nlohmann::json ToJson(const Outcome& outcome) {
    nlohmann::json json = {{"scenario", outcome.scenario},
                           {"contender", outcome.contender},
                           {"threads", outcome.threads},
                           {"live", outcome.live},
                           {"ns_per_pair", Number(outcome.ns_per_pair)},
                           {"pairs_per_second", Number(outcome.pairs_per_second)},
                           {"overhead_ratio", Number(outcome.overhead_ratio)}};
    for (const auto& [name, value] : outcome.more)
        json[name] = value;
    return json;
}

}  // namespace

void PrintHead() {
    std::printf("%-14s %-17s %7s %9s %12s %13s %9s %9s %9s\n", "scenario", "contender", "threads",
                "live", "ns/pair", "pairs/s", "x tessera", "overhead", "calls/1k");
}

void Print(const std::vector<Outcome>& outcomes) {
    for (const Outcome& outcome : outcomes) {
        std::optional<double> own;
        for (const Outcome& other : outcomes) {
            if (other.contender == "tessera" && other.scenario == outcome.scenario)
                own = other.ns_per_pair;
        }
        std::printf("%-14s %-17s %7u %9llu", outcome.scenario.c_str(), outcome.contender.c_str(),
                    outcome.threads, static_cast<unsigned long long>(outcome.live));
        PrintNumber(outcome.ns_per_pair, 12, 1);
        PrintNumber(outcome.pairs_per_second, 13, 0);
        PrintNumber(Over(outcome.ns_per_pair, own), 9, 2);
        PrintNumber(outcome.overhead_ratio, 9, 3);
        PrintNumber(More(outcome, kDriverCalls), 9, 2);
        std::printf("\n");
    }
    std::fflush(stdout);
}

void WriteJson(const std::string& path, const std::vector<Outcome>& outcomes) {
    nlohmann::json all = nlohmann::json::array();
    for (const Outcome& outcome : outcomes)
        all.push_back(ToJson(outcome));
    std::ofstream file(path);
    file << all.dump(2) << '\n';
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace bench
