// SPDX-License-Identifier: Apache-2.0
//
// The scene's resources as they live on the device: see resources.h.
//
// Object k's staging buffer updates object k's image. Since every rewrite of the one is followed by
// a copy to the other, an image's content is always its own pattern under the bands of the staging
// buffer as it is now; Expected() rests on that.
#include "naive_scene/resources.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "common/check.h"

namespace apps {
namespace {

constexpr VkBufferUsageFlags kCopied =
    VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

const char* NameOf(Kind kind) {
    constexpr std::array<const char*, kKindCount> kNames = {"vertex",  "index", "uniform",
                                                            "storage", "image", "staging"};
    return kNames[static_cast<uint32_t>(kind)];
}

/// Copies one band of a staging buffer's words to the image's words, as the device does.
void OverlayBand(std::span<const uint32_t> band, uint32_t band_width, uint32_t x, uint32_t y,
                 uint32_t image_width, std::span<uint32_t> image) {
    for (size_t row = 0; row * band_width < band.size(); ++row) {
        const auto source = band.subspan(row * band_width, band_width);
        std::ranges::copy(source, image.subspan((y + row) * image_width + x).begin());
    }
}

}  // namespace

Population::Population(const Content& content, Allocator& allocator, Uploader& uploader)
    : content_(content),
      allocator_(allocator),
      uploader_(uploader),
      resources_(content.resources()) {
    for (uint32_t resource = 0; resource < content.resources(); ++resource)
        Create(resource);
}

const Resource& Population::Of(uint32_t object, Kind kind) const {
    return resources_[content_.ResourceOf(object, kind)];
}

// Host-visible buffers are written in place and stay mapped, device-local ones are uploaded.
void Population::CreateBuffer(uint32_t resource, VkBufferUsageFlags usage,
                              VkMemoryPropertyFlags flags) {
    Resource& made = resources_[resource];
    made.buffer = Buffer(allocator_, made.shape.bytes, usage, flags);
    const auto fill = [&](std::span<uint32_t> words) {
        content_.Fill(resource, made.version, made.shape, words);
    };
    if (flags == kHostMemory) {
        fill({made.buffer.Map(), made.shape.bytes / sizeof(uint32_t)});
    } else {
        uploader_.ToBuffer(made.buffer, fill);
    }
}

void Population::Create(uint32_t resource) {
    Resource& made = resources_[resource];
    made.shape = content_.ShapeOf(resource, made.version.generation);
    const uint32_t object = resource / kKindCount;
    switch (made.shape.kind) {
        case Kind::kVertex:
            return CreateBuffer(resource, VK_BUFFER_USAGE_VERTEX_BUFFER_BIT | kCopied,
                                VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
        case Kind::kIndex:
            return CreateBuffer(resource, VK_BUFFER_USAGE_INDEX_BUFFER_BIT | kCopied,
                                VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
        case Kind::kUniform:
            return CreateBuffer(resource, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, kHostMemory);
        case Kind::kStorage:
            return CreateBuffer(resource, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | kCopied,
                                VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
        case Kind::kImage:
            made.image = Image(allocator_, made.shape.width, made.shape.height,
                               VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
                                   VK_IMAGE_USAGE_TRANSFER_DST_BIT,
                               static_cast<Binding>(object % 3));
            return UploadImage(object);
        case Kind::kStaging:
            made.buffer =
                Buffer(allocator_, made.shape.bytes, VK_BUFFER_USAGE_TRANSFER_SRC_BIT, kHostMemory);
            WriteStaging(resource);
            // The bands of the one before may have been larger: put the image below them back.
            return made.version.generation == 0 ? CopyBands(object) : UploadImage(object);
    }
}

void Population::UploadImage(uint32_t object) {
    const uint32_t resource = content_.ResourceOf(object, Kind::kImage);
    const Resource& made = resources_[resource];
    uploader_.ToImage(made.image, [&](std::span<uint32_t> words) {
        content_.Fill(resource, made.version, made.shape, words);
    });
    CopyBands(object);
}

void Population::Replace(uint32_t resource) {
    const uint32_t generation = resources_[resource].version.generation + 1;
    // Destroyed first, created after: the driver may hand out the same memory again.
    resources_[resource] = Resource();
    resources_[resource].version.generation = generation;
    Create(resource);
}

void Population::WriteStaging(uint32_t resource) {
    Resource& staging = resources_[resource];
    std::vector<uint32_t> words(staging.shape.bytes / sizeof(uint32_t));
    content_.Fill(resource, staging.version, staging.shape, words);
    // Half of the buffers are written through two partial maps instead of one.
    const uint64_t pieces = resource / kKindCount % 2 + 1;
    const uint64_t first_bytes = words.size() / pieces * sizeof(uint32_t);
    std::memcpy(staging.buffer.Map(0, first_bytes), words.data(), first_bytes);
    staging.buffer.Unmap();
    if (pieces == 1) return;
    std::memcpy(staging.buffer.Map(first_bytes, VK_WHOLE_SIZE),
                words.data() + first_bytes / sizeof(uint32_t), staging.shape.bytes - first_bytes);
    staging.buffer.Unmap();
}

void Population::CopyBands(uint32_t object) {
    const uint32_t staging_index = object * kKindCount + static_cast<uint32_t>(Kind::kStaging);
    if (staging_index >= resources_.size()) return;
    const Resource& staging = resources_[staging_index];
    const Resource& image = Of(object, Kind::kImage);
    // While the scene is populated, the image exists before its staging buffer does.
    const bool both_exist =
        staging.buffer.handle() != VK_NULL_HANDLE && image.image.handle() != VK_NULL_HANDLE;
    if (!both_exist) return;

    const Bands bands = Content::BandsOf(staging.shape, image.shape);
    VkBufferImageCopy head = WholeImage(bands.width, bands.rows);
    VkBufferImageCopy tail = head;
    tail.bufferOffset = bands.tail_offset;
    tail.imageOffset = {static_cast<int32_t>(image.shape.width - bands.width),
                        static_cast<int32_t>(image.shape.height - bands.rows), 0};
    uploader_.OverImage(staging.buffer, image.image, std::array{head, tail});
}

void Population::Stream(uint32_t object) {
    const uint32_t staging = object * kKindCount + static_cast<uint32_t>(Kind::kStaging);
    if (staging >= resources_.size()) return;
    ++resources_[staging].version.revision;
    WriteStaging(staging);
    CopyBands(object);
}

std::vector<uint32_t> Population::Expected(uint32_t resource) const {
    const Resource& made = resources_[resource];
    std::vector<uint32_t> words(made.shape.bytes / sizeof(uint32_t));
    content_.Fill(resource, made.version, made.shape, words);
    const uint32_t staging_index = resource + 1;
    if (made.shape.kind != Kind::kImage || staging_index >= resources_.size()) return words;

    const Resource& staging = resources_[staging_index];
    std::vector<uint32_t> source(staging.shape.bytes / sizeof(uint32_t));
    content_.Fill(staging_index, staging.version, staging.shape, source);
    const Bands bands = Content::BandsOf(staging.shape, made.shape);
    const std::span<const uint32_t> all(source);
    const size_t band_words = size_t{bands.width} * bands.rows;
    OverlayBand(all.first(band_words), bands.width, 0, 0, made.shape.width, words);
    OverlayBand(all.last(band_words), bands.width, made.shape.width - bands.width,
                made.shape.height - bands.rows, made.shape.width, words);
    return words;
}

uint64_t Population::Verify(uint32_t resource, Checksum& checksum) {
    Resource& made = resources_[resource];
    const auto compare = [&](std::span<const uint32_t> words) {
        checksum.Add(std::as_bytes(words));
        const std::vector<uint32_t> expected = Expected(resource);
        const auto wrong = std::ranges::mismatch(words, expected);
        if (wrong.in1 == words.end()) return;
        throw Failure("Resource " + std::to_string(resource) + " (" + NameOf(made.shape.kind) +
                      ", " + std::to_string(made.shape.bytes) +
                      " bytes) differs from what was written to it in the word at byte " +
                      std::to_string((wrong.in1 - words.begin()) * 4) + ".");
    };
    switch (made.shape.kind) {
        case Kind::kImage:
            uploader_.FromImage(made.image, compare);
            break;
        case Kind::kUniform:
            // Uniform buffers are mapped for life; they are mapped anew here to look at the memory,
            // not at what this mapping might have kept.
        case Kind::kStaging: {
            if (made.shape.kind == Kind::kUniform) made.buffer.Unmap();
            const uint32_t* mapped = made.buffer.Map();
            const std::vector<uint32_t> words(mapped, mapped + made.shape.bytes / 4);
            if (made.shape.kind == Kind::kStaging) made.buffer.Unmap();
            compare(words);
            break;
        }
        default:
            uploader_.FromBuffer(made.buffer, compare);
    }
    return made.shape.bytes;
}

}  // namespace apps
