// SPDX-License-Identifier: Apache-2.0
//
// What the user of `tessera top` has chosen, and what keys do to it.
//
// Threads: plain values and pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "tools/top/model.h"

namespace tessera::top {

enum class Pane { kTypes, kCalls, kBlocks, kAllocations, kStacks };
inline constexpr size_t kPanes = 5;
inline constexpr std::array<const char*, kPanes> kPaneNames = {"types", "calls", "blocks",
                                                               "allocations", "stacks"};

// A key. Characters stand for themselves.
struct Key {
    enum Name {
        kCharacter,
        kUp,
        kDown,
        kLeft,
        kRight,
        kPageUp,
        kPageDown,
        kHome,
        kEnd,
        kEnter,
        kEscape,
        kBackspace,
    };
    Name name = kCharacter;
    char character = 0;
};

// How many rows there are to choose from, how many of them fit, and which are chosen: what keys
// need to know of what was drawn last.
struct Extent {
    size_t rows = 0;
    size_t page = 10;
    size_t devices = 1;
    uint64_t selected_pid = 0;  // in the list
    bool can_open = false;      // enter leads somewhere
};

// None was chosen yet: DefaultDevice() is.
inline constexpr size_t kNoDevice = ~size_t{0};

struct Ui {
    bool quit = false;
    bool help = false;
    bool paused = false;
    bool typing = false;  // the filter is being typed
    std::string filter;
    std::string filter_before;  // what escape brings back

    bool in_process = false;
    bool can_leave = true;      // there is a list to go back to
    uint64_t pid = 0;           // of the process that is shown
    size_t device = kNoDevice;  // index
    Pane pane = Pane::kTypes;
    bool opened = false;  // the selected row is shown by itself

    size_t list_row = 0;
    Order list_order;
    std::array<size_t, kPanes> pane_row = {};
    std::array<Order, kPanes> pane_order = {};

    size_t& row() { return in_process ? pane_row[static_cast<size_t>(pane)] : list_row; }
    Order& order() { return in_process ? pane_order[static_cast<size_t>(pane)] : list_order; }
    DeviceOrders device_orders() const;
};

// The keys by which the rows that are shown can be sorted; empty if they cannot.
struct SortKeys {
    const char* const* names = nullptr;
    size_t count = 0;
};
SortKeys SortKeysOf(const Ui& ui);

void Handle(Ui& ui, const Key& key, const Extent& extent);

}  // namespace tessera::top
