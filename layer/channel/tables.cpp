// SPDX-License-Identifier: Apache-2.0
//
// See tables.h for the contract: of what is there, when records of the process have to be begun
// anew. AddExtent() belongs to the segment, and lies with it.
#include "channel/tables.h"

#include "channel/call_stacks.h"
#include "channel/threads.h"

namespace tessera::channel {

namespace tables_internal {
constinit std::atomic<uint32_t> generation = 1;
}  // namespace tables_internal

void ForgetTables() noexcept {
    std::atomic<uint32_t>& generation = tables_internal::generation;
    uint32_t next = generation.load(std::memory_order_relaxed) + 1;
    if (next == 0) next = 1;
    generation.store(next, std::memory_order_relaxed);
}

void ForgetTablesInChild() noexcept {
    ForgetTables();
    ForgetCallStacksInChild();
    ForgetThreadsInChild();
}

}  // namespace tessera::channel
