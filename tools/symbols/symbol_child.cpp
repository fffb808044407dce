// SPDX-License-Identifier: Apache-2.0
//
// See symbol_child.h. What libdw is asked: the functions inlined at an address and where they were
// called (debug information), the line of an address (line table), and, failing the former, the
// name of what lies there (symbol table, also the compressed one that distributions leave in).
#include "tools/symbols/symbol_child.h"

#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/symbols/confine.h"
#include "tools/symbols/symbol_file.h"

namespace tessera::command {
namespace {

constexpr int kAnswers = 3;  // where LeaveParent() puts the pipe

struct Free {
    void operator()(void* memory) const { free(memory); }
};

// Writes answers, some at a time.
class Answers {
 public:
    void Add(AnswerTag tag, uint32_t index, uint32_t line = 0, bool inlined = false,
             std::string_view function = {}, std::string_view file = {}) {
        function = function.substr(0, kMaxTextBytes);
        file = file.substr(0, kMaxTextBytes);
        const AnswerHead head = {static_cast<uint32_t>(tag),
                                 index,
                                 line,
                                 inlined ? 1u : 0u,
                                 static_cast<uint32_t>(function.size()),
                                 static_cast<uint32_t>(file.size())};
        pending_.append(reinterpret_cast<const char*>(&head), sizeof(head));
        pending_ += function;
        pending_ += file;
        if (pending_.size() >= kFlushBytes) Flush();
    }

    // Ends the process if nobody listens.
    void Flush() {
        std::string_view rest = pending_;
        while (!rest.empty()) {
            const ssize_t count = write(kAnswers, rest.data(), rest.size());
            if (count <= 0) _exit(1);
            rest.remove_prefix(static_cast<size_t>(count));
        }
        pending_.clear();
    }

 private:
    static constexpr size_t kFlushBytes = 16u << 10;
    std::string pending_;
};

std::string Demangle(const char* name) {
    if (name == nullptr) return {};
    int status = 0;
    const std::unique_ptr<char, Free> plain(abi::__cxa_demangle(name, nullptr, nullptr, &status));
    return status == 0 && plain ? plain.get() : name;
}

// The name of a function or of an inlined copy of one.
std::string FunctionName(Dwarf_Die* die) {
    Dwarf_Attribute attribute;
    for (const unsigned wanted : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name, DW_AT_name}) {
        const char* const name = dwarf_formstring(dwarf_attr_integrate(die, wanted, &attribute));
        if (name != nullptr) return Demangle(name);
    }
    return {};
}

uint32_t Number(Dwarf_Die* die, unsigned name) {
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (dwarf_formudata(dwarf_attr(die, name, &attribute), &value) != 0) return 0;
    return value > UINT32_MAX ? 0 : static_cast<uint32_t>(value);
}

const char* CallFile(Dwarf_Die* unit, Dwarf_Die* inlined) {
    Dwarf_Files* files = nullptr;
    size_t count = 0;
    const uint32_t number = Number(inlined, DW_AT_call_file);
    if (dwarf_getsrcfiles(unit, &files, &count) != 0 || number >= count) return "";
    const char* const name = dwarf_filesrc(files, number, nullptr, nullptr);
    return name == nullptr ? "" : name;
}

class ModuleSymbols {
 public:
    ModuleSymbols(const SymbolFiles& files, uint64_t bias) : process_bias_(bias) {
        debug_file_ = files.debug;
        dwfl_ = dwfl_begin(&callbacks_);
        if (dwfl_ == nullptr) return;
        module_ = dwfl_report_offline(dwfl_, "module", "module", files.main);
        dwfl_report_end(dwfl_, nullptr, nullptr);
        if (module_ == nullptr) return;
        dwfl_module_getelf(module_, &bias_);
        Dwarf_Addr ignored = 0;
        Dwarf* const debug = dwfl_module_getdwarf(module_, &ignored);
        if (debug != nullptr && files.alternate >= 0)
            dwarf_setalt(debug, dwarf_begin(files.alternate, DWARF_C_READ));
    }

