// SPDX-License-Identifier: Apache-2.0
//
// The map as JSON: schema 1 of `tessera map --json`, which docs/command.md describes. It only
// grows.
//
// Threads: pure functions.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "tessera/reader.h"
#include "tools/map/model.h"

namespace tessera::command {

// Gives the document to `write` piece by piece, a row a line, until that returns false.
void WriteMapJson(const reader::Process& process, const std::vector<DeviceMap>& maps,
                  const std::function<bool(std::string_view)>& write);

}  // namespace tessera::command
