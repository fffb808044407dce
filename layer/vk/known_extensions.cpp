// SPDX-License-Identifier: Apache-2.0
//
// See known_extensions.h.

#include "layer/vk/known_extensions.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr KnownExtension kKnown[] = {
#include "layer/vk/generated/known_extensions.inc"
};
static_assert(std::ranges::is_sorted(kKnown, {}, &KnownExtension::name));

}  // namespace

std::span<const KnownExtension> KnownExtensions() noexcept {
    return kKnown;
}

bool IsKnownExtension(std::string_view name) noexcept {
    return std::ranges::binary_search(kKnown, name, {}, &KnownExtension::name);
}

bool SpeaksOfMemory(std::string_view name) noexcept {
    return name.find("memory") != std::string_view::npos;
}

}  // namespace tessera
