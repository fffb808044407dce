// SPDX-License-Identifier: Apache-2.0
//
// What can be asked of naive_scene on its command line.
//
// The defaults are the workload of the demo and of the tests: they decide how many allocations an
// unmodified application is said to make, so changing one changes every number measured with it.
#ifndef TESSERA_TESTS_APPS_NAIVE_SCENE_OPTIONS_H_
#define TESSERA_TESTS_APPS_NAIVE_SCENE_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>

namespace apps {

/// The checked command line.
struct Options {
    /// Buffers and images that live at once, 6 to 200,000. On average one takes 126 KiB, so that
    /// the default has about 650 MiB live and 100,000 have 12 GiB.
    uint32_t resources = 5000;
    /// Pictures drawn, 1 to 10,000. Before each but the first, one resource in 50 is replaced.
    uint32_t frames = 8;
    /// Decides sizes, contents and what is replaced when.
    uint64_t seed = 1;
    /// Position of the physical device in the loader's list.
    uint32_t device = 0;
    /// Puts resources into each memory type that admits them in turn, and not all into the first.
    bool all_types = false;
    /// Makes two images in three sparse, where the device can: one bound as a whole, one by tiles.
    bool sparse = false;
    /// Where the last picture goes; empty for nowhere.
    std::string png;
};

/// Reads the command line.
///
/// Returns the options, or nothing when the program is to end at once with `exit_code`: 0 after
/// `--help`, which is printed to stdout; 2 after a wrong argument, which a sentence on stderr
/// names.
std::optional<Options> ParseOptions(int argc, char** argv, int& exit_code);

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_NAIVE_SCENE_OPTIONS_H_
