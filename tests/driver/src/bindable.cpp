// SPDX-License-Identifier: Apache-2.0
//
// The rarer things that memory is bound to: NV acceleration structures, video sessions, tensors and
// data graph sessions. Each is an object with one or more places for memory, made here only so that
// there is something to bind: what they are for (tracing, decoding, inference) is not offered, and
// a data graph session takes any pipeline handle, since the driver has no pipelines.
#include <optional>

#include "arithmetic.h"
#include "bind_rules.h"
#include "late_vulkan.h"
#include "text.h"
#include "two_call.h"

namespace tessera::mock {
namespace {

// Tails without a number stand for rules that the registry has no identifier for.
constexpr BindVuids kStructure = {"VUID-VkBindAccelerationStructureMemoryInfoNV-",
                                  "accelerationStructure-03620",
                                  nullptr,
                                  "memoryOffset-03621",
                                  "memory-03622",
                                  "memoryOffset-03623",
                                  "size-03624",
                                  "memory-dedicated",
                                  nullptr,
                                  nullptr,
                                  "memory-protected"};
constexpr BindVuids kVideo = {"VUID-vkBindVideoSessionMemoryKHR-",
                              "videoSession-07195",
                              nullptr,
                              "memoryOffset-07201",
                              "pBindSessionMemoryInfos-07198",
                              "pBindSessionMemoryInfos-07199",
                              "memorySize-07202",
                              "memory-dedicated",
                              nullptr,
                              nullptr,
                              "memory-protected"};
constexpr BindVuids kTensor = {"VUID-VkBindTensorMemoryInfoARM-",
                               "tensor-09712",
                               nullptr,
                               "memoryOffset-09713",
                               "memory-09714",
                               "memoryOffset-09715",
                               "size-09716",
                               "memory-09806",
                               nullptr,
                               nullptr,
                               "tensor-09718"};
constexpr BindVuids kSession = {"VUID-VkBindDataGraphPipelineSessionMemoryInfoARM-",
                                "session-09785",
                                nullptr,
                                "memoryOffset-09787",
                                "memory-09788",
                                "memoryOffset-09789",
                                "size-09790",
                                "memory-dedicated",
                                nullptr,
                                nullptr,
                                "memory-protected"};

// Any ordinary memory will do. Sizes are rounded up to the alignment.
VkMemoryRequirements NeedsOf(const Call& call, VkDeviceSize size, VkDeviceSize alignment) {
    const Description& d = *call.device().description;
    uint32_t types = 0;
    constexpr VkMemoryPropertyFlags kNot =
        VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT;
    for (uint32_t i = 0; i < d.types.size(); ++i) {
        if (!(d.Flags(i) & kNot)) types |= 1u << i;
    }
    return {RoundUp(size, alignment), alignment, types};
}

// Nothing if the format is not supported, which is a violation.
std::optional<VkMemoryRequirements> TensorNeeds(Call& call, const VkTensorDescriptionARM& tensor) {
    const Format* format = FindFormat(tensor.format);
    if (!call.Require(format != nullptr, "", "the format is not supported")) return std::nullopt;
    VkDeviceSize size = format->planes[0].block_bytes;
    for (uint32_t i = 0; i < tensor.dimensionCount; ++i) {
        size *= static_cast<VkDeviceSize>(tensor.pDimensions[i]);
    }
    return NeedsOf(call, size, 64);
}

// Makes an object with these places for memory.
template <class Handle>
VkResult Create(Call& call, VkObjectType type, bool linear,
                std::vector<VkMemoryRequirements> places, const VkAllocationCallbacks* allocator,
                Handle* out) {
    auto object = std::make_shared<Bindable>(type);
    object->linear = linear;
    for (const VkMemoryRequirements& needs : places)
        object->places.push_back({needs, {}});
    StateLock lock;
    *out = FromRaw<Handle>(RegisterLocked(call.device(), std::move(object), allocator));
    return VK_SUCCESS;
}

std::shared_ptr<Bindable> FindLocked(const Call& call, VkObjectType type, uint64_t handle,
                                     const char* what) {
    auto found = call.device().objects.Find(type, handle);
    if (found == nullptr) {
        call.Violation(
            Text("VUID-", what, "-parameter"),
            Text(what, " ", Hex{handle}, " ", ExplainHandleLocked(call.device(), type, handle)));
    }
    return std::static_pointer_cast<Bindable>(found);
}

void Destroy(Call& call, VkObjectType type, uint64_t handle, const char* what,
             const VkAllocationCallbacks* allocator) {
    if (handle == 0) return;
    StateLock lock;
    auto object = FindLocked(call, type, handle, what);
    if (object == nullptr) return;
    call.CheckAllocator(*object, allocator);
    UnregisterLocked(call.device(), *object);
    for (const Bindable::Place& place : object->places) {
        UnbindLocked(call, *object, place.backing, object->linear);
    }
}

VkResult BindPlaceLocked(Call& call, const BindVuids& vuids,
                         const std::shared_ptr<Bindable>& object, size_t place,
                         const std::shared_ptr<Memory>& memory, VkDeviceSize offset) {
    if (object == nullptr) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (!call.Require(place < object->places.size(), "",
                      Text("there is no place ", place, " for memory"))) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    Bindable::Place& where = object->places[place];
    const Resource resource{*object, where.requirements, where.backing, object->linear};
    return BindLocked(call, vuids, resource, memory, offset);
}

}  // namespace

VKAPI_ATTR VkResult VKAPI_CALL CreateAccelerationStructureNV(
    VkDevice device, const VkAccelerationStructureCreateInfoNV* pCreateInfo,
    const VkAllocationCallbacks* pAllocator, VkAccelerationStructureNV* pAccelerationStructure) {
    Call call(Command::kCreateAccelerationStructureNV, device);
    if (call.failed()) return call.result();
    const VkDeviceSize parts =
        VkDeviceSize{pCreateInfo->info.geometryCount} + pCreateInfo->info.instanceCount;
    const VkDeviceSize size = std::max(pCreateInfo->compactedSize, (parts + 1) * 1024);
    return Create(call, VK_OBJECT_TYPE_ACCELERATION_STRUCTURE_NV, true, {NeedsOf(call, size, 256)},
                  pAllocator, pAccelerationStructure);
}

VKAPI_ATTR void VKAPI_CALL
DestroyAccelerationStructureNV(VkDevice device, VkAccelerationStructureNV accelerationStructure,
                               const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kDestroyAccelerationStructureNV, device);
    Destroy(call, VK_OBJECT_TYPE_ACCELERATION_STRUCTURE_NV, Raw(accelerationStructure),
            "vkDestroyAccelerationStructureNV-accelerationStructure", pAllocator);
}

