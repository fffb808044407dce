// SPDX-License-Identifier: Apache-2.0
//
// The numbers of processes as Prometheus takes them: families of metrics in base units (bytes,
// seconds), with counters that end with _total.
//
// The one idea: the families are those of prometheus-cpp, whose one serializer writes the file and
// answers the scrape, so that both say the same.
//
// Threads: any; no state is shared.
#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <string>
#include <vector>

#include "tessera/reader.h"

namespace tessera::command {

// Families without any metric are left out. Labels are Printable().
std::vector<prometheus::MetricFamily> MetricsOf(const std::vector<reader::Process>& processes);

// In Prometheus' text format.
std::string MetricsText(const std::vector<prometheus::MetricFamily>& families);

// Of this user, those that run; not those that destroyed their last instance or ended, whose
// segments are kept. `problem` is told of segments that cannot be read.
std::vector<reader::Process> RunningProcesses(
    const std::function<void(const std::string&)>& problem);

// Answers scrapes at `address` ("127.0.0.1:9464", "[::1]:0") with the numbers of all processes of
// this user that run, until SIGINT or SIGTERM comes. Returns: the exit code.
int ServeMetrics(const std::string& address);

// "9464", "127.0.0.1", "127.0.0.1:9464", "[::1]:9464": what is missing is as in kDefaultAddress.
// Returns: address and port as ServeMetrics() takes them; empty if `text` is none of these.
inline constexpr char kDefaultAddress[] = "127.0.0.1:9464";
std::string ParseAddress(const std::string& text);

}  // namespace tessera::command
