// SPDX-License-Identifier: Apache-2.0
//
// What a physical device of the mock driver is: plain data, read from a preset or from JSON, never
// changed after an instance has been created from it.
//
// The text in TESSERA_MOCK_DESCRIPTION (or given through mock_control.h, which wins) is one of
//   preset:NAME[,preset:NAME...]   one physical device per preset; "NAME" alone works as well
//   {...} or [{...}, {...}]        JSON: one device, or one per element
//   a path                         a file that holds JSON
// An empty or missing text means preset:lavapipe_like. A JSON object starts from the preset named
// by its "base" (lavapipe_like without one) and replaces what it names:
//   name, group (physical devices with one name of a group are linked), api_version ("1.3.239"),
//   driver {id, name, info, version}, device_uuid (32 hex digits), vendor_id, device_type ("cpu",
//   "discrete", "integrated", "virtual", "other"), heaps [{size, flags[]}], memory_types [{heap,
//   flags[], charge}], limits {name: number}, alignment {uniform, storage, texel, buffer,
//   device_address, linear_image, optimal_image, layered_image, multisampled_image, sparse,
//   video}, optimal_image_types [index],
//   size_below_alignment, image_size_below_alignment, dedicated {prefers_from, requires_optimal},
//   sparse, extensions [name], add_extensions [name], features [name], add_features [name], budget
//   {percent, other_usage}, handles, handle_seed, cost_ns {command: ns}, fill (0 to 255), faults
//   [{command, nth, result, sticky}] (see fail_call in mock_control.h)
// Costs and faults are the process's: they are set whenever an instance is created. Sizes are
// numbers of bytes or strings such as "16MiB". An unknown key, flag or preset is an error: a test
// must not run on another device than its author thought.
#ifndef TESSERA_TESTS_DRIVER_DESCRIPTION_H
#define TESSERA_TESTS_DRIVER_DESCRIPTION_H

#include <vulkan/vulkan_core.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace tessera::mock {

// How values of non-dispatchable handles are made, per device.
enum class HandleStyle {
    kPointer,    // the address of the driver's object: reused soon, unique in the process
    kCounter,    // 1, 2, 3, ... on each device: two devices hand out the same values
    kRecycle,    // as kCounter, but the value freed last is handed out next
    kRandom,     // every bit random (seeded, so a run can be repeated)
    kLookalike,  // random, but the bits under the mask equal the pattern
};

struct HandleRule {
    HandleStyle style = HandleStyle::kPointer;
    uint64_t pattern = 0;  // kLookalike: the bits that every handle carries
    uint64_t mask = 0;     // kLookalike: which bits these are
    uint64_t seed = 1;
};

struct MemoryHeap {
    VkDeviceSize size_bytes = 0;
    VkMemoryHeapFlags flags = 0;
};

struct MemoryType {
    uint32_t heap = 0;
    VkMemoryPropertyFlags flags = 0;
    // What the heap is charged for an allocation is its size rounded up to a multiple of this.
    VkDeviceSize charge_bytes = 1;
};

// Required alignments, all powers of two. A buffer gets the largest one of its usages.
struct Alignments {
    VkDeviceSize buffer = 16;  // every buffer
    VkDeviceSize uniform = 64;
    VkDeviceSize storage = 16;
    VkDeviceSize texel = 16;
    VkDeviceSize device_address = 16;
    VkDeviceSize linear_image = 64;
    VkDeviceSize optimal_image = 64;
    // Optimal images of several layers or samples, or whose memory is bound sparsely, if that is
    // more than others need.
    VkDeviceSize layered_image = 1;
    VkDeviceSize multisampled_image = 1;
    VkDeviceSize sparse = 1;
    // Buffers of video frames: the one usage that cannot be described without a profile, so that
    // nobody can ask about it in advance.
    VkDeviceSize video = 16;
};

struct DedicatedRule {
    VkDeviceSize prefers_from_bytes = 0;  // optimal images of this size or more prefer it; 0: none
    bool requires_optimal = false;        // every optimal image requires it
};

// A call that is to fail; see fail_call in mock_control.h.
struct FaultRule {
    std::string command;
    uint64_t nth = 1;
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    bool sticky = false;
};

struct Description {
    std::string name = "Tessera Mock";
    std::string group;  // devices with the same one form a device group; empty: alone
    uint32_t api_version = VK_MAKE_API_VERSION(0, 1, 3, 239);
    uint32_t driver_id = 0x7E55E7A;  // VkDriverId; this value belongs to no driver
    std::string driver_name = "tessera_mock";
    std::string driver_info;
    uint32_t driver_version = 1;
    uint32_t vendor_id = 0x10005;
    VkPhysicalDeviceType type = VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU;
    std::array<uint8_t, VK_UUID_SIZE> device_uuid{};

    std::vector<MemoryHeap> heaps;
    std::vector<MemoryType> types;

    VkDeviceSize granularity = 1;  // bufferImageGranularity
    VkDeviceSize atom = 64;        // nonCoherentAtomSize
    VkDeviceSize map_alignment = 64;
    uint32_t max_allocations = 4096;
    VkDeviceSize max_allocation_bytes = VkDeviceSize{1} << 31;
    VkDeviceSize robust_uniform = 64;
    VkDeviceSize robust_storage = 4;
    VkDeviceSize descriptor_space = VkDeviceSize{1} << 32;  // of every kind of descriptor buffer

    Alignments alignment;
    // Types that admit optimal images, as a mask of type indices; 0 means all that fit.
    uint32_t optimal_image_types = 0;
    // A requirement's size is not rounded up to its alignment, as lavapipe 22.3 does for buffers.
    bool size_below_alignment = false;
    // The same for images, sparse ones excepted. No rule forbids it; no driver is known to do it.
    bool image_size_below_alignment = false;
    DedicatedRule dedicated;
    bool sparse = false;

    std::set<std::string> extensions;  // device extensions that are reported
    std::set<std::string> features;    // supported features, by member name; see feature_table.h

    uint32_t budget_percent = 90;         // heapBudget as a share of the heap
    VkDeviceSize budget_other_usage = 0;  // added to heapUsage: what the process holds elsewhere
    HandleRule handles;
    std::map<std::string, uint64_t> cost_ns;  // command name -> time that each call takes
    std::vector<FaultRule> faults;
    // What new memory holds in every byte. Other values than 0 make allocations
    // cost their size.
    uint8_t fill = 0;

    // Returns the flags of a type; `index` must be below types.size().
    VkMemoryPropertyFlags Flags(uint32_t index) const { return types[index].flags; }
};

using DescriptionPtr = std::shared_ptr<const Description>;

// Returns the built-in description `name`, or null if there is none.
// Names and meanings: presets.cpp.
std::shared_ptr<Description> MakePreset(const std::string& name);

// Returns the name of a built-in description, or null from their number on.
const char* PresetName(uint32_t index);

// Reads the text described above.
// Returns one description per physical device; empty with a sentence in *problem if it is wrong.
std::vector<DescriptionPtr> ParseDescriptions(const std::string& text, std::string* problem);

// Reads the form of `handles`: pointer, counter, recycle, random, lookalike:HEX[/HEXMASK]. Without
// a mask, the pattern's bits from its highest to its lowest set one are the mask. Returns false if
// the text is none of these.
bool ParseHandleRule(const std::string& text, HandleRule* rule);

}  // namespace tessera::mock

#endif  // TESSERA_TESTS_DRIVER_DESCRIPTION_H
