// SPDX-License-Identifier: Apache-2.0
//
// The record of what the driver was told that breaks the specification. A violation is one line of
// text: "vkCommand: sentence (VUID)". It is kept, counted, printed on stderr and, when
// TESSERA_MOCK_LOG names a file, appended to that file, so that a test can judge a program that ran
// in another process. Recording never changes what the command does next: each command carries on
// as robustly as it can, since a crash would hide the message.
//
// Threads: any; one mutex inside, taken last of all (see registry.h).
#ifndef TESSERA_TESTS_DRIVER_VIOLATIONS_H
#define TESSERA_TESTS_DRIVER_VIOLATIONS_H

#include <cstdint>
#include <string>

namespace tessera::mock {

// Records one violation. `vuid` may be empty where the rule has no identifier.
void RecordViolation(const std::string& command, const std::string& vuid,
                     const std::string& sentence);

// Returns how many were recorded since the start or the last ClearViolations().
uint64_t ViolationCount();

// Returns the text of one, or an empty string: only the first 4,096 texts are kept.
std::string ViolationText(uint64_t index);

// Forgets all. The log file is left as it is.
void ClearViolations();

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_VIOLATIONS_H
