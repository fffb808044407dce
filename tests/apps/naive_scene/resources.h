// SPDX-License-Identifier: Apache-2.0
//
// The scene's resources as they live on the device: made, replaced, rewritten, checked.
//
// content.h says what each resource is; this makes it true, through one Buffer or Image per
// resource. Vertex, index and storage buffers and images are device-local and filled by an upload;
// uniform buffers stay mapped for life; staging buffers stay alive, are rewritten from time to time
// and copied over a part of their object's image. Belongs to one thread, and changes resources only
// while the queue is idle.
#ifndef TESSERA_TESTS_APPS_NAIVE_SCENE_RESOURCES_H_
#define TESSERA_TESTS_APPS_NAIVE_SCENE_RESOURCES_H_

#include <cstdint>
#include <vector>

#include "common/checksum.h"
#include "naive_scene/content.h"
#include "naive_scene/memory.h"
#include "naive_scene/upload.h"

namespace apps {

/// One resource: either `buffer` or, for an image, `image` is in use.
struct Resource {
    Shape shape{};
    Version version;
    Buffer buffer;
    Image image;
};

/// All resources of a scene. Requires: allocator and uploader outlive it.
class Population {
 public:
    /// Creates and fills every resource. Throws Failure when the driver refuses one.
    Population(const Content& content, Allocator& allocator, Uploader& uploader);

    const Content& content() const { return content_; }
    /// The resource of the given kind that `object` is drawn with.
    const Resource& Of(uint32_t object, Kind kind) const;

    /// Destroys a resource and creates its next generation, of another size and content. Objects
    /// drawn with it need new descriptors afterwards.
    void Replace(uint32_t resource);

    /// Rewrites the staging buffer of `object` and copies it over the object's image. Nothing
    /// happens if the object has no staging buffer of its own.
    void Stream(uint32_t object);

    /// Reads the whole resource back, adds it to `checksum` and compares it with what was written.
    /// Returns its size in bytes. Throws Failure that names the first wrong byte.
    uint64_t Verify(uint32_t resource, Checksum& checksum);

 private:
    void Create(uint32_t resource);
    void CreateBuffer(uint32_t resource, VkBufferUsageFlags usage, VkMemoryPropertyFlags flags);
    void UploadImage(uint32_t object);
    void WriteStaging(uint32_t resource);
    void CopyBands(uint32_t object);
    std::vector<uint32_t> Expected(uint32_t resource) const;

    const Content& content_;
    Allocator& allocator_;
    Uploader& uploader_;
    std::vector<Resource> resources_;
};

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_NAIVE_SCENE_RESOURCES_H_
