// SPDX-License-Identifier: Apache-2.0
//
// cost_host_bytes: host memory that the layer holds for each live allocation of the application.
//
// usage: cost_host_bytes LIVE        prints the bytes per live allocation, sizes as in `log`
//
// The program takes the place of the C library's allocator and of mmap. What is asked for counts if
// the caller lies in the layer's library: the loader's, the driver's and this program's own memory
// is left out. An allocation counts with its usable size and the C library's word in front of it, a
// mapping with those of its pages that have memory. The channel is a file and does not count.
//
// Threads: one thread fills; a thread of the layer may allocate meanwhile.

#include <dlfcn.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "contender.h"
#include "mock_client.h"

extern "C" {
void* __libc_malloc(size_t);            // NOLINT: the C library's name
void* __libc_calloc(size_t, size_t);    // NOLINT
void* __libc_realloc(void*, size_t);    // NOLINT
void* __libc_memalign(size_t, size_t);  // NOLINT
void __libc_free(void*);                // NOLINT
}

namespace {

// The layer's library in memory; 0 until it is known. It is opened before the loader opens it, so
// that nothing of it is missed.
std::atomic<uintptr_t> layer_begin = 0;
std::atomic<uintptr_t> layer_end = 0;
std::atomic<int64_t> heap_bytes = 0;

constexpr size_t kMostMappings = 4096;
struct Mapping {
    char* address = nullptr;
    size_t bytes = 0;
};
std::mutex mappings_mutex;
std::array<Mapping, kMostMappings> mappings;  // address null: free entry

bool IsLayers(const void* caller) {
    const auto address = reinterpret_cast<uintptr_t>(caller);
    return address >= layer_begin.load(std::memory_order_relaxed) &&
           address < layer_end.load(std::memory_order_relaxed);
}

// What the C library takes for an allocation.
int64_t Taken(void* pointer) {
    return static_cast<int64_t>(malloc_usable_size(pointer) + sizeof(size_t));
}

void* Counted(void* pointer, const void* caller) {
    if (pointer != nullptr && IsLayers(caller)) heap_bytes += Taken(pointer);
    return pointer;
}

void NoteMapping(void* address, size_t bytes) {
    const std::lock_guard lock(mappings_mutex);
    for (Mapping& mapping : mappings) {
        if (mapping.address != nullptr) continue;
        mapping = {static_cast<char*>(address), bytes};
        return;
    }
    std::fputs("cost_host_bytes: more mappings than it can count\n", stderr);
    std::_Exit(1);
}

// A part of a mapping may go, from either end; what is left stays counted.
void ForgetMapping(void* address, size_t bytes) {
    char* const begin = static_cast<char*>(address);
    char* const end = begin + bytes;
    const std::lock_guard lock(mappings_mutex);
    for (Mapping& mapping : mappings) {
        char* const mapped_end = mapping.address + mapping.bytes;
        if (mapping.address == nullptr || begin >= mapped_end || end <= mapping.address) continue;
        if (begin > mapping.address) {
            mapping.bytes = static_cast<size_t>(begin - mapping.address);
        } else if (end < mapped_end) {
            mapping = {end, static_cast<size_t>(mapped_end - end)};
        } else {
            mapping = {};
        }
    }
}

int64_t MappedBytes() {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const std::lock_guard lock(mappings_mutex);
    int64_t total = 0;
    for (const Mapping& mapping : mappings) {
        if (mapping.address == nullptr) continue;
        std::vector<unsigned char> resident((mapping.bytes + page - 1) / page);
        if (mincore(mapping.address, mapping.bytes, resident.data()) != 0) continue;
        total += std::count_if(resident.begin(), resident.end(), [](auto r) { return r & 1; }) *
                 static_cast<int64_t>(page);
    }
    return total;
}

}  // namespace

#define CALLER __builtin_return_address(0)

