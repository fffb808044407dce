// SPDX-License-Identifier: Apache-2.0
//
// A Vulkan program for what no ordinary application shows: what memory handles look like from
// outside, and two errors that the validation layer must report.
//
// It knows nothing of the layer. Its idea for `handles`: lavapipe's handles are the addresses of
// its objects, so a handle that is no address in this process was made by somebody in between. Exit
// codes: 0 done, 1 failed, 2 wrong arguments. Threads: one.
#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <string_view>

#include "common/check.h"
#include "common/device.h"

namespace apps {
namespace {

constexpr VkMemoryPropertyFlags kHostMemory =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkDeviceSize kBytes = 4096;

// Whether something is mapped at the address.
bool IsAddress(uint64_t address) {
    std::ifstream maps("/proc/self/maps");
    std::string line;
    while (std::getline(maps, line)) {
        uint64_t begin = 0;
        uint64_t end = 0;
        if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64, &begin, &end) != 2) continue;
        if (address >= begin && address < end) return true;
    }
    return false;
}

VkDeviceMemory Allocate(const Device& device) {
    VkMemoryAllocateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.allocationSize = kBytes;
    info.memoryTypeIndex = device.FindMemoryType(~0u, kHostMemory);
    VkDeviceMemory memory = VK_NULL_HANDLE;
    Check(vkAllocateMemory(device.handle(), &info, nullptr, &memory), "vkAllocateMemory");
    return memory;
}

// Prints how many of 64 memory handles are addresses.
void PrintHandles(const Device& device) {
    std::array<VkDeviceMemory, 64> memories{};
    size_t addresses = 0;
    for (VkDeviceMemory& memory : memories) {
        memory = Allocate(device);
        addresses += IsAddress(reinterpret_cast<uint64_t>(memory)) ? 1 : 0;
    }
    for (const VkDeviceMemory memory : memories)
        vkFreeMemory(device.handle(), memory, nullptr);
    std::printf("%zu of %zu handles are addresses\n", addresses, memories.size());
}

VkBuffer MakeBuffer(const Device& device, VkBufferUsageFlags usage) {
    VkBufferCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = kBytes;
    info.usage = usage;
    VkBuffer buffer = VK_NULL_HANDLE;
    Check(vkCreateBuffer(device.handle(), &info, nullptr, &buffer), "vkCreateBuffer");
    return buffer;
}

// VUID-VkBufferCreateInfo-usage-requiredbitmask: a buffer must have a use.
void MakeUselessBuffer(const Device& device) {
    vkDestroyBuffer(device.handle(), MakeBuffer(device, 0), nullptr);
}

// SYNC-HAZARD-WRITE-AFTER-WRITE: two fills of one buffer with nothing between them. They are only
// recorded.
void FillTwiceAtOnce(const Device& device) {
    const VkBuffer buffer = MakeBuffer(device, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    const VkDeviceMemory memory = Allocate(device);
    Check(vkBindBufferMemory(device.handle(), buffer, memory, 0), "vkBindBufferMemory");
    VkCommandPoolCreateInfo pool_info{};
    pool_info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    pool_info.queueFamilyIndex = device.queue_family();
    VkCommandPool pool = VK_NULL_HANDLE;
    Check(vkCreateCommandPool(device.handle(), &pool_info, nullptr, &pool), "vkCreateCommandPool");
    VkCommandBufferAllocateInfo commands_info{};
    commands_info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    commands_info.commandPool = pool;
    commands_info.commandBufferCount = 1;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    Check(vkAllocateCommandBuffers(device.handle(), &commands_info, &commands),
          "vkAllocateCommandBuffers");
    VkCommandBufferBeginInfo begin_info{};
    begin_info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
    Check(vkBeginCommandBuffer(commands, &begin_info), "vkBeginCommandBuffer");
    vkCmdFillBuffer(commands, buffer, 0, kBytes, 1);
    vkCmdFillBuffer(commands, buffer, 0, kBytes, 2);
    Check(vkEndCommandBuffer(commands), "vkEndCommandBuffer");
    vkDestroyCommandPool(device.handle(), pool, nullptr);
    vkDestroyBuffer(device.handle(), buffer, nullptr);
    vkFreeMemory(device.handle(), memory, nullptr);
}

void Run(std::string_view mode) {
    const Instance instance("vulkan_client");
    const Device device(instance, 0);
    if (mode == "handles") {
        PrintHandles(device);
    } else {
        MakeUselessBuffer(device);
        FillTwiceAtOnce(device);
    }
}

}  // namespace
}  // namespace apps

int main(int argc, char** argv) {
    const std::string_view mode = argc == 2 ? argv[1] : "";
    if (mode != "handles" && mode != "errors") {
        std::fputs("vulkan_client: say `handles` or `errors`.\n", stderr);
        return 2;
    }
    try {
        apps::Run(mode);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "vulkan_client: %s\n", error.what());
        return 1;
    }
    return 0;
}
