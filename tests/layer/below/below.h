// SPDX-License-Identifier: Apache-2.0
//
// A layer between the layer under test and the driver. A test hangs a function of its own, a tap,
// on a command: the tap gets what the layer under test passed down, pointers, chains and all, may
// call the driver, and returns the answer. So a test can compare what arrived with what the
// application said, and what the application was told with what the driver answered.
//
//     SessionOptions options;
//     options.layer_below = true;                  // see session.h
//     Taps taps;                                   // off again at the end of the scope
//     taps->QueueSubmit = [&](VkQueue queue, auto... rest) {
//         ...
//         return Next().QueueSubmit(queue, rest...);
//     };
//
// One instance and one device at a time are enough for the tests: the next entity's commands are
// those of the newest. The library stays loaded from the first use to the end of the process.
//
// Threads: taps are hung while no other thread calls Vulkan; they run on the caller's thread.

#ifndef TESSERA_TESTS_LAYER_BELOW_BELOW_H_
#define TESSERA_TESTS_LAYER_BELOW_BELOW_H_

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

#include "below/state.h"

namespace tessera::test {

// The layer's state, in the library that the loader will use or uses. Ends the process with a
// message if the library is not there: no test could go on.
inline Below& TheBelow() {
    static Below& below = []() -> Below& {
        void* library = dlopen(TESSERA_TEST_BELOW_LIBRARY, RTLD_NOW | RTLD_LOCAL);
        auto* get = library == nullptr
                        ? nullptr
                        : reinterpret_cast<Below* (*)()>(dlsym(library, "tessera_test_below"));
        if (get == nullptr) {
            std::fprintf(stderr, "cannot use the layer below: %s\n", dlerror());
            std::abort();
        }
        return *get();
    }();
    return below;
}

// The next entity's commands: null where it has none.
inline const Below::NextTable& Next() {
    return TheBelow().next;
}

// The taps of a test, and what it offers and hides. Nothing of it is left when this ends.
class Taps {
 public:
    Taps() { Reset(); }
    ~Taps() { Reset(); }
    Taps(const Taps&) = delete;
    Taps& operator=(const Taps&) = delete;
    Below::TapTable* operator->() const { return &TheBelow().taps; }

 private:
    static void Reset() {
        TheBelow().taps = {};
        TheBelow().offered.clear();
        TheBelow().hidden.clear();
        TheBelow().asked_without_instance.clear();
    }
};

}  // namespace tessera::test

#endif  // TESSERA_TESTS_LAYER_BELOW_BELOW_H_
