// SPDX-License-Identifier: Apache-2.0
//
// See threads.h for the contract. Registering is rare; it looks through the whole table for a
// record that the thread left in an earlier load of the layer.
#include "channel/threads.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <new>

#include "base/mutex.h"
#include "channel/record_table.h"

namespace tessera::channel {

namespace threads_internal {
thread_local constinit Local local = {};
}  // namespace threads_internal

namespace {

// The first extent is a page.
using ThreadTable = RecordTable<tessera_thread_record, TESSERA_KIND_THREADS, 128, kMaxThreads>;

struct State {
    uint32_t generation = 0;  // TableGeneration() when it was begun
    uint32_t next = 1;        // the first number that was never used
    ThreadTable table;
};

constinit Mutex g_mutex;
constinit State g_state ABSL_GUARDED_BY(g_mutex);

tessera_thread_record DescribeSelf() noexcept {
    tessera_thread_record self = {};
    self.tid = static_cast<uint64_t>(syscall(SYS_gettid));
    static_assert(sizeof(self.name) >= 16, "what the kernel writes");
    prctl(PR_GET_NAME, self.name);
    return self;
}

bool IsSame(const tessera_thread_record& a, const tessera_thread_record& b) noexcept {
    return a.tid == b.tid && std::memcmp(a.name, b.name, sizeof(a.name)) == 0;
}

// Passes records that an earlier load of the layer left. Returns: the number of the record that is
// `self`; 0 if there is none.
uint32_t PassUsed(const tessera_thread_record& self) noexcept
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mutex) {
    for (; g_state.next < g_state.table.capacity(); ++g_state.next)
        if (Load(g_state.table.At(g_state.next).tid) == 0) break;
    for (uint32_t number = 1; number < g_state.next; ++number)
        if (IsSame(Copy(g_state.table.At(number)), self)) return number;
    return 0;
}

uint32_t FindOrAdd(const tessera_thread_record& self) noexcept
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mutex) {
    if (g_state.generation != TableGeneration()) {
        g_state = State();
        g_state.generation = TableGeneration();
    }
    for (;;) {
        if (const uint32_t found = PassUsed(self); found != 0) return found;
        if (g_state.next < g_state.table.capacity()) break;
        if (!g_state.table.Grow(/*owner=*/0)) return 0;
    }
    WriteRecord(g_state.table.At(g_state.next), self);
    return g_state.next++;
}

}  // namespace

uint16_t threads_internal::Register(Local& own) noexcept {
    const tessera_thread_record self = DescribeSelf();
    const MutexLock lock(g_mutex);
    const uint32_t number = FindOrAdd(self);
    own.mark = uint64_t{g_state.generation} << 16 | number;
    return static_cast<uint16_t>(number);
}

void ForgetThreadsInChild() noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    // It may be held by a thread of the parent that does not exist here.
    new (&g_mutex) Mutex();
}

}  // namespace tessera::channel
