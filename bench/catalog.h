// SPDX-License-Identifier: Apache-2.0
//
// The scenarios by name, with the numbers of live allocations and threads that they have when
// nobody asks for others.
//
// Threads: plain data and pure functions.

#ifndef TESSERA_BENCH_CATALOG_H_
#define TESSERA_BENCH_CATALOG_H_

#include <span>
#include <string>
#include <vector>

#include "field.h"
#include "scenario.h"

namespace bench {

struct Entry {
    const char* name;
    const char* text;
    std::vector<uint32_t> live;     // of each thread; one run each
    std::vector<uint32_t> threads;  // one run each
    // Runs one of them and returns what came of it.
    std::vector<Outcome> (*run)(const Scenario&, const Settings&);
    Shape shape = Shape::kSteady;
    Mix mix = Mix::kLog;
    bool sparse = false;
    uint32_t unit = 1;
    bool announce = true;
};

// All of them, in the order of the tables.
std::span<const Entry> Catalog();

// Throws std::runtime_error when there is none of that name.
const Entry& Find(const std::string& name);

}  // namespace bench

#endif  // TESSERA_BENCH_CATALOG_H_
