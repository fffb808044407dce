// SPDX-License-Identifier: Apache-2.0
//
// Many threads that allocate, bind, map, write, copy on the device, read back and free at random,
// on one device: a plain Vulkan program that knows nothing of the layer and notices any byte that
// is not where it was put.
//
//   memory_stress [--threads N] [--operations N] [--seconds S] [--seed S]
//
// Each thread owns its allocations, as Vulkan's external synchronisation asks; binds, maps and
// flushes of different allocations run side by side, and the queue alone is shared under a lock.
// The number of operations bounds a run, so that it does the same work on any machine; --seconds is
// for long runs by hand. Exit code 0 and `ok` as the last line if every byte was right.

#include <vulkan/vulkan.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Options {
    uint32_t threads = 8;
    uint64_t operations = 20000;  // of each thread
    uint64_t seconds = 0;         // instead of operations, if not 0
    uint64_t seed = 1;
};

[[noreturn]] void Fail(const std::string& what) {
    std::fprintf(stderr, "memory_stress: %s\n", what.c_str());
    std::exit(1);
}

void Check(VkResult result, const char* call) {
    if (result != VK_SUCCESS) Fail(std::string(call) + " returned " + std::to_string(result));
}

// What all threads share.
struct Gpu {
    VkInstance instance = VK_NULL_HANDLE;
    VkPhysicalDevice physical_device = VK_NULL_HANDLE;
    VkDevice device = VK_NULL_HANDLE;
    VkQueue queue = VK_NULL_HANDLE;
    std::mutex queue_mutex;
    VkPhysicalDeviceMemoryProperties memory = {};
};

void Open(Gpu& gpu) {
    VkApplicationInfo application = {};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.apiVersion = VK_API_VERSION_1_1;
    VkInstanceCreateInfo instance_info = {};
    instance_info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    instance_info.pApplicationInfo = &application;
    Check(vkCreateInstance(&instance_info, nullptr, &gpu.instance), "vkCreateInstance");
    uint32_t count = 1;
    if (vkEnumeratePhysicalDevices(gpu.instance, &count, &gpu.physical_device) < 0 || count == 0) {
        Fail("there is no Vulkan device");
    }
    vkGetPhysicalDeviceMemoryProperties(gpu.physical_device, &gpu.memory);
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue_info = {};
    queue_info.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue_info.queueCount = 1;
    queue_info.pQueuePriorities = &priority;
    VkDeviceCreateInfo device_info = {};
    device_info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    device_info.queueCreateInfoCount = 1;
    device_info.pQueueCreateInfos = &queue_info;
    Check(vkCreateDevice(gpu.physical_device, &device_info, nullptr, &gpu.device),
          "vkCreateDevice");
    vkGetDeviceQueue(gpu.device, 0, 0, &gpu.queue);
}

// One buffer in an allocation of its own, filled with a pattern that starts with `key`.
struct Piece {
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkDeviceSize size = 0;  // of the contents; a multiple of 4
    uint32_t type = 0;
    uint32_t key = 0;
    bool filled = false;
    uint8_t* mapped = nullptr;
};

