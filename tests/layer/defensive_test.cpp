// SPDX-License-Identifier: Apache-2.0
//
// Commands that pooled memory cannot legally reach: a pooled handle, live or freed, is refused with
// an error that the command lists, or the command does nothing; what was passed through reaches the
// driver. Most of these commands belong to other platforms, which the mock driver plays.

#include "layer/vk/late_vulkan.h"
#include "session.h"

namespace tessera::test {
namespace {

constexpr uint32_t kType = 1;
constexpr VkDeviceSize kLarge = 80u << 20;  // passed through

// A device with the extensions named, which it does not offer by itself.
SessionOptions With(std::vector<const char*> extensions, std::string* description) {
    *description = R"({"base": "discrete", "add_extensions": [)";
    for (size_t i = 0; i < extensions.size(); ++i)
        *description += std::string(i == 0 ? "" : ", ") + '"' + extensions[i] + '"';
    *description += "]}";
    SessionOptions options;
    options.description = description->c_str();
    options.device_extensions = std::move(extensions);
    return options;
}

class Defensive : public testing::Test {
 protected:
    void Start(std::vector<const char*> extensions) {
        session_ = std::make_unique<Session>(With(std::move(extensions), &description_));
        live_ = session_->Allocate(4096, kType);
        stale_ = session_->Allocate(4096, kType);
        session_->Free(stale_);
        drivers_ = session_->Allocate(kLarge, kType);
    }
    void TearDown() override {
        session_->Free(live_);
        session_->Free(drivers_);
        session_->Close();
        EXPECT_EQ(session_->mock.Violations(), "");
    }

    // `call(memory)` is refused for both pooled handles and goes down for the driver's.
    template <typename Call>
    void ExpectRefused(const char* command, VkResult refusal, Call call) {
        session_->mock->reset_call_counts();
        EXPECT_EQ(call(live_), refusal) << command;
        EXPECT_EQ(call(stale_), refusal) << command;
        EXPECT_EQ(session_->mock->call_count(command), 0u) << command;
        EXPECT_EQ(call(drivers_), VK_SUCCESS) << command;
        EXPECT_EQ(session_->mock->call_count(command), 1u) << command;
        ++refused_;
        const auto misuse = session_->Channel().devices.back().misuse;
        EXPECT_EQ(misuse[TESSERA_MISUSE_wrong_use], refused_) << command;
        EXPECT_EQ(misuse[TESSERA_MISUSE_use_after_free], refused_) << command;
    }
    // As that, for a command without a result.
    template <typename Call>
    void ExpectDropped(const char* command, Call call) {
        ExpectRefused(command, VK_INCOMPLETE, [&](VkDeviceMemory memory) {
            const uint64_t before = session_->mock->call_count(command);
            call(memory);
            return session_->mock->call_count(command) == before ? VK_INCOMPLETE : VK_SUCCESS;
        });
    }
    // The commands that are given no more than a memory and what is wanted of it.
    void ExpectExportRefused(const char* command, VkResult refusal) {
        const auto function = session_->Command<late::PfnGetMemoryHandle>(command);
        ASSERT_NE(function, nullptr) << command;
        ExpectRefused(command, refusal, [&](VkDeviceMemory memory) {
            struct {
                late::MemoryGetInfo head;
                uint64_t wanted;
            } info = {};
            info.head.memory = memory;
            void* handle = nullptr;
            return function(session_->device, &info.head, &handle);
        });
    }

