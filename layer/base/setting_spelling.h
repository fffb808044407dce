// SPDX-License-Identifier: Apache-2.0
//
// How keys of settings are written in each of their sources, for messages about keys that do not
// exist.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

// As which source spells a key.
enum class Spelling : uint8_t {
    kKey,       // idle_bytes: the application
    kFile,      // tessera_suballocator.idle_bytes
    kVariable,  // TESSERA_IDLE_BYTES
};

std::string Spelled(std::string_view key, Spelling spelling);

// All keys that there are, separated by ", ". For a file without the prefix that is the same for
// all of them.
std::string AllKeys(Spelling spelling);

// The key that was probably meant by `word`, which may be spelled as in any source.
// Returns: empty if it is like none.
std::string_view NearestKey(std::string_view word);

}  // namespace tessera
