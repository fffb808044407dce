// SPDX-License-Identifier: Apache-2.0
//
// The loader's interface to layers, as far as it takes the real loader or the built library: what
// goes down when an instance or a device is made, which commands exist, and what a layer says of
// itself. The rows are those of docs/contract/loader.md; those that need neither are in
// tests/unit/vk.

#include <dlfcn.h>
#include <vulkan/vk_layer.h>

#include <cstring>
#include <map>

#include "below/below.h"
#include "session.h"

namespace tessera::test {
namespace {

constexpr char kOwnName[] = "VK_LAYER_TESSERA_suballocator";

SessionOptions Watched() {
    SessionOptions options;
    options.layer_below = true;
    return options;
}

// The first link of a chain that is not the loader's.
const void* WithoutLoader(const void* chain, VkStructureType loaders) {
    auto* link = static_cast<const VkBaseInStructure*>(chain);
    while (link != nullptr && link->sType == loaders)
        link = link->pNext;
    return link;
}

// A device that the session did not make is pooled like any other.
void ExpectPooled(const Session& session, VkDevice device) {
    VkMemoryAllocateInfo allocate = {};
    allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    allocate.allocationSize = 4096;
    allocate.memoryTypeIndex = 1;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    ASSERT_EQ(vkAllocateMemory(device, &allocate, nullptr, &memory), VK_SUCCESS);
    TesseraMockMemory block = {};
    ASSERT_EQ(session.mock->memories(device, &block, 1), 1u);
    EXPECT_NE(block.memory, memory);
    vkFreeMemory(device, memory, nullptr);
}

// Section 4, and VkDevicePrivateDataCreateInfo and VkDeviceMemoryOverallocationCreateInfoAMD of
// section 6: every field is the application's own, and so is the chain behind the loader's links.
TEST(Contract_vkCreateDevice, CreateInfoGoesDownAsItCame) {
    SessionOptions options = Watched();
    options.description =
        R"({"base": "discrete", "add_extensions": ["VK_AMD_memory_overallocation_behavior"]})";
    Session session(options);
    VkDeviceMemoryOverallocationCreateInfoAMD overallocation = {};
    overallocation.sType = VK_STRUCTURE_TYPE_DEVICE_MEMORY_OVERALLOCATION_CREATE_INFO_AMD;
    overallocation.overallocationBehavior = VK_MEMORY_OVERALLOCATION_BEHAVIOR_DISALLOWED_AMD;
    VkDevicePrivateDataCreateInfo private_data = {};
    private_data.sType = VK_STRUCTURE_TYPE_DEVICE_PRIVATE_DATA_CREATE_INFO;
    private_data.pNext = &overallocation;
    private_data.privateDataSlotRequestCount = 3;
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = {};
    queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    const char* const extension = "VK_AMD_memory_overallocation_behavior";
    VkPhysicalDeviceFeatures features = {};
    VkDeviceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.pNext = &private_data;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = &extension;
    info.pEnabledFeatures = &features;
    Taps taps;
    int calls = 0;
    taps->CreateDevice = [&](VkPhysicalDevice physical_device, const VkDeviceCreateInfo* below,
                             const VkAllocationCallbacks* callbacks, VkDevice* device) {
        ++calls;
        EXPECT_EQ(below->sType, info.sType);
        EXPECT_EQ(WithoutLoader(below->pNext, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO),
                  &private_data);
        EXPECT_EQ(below->flags, info.flags);
        EXPECT_EQ(below->queueCreateInfoCount, 1u);
        EXPECT_EQ(below->pQueueCreateInfos, &queue);
        EXPECT_EQ(below->enabledExtensionCount, 1u);
        EXPECT_EQ(below->ppEnabledExtensionNames, &extension);
        EXPECT_EQ(below->pEnabledFeatures, &features);
        return Next().CreateDevice(physical_device, below, callbacks, device);
    };
    VkDevice device = VK_NULL_HANDLE;
    ASSERT_EQ(vkCreateDevice(session.physical_device, &info, nullptr, &device), VK_SUCCESS);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(private_data.pNext, &overallocation);
    EXPECT_EQ(overallocation.pNext, nullptr);
    EXPECT_EQ(overallocation.overallocationBehavior,
              VK_MEMORY_OVERALLOCATION_BEHAVIOR_DISALLOWED_AMD);
    ExpectPooled(session, device);
    vkDestroyDevice(device, nullptr);
}

TEST(Contract_vkCreateInstance, CreateInfoGoesDownAsItCame) {
    const mock::ScopedMock mock("preset:discrete");
    VkInstance instance = VK_NULL_HANDLE;
    {
        // Sets the path that the layers are found by.
        ASSERT_EQ(MakeInstance(Watched(), &instance), VK_SUCCESS);
        vkDestroyInstance(instance, nullptr);
    }
    VkDebugUtilsMessengerCreateInfoEXT messenger = {};
    messenger.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT;
    messenger.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
    messenger.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT;
    messenger.pfnUserCallback =
        [](VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
           const VkDebugUtilsMessengerCallbackDataEXT*, void*) -> VkBool32 { return VK_FALSE; };
    VkApplicationInfo application = {};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.apiVersion = VK_API_VERSION_1_2;
    const char* const extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
    const char* const layers[] = {kOwnName, "VK_LAYER_TESSERA_test_below"};
    VkInstanceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pNext = &messenger;
    info.pApplicationInfo = &application;
    info.enabledLayerCount = 2;
    info.ppEnabledLayerNames = layers;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = extensions;
    Taps taps;
    int calls = 0;
    taps->CreateInstance = [&](const VkInstanceCreateInfo* below,
                               const VkAllocationCallbacks* callbacks, VkInstance* out) {
        ++calls;
        EXPECT_EQ(WithoutLoader(below->pNext, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO),
                  &messenger);
        EXPECT_EQ(below->flags, info.flags);
        EXPECT_EQ(below->pApplicationInfo, &application);
        EXPECT_EQ(below->enabledLayerCount, 2u);
        EXPECT_EQ(below->ppEnabledLayerNames, layers);
        EXPECT_EQ(below->enabledExtensionCount, 1u);
        EXPECT_EQ(below->ppEnabledExtensionNames, extensions);
        return Next().CreateInstance(below, callbacks, out);
    };
    ASSERT_EQ(vkCreateInstance(&info, nullptr, &instance), VK_SUCCESS);
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(TheBelow().asked_without_instance.contains("vkCreateInstance"))
        << "there is no instance yet by which the next command could be asked for";
    vkDestroyInstance(instance, nullptr);
}

// LLP_LAYER_16: of the own name nothing is asked below; every other name goes down, none included.
TEST(Contract_vkEnumerateDeviceExtensionProperties, OnlyTheOwnNameIsAnsweredHere) {
    Session session(Watched());
    Taps taps;
    std::vector<std::string> asked;
    taps->EnumerateDeviceExtensionProperties = [&](VkPhysicalDevice, const char* layer,
                                                   uint32_t* count, VkExtensionProperties*) {
        asked.push_back(layer == nullptr ? "(null)" : layer);
        *count = 7;
        return VK_SUCCESS;
    };
    const auto enumerate = [&](const char* layer) {
        uint32_t count = 99;
        EXPECT_EQ(
            vkEnumerateDeviceExtensionProperties(session.physical_device, layer, &count, nullptr),
            VK_SUCCESS);
        return count;
    };
    EXPECT_EQ(enumerate(kOwnName), 0u);
    EXPECT_EQ(asked, std::vector<std::string>{});
    EXPECT_EQ(enumerate(nullptr), 7u);
    EXPECT_EQ(enumerate("VK_LAYER_TESSERA_test_below"), 7u);
    EXPECT_EQ(asked, (std::vector<std::string>{"(null)", "VK_LAYER_TESSERA_test_below"}));
}

// The library as a loader finds it, asked without one: what the loader knows by name it answers
// from a table that it filled when the device was made. While an instance is alive this is the copy
// that it uses.
class LayerLibrary {
 public:
    LayerLibrary() {
        // Where the tests' session looks.
        const std::string path = std::getenv("VK_LAYER_PATH");
        const std::string file =
            path.substr(0, path.find(':')) + "/libVkLayer_tessera_suballocator.so";
        library_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
        EXPECT_NE(library_, nullptr) << dlerror();
        const auto negotiate = reinterpret_cast<PFN_vkNegotiateLoaderLayerInterfaceVersion>(
            dlsym(library_, "vkNegotiateLoaderLayerInterfaceVersion"));
        interface_.sType = LAYER_NEGOTIATE_INTERFACE_STRUCT;
        interface_.loaderLayerInterfaceVersion = 2;
        EXPECT_EQ(negotiate(&interface_), VK_SUCCESS);
    }
    ~LayerLibrary() { dlclose(library_); }
    LayerLibrary(const LayerLibrary&) = delete;
    LayerLibrary& operator=(const LayerLibrary&) = delete;

