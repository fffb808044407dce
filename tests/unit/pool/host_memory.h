// SPDX-License-Identifier: Apache-2.0
//
// Makes host memory run out on request: while a HostMemoryLimit lives, `new` of this thread fails
// once it has succeeded a number of times. Its source replaces the global operator new, for the
// whole program.
#ifndef TESSERA_TESTS_UNIT_POOL_HOST_MEMORY_H_
#define TESSERA_TESTS_UNIT_POOL_HOST_MEMORY_H_

#include <cstdint>

namespace tessera::pool {

// One at a time in each thread. Assertions allocate: let it end before them.
class HostMemoryLimit {
 public:
    explicit HostMemoryLimit(int64_t allocations);
    ~HostMemoryLimit();
    HostMemoryLimit(const HostMemoryLimit&) = delete;
    HostMemoryLimit& operator=(const HostMemoryLimit&) = delete;

    // Returns: whether an allocation failed so far.
    bool Reached() const;
};

// Lifts the limit of this thread for as long as it lives: for test doubles, whose own memory is not
// the subject.
class HostMemoryAmple {
 public:
    HostMemoryAmple();
    ~HostMemoryAmple();
    HostMemoryAmple(const HostMemoryAmple&) = delete;
    HostMemoryAmple& operator=(const HostMemoryAmple&) = delete;

 private:
    int64_t left_;
};

}  // namespace tessera::pool

#endif  // TESSERA_TESTS_UNIT_POOL_HOST_MEMORY_H_
