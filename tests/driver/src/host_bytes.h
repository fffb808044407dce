// SPDX-License-Identifier: Apache-2.0
//
// The bytes behind a VkDeviceMemory. Large ones are mapped lazily, so that an allocation of many
// gigabytes costs nothing until it is written, and end at an inaccessible page, so that a write
// past the end of a block faults at once instead of changing a neighbour. Small ones come from the
// heap, where a sanitizer guards their ends. All start as zero.
//
// The address is aligned as the device promises for mapped memory and, for small sizes, not more:
// a program that needs more than minMemoryMapAlignment shall notice.
#ifndef TESSERA_TESTS_DRIVER_HOST_BYTES_H
#define TESSERA_TESTS_DRIVER_HOST_BYTES_H

#include <cstddef>
#include <cstdint>

namespace tessera::mock {

class HostBytes {
 public:
    HostBytes() = default;
    HostBytes(const HostBytes&) = delete;
    HostBytes& operator=(const HostBytes&) = delete;
    ~HostBytes() { Release(); }

    // Obtains `size_bytes` zero bytes. **Requires** that none are held; `alignment` is a power of
    // two. Returns false, holding nothing, if the system has none.
    bool Obtain(size_t size_bytes, size_t alignment);

    // Maps a whole file instead and takes ownership of its descriptor if it
    // succeeds.
    bool MapFile(int fd, size_t size_bytes);

    // Gives the bytes back. A pointer into large ones faults from then on.
    void Release();

    // Uses the application's own memory instead: nothing is obtained and Release() only forgets it.
    void Adopt(void* data, size_t size_bytes);

    // The first byte, or null when none are held. Owned by this object.
    std::byte* data() const { return data_; }
    size_t size() const { return size_bytes_; }
    // The descriptor of a mapped file, or -1. Owned by this object.
    int file() const { return file_; }

 private:
    std::byte* data_ = nullptr;
    size_t size_bytes_ = 0;
    void* region_ = nullptr;   // what to unmap or free; null for adopted bytes
    size_t mapped_bytes_ = 0;  // 0: from the heap
    int file_ = -1;
};

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_HOST_BYTES_H
