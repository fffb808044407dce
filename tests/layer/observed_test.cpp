// SPDX-License-Identifier: Apache-2.0
//
// What readers see of a device's resources, names, call stacks, threads and presented pictures, at
// each level: through the public entry points, and out of the segment.

#include <fcntl.h>
#include <pthread.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "session.h"

namespace tessera::test {
namespace {

constexpr uint32_t kType = 1;
constexpr VkDeviceSize kPassedThrough = 80u << 20;

uint64_t Value(VkDeviceMemory memory) {
    return (uint64_t)memory;
}
uint64_t Value(VkBuffer buffer) {
    return (uint64_t)buffer;
}
uint64_t Value(VkImage image) {
    return (uint64_t)image;
}

SessionOptions At(const char* level) {
    SessionOptions options;
    options.instance_extensions = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
    options.environment = {std::string("TESSERA_LEVEL=") + level};
    return options;
}

reader::Process Read() {
    auto result = reader::ReadProcess(static_cast<uint64_t>(getpid()), reader::Depth::kDetail);
    EXPECT_TRUE(result.ok()) << result.error;
    return result.value;
}

reader::Detail DetailOf(const reader::Process& process) {
    if (process.devices.empty()) {
        ADD_FAILURE() << "no device in the channel";
        return {};
    }
    EXPECT_EQ(process.devices.back().detail.moving, 0u);
    return process.devices.back().detail;
}
std::vector<reader::Resource> Resources() {
    return DetailOf(Read()).resources;
}

const reader::Allocation* Find(const reader::Detail& detail, VkDeviceMemory memory) {
    for (const reader::Allocation& allocation : detail.allocations)
        if (allocation.memory == Value(memory)) return &allocation;
    return nullptr;
}

VkResult SetName(const Session& session, VkObjectType type, uint64_t object, const char* name) {
    VkDebugUtilsObjectNameInfoEXT info = {};
    info.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT;
    info.objectType = type;
    info.objectHandle = object;
    info.pObjectName = name;
    return session.Command<PFN_vkSetDebugUtilsObjectNameEXT>("vkSetDebugUtilsObjectNameEXT")(
        session.device, &info);
}

void ExpectNoViolations(Session& session) {
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

TEST(Observed, ABufferIsSeenFromItsCreationToItsEndWithItsNameAndPlace) {
    Session session(At("full"));
    const VkBuffer buffer = session.MakeBuffer(1000, VK_BUFFER_USAGE_VERTEX_BUFFER_BIT);
    ASSERT_EQ(Resources().size(), 1u);
    EXPECT_EQ(Resources()[0].object, Value(buffer));
    EXPECT_EQ(Resources()[0].memory, 0u);
    const VkMemoryRequirements needs = session.Requirements(buffer);
    const VkDeviceMemory memory = session.Allocate(64 << 10, kType);
    ASSERT_EQ(vkBindBufferMemory(session.device, buffer, memory, 4096), VK_SUCCESS);
    ASSERT_EQ(SetName(session, VK_OBJECT_TYPE_BUFFER, Value(buffer), "vertices"), VK_SUCCESS);

    const reader::Detail detail = DetailOf(Read());
    ASSERT_EQ(detail.resources.size(), 1u);
    const reader::Resource& resource = detail.resources[0];
    EXPECT_EQ(resource.object_type, static_cast<uint32_t>(VK_OBJECT_TYPE_BUFFER));
    EXPECT_EQ(resource.usage, uint64_t{VK_BUFFER_USAGE_VERTEX_BUFFER_BIT});
    EXPECT_EQ(resource.memory, Value(memory));
    EXPECT_EQ(resource.offset, 4096u) << "in the application's memory, not in the block";
    EXPECT_EQ(resource.size_bytes, needs.size);
    EXPECT_EQ(resource.name, "vertices");
    ASSERT_LT(resource.allocation, detail.allocations.size());
    EXPECT_EQ(detail.allocations[resource.allocation].memory, Value(memory));
    EXPECT_EQ(detail.allocations[resource.allocation].name, "vertices");
    EXPECT_NE(detail.allocations[resource.allocation].flags & TESSERA_ALLOCATION_BOUND, 0u);

    vkDestroyBuffer(session.device, buffer, nullptr);
    EXPECT_TRUE(Resources().empty());
    session.Free(memory);
    ExpectNoViolations(session);
}

TEST(Observed, AnImageIsDescribedAndItsPlaceInPassedThroughMemoryIsSeen) {
    Session session(At("full"));
    const VkImage image = session.MakeImage(64, VK_IMAGE_TILING_LINEAR);
    const VkDeviceMemory memory = session.Allocate(kPassedThrough, kType);
    const VkMemoryRequirements needs = session.Requirements(image);
    VkBindImageMemoryInfo bind = {};
    bind.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO;
    bind.image = image;
    bind.memory = memory;
    bind.memoryOffset = 65536;
    ASSERT_EQ(vkBindImageMemory2(session.device, 1, &bind), VK_SUCCESS);
    const auto resources = Resources();
    ASSERT_EQ(resources.size(), 1u);
    EXPECT_EQ(resources[0].object, Value(image));
    EXPECT_EQ(resources[0].memory, Value(memory));
    EXPECT_EQ(resources[0].offset, 65536u);
    EXPECT_EQ(resources[0].size_bytes, needs.size);
    EXPECT_EQ(resources[0].width, 64u);
    EXPECT_EQ(resources[0].height, 64u);
    EXPECT_EQ(resources[0].format, static_cast<uint32_t>(VK_FORMAT_R8G8B8A8_UNORM));
    EXPECT_TRUE(resources[0].linear);
    vkDestroyImage(session.device, image, nullptr);
    EXPECT_TRUE(Resources().empty());
    session.Free(memory);
    ExpectNoViolations(session);
}

TEST(Observed, MemoryHasItsNameUntilItIsFreedOrTheNameIsTakenBack) {
    Session session(At("full"));
    for (const VkDeviceSize size : {VkDeviceSize{4096}, kPassedThrough}) {
        const VkDeviceMemory memory = session.Allocate(size, kType);
        ASSERT_EQ(SetName(session, VK_OBJECT_TYPE_DEVICE_MEMORY, Value(memory), "arena"),
                  VK_SUCCESS);
        const reader::Detail named = DetailOf(Read());
        ASSERT_NE(Find(named, memory), nullptr);
        EXPECT_EQ(Find(named, memory)->name, "arena");
        ASSERT_EQ(SetName(session, VK_OBJECT_TYPE_DEVICE_MEMORY, Value(memory), ""), VK_SUCCESS);
        EXPECT_EQ(Find(DetailOf(Read()), memory)->name, "");
        ASSERT_EQ(SetName(session, VK_OBJECT_TYPE_DEVICE_MEMORY, Value(memory), "again"),
                  VK_SUCCESS);
        session.Free(memory);
        EXPECT_TRUE(Resources().empty()) << "the next memory may have the same handle";
    }
    ExpectNoViolations(session);
}

TEST(Observed, ABindThatFailsIsNotSeen) {
    Session session(At("full"));
    const VkBuffer buffer = session.MakeBuffer(1000);
    const VkDeviceMemory memory = session.Allocate(4096, kType);
    ASSERT_EQ(session.mock->fail_call("vkBindBufferMemory", 1, VK_ERROR_OUT_OF_HOST_MEMORY, 0), 1);
    EXPECT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_ERROR_OUT_OF_HOST_MEMORY);
    ASSERT_EQ(Resources().size(), 1u);
    EXPECT_EQ(Resources()[0].memory, 0u);
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Free(memory);
    ExpectNoViolations(session);
}

TEST(Observed, AtTotalsNothingOfThisIsStored) {
    Session session(At("totals"));
    const VkBuffer buffer = session.MakeBuffer(1000);
    const VkDeviceMemory memory = session.Allocate(4096, kType);
    ASSERT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
    ASSERT_EQ(SetName(session, VK_OBJECT_TYPE_BUFFER, Value(buffer), "vertices"), VK_SUCCESS);
    const reader::Detail detail = DetailOf(Read());
    EXPECT_TRUE(detail.resources.empty());
    EXPECT_EQ(detail.unrecorded[TESSERA_KIND_RESOURCES], 0u);
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Free(memory);
    ExpectNoViolations(session);
}

TEST(Observed, AllocationsCarryTheirThreadAndTheWayToThem) {
    SessionOptions options = At("full");
    options.environment.push_back("TESSERA_STACKS=all");
    Session session(options);
    VkDeviceMemory memory = VK_NULL_HANDLE;
    std::thread([&] {
        pthread_setname_np(pthread_self(), "loader");
        memory = session.Allocate(4096, kType);
    }).join();
    const reader::Process process = Read();
    const reader::Detail detail = DetailOf(process);
    const reader::Allocation* allocation = Find(detail, memory);
    ASSERT_NE(allocation, nullptr);
    ASSERT_LT(allocation->thread, process.threads.size());
    EXPECT_EQ(process.threads[allocation->thread].name, "loader");
    ASSERT_LT(allocation->stack, process.stacks.size());
    const auto& addresses = process.stacks[allocation->stack].addresses;
    ASSERT_FALSE(addresses.empty());
    const auto file_of = [&process](uint64_t address) -> std::string {
        for (const reader::Module& module : process.modules)
            if (address >= module.start && address < module.end) return module.path;
        return "";
    };
    for (const uint64_t address : addresses) {
        EXPECT_NE(file_of(address), "") << "each address lies in a file";
        EXPECT_EQ(file_of(address).find("tessera_suballocator"), std::string::npos)
            << "the layer's own frames are left out";
    }
    const std::string program = file_of(reinterpret_cast<uintptr_t>(&Read));
    EXPECT_TRUE(std::any_of(addresses.begin(), addresses.end(), [&](uint64_t address) {
        return file_of(address) == program;
    })) << "the test called it";
    session.Free(memory);
    ExpectNoViolations(session);
}

// Libraries of fibres make stacks by hand, and what the first function of one would return to is
// often no address at all. (With ASan, whose run-time library unwinds, this is not for the layer.)
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
class Fibre {
 public:
    // Calls `body` on a stack that begins with a return to nowhere.
    static void Run(const std::function<void()>& body) {
        std::vector<std::byte> stack(256 << 10);
        body_ = &body;
        const volatile bool* const done = &done_;
        done_ = false;
        getcontext(&back_);
        if (*done) return;
        constexpr uint64_t kNowhere = 0xDEADDEADDEADDEAD;
        auto* top = reinterpret_cast<uint64_t*>(
            reinterpret_cast<uintptr_t>(stack.data() + stack.size()) & ~uintptr_t{15});
        *--top = kNowhere;
        __asm__ volatile("movq %0, %%rsp\n\tjmp *%1" : : "r"(top), "r"(&Begin) : "memory");
        __builtin_unreachable();
    }

