// SPDX-License-Identifier: Apache-2.0
//
// See resource_need.h. Each kind of resource has its own query; a driver that lets such a resource
// be bound has it.

#include "layer/vk/resource_need.h"

#include <algorithm>

#include "layer/vk/scratch.h"

namespace tessera {
namespace {

VkMemoryRequirements2 EmptyAnswer() noexcept {
    VkMemoryRequirements2 answer = {};
    answer.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
    return answer;
}

// Of an answer that may not have been given.
VkMemoryRequirements Careful(VkMemoryRequirements requirements) noexcept {
    requirements.alignment = std::max<uint64_t>(requirements.alignment, kMinimumAlignment);
    return requirements;
}

}  // namespace

VkMemoryRequirements BufferNeed::Ask() noexcept {
    VkMemoryRequirements requirements = {};
    device_.dt.GetBufferMemoryRequirements(device_.handle, buffer_, &requirements);
    return requirements;
}

VkMemoryRequirements ImageNeed::Ask() noexcept {
    if (query_ == nullptr) {
        VkMemoryRequirements requirements = {};
        device_.dt.GetImageMemoryRequirements(device_.handle, image_, &requirements);
        return requirements;
    }
    VkImagePlaneMemoryRequirementsInfo plane = {};
    plane.sType = VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO;
    plane.planeAspect = plane_;
    VkImageMemoryRequirementsInfo2 info = {};
    info.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2;
    info.pNext = &plane;
    info.image = image_;
    VkMemoryRequirements2 answer = EmptyAnswer();
    query_(device_.handle, &info, &answer);
    return answer.memoryRequirements;
}

VkMemoryRequirements AccelerationStructureNeed::Ask() noexcept {
    VkAccelerationStructureMemoryRequirementsInfoNV info = {};
    info.sType = VK_STRUCTURE_TYPE_ACCELERATION_STRUCTURE_MEMORY_REQUIREMENTS_INFO_NV;
    info.type = VK_ACCELERATION_STRUCTURE_MEMORY_REQUIREMENTS_TYPE_OBJECT_NV;
    info.accelerationStructure = structure_;
    VkMemoryRequirements2 answer = EmptyAnswer();
    device_.dt.GetAccelerationStructureMemoryRequirementsNV(device_.handle, &info, &answer);
    return Careful(answer.memoryRequirements);
}

VkMemoryRequirements VideoSessionNeed::Ask() noexcept {
    const auto query = device_.dt.GetVideoSessionMemoryRequirementsKHR;
    uint32_t count = 0;
    if (query(device_.handle, session_, &count, nullptr) != VK_SUCCESS) return Careful({});
    Scratch<VkVideoSessionMemoryRequirementsKHR, 16> places(count);
    if (places.data() == nullptr) return Careful({});
    for (uint32_t i = 0; i < count; ++i) {
        places[i] = {};
        places[i].sType = VK_STRUCTURE_TYPE_VIDEO_SESSION_MEMORY_REQUIREMENTS_KHR;
    }
    if (query(device_.handle, session_, &count, places.data()) < 0) return Careful({});
    for (uint32_t i = 0; i < count; ++i) {
        if (places[i].memoryBindIndex == bind_index_) {
            return Careful(places[i].memoryRequirements);
        }
    }
    return Careful({});
}

VkMemoryRequirements TensorNeed::Ask() noexcept {
    late::TensorMemoryRequirementsInfo info = {};
    info.sType = static_cast<VkStructureType>(late::kTensorMemoryRequirementsInfo);
    info.tensor = tensor_;
    VkMemoryRequirements2 answer = EmptyAnswer();
    device_.dt.GetTensorMemoryRequirementsARM(device_.handle, &info, &answer);
    return Careful(answer.memoryRequirements);
}

VkMemoryRequirements DataGraphNeed::Ask() noexcept {
    late::DataGraphPipelineSessionMemoryRequirementsInfo info = {};
    info.sType =
        static_cast<VkStructureType>(late::kDataGraphPipelineSessionMemoryRequirementsInfo);
    info.session = bind_.session;
    info.bindPoint = bind_.bindPoint;
    info.objectIndex = bind_.objectIndex;
    VkMemoryRequirements2 answer = EmptyAnswer();
    device_.dt.GetDataGraphPipelineSessionMemoryRequirementsARM(device_.handle, &info, &answer);
    return Careful(answer.memoryRequirements);
}

}  // namespace tessera
