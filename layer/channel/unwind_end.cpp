// SPDX-License-Identifier: Apache-2.0
//
// See unwind_end.h. The table that says that nothing called it is that of a function which the
// assembler makes; it is never called.
#include "channel/unwind_end.h"

namespace tessera::channel {
namespace {

// Threads may walk for other reasons: an exception of this library's.
thread_local constinit bool ends_at_unknown_code = false;

}  // namespace

EndsAtUnknownCode::EndsAtUnknownCode() noexcept {
    ends_at_unknown_code = true;
}
EndsAtUnknownCode::~EndsAtUnknownCode() {
    ends_at_unknown_code = false;
}

}  // namespace tessera::channel

#if defined(__x86_64__)
#define TESSERA_RETURN_ADDRESS "16"
#elif defined(__aarch64__)
#define TESSERA_RETURN_ADDRESS "30"
#endif

#ifdef TESSERA_RETURN_ADDRESS
__asm__(
    ".pushsection .text\n"
    ".hidden tessera_called_by_nobody\n"
    ".globl tessera_called_by_nobody\n"
    ".type tessera_called_by_nobody, %function\n"
    "tessera_called_by_nobody:\n"
    ".cfi_startproc\n"
    ".cfi_undefined " TESSERA_RETURN_ADDRESS
    "\n"
    "nop\n"
    ".cfi_endproc\n"
    ".size tessera_called_by_nobody, .-tessera_called_by_nobody\n"
    ".popsection\n");
extern "C" char tessera_called_by_nobody;
#endif

// Of libgcc, the same in all its versions.
struct dwarf_eh_bases {
    void* tbase;
    void* dbase;
    void* func;
};

extern "C" {
const void* __real__Unwind_Find_FDE(void* address, dwarf_eh_bases* bases);  // NOLINT

__attribute__((visibility("hidden"))) const void* __wrap__Unwind_Find_FDE(  // NOLINT
    void* address, dwarf_eh_bases* bases) {
    const void* table = __real__Unwind_Find_FDE(address, bases);
#ifdef TESSERA_RETURN_ADDRESS
    if (table == nullptr && tessera::channel::ends_at_unknown_code) {
        table = __real__Unwind_Find_FDE(&tessera_called_by_nobody, bases);
        // Of a table counts what it says of the code up to the address. All of it is to.
        bases->func = nullptr;
    }
#endif
    return table;
}
}
