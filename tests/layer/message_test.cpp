// SPDX-License-Identifier: Apache-2.0
//
// Debug messages that name memory: what reaches the driver and the application's own callback is
// a handle that the driver made, or none.

#include <sys/wait.h>
#include <unistd.h>

#include "layer/vk/handle.h"
#include "session.h"

namespace tessera::test {
namespace {

// What a message looked like when it came back from below.
struct Seen {
    std::string text;
    std::vector<uint64_t> handles;
    std::vector<std::string> names;
};

VKAPI_ATTR VkBool32 VKAPI_CALL OnMessage(VkDebugUtilsMessageSeverityFlagBitsEXT,
                                         VkDebugUtilsMessageTypeFlagsEXT,
                                         const VkDebugUtilsMessengerCallbackDataEXT* data,
                                         void* user) {
    if (std::string(data->pMessage) != "of the application") return VK_FALSE;
    auto& seen = *static_cast<Seen*>(user);
    seen.text = data->pMessage;
    for (uint32_t i = 0; i < data->objectCount; ++i) {
        seen.handles.push_back(data->pObjects[i].objectHandle);
        const char* const name = data->pObjects[i].pObjectName;
        seen.names.push_back(name != nullptr ? name : "");
    }
    return VK_FALSE;
}

VkDebugUtilsObjectNameInfoEXT Object(VkObjectType type, uint64_t handle, const char* name) {
    return {VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT, nullptr, type, handle, name};
}

class Message : public testing::Test {
 protected:
    Message() {
        SessionOptions options;
        options.instance_extensions = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME,
                                       VK_EXT_DEBUG_REPORT_EXTENSION_NAME};
        session_ = std::make_unique<Session>(options);
        VkDebugUtilsMessengerCreateInfoEXT info = {};
        info.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT;
        info.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
        info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT;
        info.pfnUserCallback = OnMessage;
        info.pUserData = &seen_;
        EXPECT_EQ(Command<PFN_vkCreateDebugUtilsMessengerEXT>("vkCreateDebugUtilsMessengerEXT")(
                      session_->instance, &info, nullptr, &messenger_),
                  VK_SUCCESS);
    }
    void TearDown() override {
        Command<PFN_vkDestroyDebugUtilsMessengerEXT>("vkDestroyDebugUtilsMessengerEXT")(
            session_->instance, messenger_, nullptr);
        session_->Close();
        EXPECT_EQ(session_->mock.Violations(), "");
    }
    template <typename Pfn>
    Pfn Command(const char* name) const {
        return reinterpret_cast<Pfn>(vkGetInstanceProcAddr(session_->instance, name));
    }
    void Submit(const std::vector<VkDebugUtilsObjectNameInfoEXT>& objects) {
        VkDebugUtilsMessengerCallbackDataEXT data = {};
        data.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CALLBACK_DATA_EXT;
        data.pMessage = "of the application";
        data.objectCount = static_cast<uint32_t>(objects.size());
        data.pObjects = objects.data();
        seen_ = {};
        Command<PFN_vkSubmitDebugUtilsMessageEXT>("vkSubmitDebugUtilsMessageEXT")(
            session_->instance, VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
            VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT, &data);
        EXPECT_EQ(seen_.text, data.pMessage);
        EXPECT_EQ(seen_.handles.size(), objects.size());
    }
    void Report(VkDeviceMemory memory) {
        session_->mock->reset_call_counts();
        Command<PFN_vkDebugReportMessageEXT>("vkDebugReportMessageEXT")(
            session_->instance, VK_DEBUG_REPORT_ERROR_BIT_EXT,
            VK_DEBUG_REPORT_OBJECT_TYPE_DEVICE_MEMORY_EXT, HandleValue(memory), 0, 0, "test",
            "of the application");
        EXPECT_EQ(session_->mock->call_count("vkDebugReportMessageEXT"), 1u);
    }
    // The block that a slot's buffer is bound to.
    VkDeviceMemory BlockOf(VkBuffer buffer) const {
        TesseraMockBinding binding = {};
        EXPECT_TRUE(session_->mock->find_buffer(session_->device, buffer, &binding));
        return binding.memory;
    }

