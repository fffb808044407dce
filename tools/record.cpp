// SPDX-License-Identifier: Apache-2.0
//
// `tessera record`: writes down what happens to the memory of a process, to be looked at later.
//
// A process that runs already is asked for its events, and given its level back at the end. An
// application is started as `tessera run` starts one, with the level in its environment; its exit
// code is ours. Both are one Session (recording/session.h).
// Threads: one.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "base/process.h"
#include "tools/app_file.h"
#include "tools/commands.h"
#include "tools/environment.h"
#include "tools/exit_codes.h"
#include "tools/output.h"
#include "tools/recording/session.h"
#include "tools/segment_watch.h"
#include "tools/summary.h"
#include "tools/supervisor.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

using recording::EndReason;
using recording::kMillisecondNs;
using recording::Session;

constexpr char kHelp[] =
    R"(Writes what happens to the memory of a process to a file, which `tessera report`, `map`, `diff` and
`export` read: each allocation, with its place, its time, its thread and on demand its call stack.

Examples:
  tessera record -o game.rec ./game --fullscreen
  tessera record -o game.rec --stacks all --duration 30 ./game
  tessera record -o game.rec 4242

A process that runs already is asked for its events, and gets its level back at the end; ctrl-C ends
the recording, not the process. Of an application's process tree the first process is recorded that
creates a device. Of what happens too fast to be read events are lost; they are counted.

Exit code: of an application its own, as with `tessera run`, or 1 if that was 0 and the recording
failed; of a PID 0, 1 if the recording could not be written, 3 if there is no such process or it
publishes nothing; 2 for a wrong command line.)";

constexpr uint64_t kBusyNs = 5 * kMillisecondNs;   // between two looks while events come
constexpr uint64_t kIdleNs = 20 * kMillisecondNs;  // and while none come
constexpr uint64_t kProgressNs = 250 * kMillisecondNs;
constexpr uint64_t kWatchNs = 100 * kMillisecondNs;
constexpr uint64_t kLevelTimeoutMs = 2000;

struct RecordOptions {
    std::string out;
    std::string pid;
    std::string level = "events";
    std::string stacks;
    std::string layer_path;
    double duration_s = 0;
    bool json = false;
    bool quiet = false;
};

// Returns: nothing unless `text` is a number from 1, "all" or "off", or empty (as it is).
std::optional<uint64_t> ParseStacks(const std::string& text) {
    if (text.empty()) return TESSERA_STACKS_AS_IS;
    if (text == "all") return 1;
    if (text == "off") return 0;
    uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || rest != end || number == 0 || number > 1'000'000'000) return {};
    return number;
}

tessera_level LevelOf(const std::string& name) {
    return name == "full" ? TESSERA_LEVEL_full : TESSERA_LEVEL_events;
}

std::string Lost(uint64_t lost) {
    return lost == 0 ? "none lost" : FormatCount(lost) + " LOST";
}

// One line that is written over again and again while the recording goes on.
class Progress {
 public:
    explicit Progress(bool shown) : shown_(shown) {}
    ~Progress() { Clear(); }

    void Show(const Session& session, uint64_t now_ns) {
        if (!shown_ || !session.started() || now_ns < next_ns_) return;
        next_ns_ = now_ns + kProgressNs;
        const recording::Counts counts = session.counts();
        PrintAside("\r\x1b[K" + Printable(session.process().name) + " (pid " +
                   std::to_string(session.pid()) +
                   "): " + FormatDuration(now_ns - session.started_ns()) + ", " +
                   Plural(counts.events, "event") + ", " + Lost(counts.lost) + ", " +
                   FormatBytes(counts.bytes));
        is_there_ = true;
    }
    void Clear() {
        if (std::exchange(is_there_, false)) PrintAside("\r\x1b[K");
    }

 private:
    const bool shown_;
    bool is_there_ = false;
    uint64_t next_ns_ = 0;
};

Json SummaryJson(const Session& session, const RecordOptions& options,
                 const std::vector<Followed>& others) {
    const recording::Counts counts = session.counts();
    Json others_json = Json::array();
    for (const Followed& other : others)
        others_json.push_back({{"pid", other.pid}, {"name", other.name}});
    return {{"schema", kSchema},
            {"recording",
             {{"file", options.out},
              {"pid", session.pid()},
              {"process", session.process().name},
              {"seconds", static_cast<double>(session.ended_ns() - session.started_ns()) / 1e9},
              {"events", counts.events},
              {"events_lost", counts.lost},
              {"events_late", counts.late},
              {"samples", counts.samples},
              {"states", counts.states},
              {"unreadable", counts.unreadable},
              {"bytes", counts.bytes},
              {"ended", recording::NameOf(session.reason())},
              {"others", std::move(others_json)}}}};
}

