// SPDX-License-Identifier: Apache-2.0
//
// See abi_from_c.h.
#include "abi_from_c.h"

#include "tessera/channel_abi.h"

struct AbiFromC DescribeAbiInC(void) {
    struct AbiFromC abi;
    abi.header_bytes = sizeof(struct tessera_channel_header);
    abi.record_bytes = sizeof(struct tessera_device_record);
    abi.totals_offset = offsetof(struct tessera_device_record, totals);
    abi.calls_offset = offsetof(struct tessera_device_record, calls);
    abi.driver_calls_offset = offsetof(struct tessera_device_record, driver_calls);
    abi.process_offset = offsetof(struct tessera_channel_header, process);
    abi.reason_count = TESSERA_REASON_COUNT;
    abi.call_count = TESSERA_CALL_COUNT;
    return abi;
}
