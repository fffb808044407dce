// SPDX-License-Identifier: Apache-2.0
//
// Memory that comes along in a chain, with structures of other platforms or of extensions that this
// driver does not have. It makes nothing of them and looks at the handles, which is where a layer's
// own would show.
//
// Threads: as Call.
#ifndef TESSERA_TESTS_DRIVER_FOREIGN_H
#define TESSERA_TESTS_DRIVER_FOREIGN_H

#include "call.h"

namespace tessera::mock {

// Looks at the memory that the structures of a chain name: of a submission (keyed mutexes) and of
// what a command buffer inherits (tile memory). Takes the state mutex.
void LookAtChain(Call& call, const void* chain);

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_FOREIGN_H
