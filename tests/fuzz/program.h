// SPDX-License-Identifier: Apache-2.0
//
// Programs of Vulkan memory calls as data: a list of operations with small numbers as operands.
//
// Every list is a valid program. Operands choose among what exists when the operation runs (the
// machine takes them modulo what there is), so operations can be dropped, reordered and mutated,
// and what is left still means something: that is what minimising and libFuzzer need.
//
// Threads: plain data.
#ifndef TESSERA_TESTS_FUZZ_PROGRAM_H
#define TESSERA_TESTS_FUZZ_PROGRAM_H

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace tessera::fuzz {

enum class Kind : uint8_t {
    kAllocate,      // vkAllocateMemory: type, kind of size, size, chain
    kFree,          // vkFreeMemory, of null too
    kMap,           // either form: allocation, offset, size
    kUnmap,         // either form
    kWrite,         // through a mapping
    kRead,          // through a mapping, compared with what must be there
    kFlush,         // up to four ranges
    kInvalidate,    // likewise
    kCreateBuffer,  // size, usage
    kCreateImage,   // size, tiling, flags
    kDestroy,       // a buffer or image, bound or not, its memory freed or not
    kQuery,         // requirements in all forms, budget
    kBind,          // one resource: in existing memory or in new memory
    kBindMany,      // several resources by vkBind*Memory2
    kSparse,        // vkQueueBindSparse: pages of a buffer, an image, nothing
    kUpdate,        // the device writes
    kCopy,          // the device copies
    kInspect,       // what the device sees, past all caches
    kPrivateData,   // set or get
    kName,          // names and tags
    kHint,          // priority, capture address; the binds of rarer things
    kCount
};
inline constexpr size_t kKinds = static_cast<size_t>(Kind::kCount);
const char* NameOf(Kind kind);

struct Op {
    Kind kind = Kind::kAllocate;
    uint16_t a = 0;
    uint16_t b = 0;
    uint16_t c = 0;
    uint16_t d = 0;
};
using Program = std::vector<Op>;

// A deterministic stream of numbers (splitmix64).
class Random {
 public:
    explicit Random(uint64_t seed) : state_(seed) {}
    uint64_t Next();

 private:
    uint64_t state_;
};

// `count` operations of a seed.
Program Generate(uint64_t seed, size_t count);

// From any bytes, nine for an operation; what is left over is ignored.
Program Decode(const uint8_t* data, size_t size);

// One operation a line: its name and operands. Parse() returns nothing for what Print() would not
// have written, and names the line in `*problem`.
std::string Print(const Program& program);
std::optional<Program> Parse(std::istream& text, std::string* problem);

}  // namespace tessera::fuzz

#endif  // TESSERA_TESTS_FUZZ_PROGRAM_H
