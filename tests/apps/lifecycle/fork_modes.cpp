// SPDX-License-Identifier: Apache-2.0
//
// The modes of lifecycle_app that fork: see modes.h.
//
// A child ends by _exit(), as a child of a process with threads should: exit handlers of a driver
// would wait for threads that the child does not have. Its exit code says whether it succeeded.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>

#include "common/check.h"
#include "lifecycle/client.h"
#include "lifecycle/modes.h"

namespace apps {
namespace {

constexpr uint32_t kParentLaterKey = 1;
constexpr uint32_t kChildKey = 2;
// A child that hangs is ended by SIGALRM, so that its parent fails with a sentence and ends too.
constexpr unsigned kChildSeconds = 60;

/// Forks; the child runs `work` and ends. Returns the child's process id.
template <typename Work>
pid_t Fork(const Work& work) {
    // Whatever is still buffered would be printed twice, by the parent and by the child.
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) throw Failure("fork failed.");
    if (child > 0) return child;
    alarm(kChildSeconds);
    int code = 0;
    try {
        work();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lifecycle_app (forked child): %s\n", error.what());
        code = 1;
    }
    _exit(code);
}

void WaitForSuccess(pid_t child) {
    int status = 0;
    if (waitpid(child, &status, 0) != child) throw Failure("waitpid failed.");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    throw Failure("A forked child ended with wait status " + std::to_string(status) + ".");
}

/// What the parent does after a fork: all that it could do before.
void GoOn(const Client& client) {
    client.allocations.Verify();
    const AllocationSet more(client.device, kAllocations, kParentLaterKey);
    more.Verify();
    client.allocations.Verify();
}

void UseOwnDevice(uint32_t device_index, uint32_t key) {
    const Client client(device_index, key);
    client.allocations.Verify();
}

/// A thread that makes, checks and destroys allocations until it is told to stop.
class BusyThread {
 public:
    explicit BusyThread(const Device& device) : thread_([this, &device] { Work(device); }) {}
    ~BusyThread() {
        if (thread_.joinable()) Join();
    }
    BusyThread(const BusyThread&) = delete;
    BusyThread& operator=(const BusyThread&) = delete;

    /// Ends the thread. Throws what the thread threw.
    void Stop() {
        Join();
        if (error_) std::rethrow_exception(error_);
    }

 private:
    void Join() {
        stop_ = true;
        thread_.join();
    }

    /// The device is shared with the main thread: Vulkan lets two threads allocate from one device
    /// at once, as long as they use different memory objects.
    void Work(const Device& device) {
        try {
            while (!stop_)
                AllocationSet(device, kAllocations, kParentLaterKey).Verify();
        } catch (...) {
            error_ = std::current_exception();
        }
    }

    std::atomic<bool> stop_ = false;
    std::exception_ptr error_;
    std::thread thread_;
};

}  // namespace

void RunFork(uint32_t device_index) {
    const Client client(device_index);
    WaitForSuccess(Fork([] {}));
    GoOn(client);
}

// The child's driver state is a copy of the parent's; only new objects are used in it.
void RunForkUse(uint32_t device_index) {
    const Client client(device_index);
    const pid_t child = Fork([&] { UseOwnDevice(device_index, kChildKey); });
    GoOn(client);
    WaitForSuccess(child);
    GoOn(client);
}

void RunForkMany(uint32_t device_index) {
    const Client client(device_index);
    BusyThread busy(client.device);
    std::array<pid_t, 4> children{};
    // The forks happen while the other thread is anywhere in its calls, which is the point.
    uint32_t key = kChildKey;
    for (pid_t& child : children) {
        child = Fork([&] { UseOwnDevice(device_index, key); });
        ++key;
    }
    client.allocations.Verify();
    for (const pid_t child : children)
        WaitForSuccess(child);
    busy.Stop();
    GoOn(client);
}

}  // namespace apps
