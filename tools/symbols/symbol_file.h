// SPDX-License-Identifier: Apache-2.0
//
// Opens the files that symbols are read from: only regular ones, without waiting for anybody, and
// only those that belong to the module.
//
// Threads: no shared state.
#pragma once

#include <elfutils/libdw.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/symbols/symbol_child.h"

namespace tessera::command {

// The files of one module. All descriptors are the caller's; -1: there is none.
struct SymbolFiles {
    FileStatus status = FileStatus::kMissing;
    int main = -1;       // the module itself
    int debug = -1;      // a file of its debug information alone
    int alternate = -1;  // what `debug` or `main` shares with other files (as dwz makes it)
};

// Opens `path` for reading if it is a regular file of bearable size: a device or a pipe is found
// out before it is opened. Returns: a descriptor, or -1 and the reason in `*status`.
int OpenRegular(const std::string& path, FileStatus* status);

// Finds the files of a module, where `limits` says.
SymbolFiles OpenSymbolFiles(const reader::Module& module, const ChildLimits& limits);

// The build id in an ELF file; empty if there is none.
std::vector<uint8_t> BuildId(Elf* elf);

}  // namespace tessera::command
