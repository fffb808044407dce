// SPDX-License-Identifier: Apache-2.0
//
// See call_stacks.h for the contract. From a stack to its number leads a table of our own, as
// nobody else can write to it, whose entries hold a part of the stack's hash and the number: two
// stacks are taken for one with a chance of less than 2^-60 for each pair.
#include "channel/call_stacks.h"

#include <unwind.h>

#include <atomic>
#include <new>

#include "base/mutex.h"
#include "channel/modules.h"
#include "channel/record_table.h"
#include "channel/unwind_end.h"

// Where this library begins and ends: the linker's names.
extern "C" {
extern const char __ehdr_start __attribute__((visibility("hidden")));  // NOLINT
extern const char _end __attribute__((visibility("hidden")));          // NOLINT
}

namespace tessera::channel {
namespace {

using StackTable = RecordTable<tessera_stack_record, TESSERA_KIND_STACKS, 256, kMaxStacks>;

// Twice as many entries as there are stacks, so that a search is short.
constexpr uint32_t kEntries = 2 * kMaxStacks;
constexpr uint64_t kNumberMask = 0xFFFF;
static_assert(kMaxStacks - 1 <= kNumberMask);

// A megabyte of zeroes, of which a page is taken when it is written to.
constinit std::atomic<uint64_t> g_entries[kEntries];
// TableGeneration() of what the entries say; 0: they say nothing.
constinit std::atomic<uint32_t> g_ready = 0;

struct State {
    uint32_t next = 1;  // the first number that was never used
    StackTable table;
};

constinit Mutex g_mutex;
constinit State g_state ABSL_GUARDED_BY(g_mutex);

// Code of the application's that runs inside of a capture must not start another one.
thread_local constinit bool capturing = false;

class CaptureGuard {
 public:
    CaptureGuard() noexcept : entered_(!capturing) { capturing = true; }
    ~CaptureGuard() {
        if (entered_) capturing = false;
    }
    CaptureGuard(const CaptureGuard&) = delete;
    CaptureGuard& operator=(const CaptureGuard&) = delete;
    bool entered() const noexcept { return entered_; }

 private:
    const bool entered_;
};

struct Walk {
    uintptr_t own_start;
    uintptr_t own_end;
    uint32_t skipped = 0;
    tessera_stack_record stack = {};
};

// Of the layer's own frames so many are passed at most.
constexpr uint32_t kMaxSkipped = 32;

_Unwind_Reason_Code NoteFrame(_Unwind_Context* context, void* argument) noexcept {
    Walk& walk = *static_cast<Walk*>(argument);
    const uintptr_t address = _Unwind_GetIP(context);
    if (address == 0) return _URC_END_OF_STACK;
    const bool own = address >= walk.own_start && address < walk.own_end;
    if (own && walk.stack.depth == 0)
        return ++walk.skipped < kMaxSkipped ? _URC_NO_REASON : _URC_END_OF_STACK;
    walk.stack.addresses[walk.stack.depth++] = address;
    return walk.stack.depth < TESSERA_MAX_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

uint64_t HashOf(const tessera_stack_record& stack) noexcept {
    uint64_t hash = stack.depth;
    for (uint64_t i = 0; i < stack.depth; ++i) {
        hash = (hash ^ stack.addresses[i]) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    hash *= 0xBF58476D1CE4E5B9u;
    return hash ^ hash >> 32;
}

// Returns: the number of the stack with this hash; 0 if none has it. In `entry`: where it is, or
// would have to be.
uint32_t Find(uint64_t hash, uint32_t& entry) noexcept {
    for (entry = static_cast<uint32_t>(hash % kEntries);; entry = (entry + 1) % kEntries) {
        const uint64_t found = g_entries[entry].load(std::memory_order_acquire);
        if (found == 0) return 0;
        if ((found & ~kNumberMask) == (hash & ~kNumberMask))
            return static_cast<uint32_t>(found & kNumberMask);
    }
}

void Enter(uint64_t hash, uint32_t number) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mutex) {
    uint32_t entry = 0;
    if (Find(hash, entry) == 0)
        g_entries[entry].store((hash & ~kNumberMask) | number, std::memory_order_release);
}

// Enters what an earlier load of the layer left, up to the first record that is not in use.
void EnterUsed() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mutex) {
    for (; g_state.next < g_state.table.capacity(); ++g_state.next) {
        const tessera_stack_record stack = Copy(g_state.table.At(g_state.next));
        if (stack.depth == 0) return;
        if (stack.depth <= TESSERA_MAX_FRAMES) Enter(HashOf(stack), g_state.next);
    }
}

// The segment is another one than the entries tell of.
void Restart() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mutex) {
    const uint32_t generation = TableGeneration();
    const uint32_t ready = g_ready.load(std::memory_order_relaxed);
    if (ready == generation) return;
    if (ready != 0) {
        for (std::atomic<uint64_t>& entry : g_entries)
            entry.store(0, std::memory_order_relaxed);
    }
    g_state = State();
    g_ready.store(generation, std::memory_order_release);
}

// Returns: the number of a stack that was not known; 0 if there is no room for it.
uint32_t Add(const tessera_stack_record& stack, uint64_t hash) noexcept {
    const MutexLock lock(g_mutex);
    Restart();
    for (;;) {
        EnterUsed();
        uint32_t entry = 0;
        if (const uint32_t known = Find(hash, entry); known != 0) return known;
        if (g_state.next < g_state.table.capacity()) break;
        if (!g_state.table.Grow(/*owner=*/0)) return 0;
    }
    NoteModulesOf({stack.addresses, stack.depth});
    WriteRecord(g_state.table.At(g_state.next), stack);
    Enter(hash, g_state.next);
    return g_state.next++;
}

}  // namespace

uint16_t CaptureCallStackOutside(uintptr_t start, uintptr_t end) noexcept {
    const CaptureGuard guard;
    if (!guard.entered()) return 0;
    Walk walk{.own_start = start, .own_end = end};
    {
        const EndsAtUnknownCode ends;
        _Unwind_Backtrace(NoteFrame, &walk);
    }
    if (walk.stack.depth == 0) return 0;
    const uint64_t hash = HashOf(walk.stack);
    uint32_t number = 0;
    uint32_t entry = 0;
    if (g_ready.load(std::memory_order_acquire) == TableGeneration()) number = Find(hash, entry);
    if (number != 0) return static_cast<uint16_t>(number);
    return static_cast<uint16_t>(Add(walk.stack, hash));
}

uint16_t CaptureCallStack() noexcept {
    return CaptureCallStackOutside(reinterpret_cast<uintptr_t>(&__ehdr_start),
                                   reinterpret_cast<uintptr_t>(&_end));
}

void ForgetCallStacksInChild() noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    // It may be held by a thread of the parent that does not exist here.
    new (&g_mutex) Mutex();
    // The forking thread may have been on its way.
    capturing = false;
}

}  // namespace tessera::channel
