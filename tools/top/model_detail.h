// SPDX-License-Identifier: Apache-2.0
//
// The part of the model that looks at single allocations; for model.cpp alone.
//
// Threads: pure functions.
#pragma once

#include <string>

#include "tools/top/model.h"

namespace tessera::top {

// Whether `text` contains `filter`, whatever the case of ASCII letters; an empty one always does.
bool Matches(const std::string& text, const std::string& filter);

// Adds blocks, allocations and stacks to a view of the device.
void AddDetail(DeviceView& view, const reader::Process& process, const reader::Device& device,
               const DeviceOrders& orders, const std::string& filter, const StackLines& lines);

}  // namespace tessera::top
