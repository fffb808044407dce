// SPDX-License-Identifier: Apache-2.0
//
// `tessera export prometheus`: the text format, held to its grammar by a parser of our own, and
// where it listens.
#include "tools/export/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "views/made_up.h"

namespace tessera::command {
namespace {

using Labels = std::map<std::string, std::string>;

struct Metric {
    std::string name;
    Labels labels;
    double value = 0;
};

struct Family {
    std::string help;
    std::string type;
};

bool IsName(const std::string& text) {
    const auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    };
    return !text.empty() && text[0] >= 'a' && text[0] <= 'z' &&
           std::all_of(text.begin(), text.end(), good);
}

// Version 0.0.4 of the text format. What is not in it fails the test.
class Exposition {
 public:
    explicit Exposition(const std::string& text) {
        EXPECT_TRUE(text.ends_with('\n'));
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);)
            line.starts_with("# ") ? ParseComment(line.substr(2)) : ParseMetric(line);
    }

    std::map<std::string, Family> families;
    std::vector<Metric> metrics;

    // The value of the metric with this name and at least these labels.
    std::optional<double> Find(const std::string& name, const Labels& labels) const {
        for (const Metric& metric : metrics) {
            if (metric.name != name) continue;
            const auto has = [&](const auto& label) {
                const auto found = metric.labels.find(label.first);
                return found != metric.labels.end() && found->second == label.second;
            };
            if (std::all_of(labels.begin(), labels.end(), has)) return metric.value;
        }
        return std::nullopt;
    }

 private:
    void ParseComment(const std::string& line) {
        const size_t first = line.find(' ');
        const size_t second = line.find(' ', first + 1);
        ASSERT_NE(second, std::string::npos) << line;
        const std::string what = line.substr(0, first);
        Family& family = families[line.substr(first + 1, second - first - 1)];
        std::string& field = what == "HELP" ? family.help : family.type;
        EXPECT_TRUE(what == "HELP" || what == "TYPE") << line;
        EXPECT_EQ(field, "") << "told twice: " << line;
        field = line.substr(second + 1);
    }

    void ParseMetric(const std::string& line) {
        Metric metric;
        size_t at = line.find_first_of("{ ");
        ASSERT_NE(at, std::string::npos) << line;
        metric.name = line.substr(0, at);
        EXPECT_TRUE(IsName(metric.name)) << line;
        if (line[at] == '{') {
            ++at;
            while (line[at] != '}') {
                const size_t equals = line.find("=\"", at);
                ASSERT_NE(equals, std::string::npos) << line;
                const std::string label = line.substr(at, equals - at);
                EXPECT_TRUE(IsName(label)) << line;
                std::string value;
                for (at = equals + 2; line[at] != '"'; ++at) {
                    ASSERT_LT(at, line.size()) << line;
                    if (line[at] != '\\') {
                        value += line[at];
                        continue;
                    }
                    const char escaped = line[++at];
                    ASSERT_TRUE(escaped == '\\' || escaped == '"' || escaped == 'n') << line;
                    value += escaped == 'n' ? '\n' : escaped;
                }
                EXPECT_TRUE(metric.labels.emplace(label, value).second) << "twice: " << line;
                if (line[++at] == ',') ++at;
            }
            ++at;
        }
        ASSERT_EQ(line[at], ' ') << line;
        const std::string number = line.substr(at + 1);
        char* end = nullptr;
        metric.value = strtod(number.c_str(), &end);
        EXPECT_EQ(*end, '\0') << line;
        EXPECT_TRUE(families.contains(BaseName(metric.name))) << "no TYPE before: " << line;
        EXPECT_TRUE(seen_.insert({metric.name, metric.labels}).second) << "twice: " << line;
        metrics.push_back(metric);
    }

    // That of the family: of a histogram without what its parts end with.
    std::string BaseName(const std::string& name) const {
        for (const char* const end : {"_bucket", "_sum", "_count"}) {
            const std::string suffix = end;
            if (!name.ends_with(suffix)) continue;
            const std::string base = name.substr(0, name.size() - suffix.size());
            const auto family = families.find(base);
            if (family != families.end() && family->second.type == "histogram") return base;
        }
        return name;
    }

    std::set<std::pair<std::string, Labels>> seen_;
};

TEST(Metrics, AreInTheTextFormatWithTheirUnits) {
    const Exposition exposition(MetricsText(MetricsOf({MadeUpProcess()})));
    for (const auto& [name, family] : exposition.families) {
        EXPECT_TRUE(name.starts_with("tessera_")) << name;
        EXPECT_NE(family.help, "") << name;
        EXPECT_TRUE(family.type == "gauge" || family.type == "counter" ||
                    family.type == "histogram")
            << name;
        EXPECT_EQ(name.ends_with("_total"), family.type == "counter") << name;
        for (const char* const unit : {"_ns", "_ms", "_kib", "_mib"})
            EXPECT_FALSE(name.ends_with(unit)) << name;
    }
}