    std::string description_;
    std::unique_ptr<Session> session_;
    VkDeviceMemory live_ = VK_NULL_HANDLE;
    VkDeviceMemory stale_ = VK_NULL_HANDLE;
    VkDeviceMemory drivers_ = VK_NULL_HANDLE;
    uint64_t refused_ = 0;  // times that each of the two handles was
};

TEST_F(Defensive, ExportsRefusePooledMemory) {
    Start({"VK_KHR_external_memory_win32", "VK_NV_external_memory_rdma",
           "VK_FUCHSIA_external_memory", "VK_EXT_external_memory_metal", "VK_OHOS_external_memory",
           "VK_ANDROID_external_memory_android_hardware_buffer"});
    for (const char* command : {"vkGetMemoryWin32HandleKHR", "vkGetMemoryZirconHandleFUCHSIA",
                                "vkGetMemoryMetalHandleEXT", "vkGetMemoryNativeBufferOHOS",
                                "vkGetMemoryAndroidHardwareBufferANDROID"}) {
        ExpectExportRefused(command, VK_ERROR_OUT_OF_HOST_MEMORY);
    }
    ExpectExportRefused("vkGetMemoryRemoteAddressNV", VK_ERROR_INVALID_EXTERNAL_HANDLE);
}

TEST_F(Defensive, ExportAsAFileRefusesPooledMemory) {
    Start({"VK_KHR_external_memory_fd"});
    constexpr auto kOpaque = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
    VkExportMemoryAllocateInfo exported = {};
    exported.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO;
    exported.handleTypes = kOpaque;
    session_->Free(drivers_);
    drivers_ = session_->Allocate(4096, kType, &exported);
    ExpectRefused("vkGetMemoryFdKHR", VK_ERROR_OUT_OF_HOST_MEMORY, [&](VkDeviceMemory memory) {
        const VkMemoryGetFdInfoKHR info = {VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR, nullptr,
                                           memory, kOpaque};
        int fd = -1;
        return session_->Command<PFN_vkGetMemoryFdKHR>("vkGetMemoryFdKHR")(session_->device, &info,
                                                                           &fd);
    });
}

TEST_F(Defensive, ExportByTheOlderExtensionRefusesPooledMemory) {
    Start({"VK_NV_external_memory_win32"});
    ExpectRefused(
        "vkGetMemoryWin32HandleNV", VK_ERROR_OUT_OF_HOST_MEMORY, [&](VkDeviceMemory memory) {
            void* handle = nullptr;
            return session_->Command<late::PfnGetMemoryWin32HandleNV>("vkGetMemoryWin32HandleNV")(
                session_->device, memory, 1, &handle);
        });
}

TEST_F(Defensive, ExportOfMetalObjectsDropsPooledMemory) {
    Start({"VK_EXT_metal_objects"});
    ExpectDropped("vkExportMetalObjectsEXT", [&](VkDeviceMemory memory) {
        late::ExportMetalBufferInfo buffer = {};
        buffer.sType = VK_STRUCTURE_TYPE_EXPORT_METAL_BUFFER_INFO_EXT;
        buffer.memory = memory;
        late::ExportMetalObjectsInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_EXPORT_METAL_OBJECTS_INFO_EXT;
        info.pNext = &buffer;
        session_->Command<late::PfnExportMetalObjects>("vkExportMetalObjectsEXT")(session_->device,
                                                                                  &info);
    });
}

TEST_F(Defensive, SubmissionsRefusePooledMemoryAsAKeyedMutex) {
    Start({"VK_KHR_win32_keyed_mutex"});
    const auto with_mutex = [&](VkDeviceMemory memory, bool release, auto submit) {
        late::KeyedMutexInfo mutexes = {};
        mutexes.sType = release ? VK_STRUCTURE_TYPE_WIN32_KEYED_MUTEX_ACQUIRE_RELEASE_INFO_NV
                                : VK_STRUCTURE_TYPE_WIN32_KEYED_MUTEX_ACQUIRE_RELEASE_INFO_KHR;
        (release ? mutexes.releaseCount : mutexes.acquireCount) = 1;
        (release ? mutexes.pReleaseSyncs : mutexes.pAcquireSyncs) = &memory;
        return submit(&mutexes);
    };
    for (const bool release : {false, true}) {
        ExpectRefused("vkQueueSubmit", VK_ERROR_OUT_OF_HOST_MEMORY, [&](VkDeviceMemory memory) {
            return with_mutex(memory, release, [&](const void* chain) {
                VkSubmitInfo infos[2] = {};
                infos[0].sType = infos[1].sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
                infos[1].pNext = chain;
                return vkQueueSubmit(session_->queue, 2, infos, VK_NULL_HANDLE);
            });
        });
    }
}

TEST_F(Defensive, SecondFormSubmissionsRefusePooledMemoryAsAKeyedMutex) {
    VkPhysicalDeviceSynchronization2Features features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES;
    features.synchronization2 = VK_TRUE;
    SessionOptions options =
        With({"VK_NV_win32_keyed_mutex", "VK_KHR_synchronization2"}, &description_);
    options.device_chain = &features;
    session_ = std::make_unique<Session>(options);
    live_ = session_->Allocate(4096, kType);
    stale_ = session_->Allocate(4096, kType);
    session_->Free(stale_);
    drivers_ = session_->Allocate(kLarge, kType);
    for (const char* command : {"vkQueueSubmit2", "vkQueueSubmit2KHR"}) {
        ExpectRefused(command, VK_ERROR_OUT_OF_HOST_MEMORY, [&](VkDeviceMemory memory) {
            late::KeyedMutexInfo mutexes = {};
            mutexes.sType = VK_STRUCTURE_TYPE_WIN32_KEYED_MUTEX_ACQUIRE_RELEASE_INFO_NV;
            mutexes.acquireCount = 1;
            mutexes.pAcquireSyncs = &memory;
            VkSubmitInfo2 info = {};
            info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2;
            info.pNext = &mutexes;
            return session_->Command<PFN_vkQueueSubmit2>(command)(session_->queue, 1, &info,
                                                                  VK_NULL_HANDLE);
        });
    }
}

// Only lazily allocated memory may be asked, and that is never pooled.
TEST_F(Defensive, CommitmentOfASlotIsItsSize) {
    Start({});
    session_->mock->reset_call_counts();
    VkDeviceSize committed = 0;
    vkGetDeviceMemoryCommitment(session_->device, live_, &committed);
    EXPECT_EQ(committed, 4096u);
    EXPECT_EQ(session_->mock->call_count("vkGetDeviceMemoryCommitment"), 0u);
    EXPECT_EQ(session_->Channel().devices.back().misuse[TESSERA_MISUSE_wrong_use], 1u);
}

// One command buffer of a pool.
class TileMemory : public Defensive {
 protected:
    void SetUp() override {
        Start({"VK_QCOM_tile_memory_heap"});
        VkCommandPoolCreateInfo pool_info = {};
        pool_info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
        pool_info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
        ASSERT_EQ(vkCreateCommandPool(session_->device, &pool_info, nullptr, &pool_), VK_SUCCESS);
        VkCommandBufferAllocateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
        info.commandPool = pool_;
        info.level = VK_COMMAND_BUFFER_LEVEL_SECONDARY;
        info.commandBufferCount = 1;
        ASSERT_EQ(vkAllocateCommandBuffers(session_->device, &info, &commands_), VK_SUCCESS);
    }
    void TearDown() override {
        vkDestroyCommandPool(session_->device, pool_, nullptr);
        Defensive::TearDown();
    }
    VkResult Begin(VkDeviceMemory memory) {
        late::TileMemoryBindInfo bind = {};
        bind.sType = static_cast<VkStructureType>(late::kTileMemoryBindInfo);
        bind.memory = memory;
        VkCommandBufferInheritanceInfo inheritance = {};
        inheritance.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO;
        inheritance.pNext = &bind;
        VkCommandBufferBeginInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
        info.flags = VK_COMMAND_BUFFER_USAGE_RENDER_PASS_CONTINUE_BIT;
        info.pInheritanceInfo = &inheritance;
        return vkBeginCommandBuffer(commands_, &info);
    }

