// SPDX-License-Identifier: Apache-2.0
//
// One run of the program: see scene.h.
//
// What is replaced in a frame comes from a stream keyed by the seed and the frame, without regard
// to time, so that every run with the same options makes the same calls in the same order.
#include "naive_scene/scene.h"

#include <chrono>

#include "common/checksum.h"
#include "naive_scene/content.h"
#include "naive_scene/renderer.h"
#include "naive_scene/resources.h"
#include "naive_scene/upload.h"

namespace apps {
namespace {

// One resource in this many is replaced before each frame but the first.
constexpr uint32_t kReplacedShare = 50;
// One staging buffer in this many is rewritten before each frame but the first.
constexpr uint32_t kStreamedShare = 16;
// Every seventh resource is read back at the end: coprime to the kinds, so each kind takes part.
constexpr uint32_t kVerifiedStride = 7;

using Clock = std::chrono::steady_clock;

uint64_t NanosecondsSince(Clock::time_point start) {
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
}

class Scene {
 public:
    Scene(const Device& device, Allocator& allocator, const Content& content)
        : content_(content),
          uploader_(device, allocator),
          population_(content, allocator, uploader_),
          renderer_(device, allocator, uploader_, population_) {}

    /// Replaces and rewrites what is due before the given frame. Returns how many were replaced.
    uint32_t Advance(uint64_t seed, uint32_t frame) {
        Random random(Random(seed).Next() ^ frame);
        const uint32_t count = (content_.resources() + kReplacedShare - 1) / kReplacedShare;
        for (uint32_t turn = 0; turn < count; ++turn) {
            const uint32_t resource = random.Below(content_.resources());
            population_.Replace(resource);
            // Descriptors still name the destroyed resource until they are rewritten.
            renderer_.Describe(resource / kKindCount);
            // The last object may be drawn with resources of the one before it.
            renderer_.Describe(content_.objects() - 1);
        }
        for (uint32_t object = frame % kStreamedShare; object < content_.objects();
             object += kStreamedShare) {
            population_.Stream(object);
        }
        return count;
    }

    std::vector<uint8_t> Draw() { return renderer_.Draw(); }

    void Verify(Report& report, Checksum& checksum) {
        for (uint32_t resource = 0; resource < content_.resources(); resource += kVerifiedStride) {
            report.verified_bytes += population_.Verify(resource, checksum);
            ++report.verified;
        }
    }

 private:
    const Content& content_;
    Uploader uploader_;
    Population population_;
    Renderer renderer_;
};

}  // namespace

Report RunScene(const Device& device, const Options& options) {
    Report report;
    Checksum checksum;
    Allocator allocator(device, options.all_types);
    const Content content(options.seed, options.resources);
    report.width = content.grid().width();
    report.height = content.grid().height();
    // Everything is destroyed at the end of this block, so that the last count is a final one.
    {
        Clock::time_point start = Clock::now();
        Scene scene(device, allocator, content);
        report.populate_ns = NanosecondsSince(start);
        report.populated = allocator.stats();

        start = Clock::now();
        for (uint32_t frame = 0; frame < options.frames; ++frame) {
            if (frame > 0) report.replaced += scene.Advance(options.seed, frame);
            report.picture = scene.Draw();
            checksum.Add(std::as_bytes(std::span(report.picture)));
        }
        report.frames_ns = NanosecondsSince(start);
        scene.Verify(report, checksum);
    }
    report.finished = allocator.stats();
    report.checksum = checksum.value();
    return report;
}

}  // namespace apps
