// SPDX-License-Identifier: Apache-2.0
//
// See application.h.
#include "application.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "layer_calls.h"
#include "mock_client.h"
#include "own_channel.h"

namespace tessera::faults {
namespace {

constexpr char kLayer[] = "VK_LAYER_TESSERA_suballocator";

bool IsError(VkResult result) {
    return result < 0;
}

bool MayReturn(const std::string& command, VkResult result) {
    const std::vector<VkResult>& errors = ErrorsOf(command);
    return std::find(errors.begin(), errors.end(), result) != errors.end();
}

}  // namespace

Application::Application(const Machine& machine, std::optional<Fault> fault)
    : machine_(machine), fault_(std::move(fault)) {}

Application::~Application() {
    Stop();
    Close();
}

void Application::Start() {
    StartCounting();
    if (fault_) {
        fault_->Arm();
        armed_ = true;
    }
}

void Application::Stop() {
    ClearFaults();
    armed_ = false;
}

Application::Below Application::LookBelow() const {
    if (device == VK_NULL_HANDLE) return {};
    const TesseraMock& mock = mock::Control();
    return {mock.live_objects(device, VK_OBJECT_TYPE_DEVICE_MEMORY),
            mock.live_objects(device, VK_OBJECT_TYPE_BUFFER),
            mock.live_objects(device, VK_OBJECT_TYPE_IMAGE)};
}

VkResult Application::Call(const char* command, Kind kind, const std::function<VkResult()>& call) {
    if (!armed_) {
        const VkResult result = call();
        EXPECT_FALSE(IsError(result)) << command << " returned " << result << " without a fault";
        return result;
    }
    const TesseraMock& mock = mock::Control();
    const Below below = LookBelow();
    const uint64_t allocations = mock.call_count("vkAllocateMemory");
    const uint64_t frees = mock.call_count("vkFreeMemory");
    const uint64_t before = fault_->Calls();
    VkResult result = call();
    Event event{command, fault_->FiredBetween(before, fault_->Calls()), result};
    fired_ |= event.fired;
    const NotTheLayer own_work;
    if (event.fired) {
        events_.push_back(event);
        Judge(event, kind, below, mock.call_count("vkAllocateMemory") - allocations,
              mock.call_count("vkFreeMemory") - frees);
    } else {
        EXPECT_FALSE(IsError(result)) << command << " returned " << result
                                      << " although nothing failed below: " << fault_->Text();
    }
    if (IsError(result)) {
        Stop();
        // The loader by itself does not bear every second try.
        if (!machine_.use_layer) throw GivenUp();
        result = call();
        EXPECT_FALSE(IsError(result))
            << command << " returned " << result << " again, without a fault: " << fault_->Text();
    }
    return result;
}

void Application::Void(const char* command, const std::function<void()>& call) {
    Call(command, Kind::kPlain, [&call] {
        call();
        return VK_SUCCESS;
    });
}

void Application::Judge(const Event& event, Kind kind, const Below& before, uint64_t allocations,
                        uint64_t frees) {
    SCOPED_TRACE(fault_->Text() + ", during " + event.command);
    const VkResult result = event.result;
    // Without the layer nothing is judged: that run shows what the loader and the driver do alone.
    if (!machine_.use_layer) return;
    switch (VerdictOf(*fault_, event.command, kind)) {
        case Verdict::kAbsorbed:
            EXPECT_EQ(result, VK_SUCCESS) << "the application must not hear of it";
            break;
        case Verdict::kTold:
            EXPECT_EQ(result, fault_->result) << "the application must hear of it";
            break;
        case Verdict::kToldAsDeviceFull:
            EXPECT_EQ(result, VK_ERROR_OUT_OF_DEVICE_MEMORY);
            break;
        case Verdict::kToldIfNotRetried:
            if (result == VK_SUCCESS && allocations >= 2 && frees >= 1) break;
            EXPECT_EQ(result, fault_->result) << "the application must hear of it";
            break;
        case Verdict::kToldAsHostFull:
            EXPECT_TRUE(result == VK_SUCCESS || result == VK_ERROR_OUT_OF_HOST_MEMORY) << result;
            break;
        case Verdict::kEither:
            break;
        case Verdict::kUnknown:
            ADD_FAILURE() << "rules.cpp does not say what the application may hear";
            break;
    }
    if (!IsError(result)) return;
    if (kind == Kind::kLoader) return;
    EXPECT_TRUE(MayReturn(event.command, result)) << "not an error of this command: " << result;
    const Below after = LookBelow();
    EXPECT_EQ(after.buffers, before.buffers);
    EXPECT_EQ(after.images, before.images);
    // A bind that the driver refuses may have moved its slot before, which nobody can see.
    const bool may_have_moved =
        event.command == fault_->function && event.command.starts_with("vkBind");
    EXPECT_LE(after.memories, before.memories + (may_have_moved ? allocations : 0));
    CheckNumbers();
}

size_t Application::DeviceOrder() const {
    return static_cast<size_t>(std::find(devices_.begin(), devices_.end(), device) -
                               devices_.begin());
}

// What a reader makes of the record: shards count what is pooled.
tessera_type_totals TotalsOf(const tessera_device_record& record, uint32_t type) {
    tessera_type_totals totals = record.totals[type];
    for (const tessera_shard_counters& shard : record.shards)
        if (shard.type == type + 1) tessera_add_shard(&totals, &shard);
    return totals;
}

void Application::CheckNumbers() {
    // Without host memory or a file what is counted, and where, is the layer's own affair.
    if (!machine_.use_layer || (fault_ && fault_->source != Source::kDriver)) return;
    if (device == VK_NULL_HANDLE) return;
    const OwnChannel channel;
    const tessera_device_record* published = channel.LiveDevice(DeviceOrder());
    ASSERT_NE(published, nullptr);
    for (uint32_t type = 0; type < published->type_count; ++type) {
        SCOPED_TRACE("memory type " + std::to_string(type));
        const tessera_type_totals totals = TotalsOf(*published, type);
        const Books& books = books_[device][type];
        EXPECT_EQ(totals.app.live, books.live);
        EXPECT_EQ(totals.app.live_bytes, books.live_bytes);
        EXPECT_EQ(totals.placement_failures, 0u);
        TesseraMockTotals below = {};
        mock::Control().totals(device, type, &below);
        EXPECT_EQ(totals.driver.live, below.live);
        EXPECT_EQ(totals.driver.live_bytes, below.live_bytes);
    }
}

void Application::ExpectPooledAsAsked() {
    const OwnChannel channel;
    const tessera_device_record* published = channel.LiveDevice(DeviceOrder());
    ASSERT_NE(published, nullptr);
    uint64_t pooled = 0;
    for (uint32_t type = 0; type < published->type_count; ++type)
        pooled += TotalsOf(*published, type).pooled.allocations;
    EXPECT_EQ(pooled, pooled_calls_) << "the scenario says wrongly what is pooled";
}

void Application::SetEnvironment() {
    if (!replaced_.empty()) return;
    for (const std::string& setting : machine_.environment) {
        const size_t equals = setting.find('=');
        const std::string name = setting.substr(0, equals);
        std::string value = setting.substr(equals + 1);
        if (value.starts_with("@/")) value = getenv("XDG_RUNTIME_DIR") + value.substr(1);
        const char* before = getenv(name.c_str());
        replaced_.emplace_back(name, before == nullptr ? "" : before);
        setenv(name.c_str(), value.c_str(), 1);
    }
}

void Application::RestoreEnvironment() {
    for (const auto& [name, value] : replaced_) {
        value.empty() ? unsetenv(name.c_str()) : setenv(name.c_str(), value.c_str(), 1);
    }
    replaced_.clear();
}

void Application::MakeInstance() {
    setenv("VK_LAYER_PATH", TESSERA_LAYER_DIR, 1);
    setenv("TESSERA_HELPER", "off", 0);  // so that the Nth call is the same each time
    VkApplicationInfo application = {};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.apiVersion = VK_API_VERSION_1_3;
    const char* layers[] = {kLayer};
    VkInstanceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    info.pApplicationInfo = &application;
    info.enabledLayerCount = machine_.use_layer ? 1 : 0;
    info.ppEnabledLayerNames = layers;
    info.enabledExtensionCount = static_cast<uint32_t>(machine_.instance_extensions.size());
    info.ppEnabledExtensionNames = machine_.instance_extensions.data();
    SetEnvironment();
    Call("vkCreateInstance", Kind::kLoader,
         [&] { return vkCreateInstance(&info, nullptr, &instance); });
    Call("vkEnumeratePhysicalDevices", Kind::kLoader, [&] {
        uint32_t count = 1;
        return vkEnumeratePhysicalDevices(instance, &count, &physical_device);
    });
}

void Application::MakeDevice() {
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue_info = {};
    queue_info.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue_info.queueCount = 1;
    queue_info.pQueuePriorities = &priority;
    VkPhysicalDeviceFeatures features = {};
    features.sparseBinding = machine_.sparse;
    features.sparseResidencyBuffer = machine_.sparse;
    features.sparseResidencyImage2D = machine_.sparse;
    VkPhysicalDeviceBufferDeviceAddressFeatures address = {};
    address.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES;
    address.bufferDeviceAddress = VK_TRUE;
    VkPhysicalDevicePrivateDataFeatures private_data = {};
    private_data.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRIVATE_DATA_FEATURES;
    private_data.privateData = VK_TRUE;
    VkDeviceCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    if (machine_.device_address) info.pNext = &address;
    if (machine_.private_data) {
        private_data.pNext = const_cast<void*>(info.pNext);
        info.pNext = &private_data;
    }
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue_info;
    info.pEnabledFeatures = &features;
    info.enabledExtensionCount = static_cast<uint32_t>(machine_.device_extensions.size());
    info.ppEnabledExtensionNames = machine_.device_extensions.data();
    device = VK_NULL_HANDLE;
    VkDevice made = VK_NULL_HANDLE;
    Call("vkCreateDevice", Kind::kLoader,
         [&] { return vkCreateDevice(physical_device, &info, nullptr, &made); });
    device = made;
    if (device == VK_NULL_HANDLE) return;
    devices_.push_back(device);
    vkGetDeviceQueue(device, 0, 0, &queue);
}

void Application::DestroyDevice() {
    VkDevice doomed = device;
    device = VK_NULL_HANDLE;
    if (doomed == VK_NULL_HANDLE) return;
    std::erase(devices_, doomed);
    books_.erase(doomed);
    Void("vkDestroyDevice", [doomed] { vkDestroyDevice(doomed, nullptr); });
}

void Application::DestroyInstance() {
    VkInstance doomed = instance;
    instance = VK_NULL_HANDLE;
    if (doomed != VK_NULL_HANDLE) {
        Void("vkDestroyInstance", [doomed] { vkDestroyInstance(doomed, nullptr); });
    }
}

void Application::Close() {
    DestroyDevice();
    DestroyInstance();
    RestoreEnvironment();
}

void Application::Abandon() {
    Stop();
    for (const auto& [key, entry] : memories_)
        vkFreeMemory(key.first, key.second, nullptr);
    for (const VkDevice live : devices_)
        vkDestroyDevice(live, nullptr);
    device = VK_NULL_HANDLE;
    DestroyInstance();
}

VkDeviceMemory Application::Allocate(Kind kind, VkDeviceSize size, uint32_t type, const void* chain,
                                     const VkAllocationCallbacks* allocator) {
    VkMemoryAllocateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.pNext = chain;
    info.allocationSize = size;
    info.memoryTypeIndex = type;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    const VkResult result = Call("vkAllocateMemory", kind, [&] {
        return vkAllocateMemory(device, &info, allocator, &memory);
    });
    if (result != VK_SUCCESS) return VK_NULL_HANDLE;
    memories_[{device, memory}] = {type, size};
    ++books_[device][type].live;
    books_[device][type].live_bytes += size;
    return memory;
}

VkDeviceMemory Application::Pooled(VkDeviceSize size, uint32_t type, const void* chain,
                                   const VkAllocationCallbacks* allocator) {
    ++pooled_calls_;
    const Kind kind = machine_.look_alikes ? Kind::kPooledAmongLookAlikes : Kind::kPooled;
    return Allocate(kind, size, type, chain, allocator);
}

VkDeviceMemory Application::Through(VkDeviceSize size, uint32_t type, const void* chain,
                                    const VkAllocationCallbacks* allocator) {
    const Kind kind = machine_.look_alikes ? Kind::kLookAlike : Kind::kThrough;
    return Allocate(kind, size, type, chain, allocator);
}

void Application::Free(VkDeviceMemory memory, const VkAllocationCallbacks* allocator) {
    const auto entry = memories_.find({device, memory});
    if (entry != memories_.end()) {
        Books& books = books_[device][entry->second.type];
        --books.live;
        books.live_bytes -= entry->second.size;
        memories_.erase(entry);
    }
    Void("vkFreeMemory", [&] { vkFreeMemory(device, memory, allocator); });
}

std::byte* Application::Map(VkDeviceMemory memory, VkDeviceSize offset, VkDeviceSize size) {
    void* data = nullptr;
    Call("vkMapMemory", Kind::kPlain,
         [&] { return vkMapMemory(device, memory, offset, size, 0, &data); });
    return static_cast<std::byte*>(data);
}

void Application::Unmap(VkDeviceMemory memory) {
    Void("vkUnmapMemory", [&] { vkUnmapMemory(device, memory); });
}

void Application::Flush(const std::vector<VkMappedMemoryRange>& ranges) {
    Call("vkFlushMappedMemoryRanges", Kind::kPlain, [&] {
        return vkFlushMappedMemoryRanges(device, static_cast<uint32_t>(ranges.size()),
                                         ranges.data());
    });
}

void Application::Invalidate(const std::vector<VkMappedMemoryRange>& ranges) {
    Call("vkInvalidateMappedMemoryRanges", Kind::kPlain, [&] {
        return vkInvalidateMappedMemoryRanges(device, static_cast<uint32_t>(ranges.size()),
                                              ranges.data());
    });
}

VkBuffer Application::Buffer(VkDeviceSize size, VkBufferUsageFlags usage,
                             VkBufferCreateFlags flags) {
    VkBufferCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.flags = flags;
    info.size = size;
    info.usage = usage;
    VkBuffer buffer = VK_NULL_HANDLE;
    Call("vkCreateBuffer", Kind::kPlain,
         [&] { return vkCreateBuffer(device, &info, nullptr, &buffer); });
    return buffer;
}

VkImage Application::Image(uint32_t edge, VkImageTiling tiling, VkImageCreateFlags flags) {
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
    Call("vkCreateImage", Kind::kPlain,
         [&] { return vkCreateImage(device, &info, nullptr, &image); });
    return image;
}

VkMemoryRequirements Application::Needs(VkBuffer buffer) {
    VkMemoryRequirements needs = {};
    Void("vkGetBufferMemoryRequirements",
         [&] { vkGetBufferMemoryRequirements(device, buffer, &needs); });
    return needs;
}

VkMemoryRequirements Application::Needs(VkImage image) {
    VkMemoryRequirements needs = {};
    Void("vkGetImageMemoryRequirements",
         [&] { vkGetImageMemoryRequirements(device, image, &needs); });
    return needs;
}

void Application::Bind(VkBuffer buffer, VkDeviceMemory memory, VkDeviceSize offset) {
    Call("vkBindBufferMemory", Kind::kPlain,
         [&] { return vkBindBufferMemory(device, buffer, memory, offset); });
    TesseraMockBinding binding = {};
    mock::Control().find_buffer(device, buffer, &binding);
    EXPECT_NE(binding.memory, static_cast<VkDeviceMemory>(VK_NULL_HANDLE));
}

void Application::Bind(VkImage image, VkDeviceMemory memory, VkDeviceSize offset) {
    Call("vkBindImageMemory", Kind::kPlain,
         [&] { return vkBindImageMemory(device, image, memory, offset); });
    TesseraMockBinding binding = {};
    mock::Control().find_image(device, image, 0, &binding);
    EXPECT_NE(binding.memory, static_cast<VkDeviceMemory>(VK_NULL_HANDLE));
}

void Application::Destroy(VkBuffer buffer) {
    Void("vkDestroyBuffer", [&] { vkDestroyBuffer(device, buffer, nullptr); });
}

void Application::Destroy(VkImage image) {
    Void("vkDestroyImage", [&] { vkDestroyImage(device, image, nullptr); });
}

}  // namespace tessera::faults
