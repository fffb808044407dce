// SPDX-License-Identifier: Apache-2.0
//
// See run.h.
#include "run.h"

#include <algorithm>
#include <exception>
#include <thread>

namespace tessera::fuzz {
namespace {

Statistics RunOne(Gpu& gpu, const Program& program, uint64_t seed) {
    Machine machine(gpu, seed);
    for (const Op& op : program)
        machine.Run(op);
    machine.Clear();
    return machine.statistics();
}

}  // namespace

Statistics RunPrograms(const std::string& description, const std::vector<Program>& programs,
                       uint64_t seed) {
    Gpu gpu(description);
    Statistics total;
    if (programs.size() == 1) {
        total = RunOne(gpu, programs[0], seed);
    } else {
        std::vector<Statistics> each(programs.size());
        std::exception_ptr found;
        std::mutex mutex;
        std::vector<std::thread> threads;
        for (size_t i = 0; i < programs.size(); ++i) {
            threads.emplace_back([&, i] {
                try {
                    each[i] = RunOne(gpu, programs[i], seed + i);
                } catch (...) {
                    const std::lock_guard lock(mutex);
                    if (found == nullptr) found = std::current_exception();
                }
            });
        }
        for (std::thread& thread : threads)
            thread.join();
        if (found != nullptr) std::rethrow_exception(found);
        for (const Statistics& statistics : each)
            total.Add(statistics);
    }
    gpu.Close();
    return total;
}

Program Minimise(Program program, const std::function<bool(const Program&)>& fails) {
    for (size_t piece = std::max<size_t>(program.size() / 2, 1);; piece /= 2) {
        for (size_t begin = 0; begin < program.size();) {
            Program less(program.begin(), program.begin() + static_cast<long>(begin));
            const size_t end = std::min(begin + piece, program.size());
            less.insert(less.end(), program.begin() + static_cast<long>(end), program.end());
            if (fails(less)) {
                program = std::move(less);
            } else {
                begin = end;
            }
        }
        if (piece == 1) return program;
    }
}

}  // namespace tessera::fuzz
