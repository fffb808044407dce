// SPDX-License-Identifier: Apache-2.0
//
// See rules.h. Rows are tried from the top; "*" ends a name that only begins so.
#include "rules.h"

#include <cstring>
#include <iterator>

namespace tessera::faults {
namespace {

constexpr int kAnyKind = -1;
constexpr int kPooledOnly = static_cast<int>(Kind::kPooled);
constexpr int kPooledAmongLookAlikes = static_cast<int>(Kind::kPooledAmongLookAlikes);
constexpr int kThroughOnly = static_cast<int>(Kind::kThrough);
constexpr int kLookAlikeOnly = static_cast<int>(Kind::kLookAlike);

struct Row {
    const char* below;  // the command that failed
    const char* above;  // the application's call
    int kind;
    Verdict once;
    Verdict sticky;
};

// A failing driver.
constexpr Row kDriverRows[] = {
    // A refused block is followed by a smaller one, by what is idle, and by the exact request. If
    // all of them are refused, so is the application.
    {"vkAllocateMemory", "vkAllocateMemory", kPooledOnly, Verdict::kAbsorbed, Verdict::kTold},
    {"vkAllocateMemory", "vkAllocateMemory", kPooledAmongLookAlikes, Verdict::kAbsorbed,
     Verdict::kTold},
    // The exact request has one more try if something is idle.
    {"vkAllocateMemory", "vkAllocateMemory", kThroughOnly, Verdict::kToldIfNotRetried,
     Verdict::kTold},
    {"vkAllocateMemory", "vkAllocateMemory", kLookAlikeOnly, Verdict::kToldIfNotRetried,
     Verdict::kTold},
    // A slot that moves at its first bind may need a block. There is no exact request to fall back
    // on, as the handle is out already; a smaller block there is.
    {"vkAllocateMemory", "vkBind*", kAnyKind, Verdict::kAbsorbed, Verdict::kToldAsDeviceFull},
    {"vkAllocateMemory", "vkQueueBindSparse", kAnyKind, Verdict::kAbsorbed,
     Verdict::kToldAsDeviceFull},
    // A block that cannot be mapped serves nobody: the allocation goes through.
    {"vkMapMemory", "vkAllocateMemory", kAnyKind, Verdict::kAbsorbed, Verdict::kAbsorbed},
    {"vkMapMemory", "vkBind*", kAnyKind, Verdict::kToldAsDeviceFull, Verdict::kToldAsDeviceFull},
    // What the layer asks when it first pools.
    {"vkGetPhysicalDeviceImageFormatProperties", "vkAllocateMemory", kAnyKind, Verdict::kAbsorbed,
     Verdict::kAbsorbed},
    {"vkCreateBuffer", "vkAllocateMemory", kAnyKind, Verdict::kAbsorbed, Verdict::kAbsorbed},
    {"vkCreateImage", "vkAllocateMemory", kAnyKind, Verdict::kAbsorbed, Verdict::kAbsorbed},
    // Clearing what is given out again is a favour to applications that lean on more than Vulkan
    // says.
    {"vkFlushMappedMemoryRanges", "vkAllocateMemory", kAnyKind, Verdict::kAbsorbed,
     Verdict::kAbsorbed},
    // What was mapped and is not coherent is flushed when it is freed.
    {"vkFlushMappedMemoryRanges", "vkFreeMemory", kAnyKind, Verdict::kAbsorbed, Verdict::kAbsorbed},
};

// No host memory for the layer. Allocations, maps, queries and everything that returns nothing go
// on; where a list has to be copied or kept, the application is told.
constexpr Row kHostRows[] = {
    // A handle that looks like the layer's own, and cannot be remembered, cannot be handed out.
    {"", "vkAllocateMemory", kLookAlikeOnly, Verdict::kToldAsHostFull, Verdict::kToldAsHostFull},
    {"", "vkAllocateMemory", kPooledAmongLookAlikes, Verdict::kToldAsHostFull,
     Verdict::kToldAsHostFull},
    {"", "vkAllocateMemory", kAnyKind, Verdict::kAbsorbed, Verdict::kAbsorbed},
    {"", "vkMapMemory*", kAnyKind, Verdict::kAbsorbed, Verdict::kAbsorbed},
    {"", "vkUnmapMemory*", kAnyKind, Verdict::kAbsorbed, Verdict::kAbsorbed},
    {"", "vkCreateImage", kAnyKind, Verdict::kAbsorbed, Verdict::kAbsorbed},
    {"", "vkCreateBuffer", kAnyKind, Verdict::kAbsorbed, Verdict::kAbsorbed},
    {"", "vkFree*", kAnyKind, Verdict::kAbsorbed, Verdict::kAbsorbed},
    {"", "vkDestroy*", kAnyKind, Verdict::kAbsorbed, Verdict::kAbsorbed},
    {"", "vkGetPhysicalDeviceToolProperties", kAnyKind, Verdict::kToldAsHostFull,
     Verdict::kToldAsHostFull},
    {"", "vkGet*", kAnyKind, Verdict::kAbsorbed, Verdict::kAbsorbed},
    {"", "vkEnumerate*", kAnyKind, Verdict::kAbsorbed, Verdict::kAbsorbed},
    {"", "*", kAnyKind, Verdict::kToldAsHostFull, Verdict::kToldAsHostFull},
};

bool Matches(const char* pattern, const std::string& name) {
    const size_t length = std::strlen(pattern);
    if (length == 0) return true;
    if (pattern[length - 1] == '*') return name.compare(0, length - 1, pattern, length - 1) == 0;
    return name == pattern;
}

template <size_t kCount>
const Row* FindRow(const Row (&rows)[kCount], const Fault& fault, const std::string& command,
                   Kind kind) {
    for (const Row& row : rows) {
        if (!Matches(row.below, fault.function) || !Matches(row.above, command)) continue;
        if (row.kind == kAnyKind || row.kind == static_cast<int>(kind)) return &row;
    }
    return nullptr;
}

}  // namespace

Verdict VerdictOf(const Fault& fault, const std::string& command, Kind kind) {
    // Statistics that cannot be published are nobody's concern but the reader's.
    if (fault.source == Source::kSystem) return Verdict::kAbsorbed;
    if (fault.source == Source::kHostMemory) {
        const Row* row = FindRow(kHostRows, fault, command, kind);
        return row == nullptr ? Verdict::kUnknown : fault.sticky ? row->sticky : row->once;
    }
    // What the loader itself asks is told as the loader sees fit. The campaign compares with what
    // is told without the layer.
    if (kind == Kind::kLoader) return Verdict::kEither;
    if (const Row* row = FindRow(kDriverRows, fault, command, kind)) {
        return fault.sticky ? row->sticky : row->once;
    }
    // A command that the layer hands down: what the driver says is what the application hears.
    return fault.function == command ? Verdict::kTold : Verdict::kUnknown;
}

}  // namespace tessera::faults
