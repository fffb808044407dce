// SPDX-License-Identifier: Apache-2.0
//
// `tessera top`: the processes that hold memory, and what one of them does with it, as it happens.
//
// On a terminal a picture that follows keys; elsewhere lines. What is shown is in model.h, how it
// looks in draw.h, what keys do in ui.h, and the terminal in curses_terminal.h; here they meet.
// Threads: one.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "base/process.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/output.h"
#include "tools/text.h"
#include "tools/top/curses_terminal.h"
#include "tools/top/draw.h"
#include "tools/top/plain.h"
#include "tools/top/watch.h"

namespace tessera::command {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr char kHelp[] =
    R"(Shows the processes that run with the layer, and of one of them heaps, memory types, calls, blocks,
allocations and who made them. h tells the keys. Where there is no terminal, or TERM=dumb, it prints
lines instead; NO_COLOR is respected.

Examples:
  tessera top
  tessera top 4242
  tessera top --json --count 10 --interval 0.5

Exit code: 0; 1 if the result cannot be written; 2 for a wrong command line; 3 if there is no such
process or it publishes nothing.)";

struct TopOptions {
    std::string pid;
    double interval_s = 1;
    uint64_t count = 0;  // 0: without end
    bool json = false;
};

// The picture, and what it is made of.
class Viewer {
 public:
    Viewer(top::CursesTerminal& terminal, uint64_t pid) : terminal_(terminal) {
        ui_.in_process = pid != 0;
        ui_.can_leave = pid == 0;
        ui_.pid = pid;
    }

    // Returns: the exit code.
    int Run(double interval_s, uint64_t count) {
        auto next = Clock::now();
        for (uint64_t looks = 0; !ui_.quit;) {
            if (Clock::now() >= next) {
                if (count != 0 && looks++ == count) return kOk;
                Look();
                next =
                    Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(interval_s));
            }
            Draw();
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
            top::Key key;
            const auto event =
                terminal_.Wait(static_cast<uint64_t>(std::max<int64_t>(left.count(), 0)), key);
            if (event == top::CursesTerminal::Event::kEnd) return kOk;
            if (event == top::CursesTerminal::Event::kKey) Obey(key);
        }
        return kOk;
    }

 private:
    void Look() {
        if (ui_.paused) return;
        view_is_old_ = true;
        if (!ui_.in_process) {
            watch_.LookAtAll();
        } else if (const std::string error = watch_.LookAt(ui_.pid); !error.empty()) {
            ui_.in_process = false;  // it is gone: the list tells what there is
            watch_.LookAtAll();
        }
    }

    void Obey(const top::Key& key) {
        const bool was_in_process = ui_.in_process;
        // Who only moves sees the same rows.
        const bool moves = key.name == top::Key::kUp || key.name == top::Key::kDown ||
                           key.name == top::Key::kPageUp || key.name == top::Key::kPageDown;
        view_is_old_ = view_is_old_ || !moves;
        list_pid_ = 0;  // the row counts that was chosen now
        top::Handle(ui_, key, extent_);
        if (ui_.in_process != was_in_process) {
            ui_.paused = false;
            Look();
        }
    }

    void Draw() {
        const top::Glyphs& glyphs =
            terminal_.has_unicode() ? top::UnicodeGlyphs() : top::AsciiGlyphs();
        const top::Size size = terminal_.size();
        if (ui_.help) return terminal_.Show(top::DrawHelp(size, glyphs));
        if (!ui_.in_process) {
            const auto rows = top::ListRows(watch_.processes(), watch_.processes_before(),
                                            ui_.list_order, ui_.filter);
            // The chosen process stays chosen when it comes to stand elsewhere.
            const auto chosen = std::ranges::find(rows, list_pid_, &top::ProcessRow::pid);
            if (chosen != rows.end()) ui_.list_row = static_cast<size_t>(chosen - rows.begin());
            terminal_.Show(top::DrawList(rows, ui_, size, glyphs, extent_));
            list_pid_ = extent_.selected_pid;
            return;
        }
        const reader::Process& process = watch_.process();
        if (ui_.device >= process.devices.size()) ui_.device = top::DefaultDevice(process);
        // Names of functions only where they are looked at.
        const bool resolve = ui_.pane == top::Pane::kStacks || ui_.opened;
        const top::StackLines lines = [&](uint32_t stack) { return watch_.Lines(stack, resolve); };
        if (std::exchange(view_is_old_, false)) {
            view_ = top::ViewOf(process, watch_.process_before(), ui_.device, ui_.device_orders(),
                                ui_.filter, lines);
        }
        terminal_.Show(top::DrawProcess(process, view_, ui_, size, glyphs, lines, extent_));
    }

    top::CursesTerminal& terminal_;
    top::Watch watch_;
    top::Ui ui_;
    top::Extent extent_;
    uint64_t list_pid_ = 0;  // that was chosen in the list when it was drawn last
    top::DeviceView view_;
    bool view_is_old_ = true;
};

