// SPDX-License-Identifier: Apache-2.0
//
// An application that ends while it grows: threads allocate, the layer's helper makes blocks in
// advance, and at a moment that the seed decides everything is left as it is.
//
//   growing_application SITUATION SEED
//
// It plays the driver's part as well, by a hook in the mock driver: an allocation takes a
// millisecond, so that the helper is mostly inside the driver, and a driver whose exit handlers ran
// must not be called any more. Exit code 0: it ended as it should; 3: the helper called a driver
// that was gone; 4: the helper was awaited in vain. Whoever runs it judges the rest, signals above
// all. The last line of its output tells whether the helper was inside the driver at the end.
//
// Threads: main, one to four that allocate, and the layer's.

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>
#include <vulkan/vulkan.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "mock_client.h"

namespace {

using namespace std::chrono_literals;

enum Code { kDriverGone = 3, kNoHelper = 4, kBroken = 5 };

[[noreturn]] void Break(const char* what, int code = kBroken) {
    std::fprintf(stderr, "growing_application: %s\n", what);
    _exit(code);
}

bool IsHelper() {
    static thread_local const bool helper = [] {
        char name[16] = "";
        pthread_getname_np(pthread_self(), name, sizeof name);
        return std::strcmp(name, "tessera-helper") == 0;
    }();
    return helper;
}

// ---- the driver's part --------------------------------------------------------------------------

std::atomic<bool> driver_gone = false;
std::atomic<bool> helper_inside = false;
// A thread that holds the driver's lock and is about to end the process from inside the driver.
std::atomic<bool> driver_locked = false;
std::atomic<bool> helper_waits = false;
std::mutex& driver_lock = *new std::mutex;  // to be held when the process ends
thread_local bool ends_inside = false;

bool Await(const std::atomic<bool>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!condition) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(100us);
    }
    return true;
}

void Say(bool inside) {
    const char* line = inside ? "helper inside\n" : "helper outside\n";
    if (write(STDOUT_FILENO, line, std::strlen(line)) < 0) Break("cannot write");
}

void InDriver(void*, const char*) {
    if (ends_inside) {
        driver_lock.lock();
        driver_locked = true;
        if (!Await(helper_waits)) Break("the helper did not come", kNoHelper);
        Say(true);
        std::exit(0);
    }
    if (!IsHelper()) {
        std::this_thread::sleep_for(200us);
        return;
    }
    if (driver_gone) Break("the helper calls a driver that is gone", kDriverGone);
    helper_inside = true;
    if (driver_locked) {
        helper_waits = true;
        driver_lock.lock();
    }
    std::this_thread::sleep_for(1ms);
    if (driver_gone) Break("a driver goes while the helper is inside", kDriverGone);
    helper_inside = false;
}

// ---- the application ----------------------------------------------------------------------------

struct Vulkan {
    void* library = nullptr;
    VkInstance instance = VK_NULL_HANDLE;
    VkPhysicalDevice physical_device = VK_NULL_HANDLE;
    VkDevice device = VK_NULL_HANDLE;
    PFN_vkGetInstanceProcAddr get = nullptr;
    PFN_vkAllocateMemory allocate = nullptr;
    PFN_vkFreeMemory free = nullptr;

    template <typename Function>
    Function Get(const char* name) const {
        const auto function = reinterpret_cast<Function>(get(instance, name));
        if (function == nullptr) Break(name);
        return function;
    }

    void Open() {
        library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) Break(dlerror());
        get = reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
        VkInstanceCreateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
        if (Get<PFN_vkCreateInstance>("vkCreateInstance")(&info, nullptr, &instance) != VK_SUCCESS)
            Break("no instance");
        uint32_t count = 1;
        if (Get<PFN_vkEnumeratePhysicalDevices>("vkEnumeratePhysicalDevices")(instance, &count,
                                                                              &physical_device) < 0)
            Break("no physical device");
        allocate = Get<PFN_vkAllocateMemory>("vkAllocateMemory");
        free = Get<PFN_vkFreeMemory>("vkFreeMemory");
        device = MakeDevice();
    }

    VkDevice MakeDevice() const {
        const float priority = 1.0f;
        VkDeviceQueueCreateInfo queue = {};
        queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
        queue.queueCount = 1;
        queue.pQueuePriorities = &priority;
        VkDeviceCreateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
        info.queueCreateInfoCount = 1;
        info.pQueueCreateInfos = &queue;
        VkDevice made = VK_NULL_HANDLE;
        if (Get<PFN_vkCreateDevice>("vkCreateDevice")(physical_device, &info, nullptr, &made) !=
            VK_SUCCESS)
            Break("no device");
        return made;
    }

    void DestroyDevice() const { Get<PFN_vkDestroyDevice>("vkDestroyDevice")(device, nullptr); }
    void DestroyInstance() const {
        Get<PFN_vkDestroyInstance>("vkDestroyInstance")(instance, nullptr);
    }
};
Vulkan& vulkan = *new Vulkan;  // alive until the very end, whoever ends it

