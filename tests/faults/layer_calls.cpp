// SPDX-License-Identifier: Apache-2.0
//
// See layer_calls.h. Nothing here allocates on the path of a call: the functions may be entered
// from anywhere, before main and under locks of the dynamic linker.
#include "layer_calls.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unwind.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TESSERA_FAULTS_SANITIZED 1
#else
#define TESSERA_FAULTS_SANITIZED 0
#endif

namespace tessera::faults {
namespace {

enum Function : size_t {
    kMemory,
    kOpen,
    kOpenat,
    kMkdir,
    kFchmod,
    kFstat,
    kFstatat,
    kFlock,
    kFtruncate,
    kFallocate,
    kMmap,
    kMadvise,
    kPread,
    kRead,
    kFdopendir,
    kUnlinkat,
    kCount
};

constexpr std::array<const char*, kCount> kNames = {
    kHostMemory, "open",  "openat",    "mkdir",           "fchmod", "fstat",
    "fstatat",   "flock", "ftruncate", "posix_fallocate", "mmap",   "madvise",
    "pread",     "read",  "fdopendir", "unlinkat"};

// Where the code of a library lies.
struct Code {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    bool Has(uintptr_t address) const { return address >= begin && address < end; }
};

Code layer;
Code c_library;
std::atomic<bool> watching{false};

std::array<std::atomic<uint64_t>, kCount> counts;
std::atomic<size_t> failing{kCount};
uint64_t failing_nth = 0;
bool failing_sticky = false;
int failing_error = 0;

thread_local int not_the_layer = 0;

struct Search {
    const char* part;  // of the library's path
    Code* code;
};

int Look(dl_phdr_info* info, size_t, void* user) {
    const Search& search = *static_cast<Search*>(user);
    if (info->dlpi_name == nullptr || std::strstr(info->dlpi_name, search.part) == nullptr)
        return 0;
    for (size_t i = 0; i < info->dlpi_phnum; ++i) {
        const ElfW(Phdr)& header = info->dlpi_phdr[i];
        if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
        search.code->begin = info->dlpi_addr + header.p_vaddr;
        search.code->end = search.code->begin + header.p_memsz;
    }
    return 1;
}

bool FindCode(const char* part, Code* code) {
    Search search{part, code};
    return dl_iterate_phdr(Look, &search) == 1;
}

// Walks up from the C library's code to what called it.
_Unwind_Reason_Code Ascend(_Unwind_Context* context, void* user) {
    const uintptr_t address = _Unwind_GetIP(context);
    static Code own;
    if (own.begin == 0) FindCode("", &own);  // the program comes first in the list
    if (own.Has(address) || c_library.Has(address)) return _URC_NO_REASON;
    *static_cast<bool*>(user) = layer.Has(address);
    return _URC_NORMAL_STOP;
}

bool FromLayer(void* caller) {
    const auto address = reinterpret_cast<uintptr_t>(caller);
    if (layer.Has(address)) return true;
    if (!c_library.Has(address)) return false;
    bool found = false;
    ++not_the_layer;  // the unwinder may allocate
    _Unwind_Backtrace(Ascend, &found);
    --not_the_layer;
    return found;
}

// Counts a call. Returns: whether it must fail; errno is set then.
[[maybe_unused]] bool Refuse(Function function, void* caller) {
    if (!watching.load(std::memory_order_relaxed) || not_the_layer > 0) return false;
    if (!FromLayer(caller)) return false;
    const uint64_t nth = counts[function].fetch_add(1) + 1;
    if (failing.load() != function) return false;
    if (nth != failing_nth && !(failing_sticky && nth > failing_nth)) return false;
    errno = failing_error;
    return true;
}

size_t IndexOf(const std::string& function) {
    for (size_t i = 0; i < kCount; ++i) {
        if (function == kNames[i]) return i;
    }
    return kCount;
}

}  // namespace

bool LayerCallsAvailable() {
    return TESSERA_FAULTS_SANITIZED == 0;
}

bool WatchLayer(const std::string& path) {
    if (!FindCode(path.c_str(), &layer) || !FindCode("libc.so", &c_library)) return false;
    watching = true;
    return true;
}

std::vector<std::string> SystemFunctions() {
    return {kNames.begin() + 1, kNames.end()};
}

uint64_t LayerCallCount(const std::string& function) {
    const size_t index = IndexOf(function);
    return index == kCount ? 0 : counts[index].load();
}

void ResetLayerCalls() {
    for (auto& count : counts)
        count = 0;
}

void FailLayerCall(const std::string& function, uint64_t nth, bool sticky, int error) {
    failing_nth = nth;
    failing_sticky = sticky;
    failing_error = error;
    failing = IndexOf(function);
}

void ClearLayerFaults() {
    failing = kCount;
}

NotTheLayer::NotTheLayer() {
    ++not_the_layer;
}

NotTheLayer::~NotTheLayer() {
    --not_the_layer;
}

}  // namespace tessera::faults

