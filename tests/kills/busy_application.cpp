// SPDX-License-Identifier: Apache-2.0
//
// An application that never rests: two threads allocate, name, bind, write, verify and free, until
// somebody kills it or asks it to end. A plain Vulkan program that knows nothing of the layer.
//
//   busy_application forever SEED   until it is killed; threads also free each other's memory
//   busy_application rounds SEED    the same round again and again, until standard input ends
//   busy_application list COUNT     makes so many buffers, writes `made`, destroys them at the next
//                                   byte of standard input, writes `gone`, and waits for its end
//   busy_application traced COUNT   is traced by its parent and stops, does so many operations,
//   stops busy_application idle 0         only has a device, until standard input ends
//
// It writes `ready` once the device exists. Of `rounds` the second line begins with what each round
// of either thread comes to, which depends on the seed alone, so that whatever disturbs the
// application shows; its last word is the number of all allocations. Exit code 0; 1 if a call
// failed; 4 if a byte was not where it was put.
//
// The one idea: what belongs together can be told from each part of it, so that a reader notices
// halves of two records. The size of an allocation is 256 * n + 16 * (index of its memory type),
// and a buffer's name is `b` and its size. See plausible.h.
//
// Threads: main, which waits, two that work, and the layer's.

#include <signal.h>
#include <sys/ptrace.h>
#include <unistd.h>
#include <vulkan/vulkan.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr uint32_t kThreads = 2;
constexpr uint32_t kFirstType = 2;  // of preset:discrete, this and the next are for the host
constexpr size_t kMostPieces = 400;
constexpr uint32_t kStepsOfARound = 600;

[[noreturn]] void Fail(const char* what, int code = 1) {
    std::fprintf(stderr, "busy_application: %s\n", what);
    _exit(code);
}

void Check(VkResult result, const char* call) {
    if (result != VK_SUCCESS) Fail(call);
}

struct Gpu {
    VkInstance instance = VK_NULL_HANDLE;
    VkDevice device = VK_NULL_HANDLE;
    PFN_vkSetDebugUtilsObjectNameEXT set_name = nullptr;
};

void Open(Gpu& gpu) {
    const char* extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    VkApplicationInfo application = {};
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
    application.apiVersion = VK_API_VERSION_1_1;
    VkInstanceCreateInfo instance_info = {};
    instance_info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    instance_info.pApplicationInfo = &application;
    instance_info.enabledExtensionCount = 1;
    instance_info.ppEnabledExtensionNames = &extension;
    Check(vkCreateInstance(&instance_info, nullptr, &gpu.instance), "vkCreateInstance");
    uint32_t count = 1;
    VkPhysicalDevice physical_device = VK_NULL_HANDLE;
    if (vkEnumeratePhysicalDevices(gpu.instance, &count, &physical_device) < 0 || count == 0)
        Fail("there is no Vulkan device");
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue_info = {};
    queue_info.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
    queue_info.queueCount = 1;
    queue_info.pQueuePriorities = &priority;
    VkDeviceCreateInfo device_info = {};
    device_info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
    device_info.queueCreateInfoCount = 1;
    device_info.pQueueCreateInfos = &queue_info;
    Check(vkCreateDevice(physical_device, &device_info, nullptr, &gpu.device), "vkCreateDevice");
    gpu.set_name = reinterpret_cast<PFN_vkSetDebugUtilsObjectNameEXT>(
        vkGetInstanceProcAddr(gpu.instance, "vkSetDebugUtilsObjectNameEXT"));
    if (gpu.set_name == nullptr) Fail("vkSetDebugUtilsObjectNameEXT");
}

void Close(const Gpu& gpu) {
    vkDestroyDevice(gpu.device, nullptr);
    vkDestroyInstance(gpu.instance, nullptr);
}

// A buffer in memory of its own, with `key` in its first and its last word.
struct Piece {
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkDeviceSize size = 0;
    uint32_t key = 0;
};

// What one thread leaves for the other to free.
struct Exchange {
    std::mutex mutex;
    std::vector<Piece> pieces;
};

class Worker {
 public:
    Worker(const Gpu& gpu, uint64_t seed, Exchange* exchange)
        : gpu_(gpu), random_(seed), exchange_(exchange) {}

