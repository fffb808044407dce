// SPDX-License-Identifier: Apache-2.0
//
// The files that code in call stacks lies in, for whoever wants to know what an address means.
//
// Threads: externally synchronised, by the lock of the call stacks; the channel's mutex is taken
// when the table grows. Nothing here allocates or throws.
//
// The one idea: the dynamic linker is asked about addresses of this thread's own stack, by
// _dl_find_object(), which takes no lock. dl_iterate_phdr() would take one that, in a forked child,
// a thread of the parent may hold for ever; and what is on the stack cannot be unloaded meanwhile.
#pragma once

#include <cstdint>
#include <span>

#include "channel/tables.h"

namespace tessera::channel {

// Records the files that the addresses lie in, unless they have a record. What was unloaded keeps
// its record until another file takes its addresses, since other stacks may lead there.
// Requires: the addresses are of code that the calling thread will return to.
void NoteModulesOf(std::span<const uint64_t> addresses) noexcept;

}  // namespace tessera::channel