std::string SummaryLine(const Session& session, const RecordOptions& options) {
    const recording::Counts counts = session.counts();
    return "tessera: recorded " + Printable(session.process().name) + " (pid " +
           std::to_string(session.pid()) + ") for " +
           FormatDuration(session.ended_ns() - session.started_ns()) + ": " +
           Plural(counts.events, "event") + ", " + Lost(counts.lost) + "; " +
           FormatBytes(counts.bytes) + " in " + Printable(options.out) + "\n";
}

// Says at the end what there is to say. Returns: whether everything went well.
bool Tell(const Session& session, const RecordOptions& options,
          const std::vector<Followed>& others) {
    if (!session.error().empty()) {
        Complain(Printable(session.error()));
        return false;
    }
    if (session.reason() == EndReason::kUnreadable)
        Complain("the process's segment could not be read any more; the recording ends there.");
    if (!options.quiet) PrintAside(SummaryLine(session, options));
    for (const Followed& other : others) {
        if (!options.quiet)
            PrintAside("tessera: not recorded: " + Printable(other.name) + " (pid " +
                       std::to_string(other.pid) + ")\n");
    }
    if (!options.json) return true;
    return PrintResult(Dump(SummaryJson(session, options, others), Layout::kPretty)) !=
           Written::kFailed;
}

void WaitOrSignal(int signals, bool busy) {
    pollfd file = {.fd = signals, .events = POLLIN, .revents = 0};
    poll(&file, 1, static_cast<int>((busy ? kBusyNs : kIdleNs) / kMillisecondNs));
}

bool WasAskedToEnd(int signals) {
    signalfd_siginfo info;
    return read(signals, &info, sizeof(info)) == sizeof(info);
}

int BlockedSignals() {
    sigset_t blocked;
    sigemptyset(&blocked);
    for (const int signal_number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
        sigaddset(&blocked, signal_number);
    sigprocmask(SIG_BLOCK, &blocked, nullptr);
    return signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);
}

// The level that a process had before it was asked for another, which it gets back.
class BorrowedLevel {
 public:
    BorrowedLevel(const reader::Process& process, tessera_level level, uint64_t stacks) {
        const bool has_stacks = stacks == TESSERA_STACKS_AS_IS || stacks == process.stack_interval;
        const bool runs = ProcessRuns(process.pid, process.start_time);
        if (!runs || (process.level == level && has_stacks)) return;
        error_ = reader::RequestLevel(process.path, level, stacks, kLevelTimeoutMs);
        before_ = process;
    }
    ~BorrowedLevel() {
        if (!before_ || !error_.empty() || !ProcessRuns(before_->pid, before_->start_time)) return;
        const std::string error = reader::RequestLevel(before_->path, before_->level,
                                                       before_->stack_interval, kLevelTimeoutMs);
        // It may have ended while it was asked.
        if (!error.empty() && ProcessRuns(before_->pid, before_->start_time))
            Complain("the process did not get its level back: " + Printable(error));
    }
    BorrowedLevel(const BorrowedLevel&) = delete;
    BorrowedLevel& operator=(const BorrowedLevel&) = delete;
    const std::string& error() const { return error_; }

 private:
    std::optional<reader::Process> before_;
    std::string error_;
};

int RecordSegment(const RecordOptions& options, uint64_t stacks, int segment,
                  const reader::Process& process) {
    Session session(options.out);
    const int signals = BlockedSignals();
    if (const std::string error = session.Prepare(signals); !error.empty()) {
        Complain(error);
        close(signals);
        return kFailure;
    }
    {
        const BorrowedLevel borrowed(process, LevelOf(options.level), stacks);
        if (!borrowed.error().empty())
            Complain("the process keeps the level that it has: " + Printable(borrowed.error()));
        session.SetDuration(static_cast<uint64_t>(options.duration_s * 1e9));
        session.Offer(process.path, segment, process.pid, process.start_time, false);
        Progress progress(!options.quiet && isatty(STDERR_FILENO) != 0);
        while (!session.ended()) {
            const uint64_t now_ns = recording::MonotonicNow();
            session.Step(now_ns, {});
            progress.Show(session, now_ns);
            if (session.ended()) break;
            WaitOrSignal(signals, session.busy());
            if (WasAskedToEnd(signals))
                session.End(recording::MonotonicNow(), EndReason::kAsked, {});
        }
    }
    close(signals);
    return Tell(session, options, {}) ? kOk : kFailure;
}

