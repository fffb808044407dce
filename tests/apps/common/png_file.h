// SPDX-License-Identifier: Apache-2.0
//
// Writing a picture to disk, by libpng.
//
// The test applications read their pictures back as tightly packed RGBA, 8 bits a channel, top row
// first; that is what this takes. No state is kept, so any thread may call it.
#ifndef TESSERA_TESTS_APPS_COMMON_PNG_FILE_H_
#define TESSERA_TESTS_APPS_COMMON_PNG_FILE_H_

#include <cstdint>
#include <span>
#include <string>

namespace apps {

/// Writes `rgba` (width x height pixels of 4 bytes) to `path`, opaque: the alpha channel is left
/// out of the file. Throws Failure with the path and the reason when the file cannot be written;
/// what was written by then stays on disk.
void WritePng(const std::string& path, uint32_t width, uint32_t height,
              std::span<const uint8_t> rgba);

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_COMMON_PNG_FILE_H_
