// SPDX-License-Identifier: Apache-2.0
//
// See supervisor.h. Every signal that we care for is blocked and read from a descriptor, so that
// nothing runs asynchronously and nothing can be missed between two waits.
#include "tools/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tools/app_file.h"
#include "tools/exit_codes.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

// Sent on to the application. SIGKILL and SIGSTOP cannot be.
constexpr std::array kForwarded = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                                   SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP};

// Blocked without being sent on: the terminal stops the application with these, and we follow it.
constexpr std::array kTerminalStops = {SIGTTIN, SIGTTOU};

struct sigaction inherited_pipe_action;
struct sigaction inherited_size_action;

bool AsksToEnd(int signal_number) {
    return signal_number == SIGHUP || signal_number == SIGINT || signal_number == SIGQUIT ||
           signal_number == SIGTERM;
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (const std::string& string : strings)
        pointers.push_back(const_cast<char*>(string.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

Supervisor::StartFailure OwnFailure(int error) {
    return {kRunFailed, std::string("the application cannot be started: ") + strerror(error) + "."};
}

Supervisor::StartFailure ExecFailure(const std::string& name, int error) {
    const std::string quoted = "'" + Printable(name) + "'";
    const bool by_path = name.find('/') == std::string::npos;
    const bool exists = !FindProgram(name, CurrentEnvironment(), F_OK).empty();
    // A folder in PATH that may not be looked into makes it EACCES also where there is nothing.
    if (by_path && !exists) {
        return {kNoSuchCommand, quoted + " is not found in the folders that PATH names."};
    }
    if (error != ENOENT) {
        return {kNotExecutable, quoted + " cannot be executed: " + strerror(error) + "."};
    }
    if (exists) {
        return {kNoSuchCommand, quoted + " exists, but the interpreter that it names does not."};
    }
    return {kNoSuchCommand, quoted + " does not exist."};
}

}  // namespace

void IgnoreWriteSignals() {
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, &inherited_pipe_action);
    sigaction(SIGXFSZ, &ignore, &inherited_size_action);
}

Supervisor::Supervisor() {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    // Somebody who ignores SIGCHLD makes the kernel reap our children; we want to know them.
    struct sigaction standard = {};
    standard.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &standard, &inherited_child_action_);

    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    for (const int signal_number : kForwarded)
        sigaddset(&blocked, signal_number);
    for (const int signal_number : kTerminalStops)
        sigaddset(&blocked, signal_number);
    sigprocmask(SIG_BLOCK, &blocked, &inherited_mask_);
    signals_ = signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);
}

Supervisor::~Supervisor() {
    if (signals_ >= 0) close(signals_);
    sigaction(SIGCHLD, &inherited_child_action_, nullptr);
    sigprocmask(SIG_SETMASK, &inherited_mask_, nullptr);
}

Supervisor::StartFailure Supervisor::Start(const std::vector<std::string>& command,
                                           const Environment& environment) {
    // The pipe closes by itself when the execution succeeds; else it carries the errno.
    int pipe_ends[2];
    if (signals_ < 0 || pipe2(pipe_ends, O_CLOEXEC) != 0) return OwnFailure(errno);
    const std::vector<char*> arguments = Pointers(command);
    const std::vector<char*> variables = Pointers(environment);

    app_ = fork();
    if (app_ == 0) {
        sigaction(SIGPIPE, &inherited_pipe_action, nullptr);
        sigaction(SIGXFSZ, &inherited_size_action, nullptr);
        sigaction(SIGCHLD, &inherited_child_action_, nullptr);
        sigprocmask(SIG_SETMASK, &inherited_mask_, nullptr);
        execvpe(arguments[0], arguments.data(), variables.data());
        const int error = errno;
        const ssize_t ignored = write(pipe_ends[1], &error, sizeof(error));
        _exit(ignored == sizeof(error) ? kRunFailed : kFailure);
    }
    const int fork_error = errno;
    close(pipe_ends[1]);
    int error = 0;
    ssize_t count = 0;
    if (app_ > 0) {
        do {
            count = read(pipe_ends[0], &error, sizeof(error));
        } while (count < 0 && errno == EINTR);
    }
    close(pipe_ends[0]);
    if (app_ < 0) return OwnFailure(fork_error);
    return count == sizeof(error) ? ExecFailure(command[0], error) : StartFailure{};
}

void Supervisor::Wait(int wake, bool whole_tree, const std::function<void()>& follow) {
    Reap();
    while (!AppEnded() || (whole_tree && !no_children_ && !end_asked_)) {
        std::array<pollfd, 2> files = {pollfd{.fd = signals_, .events = POLLIN, .revents = 0},
                                       pollfd{.fd = wake, .events = POLLIN, .revents = 0}};
        poll(files.data(), files.size(), static_cast<int>(kTick.count()));
        HandleSignals();
        Reap();
        follow();
    }
}

void Supervisor::HandleSignals() {
    signalfd_siginfo info;
    while (read(signals_, &info, sizeof(info)) == sizeof(info)) {
        const int signal_number = static_cast<int>(info.ssi_signo);
        if (signal_number != SIGCHLD) Forward(signal_number, info.ssi_code == SI_KERNEL);
    }
}

void Supervisor::Forward(int signal_number, bool from_terminal) {
    if (AppEnded()) {
        end_asked_ = end_asked_ || AsksToEnd(signal_number);
        return;
    }
    for (const int forwarded : kForwarded) {
        // Until it is reaped the pid is the application's and nobody else's.
        if (forwarded == signal_number && !from_terminal) kill(app_, signal_number);
    }
}

void Supervisor::Reap() {
    siginfo_t info = {};
    while (!AppEnded() && waitid(P_PID, static_cast<id_t>(app_), &info, WSTOPPED | WNOHANG) == 0 &&
           info.si_pid != 0) {
        // A job's stop. SIGSTOP comes from somebody who deals with the application alone, and will
        // continue it alone: we could not see that.
        if (info.si_status != SIGSTOP) StopWithApp();
        info = {};
    }
    while (true) {
        info = {};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) != 0) {
            if (errno == EINTR) continue;
            no_children_ = errno == ECHILD;
            return;
        }
        if (info.si_pid == 0) return;
        const bool exited = info.si_code == CLD_EXITED;
        reaped_[info.si_pid] = exited ? ExitInfo{.code = info.si_status, .signal = {}}
                                      : ExitInfo{.code = {}, .signal = info.si_status};
    }
}

// Whoever controls us as a job (a shell) sees the job stopped. We go on when we are continued, and
// see that it is: what continues us alone is sent on as any other signal.
void Supervisor::StopWithApp() {
    raise(SIGSTOP);
}

}  // namespace tessera::command
