// SPDX-License-Identifier: Apache-2.0
//
// Where a walk along a stack ends: at code that has no unwind table.
//
// The one idea: libgcc's unwinder, where it finds no table for an address, reads the bytes there,
// since they might be a signal's return. But what a stack says its first function returns to may be
// no address at all: those who make stacks by hand (fibres, coroutines) put there what they like,
// and a read would end the application. So the look-up of tables is wrapped by the linker
// (--wrap=_Unwind_Find_FDE), and for the walks of this library answers with a table that says that
// nothing called such code. C libraries' own returns from signals have tables.
//
// Threads: any; what is set is the calling thread's. Nothing here allocates or throws. Where the
// unwinder is a shared library, whose calls within no linker wraps, walks end as they always did.
#pragma once

namespace tessera::channel {

// While one lives, walks of the calling thread end at code without a table.
class EndsAtUnknownCode {
 public:
    EndsAtUnknownCode() noexcept;
    ~EndsAtUnknownCode();
    EndsAtUnknownCode(const EndsAtUnknownCode&) = delete;
    EndsAtUnknownCode& operator=(const EndsAtUnknownCode&) = delete;
};

}  // namespace tessera::channel
