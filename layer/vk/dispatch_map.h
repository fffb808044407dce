// SPDX-License-Identifier: Apache-2.0
//
// From a dispatchable handle to the layer's object for it, without a lock.
//
// The loader gives every dispatchable handle a first word that is the same for a device and its
// queues, and for an instance and its physical devices: the dispatch key. The map is an
// open-addressed table of keys that only ever grows by chaining a further table and never moves, so
// that a look-up is a hash, a load and a comparison.
//
// Threads: Find() from any thread at any time. All that changes the map is serialised by the
// caller. A key that is being erased must not be looked up any more, which Vulkan's external
// synchronisation of vkDestroyDevice and vkDestroyInstance guarantees.

#ifndef TESSERA_LAYER_VK_DISPATCH_MAP_H_
#define TESSERA_LAYER_VK_DISPATCH_MAP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace tessera {

// The dispatch key of any dispatchable handle.
template <typename Handle>
inline const void* DispatchKey(Handle handle) noexcept {
    return *reinterpret_cast<const void* const*>(handle);
}

template <typename T, size_t kSlots>
class DispatchMap {
    static_assert((kSlots & (kSlots - 1)) == 0, "a power of two");

 private:
    struct Table {
        std::atomic<const void*> keys[kSlots] = {};
        std::atomic<T*> values[kSlots] = {};
        std::atomic<Table*> next = nullptr;
    };

 public:
    constexpr DispatchMap() = default;

    // The object stored for `key`, or null.
    T* Find(const void* key) const noexcept {
        // Where it nearly always is.
        const size_t home = Hash(key);
        if (first_.keys[home].load(std::memory_order_acquire) == key) [[likely]]
            return first_.values[home].load(std::memory_order_relaxed);
        return Search(key);
    }

    // Host memory for one insertion, taken in advance by whoever cannot bear a failure later.
    class Room {
     public:
        Room() = default;
        explicit operator bool() const noexcept { return table_ != nullptr; }

     private:
        friend DispatchMap;
        explicit Room(Table* table) noexcept : table_(table) {}
        std::unique_ptr<Table> table_;
    };
    // Empty without host memory.
    static Room MakeRoom() noexcept { return Room(new (std::nothrow) Table); }

    // Stores `value` for `key`. What the map held for the key, whose handle must be dead, is
    // forgotten. False: no room was given and there is no host memory; nothing is stored.
    bool Insert(const void* key, T* value, Room room = {}) noexcept {
        Erase(key);
        Table* last = &first_;
        for (Table* table = &first_; table != nullptr; table = table->next.load()) {
            last = table;
            for (size_t i = Hash(key), step = 0; step < kSlots; ++step, i = (i + 1) % kSlots) {
                const void* found = table->keys[i].load();
                if (found != nullptr && found != Erased()) continue;
                table->values[i].store(value, std::memory_order_relaxed);
                table->keys[i].store(key, std::memory_order_release);
                return true;
            }
        }
        Table* fresh = room ? room.table_.release() : new (std::nothrow) Table;
        if (fresh == nullptr) return false;
        fresh->values[Hash(key)].store(value);
        fresh->keys[Hash(key)].store(key);
        last->next.store(fresh, std::memory_order_release);
        return true;
    }

    void Erase(const void* key) noexcept {
        for (Table* table = &first_; table != nullptr; table = table->next.load()) {
            for (auto& stored : table->keys) {
                if (stored.load() == key) stored.store(Erased());
            }
        }
    }

    // Erases every key of an object, also one that nobody can read from its handle any more.
    void EraseValue(const T* value) noexcept {
        for (Table* table = &first_; table != nullptr; table = table->next.load()) {
            for (size_t i = 0; i < kSlots; ++i) {
                const void* key = table->keys[i].load();
                if (key == nullptr || key == Erased()) continue;
                if (table->values[i].load() == value) table->keys[i].store(Erased());
            }
        }
    }

    // Forgets everything and gives host memory back. Requires: no other thread uses the map.
    void Clear() noexcept {
        Table* table = first_.next.exchange(nullptr);
        while (table != nullptr) {
            Table* next = table->next.load();
            delete table;
            table = next;
        }
        for (auto& stored : first_.keys)
            stored.store(nullptr);
    }

 private:
    [[gnu::noinline]] T* Search(const void* key) const noexcept {
        for (const Table* table = &first_; table != nullptr;
             table = table->next.load(std::memory_order_acquire)) {
            for (size_t i = Hash(key), step = 0; step < kSlots; ++step, i = (i + 1) % kSlots) {
                const void* found = table->keys[i].load(std::memory_order_acquire);
                if (found == key) return table->values[i].load(std::memory_order_relaxed);
                if (found == nullptr) break;  // this table never held the key beyond here
            }
        }
        return nullptr;
    }

    static size_t Hash(const void* key) noexcept {
        // Keys are addresses of the loader's large tables: their low bits carry nothing.
        return static_cast<size_t>((reinterpret_cast<uintptr_t>(key) * 0x9E3779B97F4A7C15u) >> 40) %
               kSlots;
    }
    static const void* Erased() noexcept { return reinterpret_cast<const void*>(uintptr_t{1}); }

    Table first_;
};

}  // namespace tessera

#endif  // TESSERA_LAYER_VK_DISPATCH_MAP_H_