VKAPI_ATTR void VKAPI_CALL GetAccelerationStructureMemoryRequirementsNV(
    VkDevice device, const VkAccelerationStructureMemoryRequirementsInfoNV* pInfo,
    VkMemoryRequirements2KHR* pMemoryRequirements) {
    Call call(Command::kGetAccelerationStructureMemoryRequirementsNV, device);
    StateLock lock;
    auto object = FindLocked(
        call, VK_OBJECT_TYPE_ACCELERATION_STRUCTURE_NV, Raw(pInfo->accelerationStructure),
        "VkAccelerationStructureMemoryRequirementsInfoNV-accelerationStructure");
    if (object == nullptr) return;
    pMemoryRequirements->memoryRequirements = object->places[0].requirements;
}

VKAPI_ATTR VkResult VKAPI_CALL
BindAccelerationStructureMemoryNV(VkDevice device, uint32_t bindInfoCount,
                                  const VkBindAccelerationStructureMemoryInfoNV* pBindInfos) {
    Call call(Command::kBindAccelerationStructureMemoryNV, device);
    if (call.failed()) return call.result();
    constexpr const char* kWhat = "VkBindAccelerationStructureMemoryInfoNV-accelerationStructure";
    return BindEach(
        call, bindInfoCount, pBindInfos, "VkBindAccelerationStructureMemoryInfoNV-memory",
        [&](const VkBindAccelerationStructureMemoryInfoNV& info,
            const std::shared_ptr<Memory>& memory) {
            return BindPlaceLocked(call, kStructure,
                                   FindLocked(call, VK_OBJECT_TYPE_ACCELERATION_STRUCTURE_NV,
                                              Raw(info.accelerationStructure), kWhat),
                                   0, memory, info.memoryOffset);
        });
}

VKAPI_ATTR VkResult VKAPI_CALL CreateVideoSessionKHR(VkDevice device,
                                                     const VkVideoSessionCreateInfoKHR* pCreateInfo,
                                                     const VkAllocationCallbacks* pAllocator,
                                                     VkVideoSessionKHR* pVideoSession) {
    Call call(Command::kCreateVideoSessionKHR, device);
    if (call.failed()) return call.result();
    const VkDeviceSize picture =
        VkDeviceSize{pCreateInfo->maxCodedExtent.width} * pCreateInfo->maxCodedExtent.height;
    return Create(call, VK_OBJECT_TYPE_VIDEO_SESSION_KHR, true,
                  {NeedsOf(call, picture + 1024, 4096), NeedsOf(call, 3072, 256)}, pAllocator,
                  pVideoSession);
}