class Worker {
 public:
    Worker(Gpu& gpu, uint64_t seed) : gpu_(gpu), random_(seed) {
        VkCommandPoolCreateInfo pool = {};
        pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
        pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
        Check(vkCreateCommandPool(gpu.device, &pool, nullptr, &pool_), "vkCreateCommandPool");
        VkCommandBufferAllocateInfo commands = {};
        commands.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
        commands.commandPool = pool_;
        commands.commandBufferCount = 1;
        Check(vkAllocateCommandBuffers(gpu.device, &commands, &commands_),
              "vkAllocateCommandBuffers");
        VkFenceCreateInfo fence = {};
        fence.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
        Check(vkCreateFence(gpu.device, &fence, nullptr, &fence_), "vkCreateFence");
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    ~Worker() {
        while (!pieces_.empty())
            Drop(0);
        vkDestroyFence(gpu_.device, fence_, nullptr);
        vkDestroyCommandPool(gpu_.device, pool_, nullptr);
    }

    void Step() {
        const uint32_t choice = Draw(100);
        if (pieces_.size() < 4 || (choice < 30 && pieces_.size() < kMostPieces)) {
            Add();
        } else if (choice < 55) {
            Write(pieces_[Draw(Count())]);
        } else if (choice < 70) {
            Verify(pieces_[Draw(Count())]);
        } else if (choice < 78) {
            CopyOnDevice();
        } else {
            const uint32_t victim = Draw(Count());
            if (Draw(2) == 0) Verify(pieces_[victim]);
            Drop(victim);
        }
    }

 private:
    static constexpr size_t kMostPieces = 64;
    static constexpr VkDeviceSize kLargeBytes = 40u << 20;

    uint32_t Count() const { return static_cast<uint32_t>(pieces_.size()); }
    uint32_t Draw(uint32_t below) { return static_cast<uint32_t>(random_() % below); }
    VkMemoryPropertyFlags Flags(uint32_t type) const {
        return gpu_.memory.memoryTypes[type].propertyFlags;
    }
    bool IsHostVisible(uint32_t type) const {
        return (Flags(type) & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0;
    }
    bool IsCoherent(uint32_t type) const {
        return (Flags(type) & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0;
    }

    uint32_t DrawType(uint32_t bits) {
        constexpr VkMemoryPropertyFlags kSpecial =
            VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT;
        for (;;) {
            const uint32_t type = Draw(gpu_.memory.memoryTypeCount);
            if ((bits >> type & 1) != 0 && (Flags(type) & kSpecial) == 0) return type;
        }
    }

    void Add() {
        Piece piece;
        piece.size = 4 * (1 + Draw(1u << Draw(15)));
        VkBufferCreateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
        info.size = piece.size;
        info.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
        Check(vkCreateBuffer(gpu_.device, &info, nullptr, &piece.buffer), "vkCreateBuffer");
        VkMemoryRequirements requirements = {};
        vkGetBufferMemoryRequirements(gpu_.device, piece.buffer, &requirements);
        piece.type = DrawType(requirements.memoryTypeBits);
        VkMemoryAllocateInfo allocate = {};
        allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        // Once in a while an allocation too large to share a block, or twice that, too large to be
        // pooled at all, where there is memory for it.
        const uint32_t dice = Draw(4000);
        allocate.allocationSize = dice < 2 ? kLargeBytes << dice : requirements.size;
        allocate.memoryTypeIndex = piece.type;
        VkResult result = vkAllocateMemory(gpu_.device, &allocate, nullptr, &piece.memory);
        if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY && dice < 2) {
            allocate.allocationSize = requirements.size;
            result = vkAllocateMemory(gpu_.device, &allocate, nullptr, &piece.memory);
        }
        Check(result, "vkAllocateMemory");
        const bool map_first = IsHostVisible(piece.type) && Draw(2) == 0;
        if (map_first) Map(piece);
        Check(vkBindBufferMemory(gpu_.device, piece.buffer, piece.memory, 0), "vkBindBufferMemory");
        pieces_.push_back(piece);
        Write(pieces_.back());
    }

    void Map(Piece& piece) {
        void* data = nullptr;
        Check(vkMapMemory(gpu_.device, piece.memory, 0, VK_WHOLE_SIZE, 0, &data), "vkMapMemory");
        piece.mapped = static_cast<uint8_t*>(data);
    }

    void Unmap(Piece& piece) {
        vkUnmapMemory(gpu_.device, piece.memory);
        piece.mapped = nullptr;
    }

    VkMappedMemoryRange Whole(const Piece& piece) const {
        return {VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, nullptr, piece.memory, 0, VK_WHOLE_SIZE};
    }

    static uint32_t Word(uint32_t key, VkDeviceSize i) {
        return key + static_cast<uint32_t>(i) * 2654435761u;
    }

    void Write(Piece& piece) {
        if (!IsHostVisible(piece.type)) return;
        if (piece.mapped == nullptr) Map(piece);
        piece.key = static_cast<uint32_t>(random_());
        piece.filled = true;
        for (VkDeviceSize i = 0; i < piece.size / 4; ++i) {
            const uint32_t word = Word(piece.key, i);
            std::memcpy(piece.mapped + 4 * i, &word, 4);
        }
        if (!IsCoherent(piece.type)) {
            const VkMappedMemoryRange range = Whole(piece);
            Check(vkFlushMappedMemoryRanges(gpu_.device, 1, &range), "vkFlushMappedMemoryRanges");
        }
        if (Draw(2) == 0) Unmap(piece);
    }

    void Verify(Piece& piece) {
        if (!piece.filled || !IsHostVisible(piece.type)) return;
        if (piece.mapped == nullptr) Map(piece);
        if (!IsCoherent(piece.type)) {
            const VkMappedMemoryRange range = Whole(piece);
            Check(vkInvalidateMappedMemoryRanges(gpu_.device, 1, &range),
                  "vkInvalidateMappedMemoryRanges");
        }
        for (VkDeviceSize i = 0; i < piece.size / 4; ++i) {
            uint32_t word = 0;
            std::memcpy(&word, piece.mapped + 4 * i, 4);
            if (word != Word(piece.key, i)) {
                Fail("word " + std::to_string(i) + " of " + std::to_string(piece.size / 4) +
                     " in memory type " + std::to_string(piece.type) + " is wrong");
            }
        }
        if (Draw(4) == 0) Unmap(piece);
    }

    // Copies the contents of one piece to another, through the queue: device-local memory, too, is
    // read back this way when a copy goes on to where the host can see it.
    void CopyOnDevice() {
        Piece& from = pieces_[Draw(Count())];
        Piece& to = pieces_[Draw(Count())];
        if (&from == &to || !from.filled || to.size > from.size) return;
        VkCommandBufferBeginInfo begin = {};
        begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
        begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
        Check(vkBeginCommandBuffer(commands_, &begin), "vkBeginCommandBuffer");
        const VkBufferCopy region = {0, 0, to.size};
        vkCmdCopyBuffer(commands_, from.buffer, to.buffer, 1, &region);
        VkMemoryBarrier barrier = {};
        barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
        barrier.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
        barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
        vkCmdPipelineBarrier(commands_, VK_PIPELINE_STAGE_TRANSFER_BIT,
                             VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1,
                             &barrier, 0, nullptr, 0, nullptr);
        Check(vkEndCommandBuffer(commands_), "vkEndCommandBuffer");
        VkSubmitInfo submit = {};
        submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
        submit.commandBufferCount = 1;
        submit.pCommandBuffers = &commands_;
        {
            std::lock_guard lock(gpu_.queue_mutex);
            Check(vkQueueSubmit(gpu_.queue, 1, &submit, fence_), "vkQueueSubmit");
        }
        Check(vkWaitForFences(gpu_.device, 1, &fence_, VK_TRUE, UINT64_MAX), "vkWaitForFences");
        Check(vkResetFences(gpu_.device, 1, &fence_), "vkResetFences");
        to.key = from.key;
        to.filled = true;
    }

    void Drop(uint32_t index) {
        Piece& piece = pieces_[index];
        // Either order is legal, and freeing unmaps.
        const bool buffer_first = Draw(2) == 0;
        if (buffer_first) vkDestroyBuffer(gpu_.device, piece.buffer, nullptr);
        vkFreeMemory(gpu_.device, piece.memory, nullptr);
        if (!buffer_first) vkDestroyBuffer(gpu_.device, piece.buffer, nullptr);
        piece = pieces_.back();
        pieces_.pop_back();
    }

    Gpu& gpu_;
    std::mt19937_64 random_;
    VkCommandPool pool_ = VK_NULL_HANDLE;
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
    VkFence fence_ = VK_NULL_HANDLE;
    std::vector<Piece> pieces_;
};

Options Parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; i += 2) {
        const std::string name = argv[i];
        const uint64_t value = i + 1 < argc ? std::strtoull(argv[i + 1], nullptr, 10) : 0;
        if (name == "--threads" && value > 0 && value <= 256) {
            options.threads = static_cast<uint32_t>(value);
        } else if (name == "--operations" && value > 0) {
            options.operations = value;
        } else if (name == "--seconds" && value > 0) {
            options.seconds = value;
        } else if (name == "--seed" && i + 1 < argc) {
            options.seed = value;
        } else {
            std::fprintf(stderr,
                         "usage: memory_stress [--threads N] [--operations N] "
                         "[--seconds S] [--seed S], each at least 1\n");
            std::exit(2);
        }
    }
    return options;
}

void Run(Gpu& gpu, const Options& options) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(options.seconds);
    std::atomic<uint64_t> steps = 0;
    std::vector<std::thread> threads;
    for (uint32_t t = 0; t < options.threads; ++t) {
        threads.emplace_back([&gpu, &options, &steps, end, t] {
            Worker worker(gpu, options.seed * 1000 + t);
            uint64_t done = 0;
            while (options.seconds != 0 ? std::chrono::steady_clock::now() < end
                                        : done < options.operations) {
                worker.Step();
                ++done;
            }
            steps += done;
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    std::printf("%u threads, %llu operations\n", options.threads,
                static_cast<unsigned long long>(steps.load()));
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = Parse(argc, argv);
    Gpu gpu;
    Open(gpu);
    Run(gpu, options);
    vkDestroyDevice(gpu.device, nullptr);
    vkDestroyInstance(gpu.instance, nullptr);
    std::puts("ok");
    return 0;
}
