// SPDX-License-Identifier: Apache-2.0
//
// The statistics that the layer in this process publishes, read in place. The reader of the tool
// copies a segment record by record, which is right for a stranger and too slow for thousands of
// looks; here nobody writes meanwhile.
//
// Threads: one, while no other uses the layer.
#ifndef TESSERA_TESTS_FAULTS_OWN_CHANNEL_H_
#define TESSERA_TESTS_FAULTS_OWN_CHANNEL_H_

#include <cstddef>

#include "tessera/channel_abi.h"

namespace tessera::faults {

// The segment of this process, mapped for reading.
class OwnChannel {
 public:
    OwnChannel();
    ~OwnChannel();
    OwnChannel(const OwnChannel&) = delete;
    OwnChannel& operator=(const OwnChannel&) = delete;

    // The live device that is the nth in the order of creation, or null. Lives as long as this.
    const tessera_device_record* LiveDevice(size_t nth) const;

 private:
    void* start_ = nullptr;
    size_t bytes_ = 0;
};

}  // namespace tessera::faults

#endif  // TESSERA_TESTS_FAULTS_OWN_CHANNEL_H_
