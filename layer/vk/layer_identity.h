// SPDX-License-Identifier: Apache-2.0
//
// What the layer says of itself; the manifests say the same (kLayerName is in base/settings.h).

#ifndef TESSERA_LAYER_VK_LAYER_IDENTITY_H_
#define TESSERA_LAYER_VK_LAYER_IDENTITY_H_

#include <cstdint>

#include "layer/base/settings.h"

namespace tessera {

inline constexpr char kLayerDescription[] =
    "Suballocates device memory for unmodified applications";
// Made of the project's version, for the manifests too.
inline constexpr uint32_t kLayerImplementationVersion = TESSERA_IMPLEMENTATION_VERSION;

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_LAYER_IDENTITY_H_
