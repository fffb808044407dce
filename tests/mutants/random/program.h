// SPDX-License-Identifier: Apache-2.0
//
// A random but valid program of memory calls, on one device of the mock driver with the layer in
// between, and a model of all that it may observe: results, bytes, places, names, budgets. It knows
// nothing of the layer; where it is surprised, or the driver complains, something is wrong.
//
// What a program does follows from its seed alone. Bytes are tracked in two views, as memory that
// is not coherent has them: what the host sees through a mapping, and what the device sees. A byte
// is known once something wrote it.
//
// Threads: one.

#ifndef TESSERA_TESTS_MUTANTS_RANDOM_PROGRAM_H_
#define TESSERA_TESTS_MUTANTS_RANDOM_PROGRAM_H_

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "session.h"

namespace tessera::test {

// What the device has of what programs use if it is there.
struct Abilities {
    VkPhysicalDeviceFeatures features = {};
    VkPhysicalDeviceProperties properties = {};
    std::vector<std::string> extensions;
    bool Has(const char* extension) const;
};

constexpr int kUnknown = -1;

struct Resource;

// An allocation of the program.
struct Memory {
    VkDeviceMemory handle = VK_NULL_HANDLE;
    VkDeviceSize size = 0;
    uint32_t type = 0;
    VkMemoryPropertyFlags properties = 0;
    bool has_address = false;
    bool dedicated = false;
    bool with_callbacks = false;
    float priority = 0.5f;
    bool coherent() const { return (properties & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0; }
    bool visible() const { return (properties & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0; }

    // Bytes, kUnknown where nothing was written. Only of memory that is small enough.
    std::vector<int16_t> host;
    std::vector<int16_t> device;

    uint8_t* mapped = nullptr;  // where byte 0 is
    VkDeviceSize map_begin = 0;
    VkDeviceSize map_end = 0;

    // Where byte 0 lies in the driver, once something was bound.
    VkDeviceMemory block = VK_NULL_HANDLE;
    VkDeviceSize base = 0;
    bool linear = true;  // the kind of what is bound: a program does not mix kinds in one memory
    std::vector<std::shared_ptr<Resource>> bound;
    std::map<uint32_t, uint64_t> private_data;  // by index of the private data slot
};

struct Resource {
    VkBuffer buffer = VK_NULL_HANDLE;
    VkImage image = VK_NULL_HANDLE;
    bool linear = true;
    bool has_address = false;
    VkMemoryRequirements needs = {};
    VkDeviceSize bytes = 0;  // of the buffer
    VkDeviceSize offset = 0;
};

// Runs programs. Tell() collects complaints; after the first one a program should stop.
class Program {
 public:
    Program(const std::string& description, uint64_t seed);
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    void Step();
    // Frees everything, destroys the device and judges what is left.
    void Finish();
    const std::string& complaints() const { return complaints_; }
    void set_print(bool print) { print_ = print; }

 private:
    using Operation = void (Program::*)();

    void Tell(const std::string& complaint);
    void Expect(bool condition, const char* what);
    void CheckViolations();
    uint64_t Random(uint64_t below) { return random_() % below; }
    bool OneIn(uint64_t n) { return Random(n) == 0; }
    Memory* AnyMemory(bool (*suits)(const Memory&) = nullptr);

    // memory.cpp
    void Allocate();
    std::shared_ptr<Memory> AllocateAs(VkDeviceSize size, uint32_t type, bool address,
                                       const Resource* dedicated);
    void NoteAllocated(Memory& memory, bool exported);
    VkDeviceSize RandomSize();
    uint32_t RandomType(uint32_t bits);
    void Free();
    void FreeMemory(size_t index);
    void Map();
    void Unmap();
    void Write();
    void Read();
    void Flush();
    void Invalidate();
    void SyncRange(bool flush);
    void MapWith(Memory& memory, VkDeviceSize offset, VkDeviceSize size);
    void CheckPointer(const Memory& memory, VkDeviceSize offset, const void* data);

    // resource.cpp
    void BindSomething();
    void BindSeveral();
    std::shared_ptr<Resource> MakeResource();
    bool FindPlace(const Resource& resource, std::shared_ptr<Memory>* memory, VkDeviceSize* offset);
    void NoteBound(Memory& memory, const std::shared_ptr<Resource>& resource, VkDeviceSize offset);
    void CheckBlock(const Memory& memory);
    void CheckOverlap(const Memory& memory);
    void BindPlanes();
    void BindTensor();
    void BindStructure();
    void Destroy(Resource& resource);
    void DeviceFill();
    void DeviceRead();
    void SparseBind();

    // query.cpp
    void PrivateData();
    void ReplacePrivateDataSlot();
    void Name();
    void Budget();
    void Addresses();
    void Hints();

    Abilities abilities_;
    std::mt19937_64 random_;
    std::unique_ptr<Session> session_;
    bool print_ = false;
    bool may_fail_ = false;  // the device has little room
    bool budget_is_exact_ = false;
    VkDeviceSize used_elsewhere_ = 0;
    VkInstance second_instance_ = VK_NULL_HANDLE;
    VkPhysicalDevice second_view_ = VK_NULL_HANDLE;
    std::vector<std::shared_ptr<Memory>> memories_;
    std::vector<VkPrivateDataSlot> slots_;
    std::vector<uint32_t> slot_keys_;
    uint32_t next_slot_key_ = 0;
    std::string complaints_;
};

// What the physical device of a description has.
Abilities AskAbilities(const std::string& description);

}  // namespace tessera::test

#endif  // TESSERA_TESTS_MUTANTS_RANDOM_PROGRAM_H_
