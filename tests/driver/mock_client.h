// SPDX-License-Identifier: Apache-2.0
//
// The mock driver from a C++ test: finds the library, points the loader at it, and lets a test ask
// for a device and judge the violations. Link `tessera_mock_client`, which knows the paths of the
// build tree.
//
//     ScopedMock mock("preset:noncoherent");       // before the instance is created
//     ...                                          // vkCreateInstance and so on, as any program
//     EXPECT_EQ(mock.Violations(), "");
//
// Threads: construct and destroy on one thread while no instance exists (it sets the environment);
// the functions of `operator->` may be called from any.
#ifndef TESSERA_TESTS_DRIVER_MOCK_CLIENT_H
#define TESSERA_TESTS_DRIVER_MOCK_CLIENT_H

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "mock_control.h"

namespace tessera::mock {

// Returns the control of the driver, loading it if the loader has not. Ends the process with a
// message if the library is not there: no test could go on.
inline const TesseraMock& Control() {
    static const TesseraMock& control = [&]() -> const TesseraMock& {
        void* library = dlopen(TESSERA_MOCK_LIBRARY_PATH, RTLD_NOW | RTLD_LOCAL);
        auto* get =
            library == nullptr
                ? nullptr
                : reinterpret_cast<PFN_tessera_mock_get>(dlsym(library, "tessera_mock_get"));
        if (get == nullptr) {
            std::fprintf(stderr, "cannot use the mock driver: %s\n", dlerror());
            std::abort();
        }
        return *get();
    }();
    return control;
}

// Makes the mock driver the only driver of this process, with the given description, and starts
// from a clean record; the destructor resets the control again. The environment stays set.
class ScopedMock {
 public:
    explicit ScopedMock(const char* description) {
        setenv("VK_ICD_FILENAMES", TESSERA_MOCK_ICD_PATH, 1);
        setenv("VK_DRIVER_FILES", TESSERA_MOCK_ICD_PATH, 1);
        Control().reset();
        good_ = Control().set_description(description) == 1;
    }
    ScopedMock(const ScopedMock&) = delete;
    ScopedMock& operator=(const ScopedMock&) = delete;
    ~ScopedMock() { Control().reset(); }

    const TesseraMock* operator->() const { return &Control(); }

    // Whether the description was understood.
    bool good() const { return good_; }

    // Returns all violations, one per line; empty if there are none.
    std::string Violations() const {
        std::string all;
        for (uint64_t i = 0; i < Control().violation_count(); ++i) {
            std::string text(Control().violation_text(i, nullptr, 0), '\0');
            Control().violation_text(i, text.data(), text.size() + 1);
            all += text + "\n";
        }
        return all;
    }

 private:
    bool good_ = false;
};

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_MOCK_CLIENT_H
