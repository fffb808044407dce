// SPDX-License-Identifier: Apache-2.0
//
// See session.h.

#include "session.h"

#include <unistd.h>

#include <cstdlib>

namespace tessera::test {
namespace {

constexpr char kLayer[] = "VK_LAYER_TESSERA_suballocator";
constexpr char kBelow[] = "VK_LAYER_TESSERA_test_below";

// Another build of the layer may be put to the same tests.
const char* LayerFolder() {
    const char* other = std::getenv("TESSERA_TEST_LAYER_DIR");
    return other != nullptr ? other : TESSERA_LAYER_DIR;
}

}  // namespace

VkResult MakeInstance(const SessionOptions& options, VkInstance* instance) {
    std::string path = LayerFolder();
    // The loader puts what is named later nearer to the driver.
    std::vector<const char*> layers;
    if (options.use_layer) layers.push_back(kLayer);
    if (options.layer_below) {
        layers.push_back(kBelow);
        path += std::string(":") + TESSERA_TEST_BELOW_DIR;
    }
    setenv("VK_LAYER_PATH", path.c_str(), 1);
    VkApplicationInfo application = {};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.apiVersion = options.api_version;
    VkInstanceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pApplicationInfo = &application;
    info.enabledLayerCount = static_cast<uint32_t>(layers.size());
    info.ppEnabledLayerNames = layers.data();
    info.enabledExtensionCount = static_cast<uint32_t>(options.instance_extensions.size());
    info.ppEnabledExtensionNames = options.instance_extensions.data();
    return vkCreateInstance(&info, nullptr, instance);
}

Session::Session(const SessionOptions& options) : mock(options.description) {
    EXPECT_TRUE(mock.good()) << options.description;
    for (const std::string& setting : options.environment) {
        const size_t equals = setting.find('=');
        const std::string name = setting.substr(0, equals);
        const char* before = std::getenv(name.c_str());
        environment_.emplace_back(name, before == nullptr ? "" : before);
        setenv(name.c_str(), setting.substr(equals + 1).c_str(), 1);
    }
    EXPECT_EQ(MakeInstance(options, &instance), VK_SUCCESS);
    uint32_t count = 1;
    EXPECT_GE(vkEnumeratePhysicalDevices(instance, &count, &physical_device), 0);
    vkGetPhysicalDeviceMemoryProperties(physical_device, &memory_properties);
    MakeDevice(options);
}

void Session::MakeDevice(const SessionOptions& options) {
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue_info = {};
    queue_info.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue_info.queueCount = 1;
    queue_info.pQueuePriorities = &priority;
    VkDeviceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    info.pNext = options.device_chain;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue_info;
    info.pEnabledFeatures = &options.features;
    info.enabledExtensionCount = static_cast<uint32_t>(options.device_extensions.size());
    info.ppEnabledExtensionNames = options.device_extensions.data();
    ASSERT_EQ(vkCreateDevice(physical_device, &info, nullptr, &device), VK_SUCCESS);
    vkGetDeviceQueue(device, 0, 0, &queue);
}

Session::~Session() {
    Close();
    for (const auto& [name, value] : environment_)
        value.empty() ? unsetenv(name.c_str()) : setenv(name.c_str(), value.c_str(), 1);
}

void Session::Close() {
    if (device != VK_NULL_HANDLE) vkDestroyDevice(device, nullptr);
    if (instance != VK_NULL_HANDLE) vkDestroyInstance(instance, nullptr);
    device = VK_NULL_HANDLE;
    instance = VK_NULL_HANDLE;
}

uint32_t Session::TypeWith(VkMemoryPropertyFlags flags) const {
    for (uint32_t i = 0; i < memory_properties.memoryTypeCount; ++i) {
        if (memory_properties.memoryTypes[i].propertyFlags == flags) return i;
    }
    ADD_FAILURE() << "no memory type with flags " << flags;
    return 0;
}

VkResult Session::TryAllocate(VkDeviceSize size, uint32_t type, VkDeviceMemory* memory,
                              const void* chain) const {
    VkMemoryAllocateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.pNext = chain;
    info.allocationSize = size;
    info.memoryTypeIndex = type;
    return vkAllocateMemory(device, &info, nullptr, memory);
}

VkDeviceMemory Session::Allocate(VkDeviceSize size, uint32_t type, const void* chain) const {
    VkDeviceMemory memory = VK_NULL_HANDLE;
    EXPECT_EQ(TryAllocate(size, type, &memory, chain), VK_SUCCESS);
    EXPECT_NE(memory, static_cast<VkDeviceMemory>(VK_NULL_HANDLE));
    return memory;
}

void* Session::Map(VkDeviceMemory memory, VkDeviceSize offset, VkDeviceSize size) {
    void* data = nullptr;
    EXPECT_EQ(vkMapMemory(device, memory, offset, size, 0, &data), VK_SUCCESS);
    return data;
}

VkBuffer Session::MakeBuffer(VkDeviceSize size, VkBufferUsageFlags usage,
                             VkBufferCreateFlags flags) const {
    VkBufferCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.flags = flags;
    info.size = size;
    info.usage = usage;
    VkBuffer buffer = VK_NULL_HANDLE;
    EXPECT_EQ(vkCreateBuffer(device, &info, nullptr, &buffer), VK_SUCCESS);
    return buffer;
}

VkImage Session::MakeImage(uint32_t edge, VkImageTiling tiling, VkImageCreateFlags flags) const {
    VkImageCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
    info.flags = flags;
    info.imageType = VK_IMAGE_TYPE_2D;
    info.format = VK_FORMAT_R8G8B8A8_UNORM;
    info.extent = {edge, edge, 1};
    info.mipLevels = 1;
    info.arrayLayers = 1;
    info.samples = VK_SAMPLE_COUNT_1_BIT;
    info.tiling = tiling;
    info.usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;
    VkImage image = VK_NULL_HANDLE;
    EXPECT_EQ(vkCreateImage(device, &info, nullptr, &image), VK_SUCCESS);
    return image;
}

VkMemoryRequirements Session::Requirements(VkBuffer buffer) const {
    VkMemoryRequirements requirements = {};
    vkGetBufferMemoryRequirements(device, buffer, &requirements);
    return requirements;
}

VkMemoryRequirements Session::Requirements(VkImage image) const {
    VkMemoryRequirements requirements = {};
    vkGetImageMemoryRequirements(device, image, &requirements);
    return requirements;
}

void Session::Run(const std::function<void(VkCommandBuffer)>& record) const {
    VkCommandPoolCreateInfo pool_info = {};
    pool_info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    VkCommandPool pool = VK_NULL_HANDLE;
    ASSERT_EQ(vkCreateCommandPool(device, &pool_info, nullptr, &pool), VK_SUCCESS);
    VkCommandBufferAllocateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    info.commandPool = pool;
    info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    info.commandBufferCount = 1;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    ASSERT_EQ(vkAllocateCommandBuffers(device, &info, &commands), VK_SUCCESS);
    VkCommandBufferBeginInfo begin = {};
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    EXPECT_EQ(vkBeginCommandBuffer(commands, &begin), VK_SUCCESS);
    record(commands);
    EXPECT_EQ(vkEndCommandBuffer(commands), VK_SUCCESS);
    VkSubmitInfo submit = {};
    submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
    submit.commandBufferCount = 1;
    submit.pCommandBuffers = &commands;
    EXPECT_EQ(vkQueueSubmit(queue, 1, &submit, VK_NULL_HANDLE), VK_SUCCESS);
    EXPECT_EQ(vkQueueWaitIdle(queue), VK_SUCCESS);
    vkDestroyCommandPool(device, pool, nullptr);
}

reader::Process Session::Channel() const {
    auto result = reader::ReadProcess(static_cast<uint64_t>(getpid()));
    EXPECT_TRUE(result.ok()) << result.error;
    return result.value;
}

tessera_type_totals Session::Totals(uint32_t type) const {
    const reader::Process process = Channel();
    if (process.devices.empty() || type >= process.devices.back().memory_types.size()) {
        ADD_FAILURE() << "no such memory type in the channel";
        return {};
    }
    return process.devices.back().memory_types[type].totals;
}

uint64_t Session::DriverLive(uint32_t type) const {
    TesseraMockTotals totals = {};
    mock->totals(VK_NULL_HANDLE, type, &totals);
    return totals.live;
}

}  // namespace tessera::test
