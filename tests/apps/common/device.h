// SPDX-License-Identifier: Apache-2.0
//
// The start of every test application: instance, physical device, device, one queue.
//
// Plain Vulkan 1.0 through the system's loader, without extensions, features or layers of its own:
// what sits between the application and the driver is decided from outside, by the environment.
// Each object owns its handles and destroys them in order. An object belongs to one thread unless
// the command called on its handles is free of external synchronization.
#ifndef TESSERA_TESTS_APPS_COMMON_DEVICE_H_
#define TESSERA_TESTS_APPS_COMMON_DEVICE_H_

#include <vulkan/vulkan.h>

#include <cstdint>
#include <string>

namespace apps {

/// One VkInstance of API version 1.0. Destroyed with the object.
class Instance {
 public:
    /// Creates the instance. `application_name` must outlive the call only.
    /// Throws Failure when the loader finds no driver.
    explicit Instance(const char* application_name);
    ~Instance();
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    /// Never null; owned by this object.
    VkInstance handle() const { return handle_; }

 private:
    VkInstance handle_ = VK_NULL_HANDLE;
};

/// What a device is asked for beyond what Vulkan 1.0 always gives.
enum class DeviceExtras {
    kNone,
    kSparse,  ///< sparse binding and sparse images, if the device has them
};

/// One logical device with one queue that can draw and copy.
///
/// Requires: the Instance outlives the Device, and everything made from the device is gone when the
/// object is destroyed.
class Device {
 public:
    /// Opens the physical device at `index`, in the order in which the loader lists them.
    /// Throws Failure when there is no such device or none of its queue families does graphics.
    Device(const Instance& instance, uint32_t index, DeviceExtras extras = DeviceExtras::kNone);
    ~Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    /// Never null; owned by this object, as is the queue with the device.
    VkDevice handle() const { return handle_; }
    VkQueue queue() const { return queue_; }
    VkPhysicalDevice physical() const { return physical_; }
    /// Whether images may be bound to memory piece by piece on queue(): in opaque ranges, and, in
    /// two dimensions, by their tiles. False unless asked for with DeviceExtras::kSparse.
    bool binds_sparsely() const { return features_.sparseBinding != VK_FALSE; }
    bool binds_tiles() const { return features_.sparseResidencyImage2D != VK_FALSE; }
    /// The family of queue(), for command pools.
    uint32_t queue_family() const { return queue_family_; }
    /// As the driver reported them when the device was opened.
    const VkPhysicalDeviceProperties& properties() const { return properties_; }
    const VkPhysicalDeviceMemoryProperties& memory_properties() const { return memory_; }

    /// The first memory type of `allowed_types` (a bit per type) that has all `wanted` flags, as
    /// every tutorial chooses it. Throws Failure when there is none.
    uint32_t FindMemoryType(uint32_t allowed_types, VkMemoryPropertyFlags wanted) const;

 private:
    VkPhysicalDevice physical_ = VK_NULL_HANDLE;
    VkPhysicalDeviceProperties properties_{};
    VkPhysicalDeviceMemoryProperties memory_{};
    VkPhysicalDeviceFeatures features_{};
    uint32_t queue_family_ = 0;
    VkDevice handle_ = VK_NULL_HANDLE;
    VkQueue queue_ = VK_NULL_HANDLE;
};

/// The flags of a buffer that the processor writes or reads: visible, and never in need of a flush.
inline constexpr VkMemoryPropertyFlags kHostMemory =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;

}  // namespace apps

#endif  // TESSERA_TESTS_APPS_COMMON_DEVICE_H_
