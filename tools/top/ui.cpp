// SPDX-License-Identifier: Apache-2.0
//
// See ui.h.
#include "tools/top/ui.h"

#include <algorithm>
#include <iterator>

namespace tessera::top {
namespace {

void Move(Ui& ui, const Key& key, const Extent& extent) {
    const size_t last = extent.rows == 0 ? 0 : extent.rows - 1;
    const size_t page = std::max<size_t>(extent.page, 1);
    size_t& row = ui.row();
    row = std::min(row, last);
    switch (key.name) {
        case Key::kUp:
            row -= std::min<size_t>(row, 1);
            break;
        case Key::kDown:
            row = std::min(row + 1, last);
            break;
        case Key::kPageUp:
            row -= std::min(row, page);
            break;
        case Key::kPageDown:
            row = std::min(row + page, last);
            break;
        case Key::kHome:
            row = 0;
            break;
        case Key::kEnd:
            row = last;
            break;
        default:
            break;
    }
}

void Turn(Ui& ui, bool forward) {
    if (!ui.in_process || ui.opened) return;
    const size_t step = forward ? 1 : kPanes - 1;
    ui.pane = static_cast<Pane>((static_cast<size_t>(ui.pane) + step) % kPanes);
}

void Enter(Ui& ui, const Extent& extent) {
    if (ui.in_process) {
        ui.opened = ui.opened || extent.can_open;
    } else if (extent.selected_pid != 0) {
        ui.in_process = true;
        ui.pid = extent.selected_pid;
        ui.device = kNoDevice;
        ui.pane_row = {};
        ui.filter.clear();
    }
}

// One step back at a time; from the list nowhere.
void Leave(Ui& ui) {
    if (ui.help) {
        ui.help = false;
    } else if (ui.opened) {
        ui.opened = false;
    } else if (!ui.filter.empty()) {
        ui.filter.clear();
    } else if (ui.in_process && ui.can_leave) {
        ui.in_process = false;
    }
}

void Type(Ui& ui, const Key& key) {
    constexpr size_t kLongest = 60;
    if (key.name == Key::kEnter) {
        ui.typing = false;
    } else if (key.name == Key::kEscape) {
        ui.typing = false;
        ui.filter = ui.filter_before;
    } else if (key.name == Key::kBackspace) {
        if (!ui.filter.empty()) ui.filter.pop_back();
    } else if (key.name == Key::kCharacter && key.character >= ' ' && key.character <= '~' &&
               ui.filter.size() < kLongest) {
        ui.filter += key.character;
    }
    ui.row() = 0;
}

void Character(Ui& ui, char character, const Extent& extent) {
    switch (character) {
        case 'q':
            ui.quit = true;
            break;
        case 'h':
        case '?':
            ui.help = !ui.help;
            break;
        case 'p':
            ui.paused = !ui.paused;
            break;
        case '/':
            ui.typing = !ui.opened;
            ui.filter_before = ui.filter;
            break;
        case 's':
            if (const SortKeys keys = SortKeysOf(ui); keys.count != 0)
                ui.order().key = (ui.order().key + 1) % keys.count;
            break;
        case 'r':
            if (SortKeysOf(ui).count != 0) ui.order().reversed = !ui.order().reversed;
            break;
        case 'd':
            if (ui.in_process && extent.devices > 1 && !ui.opened)
                ui.device = (ui.device + 1) % extent.devices;
            break;
        case '\t':
            Turn(ui, true);
            break;
        default:
            break;
    }
}

template <size_t kCount>
SortKeys Of(const char* const (&names)[kCount]) {
    return {.names = names, .count = kCount};
}

}  // namespace

DeviceOrders Ui::device_orders() const {
    const auto of = [this](Pane which) { return pane_order[static_cast<size_t>(which)]; };
    return {.calls = of(Pane::kCalls),
            .blocks = of(Pane::kBlocks),
            .allocations = of(Pane::kAllocations),
            .stacks = of(Pane::kStacks)};
}

SortKeys SortKeysOf(const Ui& ui) {
    if (!ui.in_process) return Of(kListKeys);
    switch (ui.pane) {
        case Pane::kCalls:
            return Of(kCallKeys);
        case Pane::kBlocks:
            return Of(kBlockKeys);
        case Pane::kAllocations:
            return Of(kAllocationKeys);
        case Pane::kStacks:
            return Of(kStackKeys);
        case Pane::kTypes:
            break;
    }
    return {};
}

void Handle(Ui& ui, const Key& key, const Extent& extent) {
    if (ui.typing) return Type(ui, key);
    switch (key.name) {
        case Key::kCharacter:
            return Character(ui, key.character, extent);
        case Key::kEnter:
            return Enter(ui, extent);
        case Key::kEscape:
        case Key::kBackspace:
            return Leave(ui);
        case Key::kLeft:
        case Key::kRight:
            return Turn(ui, key.name == Key::kRight);
        default:
            return Move(ui, key, extent);
    }
}

}  // namespace tessera::top
