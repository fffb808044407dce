// SPDX-License-Identifier: Apache-2.0
//
// Where an input's decisions come from: a random number, or bytes that libFuzzer chose. The inputs
// are made by the same functions from both, so that every input is well-formed as an input, and
// neither form has a format of its own.
//
// Threads: one per object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

namespace tessera::fuzz_readers {

// An invariant does not hold; what() says which.
struct Finding : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline void Require(bool holds, const char* what) {
    if (!holds) throw Finding(what);
}

// Answers questions about an input that is being made.
class Choices {
 public:
    // From random numbers: input `index` of the run with this seed, whatever was made before it.
    Choices(uint64_t seed, uint64_t index)
        : random_(seed * 0x9E3779B97F4A7C15 + index), endless_(true) {
        random_ = Word();
    }

    // From bytes, which need to live as long as the object does. When they are used up, all answers
    // are 0.
    Choices(const uint8_t* bytes, size_t size) : bytes_(bytes, size) {}

    uint64_t Word() {
        if (!endless_) return Take(sizeof(uint64_t));
        // SplitMix64, by Steele, Lea and Flood (2014).
        random_ += 0x9E3779B97F4A7C15;
        uint64_t word = random_;
        word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9;
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB;
        return word ^ (word >> 31);
    }

    // Returns: a number below `end`. Requires: `end` is not 0.
    uint64_t Below(uint64_t end) {
        if (endless_) return Word() % end;
        return Take(end <= 0x100 ? 1 : end <= 0x10000 ? 2 : 8) % end;
    }

    // True once in `n` times; of bytes that are used up, never.
    bool OneIn(uint64_t n) { return Below(n) == n - 1; }

    template <typename T, size_t kSize>
    const T& Of(const T (&list)[kSize]) {
        return list[Below(kSize)];
    }

    // Bytes of any value, up to `most` of them.
    std::string Bytes(size_t most) {
        std::string text(Below(most + 1), '\0');
        for (char& c : text)
            c = static_cast<char>(Below(256));
        return text;
    }

 private:
    uint64_t Take(size_t count) {
        uint64_t word = 0;
        for (; count > 0 && !bytes_.empty(); --count, bytes_ = bytes_.subspan(1))
            word = word << 8 | bytes_.front();
        return word;
    }

    uint64_t random_ = 0;
    bool endless_ = false;
    std::span<const uint8_t> bytes_;
};

}  // namespace tessera::fuzz_readers
