// SPDX-License-Identifier: Apache-2.0
//
// See abi_from_c.h.
#include "abi_from_c.h"
#include "tessera/channel_abi.h"

uint32_t HistogramBucketInC(uint64_t ns) {
    return tessera_histogram_bucket(ns);
}