    PFN_vkVoidFunction OfDevice(VkDevice device, const char* name) const {
        return interface_.pfnGetDeviceProcAddr(device, name);
    }
    template <typename Pfn>
    Pfn Global(const char* name) const {
        return reinterpret_cast<Pfn>(interface_.pfnGetInstanceProcAddr(VK_NULL_HANDLE, name));
    }

 private:
    void* library_ = nullptr;
    VkNegotiateLayerInterface interface_ = {};
};

// LLP_LAYER_15.
TEST(LoaderInterface, InstanceExtensionsOfAnyOtherNameAreNotPresent) {
    const mock::ScopedMock mock("preset:discrete");
    VkInstance instance = VK_NULL_HANDLE;
    ASSERT_EQ(MakeInstance({}, &instance), VK_SUCCESS);
    vkDestroyInstance(instance, nullptr);
    const LayerLibrary library;
    const auto enumerate = library.Global<PFN_vkEnumerateInstanceExtensionProperties>(
        "vkEnumerateInstanceExtensionProperties");
    ASSERT_NE(enumerate, nullptr);
    uint32_t count = 0;
    for (const char* name : {static_cast<const char*>(nullptr), "", "VK_LAYER_TESSERA_test_below",
                             "VK_LAYER_TESSERA_suballocator2", "vk_layer_tessera_suballocator"}) {
        EXPECT_EQ(enumerate(name, &count, nullptr), VK_ERROR_LAYER_NOT_PRESENT);
    }
    EXPECT_EQ(enumerate(kOwnName, &count, nullptr), VK_SUCCESS);
    EXPECT_EQ(count, 1u);
    count = 0;
    ASSERT_EQ(library.Global<PFN_vkEnumerateInstanceLayerProperties>(
                  "vkEnumerateInstanceLayerProperties")(&count, nullptr),
              VK_SUCCESS);
    EXPECT_EQ(count, 1u) << "a layer enumerates only itself";
}

// Commands of a device that the layer has functions of its own for, wherever the driver has them.
const char* const kHooked[] = {
    "vkAllocateMemory",
    "vkFreeMemory",
    "vkMapMemory",
    "vkUnmapMemory",
    "vkFlushMappedMemoryRanges",
    "vkInvalidateMappedMemoryRanges",
    "vkGetDeviceMemoryCommitment",
    "vkBindBufferMemory",
    "vkBindImageMemory",
    "vkQueueBindSparse",
    "vkBindBufferMemory2",
    "vkBindBufferMemory2KHR",
    "vkBindImageMemory2",
    "vkBindImageMemory2KHR",
    "vkMapMemory2",
    "vkMapMemory2KHR",
    "vkUnmapMemory2",
    "vkUnmapMemory2KHR",
    "vkGetDeviceMemoryOpaqueCaptureAddress",
    "vkGetDeviceMemoryOpaqueCaptureAddressKHR",
    "vkSetDeviceMemoryPriorityEXT",
    "vkBindAccelerationStructureMemoryNV",
    "vkBindVideoSessionMemoryKHR",
    "vkBindTensorMemoryARM",
    "vkBindDataGraphPipelineSessionMemoryARM",
    "vkSetPrivateData",
    "vkSetPrivateDataEXT",
    "vkGetPrivateData",
    "vkGetPrivateDataEXT",
    "vkDestroyPrivateDataSlot",
    "vkDestroyPrivateDataSlotEXT",
    "vkSetDebugUtilsObjectNameEXT",
    "vkSetDebugUtilsObjectTagEXT",
    "vkDebugMarkerSetObjectNameEXT",
    "vkDebugMarkerSetObjectTagEXT",
    "vkGetBufferMemoryRequirements",
    "vkGetBufferMemoryRequirements2",
    "vkGetBufferMemoryRequirements2KHR",
    "vkGetDeviceBufferMemoryRequirements",
    "vkGetDeviceBufferMemoryRequirementsKHR",
    "vkGetMemoryFdKHR",
    "vkGetMemoryRemoteAddressNV",
};

void VKAPI_CALL Offered() {}

std::string LibraryOf(PFN_vkVoidFunction function) {
    Dl_info info = {};
    if (function == nullptr || dladdr(reinterpret_cast<void*>(function), &info) == 0) return "";
    return info.dli_fname;
}

// LLP_LAYER_18: whatever the driver answers null for does not exist, also if it was there before.
TEST(LoaderInterface, NoCommandExistsThatTheDriverAnswersWithNull) {
    Session session(Watched());
    const Taps taps;
    const LayerLibrary library;
    for (const char* name : kHooked) {
        TheBelow().offered = {{name, Offered}};
        TheBelow().hidden.clear();
        const PFN_vkVoidFunction found = library.OfDevice(session.device, name);
        EXPECT_NE(LibraryOf(found).find("tessera_suballocator"), std::string::npos) << name;
        TheBelow().hidden = {name};
        EXPECT_EQ(library.OfDevice(session.device, name), nullptr) << name;
    }
    for (const char* name : {"vkDestroyDevice", "vkCmdDraw", "vkNoSuchCommand"}) {
        TheBelow().hidden = {name};
        EXPECT_EQ(library.OfDevice(session.device, name), nullptr) << name;
    }
}

// VK_KHR_maintenance5: a driver answers null for the core commands of versions that the application
// did not ask for. So does the loader then, and the layer works with what is left.
TEST(LoaderInterface, CoreCommandsOfLaterVersionsStayNullWithMaintenance5) {
    constexpr const char* kLater[] = {"vkGetDeviceMemoryOpaqueCaptureAddress",
                                      "vkGetDeviceBufferMemoryRequirements",
                                      "vkGetDeviceImageMemoryRequirements",
                                      "vkSetPrivateData",
                                      "vkGetPrivateData",
                                      "vkDestroyPrivateDataSlot",
                                      "vkQueueSubmit2",
                                      "vkMapMemory2",
                                      "vkUnmapMemory2"};
    const Taps taps;
    for (const char* name : kLater)
        TheBelow().hidden.insert(name);
    SessionOptions options = Watched();
    options.api_version = VK_API_VERSION_1_1;
    Session session(options);
    for (const char* name : kLater)
        EXPECT_EQ(vkGetDeviceProcAddr(session.device, name), nullptr) << name;
    const VkDeviceMemory memory = session.Allocate(4096, 1);
    const VkBuffer buffer = session.MakeBuffer(1000);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 1024), VK_SUCCESS);
    EXPECT_EQ(session.Totals(1).pooled.live, 1u);
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// f23, e27, e28, e31, e35: what works on addresses, copies for the host, describes layouts or
// orders accesses is the driver's own function, so nothing of the layer can be in its way.
TEST(LoaderInterface, CommandsOnAddressesLayoutsAndBarriersAreTheDrivers) {
    Session session(Watched());
    const Taps taps;
    const LayerLibrary library;
    for (const char* name : {"vkGetBufferDeviceAddress",
                             "vkGetBufferDeviceAddressKHR",
                             "vkGetBufferDeviceAddressEXT",
                             "vkGetBufferOpaqueCaptureAddress",
                             "vkGetAccelerationStructureDeviceAddressKHR",
                             "vkCmdTraceRaysIndirectKHR",
                             "vkCmdBindDescriptorBuffersEXT",
                             "vkCmdDecompressMemoryNV",
                             "vkCmdDecompressMemoryEXT",
                             "vkCmdCopyMemoryIndirectNV",
                             "vkCmdCopyMemoryIndirectKHR",
                             "vkCmdExecuteGeneratedCommandsEXT",
                             "vkCmdBuildMicromapsEXT",
                             "vkCopyMemoryToImage",
                             "vkCopyMemoryToImageEXT",
                             "vkCopyImageToMemory",
                             "vkCopyImageToMemoryEXT",
                             "vkCopyImageToImage",
                             "vkTransitionImageLayout",
                             "vkGetImageSubresourceLayout",
                             "vkGetImageSubresourceLayout2",
                             "vkGetImageSubresourceLayout2KHR",
                             "vkGetImageDrmFormatModifierPropertiesEXT",
                             "vkGetDeviceImageSubresourceLayout",
                             "vkGetSwapchainImagesKHR",
                             "vkCmdPipelineBarrier",
                             "vkCmdPipelineBarrier2",
                             "vkGetDeviceFaultInfoEXT",
                             "vkGetDeviceGroupPeerMemoryFeatures"}) {
        TheBelow().offered = {{name, Offered}};
        EXPECT_EQ(library.OfDevice(session.device, name), Offered) << name;
    }
}

// A device that the loader did not make known by name: the newer command reaches the layer through
// the loader's generic trampoline, and through it the driver.
TEST(LoaderInterface, CommandsThatTheLoaderDoesNotKnowGoThroughItsTrampoline) {
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_extensions": ["VK_KHR_map_memory2"]})";
    options.device_extensions = {"VK_KHR_map_memory2"};
    Session session(options);
    const auto map = reinterpret_cast<PFN_vkMapMemory2>(
        vkGetInstanceProcAddr(session.instance, "vkMapMemory2KHR"));
    ASSERT_NE(map, nullptr);
    const VkDeviceMemory memory = session.Allocate(4096, 2);
    VkMemoryMapInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_MAP_INFO;
    info.memory = memory;
    info.size = VK_WHOLE_SIZE;
    void* data = nullptr;
    session.mock->reset_call_counts();
    EXPECT_EQ(map(session.device, &info, &data), VK_SUCCESS);
    EXPECT_NE(data, nullptr);
    EXPECT_EQ(session.mock->call_count("vkMapMemory2"), 0u) << "a slot is mapped by the layer";
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// The layer finds a device by any of the handles that share its dispatch key.
TEST(LoaderInterface, QueuesAndCommandBuffersLeadToTheirDevice) {
    SessionOptions options;
    options.features.sparseBinding = VK_TRUE;
    Session session(options);
    VkBindSparseInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BIND_SPARSE_INFO;
    // A queue of this device, after another device came and went with its queues.
    {
        const float priority = 1.0f;
        VkDeviceQueueCreateInfo queue = {};
        queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
        queue.queueCount = 1;
        queue.pQueuePriorities = &priority;
        VkDeviceCreateInfo device_info = {};
        device_info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
        device_info.queueCreateInfoCount = 1;
        device_info.pQueueCreateInfos = &queue;
        device_info.pEnabledFeatures = &options.features;
        VkDevice other = VK_NULL_HANDLE;
        ASSERT_EQ(vkCreateDevice(session.physical_device, &device_info, nullptr, &other),
                  VK_SUCCESS);
        VkQueue others = VK_NULL_HANDLE;
        vkGetDeviceQueue(other, 0, 0, &others);
        EXPECT_EQ(vkQueueBindSparse(others, 1, &info, VK_NULL_HANDLE), VK_SUCCESS);
        vkDestroyDevice(other, nullptr);
    }
    EXPECT_EQ(vkQueueBindSparse(session.queue, 1, &info, VK_NULL_HANDLE), VK_SUCCESS);
    EXPECT_EQ(session.mock->call_count("vkQueueBindSparse"), 2u);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
