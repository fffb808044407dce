// SPDX-License-Identifier: Apache-2.0
//
// See registry.h.
#include "registry.h"

#include <algorithm>

#include "text.h"
#include "violations.h"

namespace tessera::mock {
namespace {

uint64_t TakeForcedLocked(Device& device, VkObjectType type) {
    auto queue = TheRegistry().forced_handles.find(type);
    if (queue == TheRegistry().forced_handles.end() || queue->second.empty()) return 0;
    const uint64_t value = queue->second.front();
    queue->second.pop_front();
    if (device.objects.Contains(value)) {
        RecordViolation("control", "", Text("the forced handle ", Hex{value}, " is still alive"));
    }
    return value;
}

}  // namespace

Registry& TheRegistry() {
    static Registry& registry = *new Registry;
    return registry;
}

uint64_t RegisterLocked(Device& device, std::shared_ptr<Object> object,
                        const VkAllocationCallbacks* allocator) {
    object->with_allocator = allocator != nullptr;
    const uint64_t forced = TakeForcedLocked(device, object->type);
    return device.objects.Insert(std::move(object), forced);
}

void UnregisterLocked(Device& device, Object& object) {
    const ObjectKey key{object.type, object.handle};
    device.names.erase(key);
    for (auto& [slot, values] : device.private_data)
        values.erase(key);
    if (object.type == CommandPool::kType) {
        for (const auto& [buffer, owner] : static_cast<CommandPool&>(object).buffers) {
            device.command_buffers.erase(Raw(buffer->handle()));
        }
    }
    device.objects.Erase(object);
}

bool IsAliveLocked(Device& device, VkObjectType type, uint64_t handle) {
    if (device.objects.Find(type, handle) != nullptr) return true;
    if (type == VK_OBJECT_TYPE_DEVICE) return handle == Raw(device.handle());
    if (type == VK_OBJECT_TYPE_QUEUE) {
        return std::any_of(device.queues.begin(), device.queues.end(),
                           [&](const auto& queue) { return Raw(queue->handle()) == handle; });
    }
    if (type == VK_OBJECT_TYPE_COMMAND_BUFFER) return device.command_buffers.contains(handle);
    return false;
}

std::string ExplainHandleLocked(const Device& device, VkObjectType type, uint64_t handle) {
    if (device.objects.Contains(handle)) return "is of another object type";
    for (const Device* other : TheRegistry().devices) {
        if (other != &device && other->objects.Find(type, handle) != nullptr) {
            return "belongs to another device";
        }
    }
    if (device.objects.IsStale(handle)) return "was destroyed";
    return "was never created by this driver";
}

}  // namespace tessera::mock
