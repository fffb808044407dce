// SPDX-License-Identifier: Apache-2.0
//
// See symbolizer.h: the side of the parent. It forks a child for a module, waits for its answers no
// longer than the module's time, stops it if it must, and takes from the answers what makes sense.
#include "tools/symbols/symbolizer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <tuple>
#include <utility>

#include "tools/symbols/symbol_child.h"
#include "tools/text.h"

namespace tessera::command {
namespace {

using Clock = std::chrono::steady_clock;

// What a child said, as far as it makes sense.
struct Answer {
    FileStatus status = FileStatus::kBroken;
    std::vector<std::vector<SourceLine>> lines;  // of each address
    bool done = false;
};

// Reads until the other end is closed, the time is over or it is too much. Returns: whether the
// other end was closed.
bool ReadAll(int file, Clock::time_point deadline, std::string* text) {
    std::array<char, 16384> buffer;
    while (text->size() <= kMaxAnswerBytes) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd ready = {.fd = file, .events = POLLIN, .revents = 0};
        const int polled = left > 0 ? poll(&ready, 1, static_cast<int>(left)) : 0;
        if (polled < 0 && errno == EINTR) continue;
        if (polled <= 0) return false;
        const ssize_t count = read(file, buffer.data(), buffer.size());
        if (count == 0) return true;
        if (count < 0 && errno != EINTR && errno != EAGAIN) return true;
        if (count > 0) text->append(buffer.data(), static_cast<size_t>(count));
    }
    return false;
}

// Stops at the first thing that no honest child says.
Answer Parse(std::string_view text, size_t addresses) {
    Answer answer;
    answer.lines.resize(addresses);
    bool first = true;
    while (!answer.done) {
        AnswerHead head;
        if (text.size() < sizeof(head)) return answer;
        memcpy(&head, text.data(), sizeof(head));
        text.remove_prefix(sizeof(head));
        const bool sane = head.function_bytes <= kMaxTextBytes && head.file_bytes <= kMaxTextBytes;
        if (!sane || text.size() < size_t{head.function_bytes} + head.file_bytes) return answer;
        const std::string_view function = text.substr(0, head.function_bytes);
        const std::string_view file = text.substr(head.function_bytes, head.file_bytes);
        text.remove_prefix(function.size() + file.size());
        if (first != (head.tag == static_cast<uint32_t>(AnswerTag::kStatus))) return answer;
        if (first) {
            if (head.index >= static_cast<uint32_t>(FileStatus::kCount)) return answer;
            answer.status = static_cast<FileStatus>(head.index);
            first = false;
        } else if (head.tag == static_cast<uint32_t>(AnswerTag::kLine)) {
            if (head.index >= addresses) return answer;
            std::vector<SourceLine>& lines = answer.lines[head.index];
            if (lines.size() < kMaxLinesPerAddress) {
                lines.push_back({.function = std::string(function),
                                 .file = std::string(file),
                                 .line = head.line,
                                 .inlined = head.inlined != 0});
            }
        } else if (head.tag == static_cast<uint32_t>(AnswerTag::kDone)) {
            answer.done = true;
        } else {
            return answer;
        }
    }
    return answer;
}

// Has a child look up `addresses`, for no longer than `time`.
Answer AskChild(const reader::Module& module, const std::vector<uint64_t>& addresses,
                const ChildLimits& limits, std::chrono::nanoseconds time) {
    const Clock::time_point deadline = Clock::now() + time;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return {.status = FileStatus::kBroken, .lines = {}};
    const pid_t child = fork();
    if (child == 0) RunSymbolChild(module, addresses, limits, ends[1]);
    close(ends[1]);
    std::string text;
    const bool closed = child > 0 && ReadAll(ends[0], deadline, &text);
    close(ends[0]);
    if (child > 0) {
        // It may go on after it closed the pipe.
        kill(child, SIGKILL);
        while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    Answer answer = Parse(text, addresses.size());
    if (!answer.done) answer.status = closed ? FileStatus::kBroken : FileStatus::kTimedOut;
    return answer;
}

const char* Sentence(FileStatus status) {
    switch (status) {
        case FileStatus::kUnverified:
            return "has no build id: if it is not the file that the process had loaded, the names "
                   "are wrong";
        case FileStatus::kMissing:
            return "cannot be opened, so its functions have no names";
        case FileStatus::kNotRegular:
            return "is not a regular file, so its functions have no names";
        case FileStatus::kTooLarge:
            return "is too large to be read, so its functions have no names";
        case FileStatus::kNotElf:
            return "is no program or library, so its functions have no names";
        case FileStatus::kOtherBuild:
            return "is not the file that the process had loaded (its build id differs), so its "
                   "functions have no names";
        case FileStatus::kTimedOut:
            return "took too long to read, so that some of its functions have no names";
        case FileStatus::kBroken:
            return "has symbols that cannot be read, so that some of its functions have no names";
        case FileStatus::kUsed:
        case FileStatus::kNoPath:
        case FileStatus::kCount:
            break;
    }
    return nullptr;
}

std::string_view BaseName(std::string_view path) {
    const size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// "src/scene.cpp" of "/home/me/game/src/scene.cpp".
std::string_view FileTail(std::string_view path) {
    const size_t slash = path.rfind('/');
    if (slash == std::string_view::npos || slash == 0) return path;
    const size_t before = path.rfind('/', slash - 1);
    return before == std::string_view::npos ? path : path.substr(before + 1);
}

// Where the parenthesis was opened that ends `name`; npos if it ends with none or has no beginning.
size_t ParametersAt(std::string_view name) {
    int depth = 0;
    for (size_t i = name.size(); i-- > 0;) {
        depth += name[i] == ')' ? 1 : name[i] == '(' ? -1 : 0;
        if (depth <= 0) return depth == 0 && name.ends_with(')') && i > 0 ? i : std::string::npos;
    }
    return std::string::npos;
}

std::string WithoutTemplateArguments(std::string_view name) {
    std::string text;
    int depth = 0;
    for (size_t i = 0; i < name.size(); ++i) {
        const bool is_operator = text.ends_with("operator") || text.ends_with("operator<") ||
                                 text.ends_with("operator-");
        const bool opens = name[i] == '<' && !(is_operator && depth == 0);
        const bool closes = name[i] == '>' && depth > 0;
        if (opens && depth++ == 0) text += "<..>";
        if (depth == 0) text += name[i];
        if (closes) --depth;
    }
    return text;
}

std::string Hex(uint64_t number) {
    std::array<char, 24> text;
    snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(number));
    return text.data();
}

}  // namespace

Symbolizer::Symbolizer(std::vector<reader::Module> modules)
    : Symbolizer(std::move(modules), Options()) {}

Symbolizer::Symbolizer(std::vector<reader::Module> modules, Options options)
    : modules_(std::move(modules)), options_(std::move(options)) {
    std::ranges::stable_sort(modules_, {}, &reader::Module::start);
}

// A call may be the last instruction of a module, so that what counts is the byte before.
size_t Symbolizer::ModuleOf(uint64_t address) const {
    const uint64_t at = address - 1;
    auto after = std::ranges::upper_bound(modules_, at, {}, &reader::Module::start);
    if (after == modules_.begin()) return kNoModule;
    --after;
    return at < after->end ? static_cast<size_t>(after - modules_.begin()) : kNoModule;
}

void Symbolizer::Resolve(std::span<const uint64_t> addresses) {
    std::map<size_t, std::vector<uint64_t>> wanted;
    for (const uint64_t address : addresses) {
        if (lines_.size() >= options_.max_addresses) break;
        if (!lines_.try_emplace(address).second) continue;
        const size_t module = ModuleOf(address);
        if (module != kNoModule && !given_up_.contains(module)) wanted[module].push_back(address);
    }
    for (const auto& [module, of_module] : wanted)
        ResolveIn(module, of_module);
}

void Symbolizer::Resolve(std::span<const reader::CallStack> stacks) {
    std::vector<uint64_t> all;
    for (const reader::CallStack& stack : stacks)
        all.insert(all.end(), stack.addresses.begin(), stack.addresses.end());
    Resolve(all);
}

void Symbolizer::ResolveIn(size_t module, const std::vector<uint64_t>& addresses) {
    const std::chrono::nanoseconds time =
        std::min<std::chrono::nanoseconds>(options_.module_time, options_.total_time - used_);
    Answer answer = {.status = FileStatus::kTimedOut, .lines = {}};
    if (time.count() > 0) {
        const Clock::time_point begin = Clock::now();
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(options_.module_time).count();
        const ChildLimits limits = {.cpu_seconds = static_cast<uint64_t>(seconds),
                                    .debug_folder = options_.debug_folder,
                                    .debuginfod = options_.debuginfod};
        answer = AskChild(modules_[module], addresses, limits, time);
        used_ += Clock::now() - begin;
    }
    if (answer.status != FileStatus::kUsed) Remark(module, static_cast<uint32_t>(answer.status));
    for (size_t i = 0; i < std::min(addresses.size(), answer.lines.size()); ++i)
        lines_[addresses[i]] = std::move(answer.lines[i]);
}

// What cannot be used now will not be usable later.
void Symbolizer::Remark(size_t module, uint32_t status) {
    const auto what = static_cast<FileStatus>(status);
    if (what != FileStatus::kUnverified) given_up_.insert(module);
    const char* const sentence = Sentence(what);
    if (sentence == nullptr || !remarked_.insert(module).second) return;
    remarks_.push_back("'" + Printable(modules_[module].path) + "' " + sentence + ".");
}

Place Symbolizer::At(uint64_t address) const {
    Place place;
    const size_t module = ModuleOf(address);
    place.offset = address;
    if (module != kNoModule) {
        place.module = modules_[module].path;
        place.offset = address - modules_[module].bias;
    }
    if (const auto found = lines_.find(address); found != lines_.end()) place.lines = found->second;
    return place;
}

Symbolizer& KeptSymbolizer::For(const std::vector<reader::Module>& modules) {
    const auto same = [](const reader::Module& a, const reader::Module& b) {
        return std::tie(a.start, a.end, a.bias, a.build_id, a.path) ==
               std::tie(b.start, b.end, b.bias, b.build_id, b.path);
    };
    if (!symbolizer_ || !std::ranges::equal(modules, modules_, same)) {
        modules_ = modules;
        symbolizer_.emplace(modules, options_);
    }
    symbolizer_->RenewTime();
    return *symbolizer_;
}

std::string ShortFunction(const std::string& name) {
    constexpr size_t kLong = 60;
    constexpr size_t kLongest = 120;
    constexpr std::string_view kConst = " const";
    std::string text = name;
    if (text.ends_with(kConst)) text.erase(text.size() - kConst.size());
    const size_t parameters = ParametersAt(text);
    if (parameters != std::string::npos) text.erase(parameters);
    if (text.size() > kLong) text = WithoutTemplateArguments(text);
    return text.substr(0, kLongest);
}

std::vector<std::string> PlaceText(const Place& place) {
    const std::string module = Printable(BaseName(place.module));
    const std::string where =
        place.module.empty() ? Hex(place.offset) : module + "+" + Hex(place.offset);
    std::vector<std::string> texts;
    for (const SourceLine& line : place.lines) {
        std::string text = line.function.empty() ? where : Printable(ShortFunction(line.function));
        if (line.inlined) text += " (inlined)";
        if (!line.file.empty()) {
            text += " at " + Printable(FileTail(line.file));
            if (line.line > 0) text += ":" + std::to_string(line.line);
        } else if (!line.function.empty()) {
            text += " in " + where;
        }
        texts.push_back(std::move(text));
    }
    if (texts.empty()) texts.push_back(where);
    return texts;
}

std::vector<std::string> StackText(const Symbolizer& symbolizer, const reader::CallStack& stack) {
    std::vector<std::string> texts;
    bool inside = false;  // the layer was left
    for (const uint64_t address : stack.addresses) {
        const Place place = symbolizer.At(address);
        inside = inside || !BaseName(place.module).starts_with("libVkLayer_tessera_");
        if (inside) std::ranges::move(PlaceText(place), std::back_inserter(texts));
    }
    return texts;
}

}  // namespace tessera::command
