// SPDX-License-Identifier: Apache-2.0
//
// One run of the program, from the first resource to the checksum.
//
// Populate, then for each frame: replace one resource in fifty, rewrite some of the staging
// buffers, draw, read the picture back. At the end a fixed sample of the resources is read back
// whole and compared with what was written. The checksum covers every picture and that sample, so
// it depends on the options and the driver alone. Belongs to one thread.
#ifndef TESSERA_TESTS_APPS_NAIVE_SCENE_SCENE_H_
#define TESSERA_TESTS_APPS_NAIVE_SCENE_SCENE_H_

#include <cstdint>
#include <vector>

#include "common/device.h"
#include "naive_scene/memory.h"
#include "naive_scene/options.h"

namespace apps {

/// What a run did.
struct Report {
    uint32_t width = 0;
    uint32_t height = 0;
    std::vector<uint8_t> picture;  ///< the last one: RGBA, 8 bits a channel, top row first
    uint64_t checksum = 0;
    uint32_t replaced = 0;  ///< resources destroyed and created anew
    uint32_t verified = 0;  ///< resources read back and found right
    uint64_t verified_bytes = 0;
    uint64_t populate_ns = 0;
    uint64_t frames_ns = 0;
    MemoryStats populated;  ///< once every resource existed
    MemoryStats finished;   ///< after everything was destroyed
};

/// Runs the scene on `device` and destroys everything it made. Throws Failure when a command fails
/// or a resource has not the content that was written to it.
Report RunScene(const Device& device, const Options& options);

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_NAIVE_SCENE_SCENE_H_
