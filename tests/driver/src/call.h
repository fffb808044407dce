// SPDX-License-Identifier: Apache-2.0
//
// One call of a command, from entry to return. Every command starts with a Call, which counts it,
// decides whether it fails on request, marks the objects that it uses, and reports violations under
// its name:
//
//     Call call(Command::kMapMemory, device);
//     if (call.failed()) return call.result();
//     auto object = call.UseMemory(memory, Access::kExclusive);   // null: reported already
//     call.Enter();                                               // hook and cost
//     StateLock lock;
//     ...
//
// The marks last until the Call ends, so two calls that overlap for their callers overlap here, and
// external synchronisation that was forgotten is reported. A hook that a test set runs in Enter(),
// with the marks held and no lock, and may itself call Vulkan: this makes any interleaving of two
// threads repeatable.
//
// Threads: a Call belongs to the thread that made it.
#ifndef TESSERA_TESTS_DRIVER_CALL_H
#define TESSERA_TESTS_DRIVER_CALL_H

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "registry.h"

namespace tessera::mock {

// What failing calls leave in outputs whose contents the specification then calls undefined: a
// program that looks at them all the same shall notice.
inline constexpr uint64_t kPoison = 0xBADBADBADBADBAD1;

class Call {
 public:
    // Counts the call, and lets the faults that wait for this command count it. `device` is null
    // for commands of an instance or a physical device.
    explicit Call(Command command, VkDevice device = VK_NULL_HANDLE);
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    // Runs what After() left, then takes the marks back.
    ~Call();

    // Whether the control asked this call to fail; then it has to return result() and do nothing.
    bool failed() const { return result_ != VK_SUCCESS; }
    VkResult result() const { return result_; }

    // The device of the call. **Requires** that one was given.
    Device& device() const { return *device_; }

    // Runs the command's hook and spends its cost. At most once; without it the end of the Call
    // does.
    void Enter();

    // Marks a memory as used by this call and returns it; null, with a violation, if the handle is
    // not a live memory of the device. `what` is the parameter's name for the violation, or
    // "Structure-member". Takes the state mutex.
    std::shared_ptr<Memory> UseMemory(VkDeviceMemory memory, Access access,
                                      const char* what = "memory");

    // Marks a queue likewise; queues are externally synchronised in every command that names one.
    void UseQueue(Queue& queue);

    // Returns a live object of the device; null, with a violation, if there is none. `what` as
    // above.
    // **Requires** the state mutex.
    template <class T, class Handle>
    std::shared_ptr<T> Find(Handle handle, const char* what) {
        auto found = device_->objects.Find<T>(Raw(handle));
        if (found == nullptr) ReportUnknown(T::kType, Raw(handle), what);
        return found;
    }

    // Has something done at the very end of the call, without any lock: for
    // callbacks to the application.
    void After(std::function<void()> action) { after_.push_back(std::move(action)); }

    // Records a violation of this command.
    void Violation(const std::string& vuid, const std::string& sentence) const;

    // Records a violation unless `holds`; returns `holds`. Rule and sentence are
    // anything that becomes a string (see text.h); nothing is made of them while
    // the rule is kept.
    template <class Vuid, class Sentence>
    bool Require(bool holds, const Vuid& vuid, const Sentence& sentence) const {
        if (!holds) Violation(vuid, sentence);
        return holds;
    }

    // Checks that an object is destroyed with an allocator exactly if it was created with one.
    void CheckAllocator(const Object& object, const VkAllocationCallbacks* allocator) const;

 private:
    void Mark(UseMarker& marker, Access access, const char* what, uint64_t handle);
    void ReportUnknown(VkObjectType type, uint64_t handle, const char* what) const;

    const Command command_;
    Device* const device_;
    VkResult result_ = VK_SUCCESS;
    bool entered_ = false;
    // What is marked; the shared_ptr keeps a memory that is freed meanwhile.
    std::vector<std::pair<UseMarker*, Access>> marks_;
    std::vector<std::shared_ptr<Memory>> held_;
    std::vector<std::function<void()>> after_;
};

// The process-wide rules that calls follow; set through mock_control.h. Any thread.
uint64_t CallCount(Command command);
void ResetCallCounts();
// The nth call from now (1 is the next) fails, and all after it if `sticky`.
void AddFault(Command command, uint64_t nth, VkResult result, bool sticky);
void ClearFaults();
void SetCost(Command command, uint64_t ns);
void ClearCosts();
using HookFunction = void (*)(void* user, const char* command);
void SetHook(Command command, HookFunction function, void* user);
void ClearHooks();

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_CALL_H
