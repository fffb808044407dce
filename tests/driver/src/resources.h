// SPDX-License-Identifier: Apache-2.0
//
// The driver's memory and resource objects, and the tie between them. A resource sees its bytes
// through a Backing: one range of one memory, or, for a sparse resource, a page table. Everything
// that the device reads or writes goes through a Backing, which is how a bind to the wrong place
// turns into wrong contents and a bind to freed memory into a message.
//
// Threads: fields are guarded by the state mutex of registry.h, except the use markers, which are
// atomic, and the bytes themselves, which belong to whoever the application lets touch them.
#ifndef TESSERA_TESTS_DRIVER_RESOURCES_H
#define TESSERA_TESTS_DRIVER_RESOURCES_H

#include <vulkan/vulkan_core.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats.h"
#include "handles.h"
#include "host_bytes.h"

namespace tessera::mock {

// How a call uses an object: kExclusive where the specification wants the caller to keep all other
// uses away ("externally synchronized").
enum class Access { kShared, kExclusive };

// Notices calls that overlap in time where the specification wants external synchronisation.
class UseMarker {
 public:
    // Enters one use. Returns true if another use in flight must not overlap with it: any other if
    // this one is exclusive, an exclusive one otherwise. End() must follow in both cases.
    bool Begin(Access access) {
        std::atomic<int>& mine = access == Access::kExclusive ? exclusive_ : shared_;
        mine.fetch_add(1);
        const int exclusive = exclusive_.load();
        if (access == Access::kShared) return exclusive > 0;
        return exclusive > 1 || shared_.load() > 0;
    }
    void End(Access access) { (access == Access::kExclusive ? exclusive_ : shared_).fetch_sub(1); }

 private:
    std::atomic<int> shared_{0};
    std::atomic<int> exclusive_{0};
};

// A range of a memory that a linear or a non-linear resource occupies.
struct BoundRange {
    uint64_t resource = 0;  // handle
    VkDeviceSize begin = 0;
    VkDeviceSize end = 0;
};

// Finds resources of the other kind that share a granule without sharing a byte. Only the first and
// last granule of a range can be shared that way, so two small indices per kind are enough.
class GranuleIndex {
 public:
    // Returns a range of the other kind that conflicts with this one, or null.
    const BoundRange* Conflict(const BoundRange& range, bool linear, VkDeviceSize granule) const;
    // Takes a range in; several of one resource are fine (planes).
    void Add(const BoundRange& range, bool linear, VkDeviceSize granule);
    // Takes out the range of this resource that begins where `range` does, if it is in.
    void Remove(const BoundRange& range, bool linear, VkDeviceSize granule);

 private:
    struct Kind {
        std::multimap<VkDeviceSize, BoundRange> by_first;  // index of the first granule -> range
        std::multimap<VkDeviceSize, BoundRange> by_last;
    };
    Kind kinds_[2];  // [0] non-linear, [1] linear
};

// A VkDeviceMemory. Resources that are bound here hold on to the object, not to its bytes:
// vkFreeMemory gives the bytes back at once, clears `alive`, and what still reads or writes them is
// told so.
struct Memory : Object {
    static constexpr VkObjectType kType = VK_OBJECT_TYPE_DEVICE_MEMORY;
    Memory() : Object(kType) {}

    uint32_t type_index = 0;
    VkMemoryPropertyFlags properties = 0;
    VkDeviceSize size_bytes = 0;
    VkDeviceSize charged_bytes = 0;  // what the heap lost: size_bytes rounded up as described
    VkMemoryAllocateFlags flags = 0;
    uint32_t instances = 1;  // of its contents, on the physical devices of a device group
    float priority = 0.5f;
    uint64_t dedicated_buffer = 0;  // handle of the only resource that may be bound, or 0
    uint64_t dedicated_image = 0;
    VkDeviceAddress address = 0;         // of its first byte, in the device's address space
    std::vector<VkStructureType> chain;  // what was chained to its VkMemoryAllocateInfo
    bool imported = false;               // the bytes come from outside
    VkExternalMemoryHandleTypeFlags export_types = 0;
    uint64_t report_id = 0;       // for VK_EXT_device_memory_report; unique on the device
    void* host_memory = nullptr;  // from the application's callbacks, if it gave any

