// SPDX-License-Identifier: Apache-2.0
//
// The pictures of `tessera top`: the list of processes, one device of one process, an allocation or
// a call stack by itself, and help.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "tools/top/model.h"
#include "tools/top/screen.h"
#include "tools/top/ui.h"

namespace tessera::top {

// Each fills `extent` with what keys need to know. The screen has at most size.rows lines, none
// wider than size.columns.
Screen DrawList(const std::vector<ProcessRow>& rows, const Ui& ui, Size size, const Glyphs& glyphs,
                Extent& extent);

// `process` has the device's detail; `view` was made from it.
Screen DrawProcess(const reader::Process& process, const DeviceView& view, const Ui& ui, Size size,
                   const Glyphs& glyphs, const StackLines& lines, Extent& extent);

Screen DrawHelp(Size size, const Glyphs& glyphs);

// A bar of `width` columns: `mine` and what else is `used`, of `limit`.
Line Bar(uint64_t mine, uint64_t used, uint64_t limit, size_t width, const Glyphs& glyphs);

// "1,204", "12.5", "-" if nothing is known.
std::string RateText(bool known, double per_second);

}  // namespace tessera::top