    VkCommandPool pool_ = VK_NULL_HANDLE;
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
};

TEST_F(TileMemory, BindDropsPooledMemory) {
    ASSERT_EQ(Begin(VK_NULL_HANDLE), VK_SUCCESS);
    const auto bind = session_->Command<late::PfnCmdBindTileMemory>("vkCmdBindTileMemoryQCOM");
    ASSERT_NE(bind, nullptr);
    ExpectDropped("vkCmdBindTileMemoryQCOM", [&](VkDeviceMemory memory) {
        late::TileMemoryBindInfo info = {};
        info.sType = static_cast<VkStructureType>(late::kTileMemoryBindInfo);
        info.memory = memory;
        bind(commands_, &info);
    });
    session_->mock->reset_call_counts();
    bind(commands_, nullptr);
    EXPECT_EQ(session_->mock->call_count("vkCmdBindTileMemoryQCOM"), 1u);
}

TEST_F(TileMemory, BeginRefusesToInheritPooledMemory) {
    ExpectRefused("vkBeginCommandBuffer", VK_ERROR_OUT_OF_HOST_MEMORY,
                  [&](VkDeviceMemory memory) { return Begin(memory); });
}

// A primary command buffer inherits nothing, and what its pointer holds is not looked at.
TEST_F(TileMemory, BeginOfAPrimaryCommandBufferReadsNoInheritance) {
    VkCommandBufferBeginInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    info.pInheritanceInfo = reinterpret_cast<const VkCommandBufferInheritanceInfo*>(uintptr_t{8});
    VkCommandBufferAllocateInfo primary_info = {};
    primary_info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    primary_info.commandPool = pool_;
    primary_info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    primary_info.commandBufferCount = 1;
    VkCommandBuffer primary = VK_NULL_HANDLE;
    ASSERT_EQ(vkAllocateCommandBuffers(session_->device, &primary_info, &primary), VK_SUCCESS);
    EXPECT_EQ(vkBeginCommandBuffer(primary, &info), VK_SUCCESS);
}

// Of commands that are no use to defend on a device the driver's own functions are handed out.
TEST_F(Defensive, HotPathsAreTheDriversWhereNoMemoryComesAlongThem) {
    Start({"VK_KHR_win32_keyed_mutex"});
    Session plain;
    std::string description;
    Session tiles(With({"VK_QCOM_tile_memory_heap"}, &description));
    for (const char* name : {"vkQueueSubmit", "vkQueueSubmit2"}) {
        EXPECT_EQ(vkGetDeviceProcAddr(plain.device, name), vkGetDeviceProcAddr(tiles.device, name));
        EXPECT_NE(vkGetDeviceProcAddr(plain.device, name),
                  vkGetDeviceProcAddr(session_->device, name));
    }
    EXPECT_EQ(vkGetDeviceProcAddr(plain.device, "vkBeginCommandBuffer"),
              vkGetDeviceProcAddr(session_->device, "vkBeginCommandBuffer"));
    EXPECT_NE(vkGetDeviceProcAddr(plain.device, "vkBeginCommandBuffer"),
              vkGetDeviceProcAddr(tiles.device, "vkBeginCommandBuffer"));
    EXPECT_EQ(vkGetDeviceProcAddr(plain.device, "vkCmdBindTileMemoryQCOM"), nullptr);
}

}  // namespace
}  // namespace tessera::test
