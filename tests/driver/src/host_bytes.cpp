// SPDX-License-Identifier: Apache-2.0
//
// See host_bytes.h. Heap pieces are placed one alignment step past a twice as aligned address, so
// that their address never has more alignment than promised by accident.
#include "host_bytes.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "arithmetic.h"

namespace tessera::mock {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kMapFrom = 64 * 1024;

}  // namespace

bool HostBytes::Obtain(size_t size_bytes, size_t alignment) {
    if (size_bytes > SIZE_MAX - 4 * kPage) return false;
    if (size_bytes >= kMapFrom || alignment >= kPage) {
        const size_t whole = RoundUp(size_bytes, kPage);
        void* region = mmap(nullptr, whole + kPage, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (region == MAP_FAILED) return false;
        if (mprotect(region, whole, PROT_READ | PROT_WRITE) != 0) {
            munmap(region, whole + kPage);
            return false;
        }
        region_ = region;
        mapped_bytes_ = whole + kPage;
        data_ = static_cast<std::byte*>(region);
    } else {
        void* region =
            std::aligned_alloc(2 * alignment, RoundUp(alignment + size_bytes, 2 * alignment));
        if (region == nullptr) return false;
        region_ = region;
        data_ = static_cast<std::byte*>(region) + alignment;
        std::memset(data_, 0, size_bytes);
    }
    size_bytes_ = size_bytes;
    return true;
}

bool HostBytes::MapFile(int fd, size_t size_bytes) {
    void* region = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (region == MAP_FAILED) return false;
    region_ = region;
    mapped_bytes_ = size_bytes;
    data_ = static_cast<std::byte*>(region);
    size_bytes_ = size_bytes;
    file_ = fd;
    return true;
}

void HostBytes::Release() {
    if (file_ >= 0) close(file_);
    file_ = -1;
    if (mapped_bytes_ != 0) {
        munmap(region_, mapped_bytes_);
    } else {
        std::free(region_);
    }
    region_ = nullptr;
    data_ = nullptr;
    size_bytes_ = 0;
    mapped_bytes_ = 0;
}

void HostBytes::Adopt(void* data, size_t size_bytes) {
    data_ = static_cast<std::byte*>(data);
    size_bytes_ = size_bytes;
}

}  // namespace tessera::mock
