// SPDX-License-Identifier: Apache-2.0
//
// `tessera top` where there is no terminal to draw on: lines, for people and for programs.
//
// Threads: pure functions.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tessera/reader.h"
#include "tools/top/model.h"

namespace tessera::top {

// A line for each process, each with a line end.
std::string PlainLines(const std::vector<ProcessRow>& rows);

// One line of JSON with all processes: schema 1 of `tessera top --json`.
std::string JsonLine(const std::vector<ProcessRow>& rows, std::span<const reader::Process> now);

}  // namespace tessera::top
