// SPDX-License-Identifier: Apache-2.0
//
// What freeing a memory has to know about mappings.
#ifndef TESSERA_TESTS_DRIVER_MAPPING_H
#define TESSERA_TESTS_DRIVER_MAPPING_H

#include "resources.h"

namespace tessera::mock {

// Ends a placed map, if there is one: its addresses become inaccessible if `reserve`, free for
// other use otherwise. Returns false if the system refuses; the map stays then. **Requires** the
// state mutex.
bool ReleasePlacedMap(Memory& memory, bool reserve);

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_MAPPING_H
