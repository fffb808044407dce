// SPDX-License-Identifier: Apache-2.0
//
// The JSON that the command prints and writes: schema 1, which docs/command.md describes.
//
// A schema only grows: a key is never renamed and never changes its meaning. Strings come from
// other processes; bytes that are not UTF-8 become U+FFFD in the text.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tessera/reader.h"

namespace tessera::command {

using Json = nlohmann::ordered_json;

inline constexpr int kSchema = 1;

// How a process ended. One of the two is set.
struct ExitInfo {
    std::optional<int> code;
    std::optional<int> signal;
};

// One entry of "processes"; its "exit" is null unless `exit` is given.
Json ProcessJson(const reader::Process& process, const std::optional<ExitInfo>& exit = {});

// {"code":..,"signal":..}, one of them null.
Json ExitJson(const ExitInfo& exit);

// The whole document around such entries.
Json DocumentJson(std::vector<Json> processes);

// The names of VkMemoryPropertyFlags, without VK_MEMORY_PROPERTY_ and _BIT; a bit that has no name
// here is written as "0x200".
std::vector<std::string> MemoryFlagNames(uint32_t flags);

// "resources": what records of an enum tessera_kind are about.
std::string RecordKindName(uint32_t kind);

// "1.3.239", and "variant:1.3.239" where the variant is not 0 (VK_API_VERSION_VARIANT).
std::string ApiVersion(uint32_t version);

enum class Layout {
    kPretty,  // over several lines
    kLine,    // on one line
};

// The text, with a line end after it.
std::string Dump(const Json& json, Layout layout);

}  // namespace tessera::command
