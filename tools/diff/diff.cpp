// SPDX-License-Identifier: Apache-2.0
//
// `tessera diff`: what changed between two states, for people and as JSON.
//
// Threads: one.
#include <memory>

#include "tools/commands.h"
#include "tools/diff/model.h"
#include "tools/diff/text.h"
#include "tools/exit_codes.h"
#include "tools/output.h"
#include "tools/result_sink.h"
#include "tools/source.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

constexpr char kHelp[] =
    R"(Compares two states, of one process at two times or of two processes: what live memory each heap
and memory type has, and which groups of allocations came, went, grew or shrank, the biggest change
first. A group is what looks alike: its memory type, size, name and call stack, or with --by only one of
them. Groups need states that know single allocations: `tessera level PID full`.

Examples:
  tessera diff before.tsr after.tsr
  tessera diff before.tsr 4242 --by name
  tessera diff 4242 4343 --json | jq '.devices[].groups[0]'

Exit code: 0, also when nothing changed; 1 if the result cannot be written, or only a part of a
recording could be read; 2 if the command line is wrong; 3 if one of the two cannot be read.)";

struct DiffOptions {
    std::string before;
    std::string after;
    std::string by;  // empty: by all
    bool json = false;
};

GroupBy GroupByOf(const std::string& name) {
    if (name == "size") return GroupBy::kSize;
    if (name == "name") return GroupBy::kName;
    if (name == "type") return GroupBy::kType;
    return name == "stack" ? GroupBy::kStack : GroupBy::kAll;
}

std::unique_ptr<Source> Open(const std::string& what) {
    std::string error;
    std::unique_ptr<Source> source = Source::Open(what, &error);
    if (source == nullptr)
        Complain(Printable(error));
    else if (!source->remark().empty())
        Complain(Printable(source->remark()));
    return source;
}

int RunDiff(const DiffOptions& options) {
    const std::unique_ptr<Source> before = Open(options.before);
    const std::unique_ptr<Source> after = before != nullptr ? Open(options.after) : nullptr;
    if (after == nullptr) return kNotFound;
    const Diff diff = DiffOf(before->process(), after->process(), GroupByOf(options.by));
    const std::string text =
        options.json ? Dump(DiffJson(before->process(), after->process(), diff), Layout::kPretty)
                     : DiffText(before->process(), after->process(), diff);
    return ExitCodeFor(*before, ExitCodeFor(*after, ExitCodeOf(PrintResult(text))));
}

}  // namespace

void AddDiff(CLI::App& app, Action& action) {
    const auto options = std::make_shared<DiffOptions>();
    CLI::App* const diff = app.add_subcommand("diff", "Show what changed between two states");
    diff->footer(kHelp);
    diff->add_option("BEFORE", options->before, "A process, or a file: a segment or a recording")
        ->required()
        ->option_text("PID|FILE");
    diff->add_option("AFTER", options->after, "Another, or the same later")
        ->required()
        ->option_text("PID|FILE");
    diff->add_option("--by", options->by, "Group allocations by this alone")
        ->option_text("size|name|type|stack")
        ->check(CLI::IsMember({"size", "name", "type", "stack"}));
    diff->add_flag("--json", options->json, "Print JSON (schema 1 of diff)");
    diff->callback([&action, options] { action = [options] { return RunDiff(*options); }; });
}

}  // namespace tessera::command
