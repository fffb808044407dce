// SPDX-License-Identifier: Apache-2.0
//
// The scene's only source of chance.
//
// Fixed down to the bit, unlike the distributions of the standard library, so that one seed gives
// one scene with any compiler. A value, without shared state.
#ifndef TESSERA_TESTS_APPS_NAIVE_SCENE_RANDOM_H_
#define TESSERA_TESTS_APPS_NAIVE_SCENE_RANDOM_H_

#include <cstdint>

namespace apps {

/// A SplitMix64 stream: 64 well-mixed bits a step, 2^64 steps long. Any key is a good key.
class Random {
 public:
    explicit Random(uint64_t key) : state_(key) {}

    uint64_t Next() {
        state_ += 0x9E3779B97F4A7C15u;
        uint64_t bits = state_;
        bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9u;
        bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBu;
        return bits ^ (bits >> 31);
    }

    /// A number of [0, 1), in steps of 2^-24, exact as a float.
    float Unit() { return static_cast<float>(Next() >> 40) * 0x1p-24f; }

    /// A number of [low, high).
    float Between(float low, float high) { return low + (high - low) * Unit(); }

    /// A number of [0, bound). Requires `bound` > 0; the bias is below bound / 2^32.
    uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(((Next() >> 32) * bound) >> 32); }

 private:
    uint64_t state_;
};

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_NAIVE_SCENE_RANDOM_H_
