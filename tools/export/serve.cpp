// SPDX-License-Identifier: Apache-2.0
//
// Answering Prometheus' scrapes: see metrics.h. prometheus-cpp's threads call Collect(), which
// reads everything anew; nothing is kept between two scrapes.
#include <arpa/inet.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <signal.h>

#include <charconv>
#include <exception>
#include <memory>

#include "base/process.h"
#include "tools/exit_codes.h"
#include "tools/export/metrics.h"
#include "tools/output.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

class Scrapes : public prometheus::Collectable {
 public:
    std::vector<prometheus::MetricFamily> Collect() const override {
        // What cannot be read is left out: nobody looks at what is said here.
        return MetricsOf(RunningProcesses([](const std::string&) {}));
    }
};

bool IsPort(std::string_view text) {
    uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, port);
    return error == std::errc{} && rest == end;
}

bool IsAddress(const std::string& text) {
    in6_addr address = {};  // has room for both
    if (text.starts_with('[') && text.ends_with(']'))
        return inet_pton(AF_INET6, text.substr(1, text.size() - 2).c_str(), &address) == 1;
    return inet_pton(AF_INET, text.c_str(), &address) == 1;
}

}  // namespace

std::vector<reader::Process> RunningProcesses(
    const std::function<void(const std::string&)>& problem) {
    std::vector<reader::Process> processes;
    for (const std::string& path : reader::ListSegments()) {
        reader::Result<reader::Process> result = reader::ReadSegment(path);
        // Its state does not tell: one that has closed Vulkan may run on, or be long gone.
        if (result.ok()) {
            if (ProcessRuns(result.value.pid, result.value.start_time))
                processes.push_back(std::move(result.value));
        } else if (!reader::IsGone(path)) {
            problem(result.error);
        }
    }
    return processes;
}

std::string ParseAddress(const std::string& text) {
    const std::string usual = kDefaultAddress;
    const size_t parts = usual.rfind(':');
    if (text.empty()) return usual;
    if (IsPort(text)) return usual.substr(0, parts + 1) + text;
    if (IsAddress(text)) return text + usual.substr(parts);
    const size_t colon = text.rfind(':');
    if (colon == std::string::npos) return {};
    const bool good = IsAddress(text.substr(0, colon)) && IsPort(text.substr(colon + 1));
    return good ? text : std::string();
}

int ServeMetrics(const std::string& address) {
    // Before any thread is started, so that all of them have these blocked.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    const auto collectable = std::make_shared<Scrapes>();
    std::unique_ptr<prometheus::Exposer> exposer;
    try {
        exposer = std::make_unique<prometheus::Exposer>(address);
    } catch (const std::exception&) {
        Complain("nobody can listen at " + Printable(address) +
                 ": the port is in use, or the address is not one of this machine that the HTTP "
                 "library can use.");
        return kFailure;
    }
    exposer->RegisterCollectable(collectable);
    const std::vector<int> ports = exposer->GetListeningPorts();
    const std::string host = address.substr(0, address.rfind(':'));
    Complain("http://" + host + ":" + std::to_string(ports.empty() ? 0 : ports.front()) +
             "/metrics has the numbers of all processes of this user; ctrl-C ends this.");
    int signal = 0;
    sigwait(&signals, &signal);
    return kOk;
}

}  // namespace tessera::command