VKAPI_ATTR void VKAPI_CALL DestroyVideoSessionKHR(VkDevice device, VkVideoSessionKHR videoSession,
                                                  const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kDestroyVideoSessionKHR, device);
    Destroy(call, VK_OBJECT_TYPE_VIDEO_SESSION_KHR, Raw(videoSession),
            "vkDestroyVideoSessionKHR-videoSession", pAllocator);
}

VKAPI_ATTR VkResult VKAPI_CALL GetVideoSessionMemoryRequirementsKHR(
    VkDevice device, VkVideoSessionKHR videoSession, uint32_t* pMemoryRequirementsCount,
    VkVideoSessionMemoryRequirementsKHR* pMemoryRequirements) {
    Call call(Command::kGetVideoSessionMemoryRequirementsKHR, device);
    if (call.failed()) return call.result();
    StateLock lock;
    auto object = FindLocked(call, VK_OBJECT_TYPE_VIDEO_SESSION_KHR, Raw(videoSession),
                             "vkGetVideoSessionMemoryRequirementsKHR-videoSession");
    return FillArray(object == nullptr ? 0 : object->places.size(), pMemoryRequirementsCount,
                     pMemoryRequirements,
                     [&](VkVideoSessionMemoryRequirementsKHR& out, uint32_t i) {
                         out.memoryBindIndex = i;
                         out.memoryRequirements = object->places[i].requirements;
                     });
}

VKAPI_ATTR VkResult VKAPI_CALL BindVideoSessionMemoryKHR(
    VkDevice device, VkVideoSessionKHR videoSession, uint32_t bindSessionMemoryInfoCount,
    const VkBindVideoSessionMemoryInfoKHR* pBindSessionMemoryInfos) {
    Call call(Command::kBindVideoSessionMemoryKHR, device);
    if (call.failed()) return call.result();
    return BindEach(
        call, bindSessionMemoryInfoCount, pBindSessionMemoryInfos,
        "VkBindVideoSessionMemoryInfoKHR-memory",
        [&](const VkBindVideoSessionMemoryInfoKHR& info, const std::shared_ptr<Memory>& memory) {
            auto object = FindLocked(call, VK_OBJECT_TYPE_VIDEO_SESSION_KHR, Raw(videoSession),
                                     "vkBindVideoSessionMemoryKHR-videoSession");
            if (object != nullptr && info.memoryBindIndex < object->places.size()) {
                const VkDeviceSize needed = object->places[info.memoryBindIndex].requirements.size;
                call.Require(info.memorySize == needed,
                             "VUID-vkBindVideoSessionMemoryKHR-pBindSessionMemoryInfos-07200",
                             Text("memorySize ", info.memorySize, ", not ", needed));
            }
            return BindPlaceLocked(call, kVideo, object, info.memoryBindIndex, memory,
                                   info.memoryOffset);
        });
}

VKAPI_ATTR VkResult VKAPI_CALL CreateTensorARM(VkDevice device,
                                               const VkTensorCreateInfoARM* pCreateInfo,
                                               const VkAllocationCallbacks* pAllocator,
                                               VkTensorARM* pTensor) {
    Call call(Command::kCreateTensorARM, device);
    if (call.failed()) return call.result();
    const VkTensorDescriptionARM& tensor = *pCreateInfo->pDescription;
    const auto needs = TensorNeeds(call, tensor);
    if (!needs) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    return Create(call, VK_OBJECT_TYPE_TENSOR_ARM, tensor.tiling == 1, {*needs}, pAllocator,
                  pTensor);
}

VKAPI_ATTR void VKAPI_CALL DestroyTensorARM(VkDevice device, VkTensorARM tensor,
                                            const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kDestroyTensorARM, device);
    Destroy(call, VK_OBJECT_TYPE_TENSOR_ARM, Raw(tensor), "vkDestroyTensorARM-tensor", pAllocator);
}

VKAPI_ATTR void VKAPI_CALL
GetTensorMemoryRequirementsARM(VkDevice device, const VkTensorMemoryRequirementsInfoARM* pInfo,
                               VkMemoryRequirements2* pMemoryRequirements) {
    Call call(Command::kGetTensorMemoryRequirementsARM, device);
    StateLock lock;
    auto object = FindLocked(call, VK_OBJECT_TYPE_TENSOR_ARM, Raw(pInfo->tensor),
                             "VkTensorMemoryRequirementsInfoARM-tensor");
    if (object == nullptr) return;
    pMemoryRequirements->memoryRequirements = object->places[0].requirements;
}

