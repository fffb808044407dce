// SPDX-License-Identifier: Apache-2.0
//
// See clock.h.

#include "layer/base/clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tessera {
namespace {

// Whether the cycle counter runs at one pace, whatever the processor's clock does ("invariant
// TSC").
bool CyclesAreEven() noexcept {
#if defined(__x86_64__)
    constexpr unsigned kPowerLeaf = 0x80000007;
    constexpr unsigned kInvariantTsc = 1u << 8;
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    return __get_cpuid(kPowerLeaf, &a, &b, &c, &d) != 0 && (d & kInvariantTsc) != 0;
#else
    return true;
#endif
}

}  // namespace

void ChooseTicks() noexcept {
    ticks_are_cycles.store(CyclesAreEven(), std::memory_order_relaxed);
}

}  // namespace tessera
