// SPDX-License-Identifier: Apache-2.0
//
// See symbol_sample.cpp.
#pragma once

// Calls `callback` through three functions, of which one is inlined.
extern "C" void SampleCall(void (*callback)(void*), void* data);
