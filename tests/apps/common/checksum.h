// SPDX-License-Identifier: Apache-2.0
//
// The hash by which tests compare pictures and contents: two runs agree if one line agrees.
//
// FNV-1a, 64 bits: fixed down to the bit on any machine, and no defence against forgery. A value,
// without shared state.
#ifndef TESSERA_TESTS_APPS_COMMON_CHECKSUM_H_
#define TESSERA_TESTS_APPS_COMMON_CHECKSUM_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace apps {

/// FNV-1a over everything added to it, 64 bits. Order matters.
class Checksum {
 public:
    void Add(std::span<const std::byte> bytes) {
        for (const std::byte byte : bytes) {
            value_ = (value_ ^ static_cast<uint64_t>(byte)) * 0x100000001B3u;
        }
    }

    uint64_t value() const { return value_; }

 private:
    uint64_t value_ = 0xCBF29CE484222325u;
};

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_COMMON_CHECKSUM_H_
