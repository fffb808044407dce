// SPDX-License-Identifier: Apache-2.0
//
// A library whose functions tests of the symbolizer find again: one is inlined into another, which
// a third calls. Line numbers matter: the tests look for the words in the comments.
#include "symbol_sample.h"

namespace sample {

// The call must not be the last thing in any of these: then it would be a jump, and leave no trace.
__attribute__((always_inline)) inline void Inner(void (*callback)(void*), void* data) {
    callback(data);  // Inner calls here
    asm volatile("" ::: "memory");
}

__attribute__((noinline)) void Outer(void (*callback)(void*), void* data) {
    Inner(callback, data);  // Outer calls here
    asm volatile("" ::: "memory");
}

}  // namespace sample

void SampleCall(void (*callback)(void*), void* data) {
    sample::Outer(callback, data);
    asm volatile("" ::: "memory");
}
