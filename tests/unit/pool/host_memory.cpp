// SPDX-License-Identifier: Apache-2.0
//
// The operator new of the test program; see host_memory.h.

#include "host_memory.h"

#include <cstdlib>
#include <limits>
#include <new>

namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();
thread_local int64_t left = kUnlimited;
thread_local bool reached = false;

void* Allocate(std::size_t size) {
    if (left <= 0) {
        reached = true;
        return nullptr;
    }
    if (left != kUnlimited) --left;
    return std::malloc(size != 0 ? size : 1);
}

}  // namespace

void* operator new(std::size_t size) {
    if (void* const memory = Allocate(size)) return memory;
    throw std::bad_alloc();
}
void* operator new[](std::size_t size) {
    return operator new(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return Allocate(size);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}

namespace tessera::pool {

HostMemoryLimit::HostMemoryLimit(int64_t allocations) {
    reached = false;
    left = allocations;
}

HostMemoryLimit::~HostMemoryLimit() {
    left = kUnlimited;
}

HostMemoryAmple::HostMemoryAmple() : left_(left) {
    left = kUnlimited;
}

HostMemoryAmple::~HostMemoryAmple() {
    left = left_;
}

bool HostMemoryLimit::Reached() const {
    return reached;
}

}  // namespace tessera::pool