int RecordPid(const RecordOptions& options, uint64_t stacks) {
    uint64_t pid = 0;
    const char* const end = options.pid.data() + options.pid.size();
    const auto [rest, wrong] = std::from_chars(options.pid.data(), end, pid);
    if (wrong != std::errc{} || rest != end || pid == 0) {
        Complain("'" + Printable(options.pid) + "' is not the number of a process.");
        return kUsage;
    }
    const reader::Result<std::string> path = reader::FindSegment(pid);
    std::string error = path.error;
    int segment = -1;
    reader::Result<reader::Process> process;
    if (path.ok()) {
        segment = open(path.value.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (segment >= 0) process = reader::ReadSegmentFd(segment, path.value);
        error = segment >= 0
                    ? process.error
                    : "The segment '" + path.value + "' cannot be read: " + strerror(errno) + ".";
    }
    if (!error.empty()) {
        Complain(Printable(error));
        if (segment >= 0) close(segment);
        return kNotFound;
    }
    const int code = RecordSegment(options, stacks, segment, process.value);
    close(segment);
    return code;
}

// Readable when a segment has appeared and, all the time, every few milliseconds.
class Pulse {
 public:
    explicit Pulse(int watch)
        : timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
          both_(epoll_create1(EPOLL_CLOEXEC)) {
        Add(timer_);
        if (watch >= 0) Add(watch);
        Set(kBusyNs);
    }
    ~Pulse() {
        close(both_);
        close(timer_);
    }
    Pulse(const Pulse&) = delete;
    Pulse& operator=(const Pulse&) = delete;
    int file() const { return both_; }

    void Set(uint64_t every_ns) {
        uint64_t unused = 0;
        if (read(timer_, &unused, sizeof(unused)) < 0 && every_ns == every_ns_) return;
        if (std::exchange(every_ns_, every_ns) == every_ns) return;
        const timespec every = {.tv_sec = 0, .tv_nsec = static_cast<long>(every_ns)};
        const itimerspec times = {.it_interval = every, .it_value = every};
        timerfd_settime(timer_, 0, &times, nullptr);
    }

 private:
    void Add(int file) const {
        epoll_event event = {.events = EPOLLIN, .data = {.fd = file}};
        epoll_ctl(both_, EPOLL_CTL_ADD, file, &event);
    }
    const int timer_;
    const int both_;
    uint64_t every_ns_ = 0;
};

Environment ForRecording(const Environment& own, const Layer& layer, const RecordOptions& options,
                         uint64_t stacks) {
    Environment environment = WithLayer(own, layer);
    SetVariable(environment, "TESSERA_LEVEL", options.level);
    if (stacks != TESSERA_STACKS_AS_IS)
        SetVariable(environment, "TESSERA_STACKS",
                    stacks == 0   ? std::string("off")
                    : stacks == 1 ? std::string("all")
                                  : std::to_string(stacks));
    return environment;
}

// Follows the application to its end, and records what there is of its tree.
void Follow(Session& session, Supervisor& supervisor, SegmentWatch& watch, bool shows_progress) {
    Pulse pulse(watch.wake());
    Progress progress(shows_progress);
    watch.OnFamily([&](const FamilySegment& segment) {
        session.Offer(segment.path, segment.file, segment.pid, segment.start_time, true);
    });
    uint64_t next_watch_ns = 0;
    supervisor.Wait(pulse.file(), false, [&] {
        const uint64_t now_ns = recording::MonotonicNow();
        pollfd appeared = {.fd = watch.wake(), .events = POLLIN, .revents = 0};
        if (now_ns >= next_watch_ns || poll(&appeared, 1, 0) > 0) {
            next_watch_ns = now_ns + kWatchNs;
            watch.Update(supervisor.reaped());
        }
        session.Step(now_ns, supervisor.reaped());
        progress.Show(session, now_ns);
        pulse.Set(session.busy() || !session.started() ? kBusyNs : kIdleNs);
    });
    watch.Update(supervisor.reaped());
    session.Step(recording::MonotonicNow(), supervisor.reaped());
    // What still runs of the tree is no longer followed, nor recorded.
    session.End(recording::MonotonicNow(), EndReason::kAsked, supervisor.reaped());
}

int RecordApp(const RecordOptions& options, uint64_t stacks,
              const std::vector<std::string>& command) {
    const Environment own = CurrentEnvironment();
    const LayerSearch search = FindLayer(OwnExecutable(), options.layer_path, own);
    Session session(options.out);
    const std::string problem = search.layer ? session.Prepare() : search.error;
    if (!problem.empty()) {
        Complain(Printable(problem));
        return kRunFailed;
    }
    const Environment environment = ForRecording(own, *search.layer, options, stacks);
    const AppFile app = InspectApp(command[0], environment);
    session.SetDuration(static_cast<uint64_t>(options.duration_s * 1e9));

    SegmentWatch watch;
    Supervisor supervisor;
    if (const auto failure = supervisor.Start(command, environment); failure.exit_code != 0) {
        Complain(failure.error);
        return failure.exit_code;
    }
    // A line that is written again and again would be in the way of what the application says.
    const bool shows_progress =
        !options.quiet && isatty(STDERR_FILENO) != 0 && isatty(STDOUT_FILENO) == 0;
    Follow(session, supervisor, watch, shows_progress);

    std::vector<Followed> others = watch.Finish();
    std::erase_if(others, [&](const Followed& one) { return one.pid == session.pid(); });
    bool is_well = session.started();
    if (is_well) {
        is_well = Tell(session, options, others);
    } else if (others.empty()) {
        Complain("nothing was recorded: " +
                 WhyNothingWasPublished(app, *search.layer, environment));
    } else {
        Complain("nothing was recorded: no process created a device.");
    }
    const ExitInfo end = supervisor.app_end();
    const int code = end.code ? *end.code : kSignalBase + end.signal.value_or(0);
    return code == kOk && !is_well ? kFailure : code;
}

int Record(const RecordOptions& options, const std::vector<std::string>& command) {
    const std::optional<uint64_t> stacks = ParseStacks(options.stacks);
    if (!stacks) {
        Complain("--stacks takes a number from 1 to 1000000000, 'all' or 'off'.");
        return kUsage;
    }
    if (options.pid.empty() == command.empty()) {
        Complain(
            "say what to record: tessera record -o FILE PID, or tessera record -o FILE [--] APP "
            "[ARGS...].");
        return kUsage;
    }
    return command.empty() ? RecordPid(options, *stacks) : RecordApp(options, *stacks, command);
}

}  // namespace

