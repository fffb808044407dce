// SPDX-License-Identifier: Apache-2.0
//
// What it costs to take a call stack that was taken before, by its depth; see docs/benchmarks.md.
// usage: stack_bench DEPTH CAPTURES
//
// It counts nothing itself: the instructions of a capture are the difference of two runs under
// callgrind that differ in CAPTURES, divided by that.
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "channel/call_stacks.h"

namespace tessera::channel {

// A segment with room for what this program needs.
void* AddExtent(tessera_kind, uint64_t, uint32_t, uint64_t bytes) noexcept {
    return std::calloc(1, bytes);
}

}  // namespace tessera::channel

namespace {

__attribute__((noinline)) uint32_t CaptureAt(long depth, long captures) {
    uint32_t sum = 0;
    if (depth > 1) {
        sum = CaptureAt(depth - 1, captures);
    } else {
        for (long i = 0; i < captures; ++i)
            sum += tessera::channel::CaptureCallStackOutside(0, 0);
    }
    asm volatile("" : "+r"(sum));  // so that no call is the last thing done
    return sum;
}

double NowNs() {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: stack_bench DEPTH CAPTURES\n");
        return 2;
    }
    // Of its own the program has main() and what calls it, and the capture itself.
    constexpr long kOthers = 5;
    const long depth = std::atol(argv[1]) - kOthers + 1;
    const long captures = std::atol(argv[2]);
    const double start_ns = NowNs();
    const uint32_t sum = CaptureAt(depth, captures);
    std::printf("%.0f ns a capture (%u)\n", (NowNs() - start_ns) / static_cast<double>(captures),
                sum / static_cast<uint32_t>(captures));
    return 0;
}