#if !TESSERA_FAULTS_SANITIZED

// The functions themselves. Each asks Refuse() with its own caller, then does what it always does.

#define CALLER __builtin_return_address(0)
#define EXPORTED extern "C" __attribute__((visibility("default")))

using namespace tessera::faults;  // NOLINT: what follows cannot lie in a namespace

// The C library's own function of this name.
#define REAL(name)                                                                              \
    [] {                                                                                        \
        static const auto found = reinterpret_cast<decltype(&::name)>(dlsym(RTLD_NEXT, #name)); \
        return found;                                                                           \
    }()

extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* memory);
}

EXPORTED void* malloc(size_t size) noexcept {
    return Refuse(kMemory, CALLER) ? nullptr : __libc_malloc(size);
}
EXPORTED void* calloc(size_t count, size_t size) noexcept {
    return Refuse(kMemory, CALLER) ? nullptr : __libc_calloc(count, size);
}
EXPORTED void* realloc(void* memory, size_t size) noexcept {
    return Refuse(kMemory, CALLER) ? nullptr : __libc_realloc(memory, size);
}
EXPORTED void* memalign(size_t alignment, size_t size) noexcept {
    return Refuse(kMemory, CALLER) ? nullptr : __libc_memalign(alignment, size);
}
EXPORTED void* aligned_alloc(size_t alignment, size_t size) noexcept {
    return Refuse(kMemory, CALLER) ? nullptr : __libc_memalign(alignment, size);
}
EXPORTED int posix_memalign(void** out, size_t alignment, size_t size) noexcept {
    void* memory = Refuse(kMemory, CALLER) ? nullptr : __libc_memalign(alignment, size);
    if (memory == nullptr) return ENOMEM;
    *out = memory;
    return 0;
}
EXPORTED void free(void* memory) noexcept {
    __libc_free(memory);
}

EXPORTED int open(const char* path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return Refuse(kOpen, CALLER) ? -1 : REAL(open)(path, flags, mode);
}
EXPORTED int openat(int folder, const char* path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return Refuse(kOpenat, CALLER) ? -1 : REAL(openat)(folder, path, flags, mode);
}
EXPORTED int mkdir(const char* path, mode_t mode) noexcept {
    return Refuse(kMkdir, CALLER) ? -1 : REAL(mkdir)(path, mode);
}
EXPORTED int fchmod(int file, mode_t mode) noexcept {
    return Refuse(kFchmod, CALLER) ? -1 : REAL(fchmod)(file, mode);
}
EXPORTED int fstat(int file, struct stat* status) noexcept {
    return Refuse(kFstat, CALLER) ? -1 : REAL(fstat)(file, status);
}
EXPORTED int fstatat(int folder, const char* path, struct stat* status, int flags) noexcept {
    return Refuse(kFstatat, CALLER) ? -1 : REAL(fstatat)(folder, path, status, flags);
}
EXPORTED int flock(int file, int operation) noexcept {
    return Refuse(kFlock, CALLER) ? -1 : REAL(flock)(file, operation);
}
EXPORTED int ftruncate(int file, off_t size) noexcept {
    return Refuse(kFtruncate, CALLER) ? -1 : REAL(ftruncate)(file, size);
}
EXPORTED int posix_fallocate(int file, off_t from, off_t size) {
    return Refuse(kFallocate, CALLER) ? errno : REAL(posix_fallocate)(file, from, size);
}
EXPORTED void* mmap(void* where, size_t size, int protection, int flags, int file,
                    off_t from) noexcept {
    return Refuse(kMmap, CALLER) ? MAP_FAILED
                                 : REAL(mmap)(where, size, protection, flags, file, from);
}
EXPORTED int madvise(void* where, size_t size, int advice) noexcept {
    return Refuse(kMadvise, CALLER) ? -1 : REAL(madvise)(where, size, advice);
}
EXPORTED ssize_t pread(int file, void* out, size_t size, off_t from) {
    return Refuse(kPread, CALLER) ? -1 : REAL(pread)(file, out, size, from);
}
EXPORTED ssize_t read(int file, void* out, size_t size) {
    return Refuse(kRead, CALLER) ? -1 : REAL(read)(file, out, size);
}
EXPORTED DIR* fdopendir(int file) {
    return Refuse(kFdopendir, CALLER) ? nullptr : REAL(fdopendir)(file);
}
EXPORTED int unlinkat(int folder, const char* path, int flags) noexcept {
    return Refuse(kUnlinkat, CALLER) ? -1 : REAL(unlinkat)(folder, path, flags);
}

#endif  // !TESSERA_FAULTS_SANITIZED
