// SPDX-License-Identifier: Apache-2.0
//
// What a C compiler makes of the channel's ABI, for comparison with C++.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct AbiFromC {
    size_t header_bytes;
    size_t record_bytes;
    size_t totals_offset;
    size_t calls_offset;
    size_t driver_calls_offset;
    size_t process_offset;
    uint32_t reason_count;
    uint32_t call_count;
};

struct AbiFromC DescribeAbiInC(void);

// From another translation unit, which includes the ABI's header too.
uint32_t HistogramBucketInC(uint64_t ns);

#ifdef __cplusplus
}
#endif
