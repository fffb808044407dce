// SPDX-License-Identifier: Apache-2.0
//
// Sparse binding: ranges of buffers and opaque images, and blocks of images with residency. Each
// bind changes the page table of a Backing at once, in the order of the submission.
#ifndef TESSERA_TESTS_DRIVER_SPARSE_H
#define TESSERA_TESTS_DRIVER_SPARSE_H

#include "call.h"

namespace tessera::mock {

// Marks every memory that the structure names as used by this call; unknown ones are violations.
// Takes the state mutex.
void UseSparseMemories(Call& call, const VkBindSparseInfo& info);

// Checks and carries out all binds of the structure. A bind that reaches outside of its resource or
// its memory is reported and left out; any other is carried out. **Requires** the state mutex.
void BindSparseLocked(Call& call, const VkBindSparseInfo& info);

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_SPARSE_H