    void Step() {
        if (pieces_.size() < kMostPieces && (pieces_.size() < 8 || Draw(100) < 55)) return Add();
        const size_t victim = Draw(static_cast<uint32_t>(pieces_.size()));
        std::swap(pieces_[victim], pieces_.back());
        Piece piece = pieces_.back();
        pieces_.pop_back();
        if (exchange_ != nullptr && Draw(8) == 0) {
            const std::scoped_lock lock(exchange_->mutex);
            exchange_->pieces.push_back(piece);
            std::swap(piece, exchange_->pieces[Draw(Count(*exchange_))]);
            if (exchange_->pieces.size() < 16) return;
            piece = exchange_->pieces.back();
            exchange_->pieces.pop_back();
        }
        Drop(piece);
    }

    void DropAll() {
        for (const Piece& piece : pieces_)
            Drop(piece);
        pieces_.clear();
    }

    uint64_t allocations() const { return allocations_; }
    uint64_t checksum() const { return checksum_; }

 private:
    static uint32_t Count(const Exchange& exchange) {
        return static_cast<uint32_t>(exchange.pieces.size());
    }
    uint32_t Draw(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

    void Add() {
        const uint32_t type = kFirstType + Draw(2);
        Piece piece;
        piece.size = 256 * (1 + Draw(Draw(20) == 0 ? 1024 : 64)) + 16 * type;
        piece.key = Draw(UINT32_MAX);
        VkBufferCreateInfo buffer_info = {};
        buffer_info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
        buffer_info.size = piece.size;
        buffer_info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
        Check(vkCreateBuffer(gpu_.device, &buffer_info, nullptr, &piece.buffer), "vkCreateBuffer");
        VkMemoryRequirements needs = {};
        vkGetBufferMemoryRequirements(gpu_.device, piece.buffer, &needs);
        if (needs.size != piece.size || (needs.memoryTypeBits >> type & 1) == 0)
            Fail("the device is not the one that this program was written for");
        const bool named = Draw(2) == 0;
        if (named) Name(piece);
        VkMemoryDedicatedAllocateInfo dedicated = {};
        dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
        dedicated.buffer = piece.buffer;
        VkMemoryAllocateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        if (Draw(16) == 0) info.pNext = &dedicated;  // passed through
        info.allocationSize = piece.size;
        info.memoryTypeIndex = type;
        Check(vkAllocateMemory(gpu_.device, &info, nullptr, &piece.memory), "vkAllocateMemory");
        Check(vkBindBufferMemory(gpu_.device, piece.buffer, piece.memory, 0), "vkBindBufferMemory");
        if (!named && Draw(4) == 0) Name(piece);
        ++allocations_;
        uint32_t* const words = Map(piece);
        words[0] = words[piece.size / 4 - 1] = piece.key;
        vkUnmapMemory(gpu_.device, piece.memory);
        pieces_.push_back(piece);
    }

    void Name(const Piece& piece) const {
        const std::string name = "b" + std::to_string(piece.size);
        VkDebugUtilsObjectNameInfoEXT info = {};
        info.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT;
        info.objectType = VK_OBJECT_TYPE_BUFFER;
        info.objectHandle = (uint64_t)piece.buffer;
        info.pObjectName = name.c_str();
        Check(gpu_.set_name(gpu_.device, &info), "vkSetDebugUtilsObjectNameEXT");
    }

    void Drop(const Piece& piece) {
        const uint32_t* const words = Map(piece);
        if (words[0] != piece.key || words[piece.size / 4 - 1] != piece.key)
            Fail("a byte is not where it was put", 4);
        checksum_ = checksum_ * 31 + words[0] + piece.size;
        vkUnmapMemory(gpu_.device, piece.memory);
        // The buffer first: no resource is ever bound to memory that is gone.
        vkDestroyBuffer(gpu_.device, piece.buffer, nullptr);
        vkFreeMemory(gpu_.device, piece.memory, nullptr);
    }

    uint32_t* Map(const Piece& piece) const {
        void* data = nullptr;
        Check(vkMapMemory(gpu_.device, piece.memory, 0, VK_WHOLE_SIZE, 0, &data), "vkMapMemory");
        return static_cast<uint32_t*>(data);
    }

    const Gpu& gpu_;
    std::mt19937_64 random_;
    Exchange* const exchange_;
    std::vector<Piece> pieces_;
    uint64_t allocations_ = 0;
    uint64_t checksum_ = 0;
};

void RunForever(const Gpu& gpu, uint64_t seed) {
    Exchange exchange;
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < kThreads; ++i)
        threads.emplace_back([&, i] {
            Worker worker(gpu, seed * kThreads + i, &exchange);
            while (true)
                worker.Step();
        });
    for (std::thread& thread : threads)
        thread.join();
}

