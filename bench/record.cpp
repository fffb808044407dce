// SPDX-License-Identifier: Apache-2.0
//
// A library to preload into a program: writes what it allocates and frees into the file that
// BENCH_RECORD names, in the format of bench/data/README.md. The program must call the loader's
// functions and not those of vkGetDeviceProcAddr.
//
// Threads: one lock; calls of several threads are written in the order in which they ended.

#include <dlfcn.h>
#include <vulkan/vulkan_core.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

namespace {

class Record {
 public:
    void Allocated(VkDeviceMemory memory, VkDeviceSize bytes) {
        const std::lock_guard lock(mutex_);
        numbers_[Key(memory)] = count_++;
        std::fprintf(file_, "%llu\n", static_cast<unsigned long long>(bytes));
        std::fflush(file_);
    }
    void Freed(VkDeviceMemory memory) {
        const std::lock_guard lock(mutex_);
        const auto found = numbers_.find(Key(memory));
        if (found == numbers_.end()) return;
        std::fprintf(file_, "-%llu\n", static_cast<unsigned long long>(count_ - found->second));
        std::fflush(file_);
        numbers_.erase(found);
    }

 private:
    static uint64_t Key(VkDeviceMemory memory) { return (uint64_t)memory; }  // NOLINT
    static FILE* Open() {
        const char* path = std::getenv("BENCH_RECORD");
        FILE* file = path == nullptr ? nullptr : std::fopen(path, "w");
        return file == nullptr ? stderr : file;
    }

    std::mutex mutex_;
    FILE* file_ = Open();
    std::map<uint64_t, uint64_t> numbers_;  // of what lives, by handle
    uint64_t count_ = 0;
};

Record& TheRecord() {
    static Record& record = *new Record;  // calls may come until the very end
    return record;
}

template <typename Function>
Function Next(const char* name) {
    return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

VKAPI_ATTR VkResult VKAPI_CALL vkAllocateMemory(VkDevice device, const VkMemoryAllocateInfo* info,
                                                const VkAllocationCallbacks* callbacks,
                                                VkDeviceMemory* memory) {
    static const auto next = Next<PFN_vkAllocateMemory>("vkAllocateMemory");
    const VkResult result = next(device, info, callbacks, memory);
    if (result == VK_SUCCESS) TheRecord().Allocated(*memory, info->allocationSize);
    return result;
}

VKAPI_ATTR void VKAPI_CALL vkFreeMemory(VkDevice device, VkDeviceMemory memory,
                                        const VkAllocationCallbacks* callbacks) {
    static const auto next = Next<PFN_vkFreeMemory>("vkFreeMemory");
    if (memory != VK_NULL_HANDLE) TheRecord().Freed(memory);
    next(device, memory, callbacks);
}

}  // extern "C"
