// SPDX-License-Identifier: Apache-2.0
//
// See call.h. The rules are looked at on every call of every thread, so a command without a rule
// costs relaxed loads only; the mutex is taken when there is a fault or a hook to look at.
#include "call.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>

#include "text.h"
#include "violations.h"

namespace tessera::mock {
namespace {

struct Fault {
    uint64_t remaining;  // calls until it fires, this one included
    VkResult result;
    bool sticky;
};

struct Rules {
    std::atomic<uint64_t> count{0};
    std::atomic<uint64_t> cost_ns{0};
    std::atomic<bool> watched{false};  // there are faults or a hook
    std::vector<Fault> faults;
    HookFunction hook = nullptr;
    void* hook_user = nullptr;
};

struct RuleBook {
    std::mutex mutex;  // guards faults and hooks
    std::array<Rules, kCommandCount> rules;

    Rules& Of(Command command) { return rules[static_cast<size_t>(command)]; }
};

RuleBook& TheRuleBook() {
    static RuleBook& book = *new RuleBook;
    return book;
}

void UpdateWatched(Rules& rules) {
    rules.watched = !rules.faults.empty() || rules.hook != nullptr;
}

// Lets the faults of a command count this call. Returns what the first that fires says.
VkResult NextResult(Rules& rules) {
    if (!rules.watched.load(std::memory_order_acquire)) return VK_SUCCESS;
    std::lock_guard lock(TheRuleBook().mutex);
    VkResult result = VK_SUCCESS;
    std::erase_if(rules.faults, [&result](Fault& fault) {
        if (fault.remaining > 1) {
            --fault.remaining;
            return false;
        }
        if (result == VK_SUCCESS) result = fault.result;
        return !fault.sticky;
    });
    UpdateWatched(rules);
    return result;
}

void RunHook(Rules& rules, const char* name) {
    if (!rules.watched.load(std::memory_order_acquire)) return;
    HookFunction hook = nullptr;
    void* user = nullptr;
    {
        std::lock_guard lock(TheRuleBook().mutex);
        hook = rules.hook;
        user = rules.hook_user;
    }
    if (hook != nullptr) hook(user, name);
}

void Spend(uint64_t ns) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(ns);
    while (std::chrono::steady_clock::now() < end) {
    }
}

template <class Change>
void ForEachRules(Change change) {
    std::lock_guard lock(TheRuleBook().mutex);
    for (Rules& rules : TheRuleBook().rules) {
        change(rules);
        UpdateWatched(rules);
    }
}

}  // namespace

Call::Call(Command command, VkDevice device)
    : command_(command), device_(device == VK_NULL_HANDLE ? nullptr : &Of(device)) {
    Rules& rules = TheRuleBook().Of(command);
    rules.count.fetch_add(1, std::memory_order_relaxed);
    result_ = NextResult(rules);
    if (device_ != nullptr) {
        const auto access =
            command == Command::kDestroyDevice ? Access::kExclusive : Access::kShared;
        Mark(device_->use, access, "the device", Raw(device));
    }
}

Call::~Call() {
    Enter();
    for (const auto& action : after_)
        action();
    for (auto& [marker, access] : marks_)
        marker->End(access);
}

void Call::Enter() {
    if (entered_) return;
    entered_ = true;
    Rules& rules = TheRuleBook().Of(command_);
    RunHook(rules, EntryOf(command_).name);
    if (const uint64_t ns = rules.cost_ns.load(std::memory_order_relaxed); ns != 0) Spend(ns);
}

void Call::Mark(UseMarker& marker, Access access, const char* what, uint64_t handle) {
    marks_.emplace_back(&marker, access);
    if (marker.Begin(access)) {
        Violation("UNASSIGNED-Threading-MultipleThreads",
                  Text(what, " ", Hex{handle},
                       " is used by another call at the same time, where one of the two must be "
                       "externally synchronized"));
    }
}

std::shared_ptr<Memory> Call::UseMemory(VkDeviceMemory memory, Access access, const char* what) {
    StateLock lock;
    auto object = Find<Memory>(memory, what);
    if (object == nullptr) return nullptr;
    for (const auto& held : held_) {
        if (held == object) return object;
    }
    held_.push_back(object);
    Mark(object->use, access, "memory", object->handle);
    return object;
}

void Call::UseQueue(Queue& queue) {
    Mark(queue.use, Access::kExclusive, "queue", Raw(queue.handle()));
}

void Call::Violation(const std::string& vuid, const std::string& sentence) const {
    RecordViolation(EntryOf(command_).name, vuid, sentence);
}

void Call::CheckAllocator(const Object& object, const VkAllocationCallbacks* allocator) const {
    Require(object.with_allocator == (allocator != nullptr), "",
            Text("object ", Hex{object.handle}, " was created ",
                 object.with_allocator ? "with" : "without", " allocation callbacks, destroyed ",
                 allocator != nullptr ? "with" : "without"));
}

void Call::ReportUnknown(VkObjectType type, uint64_t handle, const char* what) const {
    const std::string path = std::strchr(what, '-') != nullptr
                                 ? std::string(what)
                                 : Text(EntryOf(command_).name, "-", what);
    Violation(Text("VUID-", path, "-parameter"),
              Text(path.substr(path.find('-') + 1), " ", Hex{handle}, " ",
                   ExplainHandleLocked(*device_, type, handle)));
}

uint64_t CallCount(Command command) {
    return TheRuleBook().Of(command).count.load();
}

void ResetCallCounts() {
    ForEachRules([](Rules& rules) { rules.count = 0; });
}

void AddFault(Command command, uint64_t nth, VkResult result, bool sticky) {
    std::lock_guard lock(TheRuleBook().mutex);
    Rules& rules = TheRuleBook().Of(command);
    rules.faults.push_back({nth, result, sticky});
    UpdateWatched(rules);
}

void ClearFaults() {
    ForEachRules([](Rules& rules) { rules.faults.clear(); });
}

void SetCost(Command command, uint64_t ns) {
    TheRuleBook().Of(command).cost_ns = ns;
}

void ClearCosts() {
    ForEachRules([](Rules& rules) { rules.cost_ns = 0; });
}

void SetHook(Command command, HookFunction function, void* user) {
    std::lock_guard lock(TheRuleBook().mutex);
    Rules& rules = TheRuleBook().Of(command);
    rules.hook = function;
    rules.hook_user = user;
    UpdateWatched(rules);
}

void ClearHooks() {
    ForEachRules([](Rules& rules) { rules.hook = nullptr; });
}

}  // namespace tessera::mock
