// SPDX-License-Identifier: Apache-2.0
//
// `tessera export`: what the channel or a recording has, in the formats of others.
//
// Threads: one; --listen has those of prometheus-cpp besides.
#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "tools/commands.h"
#include "tools/detail.h"
#include "tools/exit_codes.h"
#include "tools/export/format.h"
#include "tools/export/metrics.h"
#include "tools/output.h"
#include "tools/result_sink.h"
#include "tools/source.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr char kHelp[] =
    R"(Writes what is known of a process in a format of others:

  json        everything: the numbers of `tessera stat --json` and each allocation
  csv         the live allocations, for a spreadsheet
  vma         the JSON of VMA's vmaBuildStatsString(), for its tool GpuMemDumpVis
  perfetto    trace events, for ui.perfetto.dev and chrome://tracing
  prometheus  metrics, for node_exporter's textfile collector; without a process of all that run

With --listen, prometheus answers scrapes of all processes of this user until it is interrupted.

Examples:
  tessera export csv 4242 -o allocations.csv
  tessera export perfetto game.tsr -o trace.json --slow 50
  tessera export prometheus -o /var/lib/node_exporter/tessera.prom
  tessera export prometheus --listen

Exit code: 0; 1 if the result cannot be written, or only a part of a recording could be read; 2 if the
command line is wrong; 3 if there is no such process or file, or nothing is known that the format could
show.)";

constexpr double kUsualSlowUs = 100;

struct ExportOptions {
    std::string format;
    std::string source;
    std::string output;
    std::string listen;
    bool listens = false;
    std::optional<uint64_t> device;
    double slow_us = kUsualSlowUs;
};

// The device that VMA's format is to show, which has but one. Returns: null if that is not clear,
// which is told on stderr.
const reader::Device* ChooseDevice(const reader::Process& process,
                                   const std::optional<uint64_t>& wanted) {
    std::vector<const reader::Device*> found;
    for (const reader::Device& device : process.devices) {
        const bool known = device.detail.level != TESSERA_LEVEL_totals;
        if (wanted ? device.id == *wanted && known : known) found.push_back(&device);
    }
    // One that is gone is not meant if another is there.
    const auto is_gone = [](const reader::Device* device) {
        return device->state != TESSERA_DEVICE_LIVE;
    };
    if (found.size() > 1 && !std::ranges::all_of(found, is_gone)) std::erase_if(found, is_gone);
    if (found.size() == 1) return found.front();
    if (found.empty()) {
        Complain(wanted ? "there is no device " + std::to_string(*wanted) +
                              ", or nothing is known of its allocations."
                        : "there is no device whose allocations are known.");
    } else {
        Complain(Plural(found.size(), "device") + " could be meant, from " +
                 std::to_string(found.front()->id) + " to " + std::to_string(found.back()->id) +
                 ": say which with --device N.");
    }
    return nullptr;
}

// Returns: the exit code if there is something wrong with the command line.
std::optional<int> Check(const ExportOptions& options) {
    static const std::set<std::string> kFormats = {"json", "csv", "vma", "perfetto", "prometheus"};
    const auto wrong = [](const std::string& sentence) {
        Complain(sentence);
        return kUsage;
    };
    if (!kFormats.contains(options.format))
        return wrong("'" + Printable(options.format) +
                     "' is no format. There are json, csv, vma, perfetto and prometheus.");
    const bool prometheus = options.format == "prometheus";
    if (options.listens && (!prometheus || !options.source.empty() || !options.output.empty()))
        return wrong("--listen goes with prometheus alone, and without a process or -o.");
    if (options.listens && ParseAddress(options.listen).empty())
        return wrong("--listen takes ADDR:PORT, as in --listen=127.0.0.1:9464.");
    if (options.source.empty() && !prometheus)
        return wrong("say of what: tessera export " + options.format +
                     " PID|FILE. `tessera ps` lists processes.");
    return std::nullopt;
}

