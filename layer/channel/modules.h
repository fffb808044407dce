// SPDX-License-Identifier: Apache-2.0
//
// The files that are loaded in this process, for whoever wants to know what an address means.
//
// Threads: any; one mutex, which is taken with the dynamic linker's held, never the other way
// round, and held while the channel's is taken. Nothing here allocates or throws.
#pragma once

#include "channel/tables.h"

namespace tessera::channel {

// Records the files that are loaded and have no record yet. Costs a call of dl_iterate_phdr() if
// nothing was loaded since the last time. What was unloaded keeps its record until another file
// takes its addresses, since call stacks may lead there.
void NoteModules() noexcept;

// For ForgetTablesInChild(): the lock is new.
void ForgetModulesInChild() noexcept;

}  // namespace tessera::channel