void AddRecord(CLI::App& app, Action& action, const std::vector<std::string>& command) {
    const auto options = std::make_shared<RecordOptions>();
    CLI::App* const record =
        app.add_subcommand("record", "Write what happens to the memory of a process to a file");
    record->footer(kHelp);
    record->add_option("PID", options->pid, "The process, as `tessera ps` lists it");
    record->add_option("-o,--output", options->out, "The file to write, in place of what it holds")
        ->type_name("FILE")
        ->required();
    record
        ->add_option("--level", options->level,
                     "'events': everything that happens; 'full': only what there is, every ten "
                     "seconds")
        ->type_name("LEVEL")
        ->check(CLI::IsMember({"full", "events"}))
        ->capture_default_str();
    record
        ->add_option("--stacks", options->stacks,
                     "Keep the call stack of one in N allocations, of 'all' or of none ('off'); "
                     "without it as the application's settings say")
        ->type_name("N|all|off");
    record
        ->add_option("--duration", options->duration_s,
                     "End after so many seconds; an application goes on")
        ->type_name("S")
        ->check(CLI::Range(0.001, 1e9));
    record
        ->add_option("--layer-path", options->layer_path,
                     "Take the layer from this folder instead of looking for it")
        ->type_name("DIR");
    record->add_flag("--json", options->json, "Print a summary as JSON at the end");
    record->add_flag("-q,--quiet", options->quiet, "Show no progress and say nothing at the end");
    record->callback([&action, &command, options] {
        action = [&command, options] { return Record(*options, command); };
    });
}

}  // namespace tessera::command
