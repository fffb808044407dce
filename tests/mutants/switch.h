// SPDX-License-Identifier: Apache-2.0
//
// What the woven sources of the layer see: which fault is switched on. Every woven source gets this
// file by -include, so that its lines keep their numbers.
//
// Threads: the choice is made once, when it is first asked for, and is the same for all.

#ifndef TESSERA_TESTS_MUTANTS_SWITCH_H_
#define TESSERA_TESTS_MUTANTS_SWITCH_H_

namespace tessera::mutants {

// The number of the fault that the variable TESSERA_TEST_MUTANT names, counted from 1 in the order
// of mutants.toml; 0 if there is no such variable. An unknown name is told on stderr and switches
// nothing on, so that a test which should fail passes.
int Chosen() noexcept;

// A place where a fault keeps what one call has seen for a later one.
inline const void* note = nullptr;

}  // namespace tessera::mutants

#define TESSERA_MUTANT(number) (::tessera::mutants::Chosen() == (number))

#endif  // TESSERA_TESTS_MUTANTS_SWITCH_H_
