// SPDX-License-Identifier: Apache-2.0
//
// See own_channel.h. The reader finds the file, once; it stays the same one for the process.
#include "own_channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tessera/reader.h"

namespace tessera::faults {
namespace {

int OpenOwn() {
    static std::string path;
    for (int i = 0; i < 2; ++i) {
        const int file = path.empty() ? -1 : open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (file >= 0) return file;
        path = reader::ReadProcess(static_cast<uint64_t>(getpid())).value.path;
    }
    return -1;
}

}  // namespace

OwnChannel::OwnChannel() {
    const int file = OpenOwn();
    struct stat status = {};
    if (file < 0 || fstat(file, &status) != 0) return;
    bytes_ = static_cast<size_t>(status.st_size);
    start_ = mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, file, 0);
    if (start_ == MAP_FAILED) start_ = nullptr;
    close(file);
}

OwnChannel::~OwnChannel() {
    if (start_ != nullptr) munmap(start_, bytes_);
}

const tessera_device_record* OwnChannel::LiveDevice(size_t nth) const {
    if (start_ == nullptr) return nullptr;
    const auto* header = static_cast<const tessera_channel_header*>(start_);
    std::vector<const tessera_device_record*> live;
    for (uint64_t i = 0; i < header->extent_count; ++i) {
        const tessera_extent& extent = header->extents[i];
        if (extent.kind != TESSERA_KIND_DEVICE || extent.bytes == 0 ||
            extent.offset + sizeof(tessera_device_record) > bytes_)
            continue;
        const auto* record = reinterpret_cast<const tessera_device_record*>(
            static_cast<const char*>(start_) + extent.offset);
        if (record->state == TESSERA_DEVICE_LIVE) live.push_back(record);
    }
    std::sort(live.begin(), live.end(), [](const auto* a, const auto* b) { return a->id < b->id; });
    return nth < live.size() ? live[nth] : nullptr;
}

}  // namespace tessera::faults