// What the tables had no room for, or what kept changing, is in no line of the result.
void TellWhatIsMissing(const reader::Device& device) {
    uint64_t count = device.detail.moving;
    for (const uint32_t kind :
         {TESSERA_KIND_SLOTS, TESSERA_KIND_PASSED, TESSERA_KIND_BLOCKS, TESSERA_KIND_RESOURCES})
        count += device.detail.unrecorded[kind];
    if (count == 0) return;
    Complain("not everything of device " + std::to_string(device.id) + " is known: " +
             Plural(count, "record") + " had no room, or changed while they were read.");
}

// Returns: kOk; kFailure if what was written is a part of what there should be; another exit code
// if nothing could be written.
int WriteFormat(const ExportOptions& options, Source* source, const Sink& sink) {
    if (options.format == "prometheus") {
        const auto complain = [](const std::string& error) { Complain(Printable(error)); };
        sink(MetricsText(MetricsOf(source != nullptr
                                       ? std::vector<reader::Process>{source->process()}
                                       : RunningProcesses(complain))));
        return kOk;
    }
    const reader::Process& process = source->process();
    if (options.format == "json") {
        WriteDetailJson(process, sink);
    } else if (options.format == "perfetto") {
        const auto slow_ns = static_cast<uint64_t>(options.slow_us * 1000);
        const std::string problem = WriteTrace(*source, slow_ns, sink);
        if (!problem.empty()) Complain(Printable(problem));
        if (source->lost() > 0)
            Complain(Plural(source->lost(), "event") + " are missing in the trace.");
        if (!problem.empty()) return kFailure;
    } else if (!HasDetail(process)) {
        Complain("nothing is known of the single allocations of this process. " +
                 HowToRecord(process));
        return kNotFound;
    } else if (options.format == "csv") {
        std::ranges::for_each(process.devices, TellWhatIsMissing);
        WriteCsv(process, sink);
    } else {
        const reader::Device* const device = ChooseDevice(process, options.device);
        if (device == nullptr) return kNotFound;
        TellWhatIsMissing(*device);
        WriteVma(*device, sink);
    }
    return kOk;
}

int Export(const ExportOptions& options) {
    if (const std::optional<int> code = Check(options)) return *code;
    if (options.listens) return ServeMetrics(ParseAddress(options.listen));
    std::unique_ptr<Source> source;
    if (!options.source.empty()) {
        std::string error;
        source = Source::Open(options.source, &error);
        if (source == nullptr) {
            Complain(Printable(error));
            return kNotFound;
        }
        if (!source->remark().empty()) Complain(Printable(source->remark()));
    }
    ResultSink sink;
    if (const std::string problem = sink.Open(options.output); !problem.empty()) {
        Complain(problem);
        return kFailure;
    }
    const int code =
        WriteFormat(options, source.get(), [&](std::string_view text) { return sink.Write(text); });
    if (code != kOk && code != kFailure) return code;
    const int written = sink.Finish();
    if (written != kOk) return written;
    return source != nullptr ? ExitCodeFor(*source, code) : code;
}

}  // namespace

void AddExport(CLI::App& app, Action& action) {
    const auto options = std::make_shared<ExportOptions>();
    CLI::App* const sub =
        app.add_subcommand("export", "Write what is known in a format of other tools");
    sub->footer(kHelp);
    sub->add_option("FORMAT", options->format, "What to write")
        ->required()
        ->option_text("json|csv|vma|perfetto|prometheus");
    sub->add_option("SOURCE", options->source, "A process, or a file: a segment or a recording")
        ->option_text("PID|FILE");
    sub->add_option("-o,--output", options->output, "Write there instead of to standard output")
        ->option_text("FILE");
    sub->add_option("--device", options->device, "vma: the device to show")->option_text("N");
    sub->add_option("--slow", options->slow_us,
                    "perfetto: show blocks that took at least this many microseconds to make (100)")
        ->option_text("US")
        ->check(CLI::Range(0.0, 1e9));
    // A flag and not an option: its address is optional.
    CLI::Option* const listen = sub->add_flag(
        "--listen{}", options->listen,
        "prometheus: answer scrapes at 127.0.0.1:9464, or elsewhere with --listen=ADDR:PORT");
    sub->callback([&action, options, listen] {
        options->listens = listen->count() > 0;
        if (options->listen == "true") options->listen.clear();
        action = [options] { return Export(*options); };
    });
}

}  // namespace tessera::command
