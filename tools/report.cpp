// SPDX-License-Identifier: Apache-2.0
//
// `tessera report`: one page, or its model as JSON, of a process or a recording.
//
// Threads: one.
#include <memory>
#include <string>

#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/output.h"
#include "tools/report/model.h"
#include "tools/report/page.h"
#include "tools/report/words.h"
#include "tools/source.h"
#include "tools/stats_file.h"
#include "tools/symbols/symbolizer.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr char kHelp[] =
    R"(Writes one HTML file that shows what a process did with its memory: a summary, findings, bytes over
time, what lies where, sizes, latencies, hot spots and leaks. The file needs no network and no other
file. A process shows more at the levels full and events; a recording shows what led there.

Examples:
  tessera report 4242 -o report.html
  tessera report game.rec -o report.html
  tessera report game.rec --json | jq '.findings'

Exit code: 0; 1 if the report cannot be made or written, or only a part of the source could be read
(what was read is written); 2 if the command line is wrong; 3 if there is no such process or file, or it
cannot be read at all.)";

struct ReportOptions {
    std::string what;
    std::string out;
    bool json = false;
};

// Functions and lines, where symbols tell them. All stacks are looked up at once: the model asks
// for them one by one.
report::FrameTexts SymbolFrames(const reader::Process& process) {
    const auto symbolizer = std::make_shared<Symbolizer>(process.modules);
    symbolizer->Resolve(process.stacks);
    return [symbolizer](const reader::CallStack& stack) { return StackText(*symbolizer, stack); };
}

int Write(const ReportOptions& options, const std::string& text) {
    if (options.out.empty() || options.out == "-") return ExitCodeOf(PrintResult(text));
    StatsFile file("the report");
    std::string problem = file.Prepare(options.out);
    if (problem.empty()) problem = file.Write(text);
    if (problem.empty()) return kOk;
    Complain(Printable(problem));
    return kFailure;
}

int Report(const ReportOptions& options) {
    if (options.what.empty() || (options.out.empty() && !options.json)) {
        Complain("say of what, and where to: tessera report FILE|PID -o report.html, or --json.");
        return kUsage;
    }
    if (!options.json && !report::HasPage()) {
        Complain(
            "this build has no report page, since Chart.js was not there when it was built; --json "
            "prints what it would show.");
        return kFailure;
    }
    std::string problem;
    const std::unique_ptr<Source> source = Source::Open(options.what, &problem);
    if (source == nullptr) {
        Complain(Printable(problem));
        return kNotFound;
    }
    const Json model =
        report::ModelOf(*source, options.what, SymbolFrames(source->process()), &problem);
    // What was read until then is worth a report.
    for (const std::string& sentence : {source->remark(), problem})
        if (!sentence.empty()) Complain(Printable(sentence));
    const std::string text =
        options.json ? Dump(model, Layout::kPretty) : report::Page(model, report::RandomNonce());
    const int written = Write(options, text);
    if (written == kOk && !problem.empty()) return kFailure;
    return ExitCodeFor(*source, written);
}

}  // namespace

void AddReport(CLI::App& app, Action& action) {
    const auto options = std::make_shared<ReportOptions>();
    CLI::App* const command =
        app.add_subcommand("report", "Write a page that shows all of a process or a recording");
    command->footer(kHelp);
    command->add_option("FILE|PID", options->what, "A recording or a segment, or a process");
    command->add_option("-o,--output", options->out, "The file to write; - for standard output");
    command->add_flag("--json", options->json, "Write what the page shows as JSON (schema 1)");
    command->callback([&action, options] { action = [options] { return Report(*options); }; });
}

}  // namespace tessera::command