std::atomic<bool> stop = false;

// One thread's allocations, which become more and more, until there are enough: then all go.
class Grower {
 public:
    explicit Grower(uint64_t seed) : random_(seed) {}
    ~Grower() { FreeAll(); }

    void Step() {
        VkMemoryAllocateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        info.allocationSize = 1 + random_() % (64 << 10);
        info.memoryTypeIndex = random_() % 2;
        VkDeviceMemory memory = VK_NULL_HANDLE;
        if (vulkan.allocate(vulkan.device, &info, nullptr, &memory) != VK_SUCCESS)
            Break("an allocation failed");
        held_.push_back(memory);
        if (held_.size() == 1000) FreeAll();
    }

    void Run() {
        while (!stop)
            Step();
    }

 private:
    void FreeAll() {
        for (const VkDeviceMemory memory : held_)
            vulkan.free(vulkan.device, memory, nullptr);
        held_.clear();
    }

    std::mt19937_64 random_;
    std::vector<VkDeviceMemory> held_;
};

class Application {
 public:
    Application(std::string situation, uint64_t seed)
        : situation_(std::move(situation)), random_(seed) {}

    int Run() {
        // The driver's exit handler is older than the layer's, as that of a driver which is loaded
        // with the instance.
        std::atexit([] { driver_gone = true; });
        if (Is("exit_handler")) std::atexit(DestroyAll);
        vulkan.Open();
        const uint64_t count = 1 + random_() % 4;
        for (uint64_t i = 0; i < count; ++i)
            threads_.emplace_back([seed = random_()] { Grower(seed).Run(); });
        if (Is("another_device")) ChangeDevice();
        if (Is("exit_elsewhere")) {
            threads_.emplace_back([this] { End(); });
            Grower(random_()).Run();
        }
        End();
        return 0;
    }

 private:
    bool Is(const char* situation) const { return situation_ == situation; }

    static void DestroyAll() {
        vulkan.DestroyDevice();
        vulkan.DestroyInstance();
    }

    void JoinAll() {
        stop = true;
        for (std::thread& thread : threads_)
            thread.join();
        threads_.clear();
    }

    // The helper began with one device; the driver of the next comes later, and its exit handler
    // with it, which therefore runs earlier. Of the first nothing is left: the hook cannot tell
    // whether the helper is inside one driver or the other.
    void ChangeDevice() {
        if (!Await(helper_inside)) Break("the helper did not come", kNoHelper);
        JoinAll();
        vulkan.DestroyDevice();
        stop = false;
        std::atexit([] { driver_gone = true; });
        vulkan.device = vulkan.MakeDevice();
        threads_.emplace_back([seed = random_()] { Grower(seed).Run(); });
    }

    // Ends the process, somewhere in the middle of growth. Every second run does so while the
    // helper is inside the driver.
    void End() {
        Grower grower(random_());
        for (uint64_t steps = random_() % 400; steps > 0; --steps)
            grower.Step();
        std::this_thread::sleep_for(std::chrono::microseconds(random_() % 1500));
        if (random_() % 2 == 0 && !Await(helper_inside)) Break("the helper is idle", kNoHelper);
        if (Is("exit_inside")) return EndInsideTheDriver();
        Say(helper_inside);
        if (Is("loader_closed") || Is("instance_destroyed") || Is("exit_handler")) JoinAll();
        if (Is("instance_destroyed")) vulkan.DestroyInstance();
        if (Is("instance_destroyed") || Is("loader_closed")) dlclose(vulkan.library);
        if (Is("underscore_exit")) _exit(0);
        if (Is("quick_exit")) std::quick_exit(0);
        if (!Is("return")) std::exit(0);
    }

    // A callback of the application's that the driver calls, with a lock of its own held that the
    // helper waits for, ends the process.
    static void EndInsideTheDriver() {
        ends_inside = true;
        VkMemoryAllocateInfo info = {};
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
        info.allocationSize = 256 << 20;  // too large to be pooled
        VkDeviceMemory memory = VK_NULL_HANDLE;
        vulkan.allocate(vulkan.device, &info, nullptr, &memory);
        Break("the driver was not called");
    }

    const std::string situation_;
    std::mt19937_64 random_;
    std::vector<std::thread> threads_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) Break("usage: growing_application SITUATION SEED");
    alarm(20);
    setenv("VK_ICD_FILENAMES", TESSERA_MOCK_ICD_PATH, 1);
    setenv("VK_DRIVER_FILES", TESSERA_MOCK_ICD_PATH, 1);
    const TesseraMock& mock = tessera::mock::Control();
    mock.set_description("preset:discrete");
    for (const char* command : {"vkAllocateMemory", "vkFreeMemory"})
        mock.set_hook(command, InDriver, nullptr);
    auto& application = *new Application(argv[1], std::strtoull(argv[2], nullptr, 10));
    return application.Run();
}
