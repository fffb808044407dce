// SPDX-License-Identifier: Apache-2.0
//
// What commands that look at single allocations have in common: which resources an allocation
// holds, what it is used for, how old it is, and how its handle and call stack are written.
//
// Everything here trusts the indices in a reader::Process, which the reader has checked, but not
// the sizes and offsets in it: those are the application's and the layer's, and may contradict one
// another while a process runs.
//
// Threads: pure functions; a ResourceIndex is not changed once it is made.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tessera/reader.h"

namespace tessera::command {

// What a range of device memory is used for.
enum class Use : uint8_t {
    kBuffer,
    kLinearImage,
    kOptimalImage,
    kUnknown,  // nothing is known to be bound there, or something of another kind
    kPadding,  // taken by an allocation beyond what was asked for
    kFree,     // in a block, and nobody's
};
inline constexpr size_t kUses = 6;

const char* Name(Use use);   // "optimal_image": for machines
const char* Title(Use use);  // "optimal image": for people

// Of a resource; kUnknown if it is neither a buffer nor an image.
Use UseOf(const reader::Resource& resource);

// Which resources are bound to each allocation, by offset.
class ResourceIndex {
 public:
    explicit ResourceIndex(const reader::Detail& detail);
    // Returns: indices into Detail::resources; valid as long as this is.
    std::span<const uint32_t> Of(size_t allocation) const;

 private:
    std::vector<uint32_t> first_;  // by allocation, and one more
    std::vector<uint32_t> resources_;
};

// What an allocation is used for as a whole: what all resources in it are; kUnknown if they differ.
// Without any, what it was placed for if that is but one kind, else kUnknown.
Use UseOf(const reader::Detail& detail, const ResourceIndex& index, size_t allocation);

// Returns: ns between `made_ns` and the moment when the process was copied; 0 if `made_ns` is not
// known or lies later, as clocks that are only coarse may have it.
uint64_t AgeOf(const reader::Process& process, uint64_t made_ns);

// "0x7f3a": handles are 64 bits, which numbers of JSON and of spreadsheets are not.
std::string HandleText(uint64_t handle);

// "libengine.so+0x1f3c", or the bare address if it lies in no known module. `address` is where a
// call returns to; what is told is the call's own place, so that it names the right line. Not
// Printable() yet.
std::string FrameText(const reader::Process& process, uint64_t address);

// Whether anything is known of single allocations.
bool HasDetail(const reader::Process& process);

// What to do if single allocations are not known, as a sentence: raise the level of a process that
// runs, by its number, or of the next run of one that has ended. `options`: of the command, each
// with a space before it.
std::string HowToRecord(const reader::Process& process, const std::string& options = {});

// The names of allocation and block flags (enum tessera_allocation_flag, tessera_block_flag).
std::vector<std::string> AllocationFlagNames(uint32_t flags);
std::vector<std::string> BlockFlagNames(uint32_t flags);

}  // namespace tessera::command
