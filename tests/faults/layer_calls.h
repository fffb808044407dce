// SPDX-License-Identifier: Apache-2.0
//
// What the layer asks of the C library: host memory, and the system calls of its channel and its
// settings. The test program defines these functions itself, so that every library in the process
// uses its versions; they count and fail the calls that come from the layer and leave all others
// alone. A call comes from the layer if the code that called lies in the layer's library, or if it
// lies in the C library and the layer's code is what called that (opendir, for one, allocates).
//
// The layer's operator new is its own (libstdc++ is linked into it) and ends in malloc, so one
// place serves `new`, containers and calloc alike.
//
// Under a sanitizer, which brings an allocator of its own, nothing is replaced: Available() is
// false.
//
// Threads: one thread at a time runs the layer while anything is counted; others may allocate.
#ifndef TESSERA_TESTS_FAULTS_LAYER_CALLS_H_
#define TESSERA_TESTS_FAULTS_LAYER_CALLS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::faults {

// Every way to ask for host memory counts as this one.
inline constexpr char kHostMemory[] = "host memory";

// Whether calls of the layer can be seen in this build.
bool LayerCallsAvailable();

// Finds the code of the library at `path`, which must be loaded and stay so.
// Returns: false if it is not loaded.
bool WatchLayer(const std::string& path);

// The functions that can be failed, kHostMemory left out.
std::vector<std::string> SystemFunctions();

// How often the layer called a function since the last reset, failed calls included.
uint64_t LayerCallCount(const std::string& function);
void ResetLayerCalls();

// Makes the nth call since the reset fail with `error` in errno (posix_fallocate returns it); with
// `sticky`, all after it as well. One function at a time.
void FailLayerCall(const std::string& function, uint64_t nth, bool sticky, int error);
void ClearLayerFaults();

// While one of these lives, nothing is counted or failed: the test itself is at work.
class NotTheLayer {
 public:
    NotTheLayer();
    ~NotTheLayer();
    NotTheLayer(const NotTheLayer&) = delete;
    NotTheLayer& operator=(const NotTheLayer&) = delete;
};

}  // namespace tessera::faults

#endif  // TESSERA_TESTS_FAULTS_LAYER_CALLS_H_
