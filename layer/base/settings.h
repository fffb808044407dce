// SPDX-License-Identifier: Apache-2.0
//
// The user's settings: which keys there are, where they are looked for, what they mean.
//
// Threading: ReadSettings may be called by several threads (each instance is created with its own
// reading); the result is a plain value. It reads the environment as getenv does, so an application
// that changes its environment at the same moment is at fault with us as with the loader.
//
// The one idea: one table, SettingTable(), drives everything. Parsing, the message about a wrong
// value, the environment names, the manifests' schema and docs/settings.md are made from it or
// tested against it.
//
// Sources, strongest first:
//   1. the environment, TESSERA_<KEY>;
//   2. one file, the first of: the one that VK_LAYER_SETTINGS_PATH names (the file, or a folder
//      that holds vk_layer_settings.txt); vk_layer_settings.txt in the working directory, if only
//      the user or root can have written it, and without keys that name files;
//      $XDG_DATA_HOME/vulkan/settings.d/vk_layer_settings.txt, where an unset variable means
//      $HOME/.local/share;
//   3. what the application passes to vkCreateInstance (VkLayerSettingsCreateInfoEXT).
// A value that is empty counts as not given. An elevated process (secure.h) reads none of these.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "layer/base/checked.h"
#include "layer/base/log.h"
#include "layer/base/secure.h"

namespace tessera {

// The layer's name, as the loader, the application and the manifests spell it.
inline constexpr char kLayerName[] = "VK_LAYER_TESSERA_suballocator";

// What a key in a settings file starts with.
inline constexpr std::string_view kSettingsFilePrefix = "tessera_suballocator.";

// What an environment variable of ours starts with.
inline constexpr std::string_view kSettingsEnvPrefix = "TESSERA_";

// How much of a settings file is read.
inline constexpr uint64_t kMaxSettingsFileBytes = 64 * kKiB;

// Room for a path in Settings, with its terminating zero; Linux's own limit.
inline constexpr size_t kMaxSettingPathBytes = 4096;

// Whether allocations are pooled, or all passed on untouched and only counted.
enum class Mode : uint8_t { kPool, kOff };

// Which memory that the host can see is filled with zeroes before the application gets it.
enum class Zero : uint8_t {
    kOff,    // none: it holds what the driver or an earlier allocation left there
    kReuse,  // what an earlier allocation may have left something in
};

// Whether a pool has several parts.
enum class Shards : uint8_t {
    kOn,     // once threads were seen to wait for each other
    kOff,    // never
    kEager,  // from the start
};

// What the user asked for. The initialisers are the defaults. Trivially destructible, so that a
// copy may be kept in a global.
struct Settings {
    Mode mode = Mode::kPool;

    // Whether the process publishes its numbers for `tessera stat` and its like.
    bool channel = true;

    // How much it publishes; enum tessera_level. A reader may ask for another level later.
    uint32_t level = 0;

    // One in this many allocations keeps its call stack, at levels above the first; 0: none.
    uint64_t stacks = 0;

    // Units: bytes. How large what it publishes may become.
    uint64_t channel_bytes = 32 * kMiB;

    // Units: bytes, per memory type of a device. How much may stay allocated in blocks that hold
    // nothing, ready for the next allocation.
    uint64_t idle_bytes = 64 * kMiB;

    // Units: milliseconds. How long a block that holds nothing may be kept, 0 for as long as the
    // device lives.
    uint64_t idle_ms = 10000;

    // Whether a thread of the layer's own makes and gives back blocks.
    bool helper = true;

    // Into how many parts a pool is divided, so that threads need not wait for each other.
    Shards shards = Shards::kOn;

    // Whether what is too large to share a block is kept for the next allocation of its size.
    bool recycle = true;

    // Units: bytes. The largest block of driver memory to make, 0 for the layer's own choice. What
    // the device allows is a limit besides.
    uint64_t max_block_bytes = 0;

    // Whether allocations in host-visible memory types start on a page of their own.
    bool page_align = false;

    // Whether a device that enables an extension unknown to the layer passes everything through.
    // Without it only names that speak of memory count (layer/vk/known_extensions.h).
    bool strict = false;

    // Fresh memory of most drivers is zero, and old applications lean on it.
    Zero zero = Zero::kOff;

    LogLevel log_level = LogLevel::kWarning;

    // The file that log lines are appended to; empty for stderr.
    std::array<char, kMaxSettingPathBytes> log_file{};

    // The process is elevated. Then nothing was read, `mode` is kOff and `channel` is false.
    bool elevated = false;

    bool operator==(const Settings&) const = default;
};

// The kinds of value a key may have.
enum class SettingKind : uint8_t {
    kChoice,  // one of the words that `valid` lists
    kSwitch,  // on or off; true, false, 1 and 0 are understood as well
    kBytes,   // a number of bytes, or a number with the suffix KiB, MiB or GiB
    kNumber,  // a number of what the key says
    kWord,    // a word or a number
    kFile,    // a path
};

// One key.
struct SettingInfo {
    std::string_view key;      // as in a settings file, after the prefix
    SettingKind kind;          // what a value may look like
    std::string_view valid;    // the valid values, for messages; choices are separated by ", "
    std::string_view initial;  // the default, as one would write it
    std::string_view summary;  // one sentence for documents and tools

    // Sets the field of this key. Returns: false, and changes nothing, if `value` is not valid.
    bool (*apply)(Settings& settings, std::string_view value) noexcept;
};

// Every key there is, in the order in which the documents list them.
std::span<const SettingInfo> SettingTable() noexcept;

// Returns: the environment variable of a key, as TESSERA_IDLE_BYTES for idle_bytes.
std::string SettingEnvironmentName(std::string_view key);

// Returns: the number of bytes that `text` says ("4096", "64MiB", "64 MiB"), or nothing if it says
// none or does not fit 64 bits.
std::optional<uint64_t> ParseBytes(std::string_view text) noexcept;

// Settings that the application passed to vkCreateInstance, with this layer's name, as text; the
// Vulkan side fills it in from VkLayerSettingsCreateInfoEXT. Later entries win.
struct LayerSettingsFromApp {
    struct Entry {
        std::string key;
        std::string value;
    };
    std::vector<Entry> entries;
};

// Reads all sources, sets the log up as they say (ConfigureLog), and then logs one line for each
// key or value that is wrong, naming it and the valid ones; the rest applies.
// `api`: may be null. Ownership: nothing of it is kept.
// Returns: the settings; the defaults if memory is short.
Settings ReadSettings(const LayerSettingsFromApp* api,
                      bool elevated = ProcessIsElevated()) noexcept;

}  // namespace tessera
