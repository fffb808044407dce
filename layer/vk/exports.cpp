// SPDX-License-Identifier: Apache-2.0
//
// What meets the outside: the one symbol that leaves the library, and the one thing that happens
// when the library is unloaded.

#include <vulkan/vulkan.h>

#include <vulkan/vk_layer.h>

#include "layer/vk/proc_addr.h"

// Of the standard library, which is linked in: gives back the memory that it set aside at load for
// exceptions that are thrown when there is no memory (72 KiB, which every reload would leak).
namespace __gnu_cxx {
void __freeres();
}
__attribute__((destructor)) static void GiveBackExceptionReserve() {
    __gnu_cxx::__freeres();
}

// The loader's header declares it without noexcept, so the work is done by a function that has it.
extern "C" VK_LAYER_EXPORT VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface* pVersionStruct) {
    return tessera::Negotiate(pVersionStruct);
}
