// SPDX-License-Identifier: Apache-2.0
//
// See fake_extents.h. Nothing is ever freed, as nothing in a segment moves.
#include "fake_extents.h"

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <tuple>

namespace tessera {
namespace test {
namespace {

struct State {
    // By kind, owner and first number.
    std::map<std::tuple<uint32_t, uint64_t, uint32_t>, Extent> extents;
    uint64_t room = kAmpleRoom;
    uint64_t asked = 0;
    std::function<void()> meanwhile;
};

std::mutex mutex;
State* state_of_process = nullptr;
State& TheState() {
    if (state_of_process == nullptr) state_of_process = new State;
    return *state_of_process;
}

}  // namespace

void SetRoom(uint64_t bytes) {
    const std::lock_guard lock(mutex);
    TheState().room = bytes;
}

uint64_t TimesAsked() {
    const std::lock_guard lock(mutex);
    return TheState().asked;
}

void SetMeanwhile(std::function<void()> meanwhile) {
    const std::lock_guard lock(mutex);
    TheState().meanwhile = std::move(meanwhile);
}

void Reload() {
    channel::ForgetTables();
}

void Renew() {
    const std::lock_guard lock(mutex);
    TheState().extents.clear();
    TheState().asked = 0;
    channel::ForgetTables();
}

void RenewInChild() {
    // A thread of the parent may have been in the middle of it.
    new (&mutex) std::mutex;
    state_of_process = new State;
    channel::ForgetTablesInChild();
}

std::vector<Extent> ExtentsOf(tessera_kind kind, uint64_t owner) {
    const std::lock_guard lock(mutex);
    std::vector<Extent> found;
    for (const auto& [key, extent] : TheState().extents)
        if (std::get<0>(key) == static_cast<uint32_t>(kind) && std::get<1>(key) == owner)
            found.push_back(extent);
    return found;
}

}  // namespace test

namespace channel {

void* AddExtent(tessera_kind kind, uint64_t owner, uint32_t first, uint64_t bytes) noexcept {
    std::function<void()> meanwhile;
    {
        const std::lock_guard lock(test::mutex);
        meanwhile = test::TheState().meanwhile;
    }
    if (meanwhile) meanwhile();
    const std::lock_guard lock(test::mutex);
    test::State& state = test::TheState();
    ++state.asked;
    const auto key = std::tuple(static_cast<uint32_t>(kind), owner, first);
    if (const auto found = state.extents.find(key); owner == 0 && found != state.extents.end())
        return found->second.bytes == bytes ? found->second.start : nullptr;
    if (bytes > state.room) return nullptr;
    if (state.room != test::kAmpleRoom) state.room -= bytes;
    void* const start = std::calloc(1, bytes);
    state.extents[key] = {first, start, bytes};
    return start;
}

}  // namespace channel
}  // namespace tessera