    Seen seen_;
    std::unique_ptr<Session> session_;
    VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
};

TEST_F(Message, NamesTheBlockOfASlotAndLeavesTheRest) {
    const VkDeviceMemory bound = session_->Allocate(4096, 1);
    const VkDeviceMemory floating = session_->Allocate(4096, 1);
    const VkDeviceMemory large = session_->Allocate(80u << 20, 1);
    const VkBuffer buffer = session_->MakeBuffer(4096);
    ASSERT_EQ(vkBindBufferMemory(session_->device, buffer, bound, 0), VK_SUCCESS);
    const std::vector<VkDebugUtilsObjectNameInfoEXT> objects = {
        Object(VK_OBJECT_TYPE_BUFFER, (uint64_t)buffer, "buffer"),
        Object(VK_OBJECT_TYPE_DEVICE_MEMORY, HandleValue(bound), "bound"),
        Object(VK_OBJECT_TYPE_DEVICE_MEMORY, HandleValue(floating), "floating"),
        Object(VK_OBJECT_TYPE_DEVICE_MEMORY, HandleValue(large), "large"),
        // Ten objects are more than lie in place.
        Object(VK_OBJECT_TYPE_DEVICE_MEMORY, HandleValue(bound), "5"),
        Object(VK_OBJECT_TYPE_DEVICE_MEMORY, HandleValue(bound), "6"),
        Object(VK_OBJECT_TYPE_DEVICE_MEMORY, HandleValue(bound), "7"),
        Object(VK_OBJECT_TYPE_DEVICE_MEMORY, HandleValue(bound), "8"),
        Object(VK_OBJECT_TYPE_DEVICE_MEMORY, HandleValue(bound), "9"),
        Object(VK_OBJECT_TYPE_DEVICE_MEMORY, HandleValue(bound), "10")};
    const auto before = objects;
    Submit(objects);
    const uint64_t block = HandleValue(BlockOf(buffer));
    EXPECT_EQ(seen_.handles, (std::vector<uint64_t>{(uint64_t)buffer, block, 0, HandleValue(large),
                                                    block, block, block, block, block, block}));
    EXPECT_EQ(seen_.names[1], "bound");
    EXPECT_EQ(seen_.names[2], "floating");
    for (size_t i = 0; i < objects.size(); ++i)
        EXPECT_EQ(objects[i].objectHandle, before[i].objectHandle) << "the application's own array";
    vkDestroyBuffer(session_->device, buffer, nullptr);
    for (VkDeviceMemory memory : {bound, floating, large})
        session_->Free(memory);
}

TEST_F(Message, NamesNothingForFreedMemory) {
    const VkDeviceMemory memory = session_->Allocate(4096, 1);
    session_->Free(memory);
    Submit({Object(VK_OBJECT_TYPE_DEVICE_MEMORY, HandleValue(memory), "freed")});
    EXPECT_EQ(seen_.handles, std::vector<uint64_t>{0});
    Report(memory);
}

TEST_F(Message, KeepsADriverHandleThatLooksLikeOurs) {
    const VkDeviceMemory slot = session_->Allocate(4096, 1);
    const uint64_t look_alike = HandleValue(slot) + (uint64_t{5} << SlotTable::kGenerationShift);
    session_->mock->set_next_handles(VK_OBJECT_TYPE_DEVICE_MEMORY, &look_alike, 1);
    const VkDeviceMemory large = session_->Allocate(80u << 20, 1);
    ASSERT_EQ(HandleValue(large), look_alike);
    Submit({Object(VK_OBJECT_TYPE_DEVICE_MEMORY, look_alike, "look-alike")});
    EXPECT_EQ(seen_.handles, std::vector<uint64_t>{look_alike});
    Report(large);
    session_->Free(large);
    session_->Free(slot);
}

// Of a device whose allocations the layer does not see it knows no handle, and takes none away.
TEST(MessageWithoutHooks, KeepsADriverHandleThatLooksLikeOurs) {
    SessionOptions options;
    options.instance_extensions = {VK_EXT_DEBUG_REPORT_EXTENSION_NAME};
    options.environment = {"TESSERA_MODE=off", "TESSERA_CHANNEL=off"};
    Session session(options);
    const uint64_t look_alike = SlotTable::kTag << SlotTable::kTagShift | 12345;
    session.mock->set_next_handles(VK_OBJECT_TYPE_DEVICE_MEMORY, &look_alike, 1);
    const VkDeviceMemory memory = session.Allocate(4096, 1);
    ASSERT_EQ(HandleValue(memory), look_alike);
    uint64_t seen = 0;
    VkDebugReportCallbackCreateInfoEXT info = {};
    info.sType = VK_STRUCTURE_TYPE_DEBUG_REPORT_CALLBACK_CREATE_INFO_EXT;
    info.flags = VK_DEBUG_REPORT_ERROR_BIT_EXT;
    info.pUserData = &seen;
    info.pfnCallback = [](VkDebugReportFlagsEXT, VkDebugReportObjectTypeEXT, uint64_t object,
                          size_t, int32_t, const char*, const char*, void* user) -> VkBool32 {
        *static_cast<uint64_t*>(user) = object;
        return VK_FALSE;
    };
    const auto get = [&](const char* name) {
        return vkGetInstanceProcAddr(session.instance, name);
    };
    VkDebugReportCallbackEXT callback = VK_NULL_HANDLE;
    ASSERT_EQ(reinterpret_cast<PFN_vkCreateDebugReportCallbackEXT>(get(
                  "vkCreateDebugReportCallbackEXT"))(session.instance, &info, nullptr, &callback),
              VK_SUCCESS);
    reinterpret_cast<PFN_vkDebugReportMessageEXT>(get("vkDebugReportMessageEXT"))(
        session.instance, VK_DEBUG_REPORT_ERROR_BIT_EXT,
        VK_DEBUG_REPORT_OBJECT_TYPE_DEVICE_MEMORY_EXT, look_alike, 0, 0, "test", "of the test");
    EXPECT_EQ(seen, look_alike);
    reinterpret_cast<PFN_vkDestroyDebugReportCallbackEXT>(get("vkDestroyDebugReportCallbackEXT"))(
        session.instance, callback, nullptr);
    session.Free(memory);
}

TEST_F(Message, ReportNamesTheBlockOrNothing) {
    const VkDeviceMemory memory = session_->Allocate(4096, 2);
    Report(memory);
    session_->Map(memory);  // now it has a place
    Report(memory);
    session_->Free(memory);
}

// The lock of the list of devices may be held by a thread that a forked child does not have.
TEST_F(Message, InAForkedChildNoHandleOfOursGoesDown) {
    const VkDeviceMemory memory = session_->Allocate(4096, 2);
    session_->Map(memory);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        Submit({Object(VK_OBJECT_TYPE_DEVICE_MEMORY, HandleValue(memory), "parent's")});
        _exit(seen_.handles == std::vector<uint64_t>{0} ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    session_->Free(memory);
}

}  // namespace
}  // namespace tessera::test
