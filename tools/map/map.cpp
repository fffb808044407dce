// SPDX-License-Identifier: Apache-2.0
//
// `tessera map`: which part of which block is used by what.
//
// Threads: one.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "tools/commands.h"
#include "tools/detail.h"
#include "tools/exit_codes.h"
#include "tools/map/json.h"
#include "tools/map/picture.h"
#include "tools/map/terminal.h"
#include "tools/output.h"
#include "tools/result_sink.h"
#include "tools/source.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr char kHelp[] =
    R"(Draws each block of the driver's memory: a line on a terminal, a bar in a picture. Each part of it
is as high as it is full, and has the colour of what is most in it: buffers, linear images, optimal
images, padding, or what is unknown. What passed through is drawn below, the biggest first.

The process must record single allocations: `tessera level PID full` asks it to.

Examples:
  tessera map 4242
  tessera map 4242 -o map.svg
  tessera map game.tsr --device 1 --type 0 --json | jq '.devices[].rows[].bytes'

Exit code: 0; 1 if the result cannot be written, or only a part of a recording could be read; 2 if the
command line is wrong; 3 if there is no such process, file, device or memory type, or nothing is known
of its allocations.)";

constexpr size_t kMaxWidth = 1000;
constexpr size_t kMinWidth = 40;
constexpr size_t kUsualWidth = 100;

struct MapOptions {
    std::string source;
    std::string output;
    MapFilter filter;
    size_t width = 0;  // 0: the terminal's
    bool json = false;
};

size_t TerminalWidth() {
    winsize size = {};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return kUsualWidth;
}

TerminalFacts Facts() {
    TerminalFacts facts = {.is_terminal = isatty(STDOUT_FILENO) != 0,
                           .term = getenv("TERM"),
                           .no_color = getenv("NO_COLOR")};
    for (const char* const name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        facts.locale = getenv(name);
        if (facts.locale != nullptr && *facts.locale != '\0') break;
    }
    return facts;
}

int Write(ResultSink& sink, const std::string& text) {
    sink.Write(text);
    return sink.Finish();
}

int WritePicture(const Picture& picture, bool svg, ResultSink& sink) {
    if (svg) return Write(sink, Svg(picture));
    std::string error;
    const std::string bytes = Png(picture, &error);
    if (!error.empty()) {
        Complain(error);
        return kFailure;
    }
    return Write(sink, bytes);
}

// In the form that was asked for. Returns: the exit code.
int WriteMap(const MapOptions& options, const reader::Process& process,
             const std::vector<DeviceMap>& maps) {
    ResultSink sink;
    if (const std::string problem = sink.Open(options.output); !problem.empty()) {
        Complain(problem);
        return kFailure;
    }
    if (options.json) {
        WriteMapJson(process, maps, [&](std::string_view text) { return sink.Write(text); });
        return sink.Finish();
    }
    const bool svg = options.output.ends_with(".svg");
    if (svg || options.output.ends_with(".png"))
        return WritePicture(DrawMap(process, maps), svg, sink);
    const size_t width = options.width != 0 ? options.width : TerminalWidth();
    return Write(sink, MapText(process, maps, width, StyleFor(Facts())));
}

// Whether there are devices, and none of them has the memory type that is asked for.
bool LacksType(const std::vector<DeviceMap>& maps, const MapFilter& filter) {
    return filter.type && !maps.empty() && std::ranges::none_of(maps, [&](const DeviceMap& map) {
               return *filter.type < map.device->memory_types.size();
           });
}

int Map(const MapOptions& options) {
    const bool svg = options.output.ends_with(".svg");
    const bool png = options.output.ends_with(".png");
    if (!options.output.empty() && !svg && !png && !options.json) {
        Complain("-o takes a name that ends with .svg or .png, or any with --json.");
        return kUsage;
    }
    std::string error;
    const std::unique_ptr<Source> source = Source::Open(options.source, &error);
    if (source == nullptr) {
        Complain(Printable(error));
        return kNotFound;
    }
    if (!source->remark().empty()) Complain(Printable(source->remark()));
    const reader::Process& process = source->process();
    const std::vector<DeviceMap> maps = MapOf(process, options.filter);
    if (LacksType(maps, options.filter)) {
        Complain("there is no memory type " + std::to_string(*options.filter.type) +
                 "; `tessera stat` lists those that there are.");
        return kNotFound;
    }
    if (maps.empty()) {
        Complain(HasDetail(process)
                     ? "there is no such device, or nothing is known of its allocations."
                     : "nothing is known of the single allocations of this process. " +
                           HowToRecord(process));
        return kNotFound;
    }
    return ExitCodeFor(*source, WriteMap(options, process, maps));
}

}  // namespace

void AddMap(CLI::App& app, Action& action) {
    const auto options = std::make_shared<MapOptions>();
    CLI::App* const map = app.add_subcommand("map", "Draw what lies where in the driver's memory");
    map->footer(kHelp);
    map->add_option("SOURCE", options->source, "A process, or a file: a segment or a recording")
        ->required()
        ->option_text("PID|FILE");
    map->add_option("-o,--output", options->output,
                    "Write there, and a picture if the name ends with .svg or .png")
        ->option_text("FILE");
    map->add_option("--device", options->filter.device, "Only this device")->option_text("N");
    map->add_option("--type", options->filter.type, "Only this memory type")->option_text("N");
    map->add_option("--width", options->width, "Columns, if not as many as the terminal has")
        ->option_text("COLS")
        ->check(CLI::Range(kMinWidth, kMaxWidth));
    map->add_flag("--json", options->json, "Print JSON (schema 1 of the map)");
    map->callback([&action, options] { action = [options] { return Map(*options); }; });
}

}  // namespace tessera::command