    HostBytes device_view;
    HostBytes host_view;  // held only where host and device do not see each other's writes
    bool mapped = false;
    void* placed_at = nullptr;   // the application's address of a placed map
    VkDeviceSize map_begin = 0;  // of the current or last mapping, in bytes from the start
    VkDeviceSize map_end = 0;

    GranuleIndex granules;
    uint32_t bound_count = 0;  // live resources bound here, sparse ranges excluded
    UseMarker use;

    bool HostVisible() const { return properties & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT; }
    bool Coherent() const { return properties & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT; }
    // What a mapped pointer points into.
    std::byte* HostData() const {
        return host_view.data() != nullptr ? host_view.data() : device_view.data();
    }
};

// Where a resource's bytes are.
class Backing {
 public:
    struct Range {
        std::shared_ptr<Memory> memory;
        VkDeviceSize offset = 0;  // in the memory
        VkDeviceSize size_bytes = 0;
    };

    bool bound() const { return whole_.memory != nullptr; }
    const Range& whole() const { return whole_; }

    // Non-sparse: ties the resource's bytes to this range, for good.
    void Bind(std::shared_ptr<Memory> memory, VkDeviceSize offset, VkDeviceSize size_bytes);

    // Sparse: bytes from `begin` on lie in `range` from now on; a range without memory unbinds
    // them. Earlier ranges are cut where they overlap.
    void BindPages(VkDeviceSize begin, const Range& range);

    // Copy bytes of the resource. Unbound sparse bytes read as zero and swallow writes.
    // Returns an empty string, or what is wrong with the memory (the rest is still copied).
    std::string Read(VkDeviceSize offset, void* out, size_t size_bytes) const;
    std::string Write(VkDeviceSize offset, const void* data, size_t size_bytes) const;

    bool sparse = false;

 private:
    template <class Visit>
    std::string ForEachPiece(VkDeviceSize offset, size_t size_bytes, Visit visit) const;

    Range whole_;
    std::map<VkDeviceSize, Range> pages_;  // by offset in the resource; do not overlap
};

// Requirements are fixed at creation; they follow from the create info alone.
struct Buffer : Object {
    static constexpr VkObjectType kType = VK_OBJECT_TYPE_BUFFER;
    Buffer() : Object(kType) {}

    VkBufferCreateInfo info{};  // pointers in it are cleared
    VkMemoryRequirements requirements{};
    Backing backing;
    VkDeviceAddress sparse_address = 0;  // given when first asked for
};

// The create info, with the format looked up and one Backing per memory plane.
struct Image : Object {
    static constexpr VkObjectType kType = VK_OBJECT_TYPE_IMAGE;
    Image() : Object(kType) {}

    struct Plane {
        VkMemoryRequirements requirements{};
        Backing backing;
    };

    VkImageCreateInfo info{};  // pointers in it are cleared
    const Format* format = nullptr;
    std::vector<Plane> planes;  // one, unless the image is disjoint

    bool linear() const { return info.tiling == VK_IMAGE_TILING_LINEAR; }
    bool disjoint() const { return info.flags & VK_IMAGE_CREATE_DISJOINT_BIT; }
    bool sparse() const { return info.flags & VK_IMAGE_CREATE_SPARSE_BINDING_BIT; }
};

// Anything else that memory is bound to: see bindable.cpp.
struct Bindable : Object {
    explicit Bindable(VkObjectType object_type) : Object(object_type) {}

    struct Place {
        VkMemoryRequirements requirements{};
        Backing backing;
    };
    bool linear = true;
    std::vector<Place> places;
};

// Views are only alive or not.
struct BufferView : Object {
    static constexpr VkObjectType kType = VK_OBJECT_TYPE_BUFFER_VIEW;
    BufferView() : Object(kType) {}
};

struct ImageView : Object {
    static constexpr VkObjectType kType = VK_OBJECT_TYPE_IMAGE_VIEW;
    ImageView() : Object(kType) {}
};

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_RESOURCES_H
