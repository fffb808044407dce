// SPDX-License-Identifier: Apache-2.0
//
// A copy of an application's array that the layer may change before it goes down.

#ifndef TESSERA_LAYER_VK_SCRATCH_H_
#define TESSERA_LAYER_VK_SCRATCH_H_

#include <cstddef>
#include <memory>
#include <new>

namespace tessera {

// Room for `count` elements, in place up to kInPlace and on the heap beyond. Never throws: without
// memory data() is null. Elements are not initialised when they lie in place.
template <typename T, size_t kInPlace>
class Scratch {
 public:
    explicit Scratch(size_t count) noexcept {
        if (count <= kInPlace) {
            data_ = in_place_;
            return;
        }
        heap_.reset(new (std::nothrow) T[count]);
        data_ = heap_.get();
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    T* data() noexcept { return data_; }
    T& operator[](size_t index) noexcept { return data_[index]; }

 private:
    T in_place_[kInPlace];
    std::unique_ptr<T[]> heap_;
    T* data_ = nullptr;
};

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_SCRATCH_H_
