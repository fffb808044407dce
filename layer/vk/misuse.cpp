// SPDX-License-Identifier: Apache-2.0
//
// See misuse.h. Each kind is a place of its own in the log, so that one does not silence another.

#include "layer/vk/misuse.h"

#include <cinttypes>

#include "layer/base/log.h"

namespace tessera {
namespace {

constexpr const char* kTexts[] = {
#define TESSERA_TEXT(name, number, text) text,
    TESSERA_MISUSES(TESSERA_TEXT)
#undef TESSERA_TEXT
};

constinit LogSite log_sites[TESSERA_MISUSE_COUNT];

}  // namespace

void ReportMisuse(Device& device, tessera_misuse which, const char* command,
                  VkDeviceMemory memory) noexcept {
    device.CountMisuse(which);
    if (!LogEnabled(LogLevel::kWarning)) return;
    LogLine(log_sites[which], LogLevel::kWarning,
            "the application breaks a rule of Vulkan: %s, memory 0x%" PRIx64 ": %s", command,
            HandleValue(memory), kTexts[which]);
}

bool IsMisplaced(Device& device, const char* command, VkDeviceMemory memory) noexcept {
    const SlotTable::Found found = FindUsed(device, command, memory);
    if (found.kind == SlotTable::Kind::kLive) {
        ReportMisuse(device, TESSERA_MISUSE_wrong_use, command, memory);
    }
    return found.kind != SlotTable::Kind::kForeign;
}

}  // namespace tessera
