// SPDX-License-Identifier: Apache-2.0
//
// vkAllocateMemory and vkFreeMemory: of the driver by itself, and through the layer. Both by the
// functions that vkGetDeviceProcAddr returned, hence as applications call them.

#include <unistd.h>

#include "contender.h"
#include "tessera/reader.h"

namespace bench {
namespace {

// VkDeviceMemory is a pointer or an integer, as the platform has it.
uint64_t ToNumber(VkDeviceMemory memory) {
    return (uint64_t)memory;  // NOLINT
}
VkDeviceMemory ToMemory(uint64_t number) {
    return (VkDeviceMemory)number;  // NOLINT
}

struct VulkanAllocator {
    Commands commands;
    VkDevice device;
    uint32_t type;

    bool Allocate(uint64_t bytes, Slot& slot) const {
        VkMemoryAllocateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        info.allocationSize = bytes;
        info.memoryTypeIndex = type;
        VkDeviceMemory memory = VK_NULL_HANDLE;
        if (commands.AllocateMemory(device, &info, nullptr, &memory) != VK_SUCCESS) return false;
        slot.handle = ToNumber(memory);
        return true;
    }
    void Free(const Slot& slot) const {
        commands.FreeMemory(device, ToMemory(slot.handle), nullptr);
    }
};

class Driver : public Contender {
 public:
    explicit Driver(const Machine& machine)
        : machine_(machine), allocator_{machine.commands(), machine.device(), machine.type()} {}
    const char* name() const override { return "driver"; }
    bool bare() const override { return true; }
    void Run(std::span<const Op> ops, std::span<Slot> slots) override {
        RunOps(allocator_, ops, slots);
    }

 protected:
    const Machine& machine_;
    VulkanAllocator allocator_;
};

class Tessera final : public Driver {
 public:
    using Driver::Driver;
    const char* name() const override { return "tessera"; }
    bool bare() const override { return false; }

    void Announce(std::span<const uint32_t> sizes) override {
        for (uint32_t size : sizes)
            machine_.BufferRequirements(size);
    }

    // From the channel, as anybody would see it.
    Usage Measure() const override {
        const auto process = tessera::reader::ReadProcess(static_cast<uint64_t>(getpid()));
        if (!process.ok()) throw std::runtime_error("no statistics: " + process.error);
        uint64_t bytes = 0;
        uint64_t calls = 0;
        for (const auto& device : process.value.devices) {
            if (device.state != TESSERA_DEVICE_LIVE) continue;
            for (const auto& type : device.memory_types) {
                bytes += type.totals.driver.live_bytes;
                calls += type.totals.driver.allocations + type.totals.driver.frees;
            }
        }
        return {bytes, calls};
    }
};

}  // namespace

std::unique_ptr<Contender> MakeDriver(const Machine& bare) {
    return std::make_unique<Driver>(bare);
}
std::unique_ptr<Contender> MakeTessera(const Machine& layered) {
    return std::make_unique<Tessera>(layered);
}

}  // namespace bench