// What one thread's rounds came to.
struct Rounds {
    uint64_t count = 0;
    uint64_t allocations = 0;  // of a round, likewise
    uint64_t checksum = 0;
};

Rounds RunRounds(const Gpu& gpu, uint64_t seed, const std::atomic<bool>& stop) {
    Rounds rounds;
    do {
        Worker worker(gpu, seed, nullptr);
        for (uint32_t i = 0; i < kStepsOfARound; ++i)
            worker.Step();
        worker.DropAll();
        if (rounds.count > 0 && worker.checksum() != rounds.checksum)
            Fail("a round went another way than the one before", 4);
        rounds.allocations = worker.allocations();
        rounds.checksum = worker.checksum();
        ++rounds.count;
    } while (!stop);
    return rounds;
}

void Say(const char* line) {
    std::puts(line);
    std::fflush(stdout);
}

void AwaitEndOfInput() {
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
}

void MakeAndDestroy(const Gpu& gpu, uint64_t count) {
    std::vector<VkBuffer> buffers(count);
    VkBufferCreateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    info.size = 256;
    info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    for (VkBuffer& buffer : buffers)
        Check(vkCreateBuffer(gpu.device, &info, nullptr, &buffer), "vkCreateBuffer");
    Say("made");
    char byte;
    if (read(STDIN_FILENO, &byte, 1) != 1) Fail("nobody says when to go on");
    for (const VkBuffer buffer : buffers)
        vkDestroyBuffer(gpu.device, buffer, nullptr);
    Say("gone");
    AwaitEndOfInput();
}

// Before it stops there is something of everything, so that operations are ordinary ones.
void RunTraced(const Gpu& gpu, uint64_t count) {
    Worker worker(gpu, 1, nullptr);
    for (uint32_t i = 0; i < 100; ++i)
        worker.Step();
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) Fail("it cannot be traced", 125);
    raise(SIGSTOP);
    for (uint64_t i = 0; i < count; ++i)
        worker.Step();
    raise(SIGSTOP);
    worker.DropAll();
}

// The threads do not wait for each other: each does as many rounds as it can.
void RunUntilAsked(const Gpu& gpu, uint64_t seed) {
    std::atomic<bool> stop = false;
    std::vector<Rounds> rounds(kThreads);
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < kThreads; ++i)
        threads.emplace_back([&, i] { rounds[i] = RunRounds(gpu, seed * kThreads + i, stop); });
    AwaitEndOfInput();
    stop = true;
    for (std::thread& thread : threads)
        thread.join();
    uint64_t all = 0;
    for (const Rounds& of : rounds)
        all += of.count * of.allocations;
    std::printf("of a round %llu %llu checksums %016llx %016llx allocations %llu\n",
                static_cast<unsigned long long>(rounds[0].allocations),
                static_cast<unsigned long long>(rounds[1].allocations),
                static_cast<unsigned long long>(rounds[0].checksum),
                static_cast<unsigned long long>(rounds[1].checksum),
                static_cast<unsigned long long>(all));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) Fail("usage: busy_application forever|rounds|list|traced|idle NUMBER");
    alarm(900);  // whoever started it may be gone
    const std::string_view mode = argv[1];
    const uint64_t seed = std::strtoull(argv[2], nullptr, 10);
    Gpu gpu;
    Open(gpu);
    Say("ready");
    if (mode == "forever") RunForever(gpu, seed);
    if (mode == "rounds") RunUntilAsked(gpu, seed);
    if (mode == "list") MakeAndDestroy(gpu, seed);
    if (mode == "traced") RunTraced(gpu, seed);
    if (mode == "idle") AwaitEndOfInput();
    Close(gpu);
    return 0;
}
