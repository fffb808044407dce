// SPDX-License-Identifier: Apache-2.0
//
// See handles.h. A value that is taken, or null, is passed over; the loop ends because no style can
// run out of values while the process can hold the objects.
#include "handles.h"

namespace tessera::mock {
namespace {

constexpr size_t kMaxStale = 1 << 20;

}  // namespace

uint64_t ObjectTable::NextValue(const Object& object) {
    switch (rule_.style) {
        case HandleStyle::kPointer:
            return reinterpret_cast<uintptr_t>(&object);
        case HandleStyle::kCounter:
            return ++counter_;
        case HandleStyle::kRecycle: {
            if (free_values_.empty()) return ++counter_;
            const uint64_t value = free_values_.back();
            free_values_.pop_back();
            return value;
        }
        case HandleStyle::kRandom:
            return random_();
        case HandleStyle::kLookalike:
            return (random_() & ~rule_.mask) | rule_.pattern;
    }
    return ++counter_;
}

uint64_t ObjectTable::Insert(std::shared_ptr<Object> object, uint64_t forced) {
    uint64_t value = forced;
    while (value == 0 || objects_.contains(value))
        value = NextValue(*object);
    object->handle = value;
    stale_.erase(value);
    objects_.emplace(value, std::move(object));
    return value;
}

void ObjectTable::Erase(Object& object) {
    object.alive = false;
    if (rule_.style == HandleStyle::kRecycle) free_values_.push_back(object.handle);
    // Forgetting old handles makes a message less exact, nothing more.
    if (stale_.size() >= kMaxStale) stale_.clear();
    stale_.insert(object.handle);
    objects_.erase(object.handle);
}

std::shared_ptr<Object> ObjectTable::Find(VkObjectType type, uint64_t handle) const {
    auto found = objects_.find(handle);
    if (found == objects_.end() || found->second->type != type) return nullptr;
    return found->second;
}

}  // namespace tessera::mock
