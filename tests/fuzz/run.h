// SPDX-License-Identifier: Apache-2.0
//
// Runs programs on one or several threads, and looks for the smallest part of one that still fails.
//
// Threads: one caller.
#ifndef TESSERA_TESTS_FUZZ_RUN_H
#define TESSERA_TESTS_FUZZ_RUN_H

#include <functional>
#include <string>

#include "machine.h"
#include "program.h"

namespace tessera::fuzz {

// Runs one program for each thread on one new device, then destroys everything. Throws Finding.
Statistics RunPrograms(const std::string& description, const std::vector<Program>& programs,
                       uint64_t seed);

// Removes operations for as long as `fails` says that what is left still fails (delta debugging).
Program Minimise(Program program, const std::function<bool(const Program&)>& fails);

}  // namespace tessera::fuzz

#endif  // TESSERA_TESTS_FUZZ_RUN_H