 private:
    static void Begin() {
        (*body_)();
        done_ = true;
        setcontext(&back_);
    }
    static inline const std::function<void()>* body_ = nullptr;
    static inline volatile bool done_ = false;
    static inline ucontext_t back_;
};

TEST(Observed, AStackThatReturnsToNowhereEndsThere) {
    SessionOptions options = At("full");
    options.environment.push_back("TESSERA_STACKS=all");
    Session session(options);
    VkDeviceMemory memory = VK_NULL_HANDLE;
    Fibre::Run([&] { memory = session.Allocate(4096, kType); });
    const reader::Process process = Read();
    const reader::Detail detail = DetailOf(process);
    const reader::Allocation* allocation = Find(detail, memory);
    ASSERT_NE(allocation, nullptr);
    ASSERT_LT(allocation->stack, process.stacks.size());
    EXPECT_GE(process.stacks[allocation->stack].addresses.size(), 2u);
    session.Free(memory);
    ExpectNoViolations(session);
}
#endif

// Memory may be freed before what is bound to it is destroyed, and the driver's next memory may
// have the same handle.
TEST(Observed, WhatOutlivesItsMemoryIsBoundToNoneThatComesAfterIt) {
    Session session(At("full"));
    const VkImage image = session.MakeImage(64);
    const VkBuffer buffer = session.MakeBuffer(1000);
    const VkDeviceMemory first = session.Allocate(kPassedThrough, kType);
    const VkDeviceMemory second = session.Allocate(kPassedThrough, kType);
    ASSERT_EQ(vkBindImageMemory(session.device, image, first, 65536), VK_SUCCESS);
    ASSERT_EQ(vkBindBufferMemory(session.device, buffer, second, 65536), VK_SUCCESS);
    session.Free(first);
    for (const reader::Resource& resource : Resources()) {
        const bool outlives = resource.object == Value(image);
        EXPECT_EQ(resource.memory, outlives ? 0u : Value(second));
        EXPECT_EQ(resource.offset, outlives ? 0u : 65536u);
    }
    EXPECT_EQ(Resources().size(), 2u);
    vkDestroyImage(session.device, image, nullptr);
    vkDestroyBuffer(session.device, buffer, nullptr);
    EXPECT_TRUE(Resources().empty());
    session.Free(second);
    ExpectNoViolations(session);
}

// Engines name the images of a swapchain, and make another one whenever a window changes its size.
TEST(Observed, TheImagesOfASwapchainGoWithIt) {
    SessionOptions options = At("full");
    options.description = R"({"base": "discrete", "add_extensions": ["VK_KHR_swapchain"]})";
    options.device_extensions = {"VK_KHR_swapchain"};
    Session session(options);
    const VkImage image = session.MakeImage(64);
    ASSERT_EQ(SetName(session, VK_OBJECT_TYPE_IMAGE, Value(image), "back buffer"), VK_SUCCESS);
    EXPECT_EQ(Resources().size(), 1u);
    // The mock driver takes an image for the swapchain that it is of.
    session.Command<PFN_vkDestroySwapchainKHR>("vkDestroySwapchainKHR")(
        session.device, (VkSwapchainKHR)image, nullptr);  // NOLINT: right for all platforms
    EXPECT_TRUE(Resources().empty());
    EXPECT_EQ(session.mock->call_count("vkDestroySwapchainKHR"), 1u);
    vkDestroyImage(session.device, image, nullptr);
    ExpectNoViolations(session);
}

// Numbers of the pictures that events tell of.
std::vector<uint64_t> FrameEvents() {
    const auto path = reader::FindSegment(static_cast<uint64_t>(getpid()));
    EXPECT_TRUE(path.ok()) << path.error;
    const int file = open(path.value.c_str(), O_RDONLY | O_CLOEXEC);
    reader::EventReader events(file);
    const auto batch = events.Read();
    EXPECT_TRUE(batch.ok()) << batch.error;
    close(file);
    std::vector<uint64_t> numbers;
    for (const reader::Event& event : batch.value.events)
        if (event.kind == TESSERA_EVENT_frame) numbers.push_back(event.value);
    return numbers;
}

TEST(Observed, PresentedPicturesAreCountedAtEveryLevel) {
    for (const char* level : {"totals", "full", "events"}) {
        SessionOptions options = At(level);
        options.description = R"({"base": "discrete", "add_extensions": ["VK_KHR_swapchain"]})";
        options.device_extensions = {"VK_KHR_swapchain"};
        Session session(options);
        const auto present = session.Command<PFN_vkQueuePresentKHR>("vkQueuePresentKHR");
        ASSERT_NE(present, nullptr);
        VkResult result = VK_ERROR_UNKNOWN;
        const VkSwapchainKHR swapchain = VK_NULL_HANDLE;
        const uint32_t index = 0;
        VkPresentInfoKHR info = {};
        info.sType = VK_STRUCTURE_TYPE_PRESENT_INFO_KHR;
        info.swapchainCount = 1;
        info.pSwapchains = &swapchain;
        info.pImageIndices = &index;
        info.pResults = &result;
        for (int i = 0; i < 3; ++i)
            EXPECT_EQ(present(session.queue, &info), VK_SUCCESS);
        EXPECT_EQ(result, VK_SUCCESS);
        EXPECT_EQ(session.mock->call_count("vkQueuePresentKHR"), 3u);
        EXPECT_EQ(session.Channel().devices.back().frames, 3u) << level;
        const bool has_events = std::string(level) == "events";
        EXPECT_EQ(FrameEvents(),
                  has_events ? std::vector<uint64_t>({1, 2, 3}) : std::vector<uint64_t>());
        ExpectNoViolations(session);
    }
}

}  // namespace
}  // namespace tessera::test
