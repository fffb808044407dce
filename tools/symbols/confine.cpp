// SPDX-License-Identifier: Apache-2.0
//
// See confine.h. Two walls where there can be two: a limit of zero descriptors, which every kernel
// has, and a filter of system calls. Neither can be taken down again by the process.
#include "tools/symbols/confine.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <iterator>
#include <vector>

namespace tessera::command {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kArchitecture = 0;  // not filtered
#endif

// A sanitizer reserves most of the address space, which is then no measure of anything.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kLimitMemory = false;
#else
constexpr bool kLimitMemory = true;
#endif

constexpr uint32_t kAllowed[] = {
    __NR_read,         __NR_pread64,      __NR_write,          __NR_writev,      __NR_lseek,
    __NR_fstat,        __NR_newfstatat,   __NR_close,          __NR_fcntl,       __NR_mmap,
    __NR_munmap,       __NR_mremap,       __NR_mprotect,       __NR_madvise,     __NR_brk,
    __NR_futex,        __NR_getrandom,    __NR_clock_gettime,  __NR_gettid,      __NR_getpid,
    __NR_rt_sigreturn, __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_sched_yield, __NR_exit,
    __NR_exit_group,   __NR_tgkill,       __NR_restart_syscall};

sock_filter Statement(unsigned code, uint32_t value) {
    return {static_cast<uint16_t>(code), 0, 0, value};
}

// Goes on with the instruction after the next if the accumulator is `value`.
sock_filter SkipNextUnless(uint32_t value) {
    return {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value};
}

void FilterSystemCalls() {
    if (kArchitecture == 0) return;
    const uint32_t allow = SECCOMP_RET_ALLOW;
    const uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
    std::vector<sock_filter> program = {
        Statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, kArchitecture},
        Statement(BPF_RET | BPF_K, refuse),
        Statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    };
    for (const uint32_t number : kAllowed) {
        program.push_back(SkipNextUnless(number));
        program.push_back(Statement(BPF_RET | BPF_K, allow));
    }
    program.push_back(Statement(BPF_RET | BPF_K, refuse));
    const sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
    // Where the kernel cannot do it the other wall stands.
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

void SetLimit(__rlimit_resource resource, uint64_t value) {
    rlimit limit = {};
    getrlimit(resource, &limit);
    limit.rlim_max =
        limit.rlim_max == RLIM_INFINITY || value < limit.rlim_max ? value : limit.rlim_max;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(resource, &limit);
}

uint64_t MappedBytes() {
    unsigned long long pages = 0;
    FILE* const file = fopen("/proc/self/statm", "re");
    if (file == nullptr) return 0;
    if (fscanf(file, "%llu", &pages) != 1) pages = 0;
    fclose(file);
    return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

void LeaveParent(int keep) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        dup2(nothing, standard);
    dup2(keep, 3);
    close_range(4, ~0u, 0);
}

void LimitResources(uint64_t cpu_seconds, uint64_t memory_bytes) {
    SetLimit(RLIMIT_CPU, cpu_seconds);
    SetLimit(RLIMIT_CORE, 0);
    if (kLimitMemory) SetLimit(RLIMIT_AS, MappedBytes() + memory_bytes);
}

void CloseDoors() {
    SetLimit(RLIMIT_NOFILE, 0);
    FilterSystemCalls();
}

}  // namespace tessera::command