TEST(Metrics, HaveTheNumbersOfTheProcess) {
    const Exposition exposition(MetricsText(MetricsOf({MadeUpProcess()})));
    const Labels process = {{"pid", "4242"}, {"process", "game"}};
    EXPECT_EQ(exposition.Find("tessera_process_info", {{"pid", "4242"}, {"state", "live"}}), 1);
    EXPECT_EQ(exposition.Find("tessera_heap_size_bytes", {{"heap", "1"}}), 1 << 21);
    EXPECT_EQ(exposition.Find("tessera_heap_budget_bytes", {{"heap", "0"}}), 1 << 19);
    EXPECT_FALSE(exposition.Find("tessera_heap_budget_bytes", {{"heap", "1"}}).has_value());
    EXPECT_EQ(exposition.Find("tessera_memory_bytes", {{"type", "0"}, {"side", "app"}}), 700);
    EXPECT_EQ(exposition.Find("tessera_memory_bytes", {{"type", "0"}, {"side", "driver"}}), 2000);
    EXPECT_EQ(exposition.Find("tessera_allocations_total", {{"type", "0"}, {"side", "app"}}), 5);
    EXPECT_EQ(exposition.Find("tessera_failed_allocations_total", {{"side", "app"}}), 1);
    EXPECT_EQ(exposition.Find("tessera_pool_free_bytes", {{"type", "0"}}), 1290);
    EXPECT_EQ(exposition.Find("tessera_passed_through_bytes", {{"reason", "dedicated"}}), 5000);
    EXPECT_EQ(exposition.Find("tessera_frames_total", process), 12);
    const Labels map = {{"call", "vkMapMemory"}, {"side", "app"}};
    EXPECT_EQ(exposition.Find("tessera_calls_total", map), 5);
    EXPECT_EQ(exposition.Find("tessera_call_duration_seconds_count", map), 2);
    EXPECT_DOUBLE_EQ(*exposition.Find("tessera_call_duration_seconds_sum", map), 1050e-9);
}

TEST(Metrics, HistogramsGrowToTheirCount) {
    const Exposition exposition(MetricsText(MetricsOf({MadeUpProcess()})));
    double last_bound = 0;
    double last = 0;
    std::vector<double> counts;
    for (const Metric& metric : exposition.metrics) {
        if (metric.name != "tessera_call_duration_seconds_bucket") continue;
        const double bound = strtod(metric.labels.at("le").c_str(), nullptr);
        EXPECT_GT(bound, last_bound);
        EXPECT_GE(metric.value, last);
        last_bound = bound;
        last = metric.value;
        counts.push_back(metric.value);
    }
    EXPECT_TRUE(std::isinf(last_bound));
    EXPECT_EQ(last, 2);
    ASSERT_GE(counts.size(), 3u);
    EXPECT_EQ(counts[0], 1) << "50 ns lie below 64 ns";
    EXPECT_EQ(counts[1], 1) << "1,000 ns do not lie below 256 ns";
    EXPECT_EQ(counts[2], 2) << "but below 1,024 ns";
}

TEST(Metrics, EscapeHostileNames) {
    reader::Process process = MadeUpProcess();
    process.name = kHostile;
    process.devices[0].name = "\\\"\n} 1";
    const std::string text = MetricsText(MetricsOf({process}));
    const Exposition exposition(text);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find('\xff'), std::string::npos);
    EXPECT_TRUE(exposition.Find("tessera_frames_total", {{"gpu", "\\\"\\x0a} 1"}}).has_value());
}

TEST(Metrics, AreNoneOfNothing) {
    EXPECT_EQ(MetricsText(MetricsOf({})), "");
}

TEST(ParseAddress, TakesAddressesAndPortsAndLoopbackForWhatIsMissing) {
    EXPECT_EQ(ParseAddress(""), "127.0.0.1:9464");
    EXPECT_EQ(ParseAddress("8080"), "127.0.0.1:8080");
    EXPECT_EQ(ParseAddress("10.0.0.1"), "10.0.0.1:9464");
    EXPECT_EQ(ParseAddress("10.0.0.1:0"), "10.0.0.1:0");
    EXPECT_EQ(ParseAddress("[::1]:9"), "[::1]:9");
    EXPECT_EQ(ParseAddress("[::1]"), "[::1]:9464");
    for (const char* const wrong :
         {"host", "1.2.3", "1.2.3.4:", ":80", "1.2.3.4:65536", "1.2.3.4:80s", "::1", "80,81",
          "127.0.0.1:80,0.0.0.0:81", "-1", " 80"})
        EXPECT_EQ(ParseAddress(wrong), "") << wrong;
}

}  // namespace
}  // namespace tessera::command