// Lines instead of a picture. `pid` 0: of all processes; else of this one, until it has ended.
int PrintLines(const TopOptions& options, uint64_t pid, uint64_t start_time) {
    top::Watch watch;
    for (uint64_t looks = 0;;) {
        // Asked first, so that what is read afterwards is the last state.
        const bool has_ended = pid != 0 && !ProcessRuns(pid, start_time);
        watch.LookAtAll();
        std::vector<reader::Process> now = watch.processes();
        if (pid != 0) {
            std::erase_if(now, [&](const reader::Process& one) {
                return one.pid != pid || one.start_time != start_time;
            });
            // Its segment was cleared away, or could not be read this time.
            if (now.empty() && has_ended) return kOk;
        }
        const std::vector<top::ProcessRow> rows =
            top::ListRows(now, watch.processes_before(), {}, "");
        const Written written =
            PrintResult(options.json ? top::JsonLine(rows, now) : top::PlainLines(rows));
        if (written != Written::kAll) return ExitCodeOf(written);
        if (has_ended || ++looks == options.count) return kOk;
        std::this_thread::sleep_for(Seconds(options.interval_s));
    }
}

int Top(const TopOptions& options) {
    uint64_t pid = 0;
    uint64_t start_time = 0;
    if (!options.pid.empty()) {
        const char* const end = options.pid.data() + options.pid.size();
        const auto [rest, wrong] = std::from_chars(options.pid.data(), end, pid);
        if (wrong != std::errc{} || rest != end || pid == 0) {
            Complain("'" + Printable(options.pid) +
                     "' is not the number of a process. `tessera ps` lists those that can be "
                     "shown.");
            return kUsage;
        }
        const reader::Result<reader::Process> process = reader::ReadProcess(pid);
        if (!process.ok()) {
            Complain(Printable(process.error));
            return kNotFound;
        }
        start_time = process.value.start_time;
    }
    if (!options.json && top::CursesTerminal::IsUsable()) {
        top::CursesTerminal terminal;
        if (terminal.Open()) return Viewer(terminal, pid).Run(options.interval_s, options.count);
    }
    return PrintLines(options, pid, start_time);
}

}  // namespace

void AddTop(CLI::App& app, Action& action) {
    const auto options = std::make_shared<TopOptions>();
    CLI::App* const top = app.add_subcommand("top", "Watch who holds memory, as it changes");
    top->footer(kHelp);
    top->add_option("PID", options->pid, "Start with this process, as `tessera ps` lists it");
    top->add_option("--interval", options->interval_s, "Seconds from one look to the next")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.05, 3600.0))
        ->capture_default_str();
    top->add_option("--count", options->count, "End after so many looks; 0: never")
        ->type_name("N")
        ->capture_default_str();
    top->add_flag("--json", options->json, "Print a line of JSON at each look, and draw nothing");
    top->callback([&action, options] { action = [options] { return Top(*options); }; });
}

}  // namespace tessera::command
