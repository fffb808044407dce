// SPDX-License-Identifier: Apache-2.0
//
// What is allocated and freed, and in which order: sequences that are made before anything is timed
// and are the same for every contender.
//
// Threads: plain data and pure functions; a Random belongs to one thread.

#ifndef TESSERA_BENCH_MIX_H_
#define TESSERA_BENCH_MIX_H_

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

// A deterministic stream of numbers (splitmix64).
class Random {
 public:
    explicit Random(uint64_t seed) : state_(seed) {}
    uint64_t Next();
    // In [0, bound). Requires: bound > 0.
    uint64_t Below(uint64_t bound) { return Next() % bound; }
    // In [0, 1).
    double Unit() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

 private:
    uint64_t state_;
};

// The sizes that applications ask for, in whole bytes, ends included. Log-uniform: the logarithm
// is uniform, so that every octave is as likely as every other.
enum class Mix {
    kLog,    // log-uniform from 256 B to 64 KiB
    kTiny,   // log-uniform from 3 B to 1 KiB
    kNaive,  // 78 % log-uniform from 256 B to 64 KiB, 15 % to 1 MiB, 7 % to 8 MiB
    kLarge,  // log-uniform from 4 to 64 MiB
    kPage,   // 4 KiB each
    kLeast,  // 256 B each
};
const char* NameOf(Mix mix);

// A size of the mix, rounded up to a multiple of `unit`.
uint32_t SizeOf(Mix mix, uint32_t unit, Random& random);

// One step: ends what lives in a slot, if anything does, and then, unless `bytes` is 0, begins an
// allocation there.
struct Op {
    uint32_t slot = 0;
    uint32_t bytes = 0;
};
using Sequence = std::vector<Op>;

// Makes sequences of one mix over the slots of one thread. Each call goes on where the last ended,
// so that no sequence is ever repeated: an allocation that always follows the free of its own size
// would flatter everybody.
class Composer {
 public:
    Composer(Mix mix, uint32_t unit, uint64_t seed) : mix_(mix), unit_(unit), random_(seed) {}

    // One allocation in each of the slots [first, first + count).
    Sequence Fill(uint32_t first, uint32_t count);
    // `pairs` replacements of slots chosen at random among [0, live).
    Sequence Churn(uint32_t live, uint64_t pairs);
    // The end of slots [first, first + count), in random order.
    Sequence Drain(uint32_t first, uint32_t count);

 private:
    Mix mix_;
    uint32_t unit_;
    Random random_;
};

// What a real program did, in the order in which it did it, from its first allocation to its last
// free: read from bench/data. Each allocation has the lowest slot that is free at that time.
struct Recording {
    Sequence ops;
    uint32_t slots = 0;        // how many are used
    uint32_t allocations = 0;  // in `ops`
};

// Reads a recording; its sizes are rounded up to multiples of `unit`. The file's format is told in
// bench/data/README.md. Throws std::runtime_error.
Recording ReadRecording(const std::string& path, uint32_t unit);

}  // namespace bench

#endif  // TESSERA_BENCH_MIX_H_