VKAPI_ATTR void VKAPI_CALL GetDeviceTensorMemoryRequirementsARM(
    VkDevice device, const VkDeviceTensorMemoryRequirementsARM* pInfo,
    VkMemoryRequirements2* pMemoryRequirements) {
    Call call(Command::kGetDeviceTensorMemoryRequirementsARM, device);
    const auto needs = TensorNeeds(call, *pInfo->pCreateInfo->pDescription);
    if (needs) pMemoryRequirements->memoryRequirements = *needs;
}

VKAPI_ATTR VkResult VKAPI_CALL BindTensorMemoryARM(VkDevice device, uint32_t bindInfoCount,
                                                   const VkBindTensorMemoryInfoARM* pBindInfos) {
    Call call(Command::kBindTensorMemoryARM, device);
    if (call.failed()) return call.result();
    return BindEach(
        call, bindInfoCount, pBindInfos, "VkBindTensorMemoryInfoARM-memory",
        [&](const VkBindTensorMemoryInfoARM& info, const std::shared_ptr<Memory>& memory) {
            return BindPlaceLocked(call, kTensor,
                                   FindLocked(call, VK_OBJECT_TYPE_TENSOR_ARM, Raw(info.tensor),
                                              "VkBindTensorMemoryInfoARM-tensor"),
                                   0, memory, info.memoryOffset);
        });
}

VKAPI_ATTR VkResult VKAPI_CALL CreateDataGraphPipelineSessionARM(
    VkDevice device, const VkDataGraphPipelineSessionCreateInfoARM*,
    const VkAllocationCallbacks* pAllocator, VkDataGraphPipelineSessionARM* pSession) {
    Call call(Command::kCreateDataGraphPipelineSessionARM, device);
    if (call.failed()) return call.result();
    return Create(call, VK_OBJECT_TYPE_DATA_GRAPH_PIPELINE_SESSION_ARM, true,
                  {NeedsOf(call, 20480, 256), NeedsOf(call, 1024, 64)}, pAllocator, pSession);
}

VKAPI_ATTR void VKAPI_CALL
DestroyDataGraphPipelineSessionARM(VkDevice device, VkDataGraphPipelineSessionARM session,
                                   const VkAllocationCallbacks* pAllocator) {
    Call call(Command::kDestroyDataGraphPipelineSessionARM, device);
    Destroy(call, VK_OBJECT_TYPE_DATA_GRAPH_PIPELINE_SESSION_ARM, Raw(session),
            "vkDestroyDataGraphPipelineSessionARM-session", pAllocator);
}

VKAPI_ATTR void VKAPI_CALL GetDataGraphPipelineSessionMemoryRequirementsARM(
    VkDevice device, const VkDataGraphPipelineSessionMemoryRequirementsInfoARM* pInfo,
    VkMemoryRequirements2* pMemoryRequirements) {
    Call call(Command::kGetDataGraphPipelineSessionMemoryRequirementsARM, device);
    StateLock lock;
    auto object =
        FindLocked(call, VK_OBJECT_TYPE_DATA_GRAPH_PIPELINE_SESSION_ARM, Raw(pInfo->session),
                   "VkDataGraphPipelineSessionMemoryRequirementsInfoARM-session");
    if (object == nullptr || pInfo->objectIndex >= object->places.size()) return;
    pMemoryRequirements->memoryRequirements = object->places[pInfo->objectIndex].requirements;
}

VKAPI_ATTR VkResult VKAPI_CALL BindDataGraphPipelineSessionMemoryARM(
    VkDevice device, uint32_t bindInfoCount,
    const VkBindDataGraphPipelineSessionMemoryInfoARM* pBindInfos) {
    Call call(Command::kBindDataGraphPipelineSessionMemoryARM, device);
    if (call.failed()) return call.result();
    constexpr const char* kWhat = "VkBindDataGraphPipelineSessionMemoryInfoARM-session";
    return BindEach(
        call, bindInfoCount, pBindInfos, "VkBindDataGraphPipelineSessionMemoryInfoARM-memory",
        [&](const VkBindDataGraphPipelineSessionMemoryInfoARM& info,
            const std::shared_ptr<Memory>& memory) {
            return BindPlaceLocked(call, kSession,
                                   FindLocked(call, VK_OBJECT_TYPE_DATA_GRAPH_PIPELINE_SESSION_ARM,
                                              Raw(info.session), kWhat),
                                   info.objectIndex, memory, info.memoryOffset);
        });
}

}  // namespace tessera::mock
