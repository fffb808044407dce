// SPDX-License-Identifier: Apache-2.0
//
// What the application may hear of a failure below, and what must be absorbed. This is the contract
// of the suite in one place; rules.cpp is the table.
//
// Threads: any; no state.
#ifndef TESSERA_TESTS_FAULTS_RULES_H_
#define TESSERA_TESTS_FAULTS_RULES_H_

#include <string>

#include "fault.h"

namespace tessera::faults {

// What kind of call the application made.
enum class Kind {
    kPlain,    // the layer hands the call down, translated or as it is
    kPooled,   // an allocation that the layer serves from a block
    kThrough,  // an allocation that goes to the driver as it is
    kLoader,   // the loader makes calls of its own meanwhile: instances, devices, enumerations
    // Allocations of both kinds where the driver's handles look like the layer's.
    kPooledAmongLookAlikes,
    kLookAlike,
};

enum class Verdict {
    kAbsorbed,          // the call must succeed
    kTold,              // the call must fail, with the driver's own error
    kToldAsDeviceFull,  // the call must fail with VK_ERROR_OUT_OF_DEVICE_MEMORY
    kToldIfNotRetried,  // the driver's own error, unless empty blocks went back and it was asked
                        // again
    kToldAsHostFull,    // the call may fail, with VK_ERROR_OUT_OF_HOST_MEMORY only
    kEither,            // success, or any error that the command may return
    kUnknown,  // no rule: the suite does not know this case, which is a failure of the test
};

// The verdict for a call of the application during which `fault` struck.
Verdict VerdictOf(const Fault& fault, const std::string& command, Kind kind);

}  // namespace tessera::faults

#endif  // TESSERA_TESTS_FAULTS_RULES_H_
