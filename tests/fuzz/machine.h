// SPDX-License-Identifier: Apache-2.0
//
// Runs a program on a device and compares all that an application can see, and what the mock driver
// can tell beyond that, with a model: what was allocated, mapped, bound, written and named.
//
// The one idea: the model knows nothing of pools. It says what a driver alone would do, so the
// layer is right if nobody can tell the difference. Besides, an allocation must keep its place from
// its first use on, no two live ones may overlap, and the driver must have nothing to complain of.
//
// Threads: a machine belongs to one thread; several may share a Gpu.
#ifndef TESSERA_TESTS_FUZZ_MACHINE_H
#define TESSERA_TESTS_FUZZ_MACHINE_H

#include <array>
#include <memory>
#include <optional>

#include "contents.h"
#include "gpu.h"
#include "program.h"

namespace tessera::fuzz {

// What really happened in a run.
struct Statistics {
    std::array<uint64_t, kKinds> done{};  // operations that found something to do, by kind
    uint64_t operations = 0;
    uint64_t on_pooled = 0;  // operations on memory whose handle is of the layer's making ...
    uint64_t on_memory = 0;  // ... and on any memory
    void Add(const Statistics& other);
};

class Machine {
 public:
    Machine(Gpu& gpu, uint64_t seed);
    // What is left is destroyed, unless the device is lost to a finding.
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // Throws Finding.
    void Run(const Op& op);

    // Destroys everything, checking contents on the way. Throws Finding.
    void Clear();

    const Statistics& statistics() const { return statistics_; }

 private:
    struct Resource;

    struct Allocation {
        VkDeviceMemory memory = VK_NULL_HANDLE;
        VkDeviceSize size = 0;
        uint32_t type = 0;
        bool device_address = false;
        bool pooled = false;
        bool mapped = false;
        bool addressed = false;  // its address was asked for
        VkDeviceSize map_offset = 0;
        VkDeviceSize map_size = 0;
        uint8_t* host = nullptr;  // where the allocation begins, once it was mapped
        std::optional<Place> place;
        // Linear and other resources must not share a granule; here an allocation holds one kind.
        std::optional<bool> linear;
        bool is_dedicated = false;
        const Resource* dedicated = nullptr;  // null again when that was destroyed
        uint32_t uses = 0;                    // resources bound to it, sparse pages not counted
        Contents contents;
        std::array<uint64_t, 3> private_data{};
        std::shared_ptr<SharedMemory> shared;
    };

    struct Page {
        Allocation* allocation = nullptr;  // null: nothing is bound
        VkDeviceSize offset = 0;
    };

    struct Resource {
        VkBuffer buffer = VK_NULL_HANDLE;  // either of these
        VkImage image = VK_NULL_HANDLE;
        VkMemoryRequirements requirements = {};
        VkDeviceSize size = 0;  // of a buffer's contents
        bool linear = true;
        bool sparse = false;
        bool device_address = false;
        bool demanding = false;            // asks for more than what can be known in advance
        bool bound = false;                // once and for all
        Allocation* allocation = nullptr;  // null again when that was freed
        VkDeviceSize offset = 0;
        std::vector<Page> pages;  // of a sparse buffer
    };

    // One method for each kind of operation. They return whether there was something to do.
    bool Allocate(const Op& op);
    bool Free(const Op& op);
    bool Map(const Op& op);
    bool Unmap(const Op& op);
    bool Write(const Op& op);
    bool Read(const Op& op);
    bool Ranges(const Op& op, bool flush);
    bool CreateBuffer(const Op& op);
    bool CreateImage(const Op& op);
    bool Destroy(const Op& op);
    bool Query(const Op& op);
    bool Bind(const Op& op);
    bool BindMany(const Op& op);
    bool Sparse(const Op& op);
    bool Update(const Op& op);
    bool Copy(const Op& op);
    bool Inspect(const Op& op);
    bool PrivateData(const Op& op);
    bool Name(const Op& op);
    bool Hint(const Op& op);

    bool IsHostVisible(uint32_t type) const;
    bool IsCoherent(uint32_t type) const;
    bool IsOrdinary(uint32_t type) const;

    // What an operand chooses; null if there is nothing to choose from.
    template <typename Accept>
    Allocation* ChooseAllocation(uint32_t operand, Accept accept);
    template <typename Accept>
    Resource* ChooseResource(uint32_t operand, Accept accept);
    std::optional<uint32_t> ChooseType(uint32_t operand, uint32_t bits) const;

    Allocation* NewAllocation(VkDeviceSize size, uint32_t type, const void* chain,
                              bool device_address);
    bool MayHold(const Allocation& allocation, const Resource& resource) const;
    Allocation* FindOrMakeMemory(const Op& op, const Resource& resource, VkDeviceSize* offset);
    void BindTo(Resource& resource, Allocation& allocation, VkDeviceSize offset, uint32_t form);
    void NoteBound(Resource& resource, Allocation& allocation, VkDeviceSize offset);
    void NotePlace(Allocation& allocation, const Place& place);
    Allocation* NewAllocationFor(const Resource& resource, uint32_t operand);
    void Discover(Allocation& allocation);
    void FreeMemory(Allocation& allocation);
    void LearnRequirements(Resource& resource, bool ask) const;
    void DestroyResource(Resource& resource);
    void CompareMapped(Allocation& allocation, uint64_t most_cells);
    void CompareDevice(Allocation& allocation, uint64_t most_cells);
    bool SparseBuffer(const Op& op, Resource& resource);
    bool SparseImage(const Op& op, Resource& resource);
    void SubmitSparse(const VkBindSparseInfo& info);
    bool BindShared(const Op& op);
    bool BindRarer(const Op& op);
    void TagRarer(const Op& op, const VkMemoryRequirements& needs, VkDeviceMemory* memory);

    // A cell of an allocation that a bound buffer covers whole.
    struct Window {
        Resource* resource = nullptr;
        Allocation* allocation = nullptr;
        uint64_t cell = 0;
        VkDeviceSize offset = 0;  // in the buffer
    };
    std::optional<Window> ChooseWindow(uint32_t operand, uint32_t which);
    template <typename Record>
    void Submit(Record record);

    void Require(VkResult result, const char* what) const;
    void CountUse(const Allocation& allocation);
    uint64_t NewSeed() { return ++last_seed_; }

    Gpu& gpu_;
    std::vector<std::unique_ptr<Allocation>> allocations_;
    std::vector<std::unique_ptr<Resource>> resources_;
    std::array<VkPrivateDataSlot, 3> private_slots_{};
    VkCommandPool pool_ = VK_NULL_HANDLE;
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
    VkFence fence_ = VK_NULL_HANDLE;
    VkDeviceSize live_bytes_ = 0;
    uint64_t last_seed_;
    // Once somebody has asked, the device knows; so in half of all programs nobody does.
    bool asks_about_demanding_;
    bool failed_ = false;
    Statistics statistics_;
};

}  // namespace tessera::fuzz

#endif  // TESSERA_TESTS_FUZZ_MACHINE_H
