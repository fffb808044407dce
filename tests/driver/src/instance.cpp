// SPDX-License-Identifier: Apache-2.0
//
// Entry into the driver: what the loader looks up, instances, and the addresses of commands.
// The loader closes a driver with its last instance; this library stays loaded all the same (it is
// linked with -z nodelete), so that counts and violations survive from one instance to the next.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "call.h"
#include "text.h"
#include "two_call.h"

#define TESSERA_MOCK_EXPORT extern "C" __attribute__((visibility("default")))

namespace tessera::mock {
namespace {

constexpr uint32_t kInterfaceVersion = 5;

constexpr const char* kInstanceExtensions[] = {"VK_KHR_get_physical_device_properties2",
                                               "VK_KHR_device_group_creation",
                                               "VK_KHR_external_fence_capabilities",
                                               "VK_KHR_external_memory_capabilities",
                                               "VK_KHR_external_semaphore_capabilities",
                                               "VK_EXT_debug_utils",
                                               "VK_EXT_debug_report"};

// The control wins over the environment; both are read when an instance is made, so that a process
// can have one device after the other.
std::string DescriptionText() {
    {
        StateLock lock;
        if (!TheRegistry().description_text.empty()) return TheRegistry().description_text;
    }
    const char* text = std::getenv("TESSERA_MOCK_DESCRIPTION");
    return text == nullptr ? std::string() : std::string(text);
}

// Sets the rules of calls that a description brings along.
void ApplyRules(const Description& description) {
    for (const FaultRule& fault : description.faults) {
        AddFault(FindEntry(fault.command.c_str())->command, fault.nth, fault.result, fault.sticky);
    }
    for (const auto& [name, ns] : description.cost_ns) {
        SetCost(FindEntry(name.c_str())->command, ns);
    }
}

bool IsKnownInstanceExtension(const char* name) {
    for (const char* known : kInstanceExtensions) {
        if (std::strcmp(known, name) == 0) return true;
    }
    return false;
}

// Whether a command of this gate exists at a version and with these extensions.
bool IsOpen(const Gate& gate, uint32_t version, const std::set<std::string>& instance_extensions,
            const std::set<std::string>& device_extensions) {
    if (gate.core != 0 && version >= gate.core) return true;
    return gate.extension != nullptr && (instance_extensions.contains(gate.extension) ||
                                         device_extensions.contains(gate.extension));
}

// Whether any physical device of the instance may have the command. For commands of a device this
// is wider than vkGetDeviceProcAddr, which knows what was enabled.
bool IsOpenOnInstance(const Entry& entry, const Instance& instance) {
    for (const auto& physical : instance.physical_devices) {
        const Description& description = *physical->description;
        if (IsOpen(entry.gate, description.api_version, instance.extensions,
                   description.extensions)) {
            return true;
        }
    }
    return false;
}

PFN_vkVoidFunction InstanceCommand(VkInstance instance, const char* name) {
    const Entry* entry = FindEntry(name);
    if (entry == nullptr) return nullptr;
    if (entry->scope == Scope::kGlobal) return entry->function;
    if (std::strcmp(name, "vkGetInstanceProcAddr") == 0) return entry->function;
    if (instance == VK_NULL_HANDLE) return nullptr;
    return IsOpenOnInstance(*entry, Of(instance)) ? entry->function : nullptr;
}

}  // namespace

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetInstanceProcAddr(VkInstance instance,
                                                             const char* pName) {
    return InstanceCommand(instance, pName);
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL GetDeviceProcAddr(VkDevice device, const char* pName) {
    const Entry* entry = FindEntry(pName);
    if (entry == nullptr || entry->scope != Scope::kDevice) return nullptr;
    const Device& object = Of(device);
    const bool open = IsOpen(entry->gate, object.description->api_version,
                             object.instance->extensions, object.extensions);
    return open ? entry->function : nullptr;
}

VKAPI_ATTR VkResult VKAPI_CALL EnumerateInstanceVersion(uint32_t* pApiVersion) {
    Call call(Command::kEnumerateInstanceVersion);
    if (call.failed()) return call.result();
    *pApiVersion = VK_HEADER_VERSION_COMPLETE;
    return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL EnumerateInstanceExtensionProperties(
    const char* pLayerName, uint32_t* pPropertyCount, VkExtensionProperties* pProperties) {
    Call call(Command::kEnumerateInstanceExtensionProperties);
    if (call.failed()) return call.result();
    if (pLayerName != nullptr) return VK_ERROR_LAYER_NOT_PRESENT;
    return FillArray(std::size(kInstanceExtensions), pPropertyCount, pProperties,
                     [](VkExtensionProperties& out, uint32_t i) {
                         std::snprintf(out.extensionName, VK_MAX_EXTENSION_NAME_SIZE, "%s",
                                       kInstanceExtensions[i]);
                         out.specVersion = 1;
                     });
}

VKAPI_ATTR VkResult VKAPI_CALL CreateInstance(const VkInstanceCreateInfo* pCreateInfo,
                                              const VkAllocationCallbacks* pAllocator,
                                              VkInstance* pInstance) {
    Call call(Command::kCreateInstance);
    if (call.failed()) return call.result();
    std::string problem;
    const auto descriptions = ParseDescriptions(DescriptionText(), &problem);
    if (descriptions.empty()) {
        std::fprintf(stderr, "tessera-mock: cannot use the description: %s\n", problem.c_str());
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    auto instance = std::make_unique<Instance>();
    instance->with_allocator = pAllocator != nullptr;
    for (uint32_t i = 0; i < pCreateInfo->enabledExtensionCount; ++i) {
        const char* name = pCreateInfo->ppEnabledExtensionNames[i];
        if (!IsKnownInstanceExtension(name)) return VK_ERROR_EXTENSION_NOT_PRESENT;
        instance->extensions.insert(name);
    }
    for (const DescriptionPtr& description : descriptions) {
        ApplyRules(*description);
        auto physical = std::make_unique<PhysicalDevice>();
        physical->instance = instance.get();
        physical->description = description;
        instance->physical_devices.push_back(std::move(physical));
    }
    StateLock lock;
    *pInstance = reinterpret_cast<VkInstance>(static_cast<Dispatchable*>(instance.get()));
    TheRegistry().instances.insert(instance.release());
    return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL DestroyInstance(VkInstance instance,
                                           const VkAllocationCallbacks* pAllocator) {
    if (instance == VK_NULL_HANDLE) return;
    Call call(Command::kDestroyInstance);
    std::unique_ptr<Instance> doomed(&Of(instance));
    call.Enter();
    StateLock lock;
    call.Require(doomed->with_allocator == (pAllocator != nullptr),
                 pAllocator == nullptr ? "VUID-vkDestroyInstance-instance-00630"
                                       : "VUID-vkDestroyInstance-instance-00631",
                 "the instance was created with another kind of allocation callbacks");
    for (Device* device : TheRegistry().devices) {
        if (device->instance != doomed.get()) continue;
        call.Violation("VUID-vkDestroyInstance-instance-00629",
                       Text("device ", Hex{Raw(device->handle())}, " is still alive"));
        device->instance = nullptr;  // another instance may come to lie at this address
    }
    for (const auto& [handle, object] : doomed->objects.all()) {
        call.Violation("VUID-vkDestroyInstance-instance-00629",
                       Text("messenger ", Hex{handle}, " is still alive"));
    }
    TheRegistry().instances.erase(doomed.get());
}

VKAPI_ATTR VkResult VKAPI_CALL EnumeratePhysicalDevices(VkInstance instance,
                                                        uint32_t* pPhysicalDeviceCount,
                                                        VkPhysicalDevice* pPhysicalDevices) {
    Call call(Command::kEnumeratePhysicalDevices);
    if (call.failed()) return call.result();
    const auto& devices = Of(instance).physical_devices;
    return FillArray(devices.size(), pPhysicalDeviceCount, pPhysicalDevices,
                     [&](VkPhysicalDevice& out, uint32_t i) { out = devices[i]->handle(); });
}

// Physical devices of one name of a group are linked; every other one is a group of its own.
VKAPI_ATTR VkResult VKAPI_CALL
EnumeratePhysicalDeviceGroups(VkInstance instance, uint32_t* pPhysicalDeviceGroupCount,
                              VkPhysicalDeviceGroupProperties* pPhysicalDeviceGroupProperties) {
    Call call(Command::kEnumeratePhysicalDeviceGroups);
    if (call.failed()) return call.result();
    std::vector<std::vector<PhysicalDevice*>> groups;
    for (const auto& device : Of(instance).physical_devices) {
        auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& members) {
            return members.front()->IsLinkedWith(*device);
        });
        if (group == groups.end()) group = groups.emplace(group);
        group->push_back(device.get());
    }
    return FillArray(groups.size(), pPhysicalDeviceGroupCount, pPhysicalDeviceGroupProperties,
                     [&](VkPhysicalDeviceGroupProperties& out, uint32_t i) {
                         out.physicalDeviceCount = static_cast<uint32_t>(groups[i].size());
                         for (size_t j = 0; j < groups[i].size(); ++j)
                             out.physicalDevices[j] = groups[i][j]->handle();
                         out.subsetAllocation = groups[i].size() > 1;
                     });
}

}  // namespace tessera::mock

TESSERA_MOCK_EXPORT VKAPI_ATTR VkResult VKAPI_CALL
vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t* pVersion) {
    *pVersion = std::min(*pVersion, tessera::mock::kInterfaceVersion);
    return VK_SUCCESS;
}

TESSERA_MOCK_EXPORT VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
vk_icdGetInstanceProcAddr(VkInstance instance, const char* name) {
    return tessera::mock::InstanceCommand(instance, name);
}

TESSERA_MOCK_EXPORT VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
vk_icdGetPhysicalDeviceProcAddr(VkInstance instance, const char* name) {
    const tessera::mock::Entry* entry = tessera::mock::FindEntry(name);
    if (entry == nullptr || entry->scope != tessera::mock::Scope::kPhysicalDevice) return nullptr;
    return tessera::mock::InstanceCommand(instance, name);
}