    void Describe(uint32_t index, uint64_t address, Answers& answers) {
        if (module_ == nullptr) return;
        const Dwarf_Addr at = address - process_bias_ + bias_ - 1;
        const char* file = nullptr;
        int line = 0;
        Dwfl_Line* const source = dwfl_module_getsrc(module_, at);
        if (source != nullptr)
            file = dwfl_lineinfo(source, nullptr, &line, nullptr, nullptr, nullptr);
        Spot spot = {.file = file == nullptr ? "" : file,
                     .line = line > 0 ? static_cast<uint32_t>(line) : 0};
        std::string function = Inlined(index, at, spot, answers);
        if (function.empty()) {
            GElf_Off offset = 0;
            GElf_Sym symbol;
            function = Demangle(
                dwfl_module_addrinfo(module_, at, &offset, &symbol, nullptr, nullptr, nullptr));
        }
        if (function.empty() && spot.line == 0) return;
        answers.Add(AnswerTag::kLine, index, spot.line, false, function, spot.file);
    }

 private:
    struct Spot {
        const char* file;
        uint32_t line;
    };

    // libdwfl asks for a file of debug information: the one that we have, or none. Its own way of
    // looking would open whatever the module names, and ask servers.
    static int FindDebug(Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, const char*,
                         GElf_Word, char**) {
        const int file = debug_file_;
        debug_file_ = -1;
        return file;
    }

    // Answers the inlined functions at `at` and moves `spot` to where the outermost of them was
    // called. Returns: the function that has them all; empty if that is not known.
    std::string Inlined(uint32_t index, Dwarf_Addr at, Spot& spot, Answers& answers) {
        Dwarf_Addr bias = 0;
        Dwarf_Die* const unit = dwfl_module_addrdie(module_, at, &bias);
        if (unit == nullptr) return {};
        Dwarf_Die* found = nullptr;
        int count = dwarf_getscopes(unit, at - bias, &found);
        const std::unique_ptr<Dwarf_Die, Free> scopes(found);
        if (count <= 0) return {};
        // Scopes of an address lead from an inlined function on to where it was defined; those of
        // the innermost entry alone lead to where it was inlined.
        found = nullptr;
        count = dwarf_getscopes_die(&scopes.get()[0], &found);
        const std::unique_ptr<Dwarf_Die, Free> parents(found);
        uint32_t answered = 0;
        for (int i = 0; i < count; ++i) {
            Dwarf_Die* const die = &parents.get()[i];
            const int tag = dwarf_tag(die);
            if (tag == DW_TAG_subprogram) return FunctionName(die);
            if (tag != DW_TAG_inlined_subroutine) continue;
            if (++answered < kMaxLinesPerAddress) {
                answers.Add(AnswerTag::kLine, index, spot.line, true, FunctionName(die), spot.file);
            }
            spot.file = CallFile(unit, die);
            spot.line = Number(die, DW_AT_call_line);
        }
        return {};
    }

    static inline int debug_file_ = -1;

    const Dwfl_Callbacks callbacks_ = {.find_elf = nullptr,
                                       .find_debuginfo = FindDebug,
                                       .section_address = dwfl_offline_section_address,
                                       .debuginfo_path = nullptr};
    uint64_t process_bias_;
    Dwfl* dwfl_ = nullptr;
    Dwfl_Module* module_ = nullptr;
    Dwarf_Addr bias_ = 0;
};

}  // namespace

void RunSymbolChild(const reader::Module& module, std::span<const uint64_t> addresses,
                    const ChildLimits& limits, int out) {
    LeaveParent(out);
    if (!limits.debuginfod) unsetenv("DEBUGINFOD_URLS");
    LimitResources(limits.cpu_seconds, limits.memory_bytes);
    Answers answers;
    elf_version(EV_CURRENT);
    const SymbolFiles files = OpenSymbolFiles(module, limits);
    CloseDoors();
    answers.Add(AnswerTag::kStatus, static_cast<uint32_t>(files.status));
    answers.Flush();
    if (files.status == FileStatus::kUsed || files.status == FileStatus::kUnverified) {
        ModuleSymbols symbols(files, module.bias);
        for (uint32_t i = 0; i < addresses.size(); ++i)
            symbols.Describe(i, addresses[i], answers);
    }
    answers.Add(AnswerTag::kDone, 0);
    answers.Flush();
    // Nothing is given back: the process ends, and destructors would walk what the file forged.
    _exit(0);
}

}  // namespace tessera::command
