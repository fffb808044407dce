// SPDX-License-Identifier: Apache-2.0
//
// What the addresses of call stacks mean: function, file and line, module and offset.
//
// The one idea: a symbol file is hostile until proven otherwise. Its name comes from a process that
// may lie, and its contents are read by libraries that were not made for enemies. So each module is
// read in a child process of its own (symbol_child.h) that has little time, little memory, no
// network and no further files; its answers come over a pipe and are checked. A child that crashes,
// hangs or lies costs the names of one module, never the command.
//
// Rules for a symbol file
//   * It is the regular file at the module's path, or the one with its build id below
//     /usr/lib/debug/.build-id; it is no larger than a gigabyte.
//   * Its build id is the module's. If not, nothing in it is used, and remarks() says so.
//   * No server is asked for symbols, unless Options::debuginfod is set.
//
// Names in the results come from the file: they are to be escaped for where they go.
//
// Threads: one at a time. Resolve() forks, and reaps only what it forked: nobody else may wait for
// any child meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tessera/reader.h"

namespace tessera::command {

// A function at an address. Where calls were inlined an address has several.
struct SourceLine {
    std::string function;  // demangled; empty: not known
    std::string file;      // empty: not known
    uint32_t line = 0;     // 0: not known
    bool inlined = false;  // into the function that follows
};

// What one address means.
struct Place {
    std::string module;             // its path; empty: in none that is known
    uint64_t offset = 0;            // in the file's own addresses; of no module: the address itself
    std::vector<SourceLine> lines;  // innermost first; empty: not known
};

class Symbolizer {
 public:
    struct Options {
        bool debuginfod = false;  // servers may be asked that DEBUGINFOD_URLS names
        std::string debug_folder = "/usr/lib/debug";
        std::chrono::milliseconds module_time{10'000};  // for the file of one module
        std::chrono::milliseconds total_time{30'000};   // for all, as long as this object lives
        size_t max_addresses = 100'000;                 // more are not looked up
    };

    // `modules`: of the process, sorted by start or not; where they overlap the first one counts.
    explicit Symbolizer(std::vector<reader::Module> modules);
    Symbolizer(std::vector<reader::Module> modules, Options options);

    // Looks up what is not known yet of `addresses`, which calls return to: the instruction before
    // counts. Many at once are faster than each alone, since each module is opened once.
    void Resolve(std::span<const uint64_t> addresses);

    // Looks up all of a stack, or of all stacks.
    void Resolve(const reader::CallStack& stack) { Resolve(stack.addresses); }
    void Resolve(std::span<const reader::CallStack> stacks);

    // Options::total_time starts anew. Files that were given up stay given up: they cost time once.
    void RenewTime() { used_ = {}; }

    // What an address means; of one that was never looked up the module and offset.
    Place At(uint64_t address) const;

    // Sentences about files that could not be used, each once.
    const std::vector<std::string>& remarks() const { return remarks_; }

 private:
    static constexpr size_t kNoModule = ~size_t{0};

    size_t ModuleOf(uint64_t address) const;
    void ResolveIn(size_t module, const std::vector<uint64_t>& addresses);
    void Remark(size_t module, uint32_t status);

    std::vector<reader::Module> modules_;
    Options options_;
    std::chrono::nanoseconds used_{0};
    std::map<uint64_t, std::vector<SourceLine>> lines_;  // of all addresses that were looked up
    std::set<size_t> given_up_;                          // modules that are not asked again
    std::set<size_t> remarked_;
    std::vector<std::string> remarks_;
};

// The symbolizer of a process that is looked at again and again: what it knows it keeps for as long
// as the process has the same modules.
class KeptSymbolizer {
 public:
    explicit KeptSymbolizer(Symbolizer::Options options) : options_(std::move(options)) {}

    // For another look at the process, with the time for one. Valid until the next call.
    Symbolizer& For(const std::vector<reader::Module>& modules);

 private:
    const Symbolizer::Options options_;
    std::vector<reader::Module> modules_;  // that symbolizer_ was made of
    std::optional<Symbolizer> symbolizer_;
};

// A function's name as people say it: without its parameters, and without the arguments of its
// templates where it is long. The first of `name` that fit are kept of one that stays long.
std::string ShortFunction(const std::string& name);

// "draw at src/scene.cpp:41", "draw (inlined) at src/scene.cpp:41", "draw in libscene.so+0x1234",
// "libscene.so+0x1234", "0x7f0012345678": one line for each function, innermost first, at least
// one. Of a file's path the last folder stays. What came from files went through Printable().
std::vector<std::string> PlaceText(const Place& place);

// The lines of a whole stack, those of the layer itself left out at its inner end.
std::vector<std::string> StackText(const Symbolizer& symbolizer, const reader::CallStack& stack);

}  // namespace tessera::command
