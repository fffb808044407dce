// SPDX-License-Identifier: Apache-2.0
//
// naive_scene: an ordinary Vulkan application that allocates memory once per resource.
//
// It stands for the many programs that were written as tutorials teach it, and knows nothing of any
// layer. Its output ends with a checksum, so that two runs, with and without something between the
// program and its driver, can be compared by one line.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <exception>

#include "common/png_file.h"
#include "naive_scene/content.h"
#include "naive_scene/scene.h"

namespace apps {
namespace {

double MiB(uint64_t bytes) {
    return static_cast<double>(bytes) / (1 << 20);
}
double Milliseconds(uint64_t ns) {
    return static_cast<double>(ns) / 1e6;
}

void Print(const Device& device, const Options& options, const Report& report) {
    const MemoryStats& stats = report.finished;
    std::printf("device       %s\n", device.properties().deviceName);
    std::printf("resources    %" PRIu32 ", of them %" PRIu32 " replaced in %" PRIu32 " frames\n",
                options.resources, report.replaced, options.frames);
    std::printf("live         %" PRIu64 " allocations, %.1f MiB; at the peak %" PRIu64
                ", %.1f MiB\n",
                report.populated.live(), MiB(report.populated.live_bytes), stats.peak_allocations,
                MiB(stats.peak_bytes));
    std::printf("memory types");
    for (uint32_t type = 0; type < device.memory_properties().memoryTypeCount; ++type) {
        if (stats.allocations_of_type[type] == 0) continue;
        std::printf("  %" PRIu32 ": %" PRIu64, type, stats.allocations_of_type[type]);
    }
    std::printf("\n");
    if (options.sparse) {
        std::printf("sparse       %" PRIu64 " images\n", stats.sparse_images);
    }
    std::printf("allocations  %" PRIu64 " made in %.1f ms, %" PRIu64 " freed in %.1f ms\n",
                stats.allocations, Milliseconds(stats.allocate_ns), stats.frees,
                Milliseconds(stats.free_ns));
    std::printf("time         %.0f ms to populate, %.1f ms a frame\n",
                Milliseconds(report.populate_ns),
                Milliseconds(report.frames_ns) / std::max(options.frames, 1u));
    std::printf("verified     %" PRIu32 " resources, %.1f MiB, all as written\n", report.verified,
                MiB(report.verified_bytes));
    std::printf("picture      %" PRIu32 " x %" PRIu32 "%s%s\n", report.width, report.height,
                options.png.empty() ? "" : ", written to ", options.png.c_str());
    std::printf("checksum %016" PRIx64 "\n", report.checksum);
}

void Run(const Options& options) {
    const Instance instance("naive_scene");
    const Device device(instance, options.device,
                        options.sparse ? DeviceExtras::kSparse : DeviceExtras::kNone);
    const Report report = RunScene(device, options);
    if (!options.png.empty()) {
        WritePng(options.png, report.width, report.height, report.picture);
    }
    Print(device, options, report);
}

}  // namespace
}  // namespace apps

int main(int argc, char** argv) {
    int exit_code = 0;
    const auto options = apps::ParseOptions(argc, argv, exit_code);
    if (!options) return exit_code;
    try {
        apps::Run(*options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "naive_scene: %s\n", error.what());
        return 1;
    }
    return 0;
}
