// SPDX-License-Identifier: Apache-2.0
//
// Binds of what is neither buffer nor image: the driver is asked what such a resource requires
// whenever the slot's place does not suit everything.

#include "session.h"

namespace tessera::test {
namespace {

// The mock driver's session has a place of 8,192 bytes that wants an alignment of 4,096.
constexpr VkDeviceSize kPlaceAlignment = 4096;
// Somewhat more than that place, so that the second of two slots lies where the session may not.
constexpr VkDeviceSize kSlotBytes = 8192 + 256;
constexpr uint32_t kType = 1;

class VideoSession {
 public:
    explicit VideoSession(const Session& session) : session_(session) {
        VkVideoSessionCreateInfoKHR info = {};
        info.sType = VK_STRUCTURE_TYPE_VIDEO_SESSION_CREATE_INFO_KHR;
        info.maxCodedExtent = {64, 64};
        EXPECT_EQ(session.Command<PFN_vkCreateVideoSessionKHR>("vkCreateVideoSessionKHR")(
                      session.device, &info, nullptr, &handle_),
                  VK_SUCCESS);
    }
    ~VideoSession() {
        session_.Command<PFN_vkDestroyVideoSessionKHR>("vkDestroyVideoSessionKHR")(
            session_.device, handle_, nullptr);
    }
    // Asks for its first place, as every application does before it binds.
    VkResult Bind(VkDeviceMemory memory) const {
        uint32_t count = 1;
        VkVideoSessionMemoryRequirementsKHR place = {};
        place.sType = VK_STRUCTURE_TYPE_VIDEO_SESSION_MEMORY_REQUIREMENTS_KHR;
        EXPECT_GE(
            session_.Command<PFN_vkGetVideoSessionMemoryRequirementsKHR>(
                "vkGetVideoSessionMemoryRequirementsKHR")(session_.device, handle_, &count, &place),
            VK_SUCCESS);
        EXPECT_EQ(place.memoryRequirements.alignment, kPlaceAlignment);
        EXPECT_LE(place.memoryRequirements.size, kSlotBytes);
        VkBindVideoSessionMemoryInfoKHR bind = {};
        bind.sType = VK_STRUCTURE_TYPE_BIND_VIDEO_SESSION_MEMORY_INFO_KHR;
        bind.memory = memory;
        bind.memorySize = place.memoryRequirements.size;
        return session_.Command<PFN_vkBindVideoSessionMemoryKHR>("vkBindVideoSessionMemoryKHR")(
            session_.device, handle_, 1, &bind);
    }

 private:
    const Session& session_;
    VkVideoSessionKHR handle_ = VK_NULL_HANDLE;
};

SessionOptions WithVideo() {
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_extensions": ["VK_KHR_video_queue"]})";
    options.device_extensions = {"VK_KHR_video_queue"};
    return options;
}

// Two slots of a size that is known from a buffer, so that the second lies at an odd place.
struct TwoSlots {
    explicit TwoSlots(const Session& session) {
        buffer = session.MakeBuffer(kSlotBytes);
        EXPECT_EQ(session.Requirements(buffer).size, kSlotBytes);
        first = session.Allocate(kSlotBytes, kType);
        second = session.Allocate(kSlotBytes, kType);
    }
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory first = VK_NULL_HANDLE;
    VkDeviceMemory second = VK_NULL_HANDLE;
};

TEST(OtherBinds, FloatingSlotMovesToWhereASessionMayLie) {
    Session session(WithVideo());
    TwoSlots slots(session);
    {
        const VideoSession video(session);
        EXPECT_EQ(video.Bind(slots.second), VK_SUCCESS);
    }
    EXPECT_EQ(session.Totals(kType).placement_failures, 0u);
    vkDestroyBuffer(session.device, slots.buffer, nullptr);
    session.Free(slots.first);
    session.Free(slots.second);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e24: no misaligned bind goes down, even if nothing is left but to refuse it.
TEST(OtherBinds, PinnedSlotIsRefusedWhereASessionMayNotLie) {
    Session session(WithVideo());
    TwoSlots slots(session);
    ASSERT_EQ(vkBindBufferMemory(session.device, slots.buffer, slots.second, 0), VK_SUCCESS);
    TesseraMockBinding binding = {};
    ASSERT_EQ(session.mock->find_buffer(session.device, slots.buffer, &binding), 1);
    ASSERT_NE(binding.offset % kPlaceAlignment, 0u)
        << "the place must be odd for this test to mean anything";
    {
        const VideoSession video(session);
        EXPECT_EQ(video.Bind(slots.second), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    }
    EXPECT_EQ(session.Totals(kType).placement_failures, 1u);
    vkDestroyBuffer(session.device, slots.buffer, nullptr);
    session.Free(slots.first);
    session.Free(slots.second);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
