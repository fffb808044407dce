// SPDX-License-Identifier: Apache-2.0
//
// What changed between two states, for people and as JSON (schema 1 of `tessera diff --json`, which
// docs/command.md describes and which only grows).
//
// Threads: pure functions.
#pragma once

#include <string>

#include "tessera/reader.h"
#include "tools/diff/model.h"
#include "tools/json.h"

namespace tessera::command {

// Several lines. At most kMaxGroups groups of each device; how many more there are is said.
inline constexpr size_t kMaxGroups = 40;
std::string DiffText(const reader::Process& before, const reader::Process& after, const Diff& diff);

Json DiffJson(const reader::Process& before, const reader::Process& after, const Diff& diff);

}  // namespace tessera::command