extern "C" {

void* malloc(size_t bytes) {
    return Counted(__libc_malloc(bytes), CALLER);
}
void* calloc(size_t count, size_t bytes) {
    return Counted(__libc_calloc(count, bytes), CALLER);
}
void* realloc(void* pointer, size_t bytes) {
    if (pointer != nullptr && IsLayers(CALLER)) heap_bytes -= Taken(pointer);
    return Counted(__libc_realloc(pointer, bytes), CALLER);
}
void* memalign(size_t alignment, size_t bytes) {
    return Counted(__libc_memalign(alignment, bytes), CALLER);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
    return Counted(__libc_memalign(alignment, bytes), CALLER);
}
int posix_memalign(void** pointer, size_t alignment, size_t bytes) {
    void* made = Counted(__libc_memalign(alignment, bytes), CALLER);
    if (made == nullptr) return ENOMEM;
    *pointer = made;
    return 0;
}
void free(void* pointer) {
    if (pointer != nullptr && IsLayers(CALLER)) heap_bytes -= Taken(pointer);
    __libc_free(pointer);
}
void* mmap(void* address, size_t bytes, int protection, int flags, int file, off_t offset) {
    auto* made =
        reinterpret_cast<void*>(syscall(SYS_mmap, address, bytes, protection, flags, file, offset));
    if (made != MAP_FAILED && (flags & MAP_ANONYMOUS) != 0 && IsLayers(CALLER)) {
        NoteMapping(made, bytes);
    }
    return made;
}
int munmap(void* address, size_t bytes) {
    if (IsLayers(CALLER)) ForgetMapping(address, bytes);
    return static_cast<int>(syscall(SYS_munmap, address, bytes));
}

}  // extern "C"

namespace {

// Where the library's code lies, from the system's own list.
bool FindLayer() {
    if (dlopen(TESSERA_LAYER_LIBRARY, RTLD_NOW | RTLD_LOCAL) == nullptr) return false;
    FILE* maps = std::fopen("/proc/self/maps", "r");
    if (maps == nullptr) return false;
    char line[4096];
    const char* const name = std::strrchr(TESSERA_LAYER_LIBRARY, '/');
    while (std::fgets(line, sizeof line, maps) != nullptr) {
        unsigned long begin = 0;
        unsigned long end = 0;
        char rights[5] = {};
        if (std::strstr(line, name) == nullptr) continue;
        if (std::sscanf(line, "%lx-%lx %4s", &begin, &end, rights) != 3) continue;
        if (rights[2] != 'x') continue;
        layer_begin = begin;
        layer_end = end;
    }
    std::fclose(maps);
    return layer_end != 0;
}

int64_t Held() {
    return heap_bytes.load() + MappedBytes();
}

int Run(uint32_t live) {
    const tessera::mock::ScopedMock mock(
        R"({"base": "discrete", "limits": {"maxMemoryAllocationCount": 4294967295}})");
    setenv("VK_LAYER_PATH", TESSERA_LAYER_DIR, 1);
    unsetenv("VK_INSTANCE_LAYERS");
    if (!FindLayer()) return 1;
    const bench::Machine machine({.layered = true});
    const auto tessera = bench::MakeTessera(machine);
    bench::Composer composer(bench::Mix::kLog, machine.SizeUnit(), 1);
    // What a device costs by itself, probes included, is not for each allocation.
    std::vector<bench::Slot> first(1);
    tessera->Run(composer.Fill(0, 1), first);
    const int64_t before = Held();
    std::vector<bench::Slot> slots(live);
    tessera->Run(composer.Fill(0, live), slots);
    const int64_t after = Held();
    std::printf("%.2f\n", static_cast<double>(after - before) / live);
    tessera->Run(composer.Drain(0, live), slots);
    tessera->Run(composer.Drain(0, 1), first);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const long live = argc == 2 ? std::strtol(argv[1], nullptr, 10) : 0;
    if (live <= 0 || live > 10'000'000) {
        std::fputs("usage: cost_host_bytes LIVE\n", stderr);
        return 2;
    }
    try {
        return Run(static_cast<uint32_t>(live));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "cost_host_bytes: %s\n", error.what());
        return 1;
    }
}
