// SPDX-License-Identifier: Apache-2.0
//
// What a recorded command may do when its command buffer is executed: find its objects, and move
// their bytes. Every problem that it meets is a violation of the submission, with the name of the
// recorded command in front.
//
// Threads: used under the state mutex, inside one submission.
#ifndef TESSERA_TESTS_DRIVER_EXECUTOR_H
#define TESSERA_TESTS_DRIVER_EXECUTOR_H

#include <string>
#include <vector>

#include "call.h"
#include "text.h"

namespace tessera::mock {

class Executor {
 public:
    explicit Executor(Call& call) : call_(call) {}

    // Returns the live object or null, with a violation.
    template <class T, class Handle>
    std::shared_ptr<T> Find(const char* command, Handle handle) {
        auto found = call_.device().objects.Find<T>(Raw(handle));
        if (found == nullptr) {
            Report(command, Hex{Raw(handle)},
                   ExplainHandleLocked(call_.device(), T::kType, Raw(handle)));
        }
        return found;
    }

    // Copies bytes between two resources, by way of a buffer of its own: overlaps are harmless.
    void Copy(const char* command, const Backing& from, VkDeviceSize from_offset, const Backing& to,
              VkDeviceSize to_offset, VkDeviceSize size_bytes) {
        bytes_.resize(static_cast<size_t>(size_bytes));
        Check(command, from.Read(from_offset, bytes_.data(), bytes_.size()));
        Check(command, to.Write(to_offset, bytes_.data(), bytes_.size()));
    }

    // Writes bytes into a resource.
    void Write(const char* command, const Backing& to, VkDeviceSize offset, const void* data,
               size_t size_bytes) {
        Check(command, to.Write(offset, data, size_bytes));
    }

 private:
    void Check(const char* command, const std::string& problem) {
        if (!problem.empty()) Report(command, problem);
    }

    template <class... Parts>
    void Report(const char* command, const Parts&... parts) {
        call_.Violation("", Text(command, ": ", parts...));
    }

    Call& call_;
    std::vector<std::byte> bytes_;
};

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_EXECUTOR_H
