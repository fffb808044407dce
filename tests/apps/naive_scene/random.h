// SPDX-License-Identifier: Apache-2.0
//
// The scene's only source of chance, and the hash of its checksum.
//
// Both are fixed down to the bit, unlike the distributions of the standard library, so that one
// seed gives one scene and one checksum with any compiler. Values, no shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

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

/// FNV-1a over everything added to it, 64 bits. Order matters.
class Checksum {
 public:
    void Add(std::span<const std::byte> bytes) {
        for (const std::byte byte : bytes) {
            value_ = (value_ ^ static_cast<uint64_t>(byte)) * 0x100000001B3u;
        }
    }

    uint64_t value() const { return value_; }

 private:
    uint64_t value_ = 0xCBF29CE484222325u;
};

}  // namespace apps
