// SPDX-License-Identifier: Apache-2.0
//
// See probe.h. The child reports lines: "S" and a step, and at its end "R" and its report as JSON.
#include "tools/probe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>

namespace tessera::command {
namespace {

using Clock = std::chrono::steady_clock;

// What the layer's log lines start with (base/log.h).
constexpr std::string_view kLogStart = "tessera[";

// More output than this is not kept.
constexpr size_t kMaxOutputBytes = size_t{1} << 20;

struct Pipe {
    int read_end = -1;
    int write_end = -1;
};

bool OpenPipe(Pipe& pipe) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    pipe = {.read_end = ends[0], .write_end = ends[1]};
    return true;
}

void WriteLine(int file, char kind, const std::string& text) {
    const std::string line = kind + text + "\n";
    size_t written = 0;
    while (written < line.size()) {
        const ssize_t count = write(file, line.data() + written, line.size() - written);
        if (count < 0 && errno != EINTR) return;
        if (count > 0) written += static_cast<size_t>(count);
    }
}

[[noreturn]] void RunChild(const Environment& environment, int report, int log,
                           const std::function<Json(const TellStep&)>& work) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    clearenv();
    for (const std::string& entry : environment)
        putenv(const_cast<char*>(entry.c_str()));
    const Json result = work([report](const std::string& step) { WriteLine(report, 'S', step); });
    WriteLine(report, 'R', result.dump(-1, ' ', false, Json::error_handler_t::replace));
    // What drivers registered to be called at exit is none of the question.
    _exit(0);
}

// Reads what is there. Returns: false at the end of the pipe.
bool ReadSome(int file, std::string& text) {
    std::array<char, 4096> buffer;
    const ssize_t count = read(file, buffer.data(), buffer.size());
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;
    if (text.size() < kMaxOutputBytes) text.append(buffer.data(), static_cast<size_t>(count));
    return true;
}

// Waits until the child closes its report, by ending, or the time is over.
// Returns: whether the time was over.
bool Collect(int report_file, int log_file, Clock::time_point deadline, std::string& report,
             std::string& log) {
    bool reporting = true;
    bool logging = true;
    while (reporting) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - Clock::now() + std::chrono::milliseconds(1));
        if (left.count() <= 0) return true;
        std::array<pollfd, 2> files = {
            pollfd{.fd = report_file, .events = POLLIN, .revents = 0},
            pollfd{.fd = logging ? log_file : -1, .events = POLLIN, .revents = 0}};
        if (poll(files.data(), files.size(), static_cast<int>(left.count())) < 0) continue;
        if (files[0].revents != 0) reporting = ReadSome(report_file, report);
        if (files[1].revents != 0) logging = ReadSome(log_file, log);
    }
    // The rest of what it said; something that it started may hold the pipe open for longer.
    fcntl(log_file, F_SETFL, O_NONBLOCK);
    for (size_t before = log.size() + 1; before != log.size() && logging;) {
        before = log.size();
        logging = ReadSome(log_file, log);
    }
    return false;
}

// Reaps the child, which is ending; kills it if it does not by then.
// Returns: its status as waitpid tells it.
int End(pid_t child, Clock::time_point deadline) {
    int status = 0;
    while (Clock::now() < deadline) {
        if (waitpid(child, &status, WNOHANG) == child) return status;
        poll(nullptr, 0, 1);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return status;
}

void Understand(const std::string& report, const std::string& log, ProbeResult& result) {
    std::istringstream lines(report);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with('S')) result.step = line.substr(1);
        if (line.starts_with('R')) result.report = Json::parse(line.substr(1), nullptr, false);
    }
    if (result.report.is_discarded()) result.report = nullptr;
    std::istringstream log_lines(log);
    for (std::string line; std::getline(log_lines, line);) {
        // "tessera[PID] LEVEL: TEXT"
        const size_t text = line.find(": ");
        if (!line.starts_with(kLogStart) || text == std::string::npos) continue;
        result.log.push_back(line.substr(text + 2));
    }
}

}  // namespace

ProbeResult RunProbe(const Environment& environment, std::chrono::seconds limit,
                     const std::function<Json(const TellStep&)>& work) {
    ProbeResult result;
    Pipe report_pipe;
    Pipe log_pipe;
    if (!OpenPipe(report_pipe) || !OpenPipe(log_pipe)) return result;
    const Clock::time_point deadline = Clock::now() + limit;
    result.pid = fork();
    if (result.pid == 0) RunChild(environment, report_pipe.write_end, log_pipe.write_end, work);
    close(report_pipe.write_end);
    close(log_pipe.write_end);
    if (result.pid > 0) {
        std::string report;
        std::string log;
        result.timed_out = Collect(report_pipe.read_end, log_pipe.read_end, deadline, report, log);
        if (result.timed_out) kill(result.pid, SIGKILL);
        const int status = End(result.pid, deadline);
        if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
        Understand(report, log, result);
    }
    close(report_pipe.read_end);
    close(log_pipe.read_end);
    return result;
}

}  // namespace tessera::command
