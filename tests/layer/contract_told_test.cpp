// SPDX-License-Identifier: Apache-2.0
//
// Rows of the contract about what is told: what the application asks arrives at the driver as it
// was asked, and what the driver answers or reports arrives at the application as it was said. Both
// sides are compared by the layer below, which may also answer in the driver's place.

#include <cstring>
#include <utility>

#include "below/below.h"
#include "session.h"

namespace tessera::test {
namespace {

constexpr uint32_t kType = 1;
constexpr VkDeviceSize kLarge = VkDeviceSize{80} << 20;  // too large for a block

SessionOptions Watched() {
    SessionOptions options;
    options.layer_below = true;
    return options;
}

bool Same(const VkMemoryRequirements& a, const VkMemoryRequirements& b) {
    return a.size == b.size && a.alignment == b.alignment && a.memoryTypeBits == b.memoryTypeBits;
}

// VkTileMemoryRequirementsQCOM, newer than the headers.
struct TileRequirements {
    VkStructureType sType = static_cast<VkStructureType>(1000547002);
    void* pNext = nullptr;
    VkDeviceSize size = 0;
    VkDeviceSize alignment = 0;
};

// What a query's second form is answered with: nothing that a driver of the tests would say, and
// a dedicated allocation that is required but not preferred.
struct Answer {
    VkMemoryRequirements needs;
    VkBool32 requires_dedicated;
    VkDeviceSize tile_size;
};
constexpr Answer kOddAnswer = {{0x12345, 0x200, 0x5}, VK_TRUE, 0x7654321};

// An answer with everything that may be chained to it.
struct Told {
    Told() {
        core.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
        core.pNext = &dedicated;
        dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS;
        dedicated.pNext = &tile;
    }
    Told(const Told&) = delete;
    Told& operator=(const Told&) = delete;

    void WriteBelow(VkMemoryRequirements2* out) const {
        EXPECT_EQ(out, &core) << "the driver writes into the application's own structure";
        out->memoryRequirements = kOddAnswer.needs;
        auto* dedicated_out = static_cast<VkMemoryDedicatedRequirements*>(out->pNext);
        ASSERT_EQ(dedicated_out, &dedicated);
        dedicated_out->requiresDedicatedAllocation = kOddAnswer.requires_dedicated;
        dedicated_out->prefersDedicatedAllocation = VK_FALSE;
        auto* tile_out = static_cast<TileRequirements*>(dedicated_out->pNext);
        ASSERT_EQ(tile_out, &tile);
        tile_out->size = kOddAnswer.tile_size;
    }
    void Expect() const {
        EXPECT_TRUE(Same(core.memoryRequirements, kOddAnswer.needs));
        EXPECT_EQ(core.pNext, &dedicated);
        EXPECT_EQ(dedicated.requiresDedicatedAllocation, kOddAnswer.requires_dedicated);
        EXPECT_EQ(dedicated.prefersDedicatedAllocation, VK_FALSE);
        EXPECT_EQ(tile.size, kOddAnswer.tile_size);
    }
    VkMemoryRequirements2 core = {};
    VkMemoryDedicatedRequirements dedicated = {};
    TileRequirements tile;
};

// f22, f24: buffers and images, in the first form.
TEST(Contract_f24, RequirementsAreTheDriversWhateverTheyAre) {
    Session session(Watched());
    const VkBuffer buffer = session.MakeBuffer(1000);
    const VkImage image = session.MakeImage(16);
    const VkMemoryRequirements plain[] = {session.Requirements(buffer),
                                          session.Requirements(image)};
    Taps taps;
    VkMemoryRequirements below[2] = {};
    taps->GetBufferMemoryRequirements = [&](VkDevice device, VkBuffer asked,
                                            VkMemoryRequirements* out) {
        EXPECT_EQ(asked, buffer);
        Next().GetBufferMemoryRequirements(device, asked, out);
        below[0] = *out;
    };
    taps->GetImageMemoryRequirements = [&](VkDevice device, VkImage asked,
                                           VkMemoryRequirements* out) {
        EXPECT_EQ(asked, image);
        Next().GetImageMemoryRequirements(device, asked, out);
        below[1] = *out;
    };
    EXPECT_TRUE(Same(session.Requirements(buffer), below[0]));
    EXPECT_TRUE(Same(session.Requirements(image), below[1]));
    EXPECT_TRUE(Same(plain[0], below[0]) && Same(plain[1], below[1])) << "nor do they change";
    EXPECT_NE(below[0].memoryTypeBits, 0u);
    taps->GetBufferMemoryRequirements = [&](VkDevice, VkBuffer, VkMemoryRequirements* out) {
        *out = kOddAnswer.needs;
    };
    taps->GetImageMemoryRequirements = [&](VkDevice, VkImage, VkMemoryRequirements* out) {
        *out = kOddAnswer.needs;
    };
    EXPECT_TRUE(Same(session.Requirements(buffer), kOddAnswer.needs));
    EXPECT_TRUE(Same(session.Requirements(image), kOddAnswer.needs));
    vkDestroyBuffer(session.device, buffer, nullptr);
    vkDestroyImage(session.device, image, nullptr);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// Asks in one form that takes structures: the driver gets the application's own structures, and the
// application what the driver writes into them.
template <typename Info, typename Tap, typename Ask>
void ExpectUntouched(Tap* tap, const Info& info, Ask ask) {
    Told told;
    const Info before = info;
    bool asked = false;
    *tap = [&](VkDevice, const Info* below, VkMemoryRequirements2* out) {
        asked = true;
        EXPECT_EQ(below, &info);
        told.WriteBelow(out);
    };
    ask(&info, &told.core);
    EXPECT_TRUE(asked);
    told.Expect();
    EXPECT_EQ(std::memcmp(&before, &info, sizeof info), 0);
    *tap = nullptr;
}

// VkMemoryDedicatedRequirements and VkTileMemoryRequirementsQCOM of section 6, and the forms that
// ask before there is a resource.
TEST(Contract_VkMemoryRequirements2, StructuresAndChainsAreTheDriversToWrite) {
    Session session(Watched());
    const VkBuffer buffer = session.MakeBuffer(1000);
    const VkImage image = session.MakeImage(16);
    const VkDevice device = session.device;
    Taps taps;
    ExpectUntouched(
        &taps->GetBufferMemoryRequirements2,
        VkBufferMemoryRequirementsInfo2{VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2,
                                        nullptr, buffer},
        [&](auto* info, auto* out) { vkGetBufferMemoryRequirements2(device, info, out); });
    ExpectUntouched(
        &taps->GetImageMemoryRequirements2,
        VkImageMemoryRequirementsInfo2{VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2, nullptr,
                                       image},
        [&](auto* info, auto* out) { vkGetImageMemoryRequirements2(device, info, out); });
    VkBufferCreateInfo buffer_info = {};
    buffer_info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
    buffer_info.size = 1000;
    buffer_info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
    ExpectUntouched(
        &taps->GetDeviceBufferMemoryRequirements,
        VkDeviceBufferMemoryRequirements{VK_STRUCTURE_TYPE_DEVICE_BUFFER_MEMORY_REQUIREMENTS,
                                         nullptr, &buffer_info},
        [&](auto* info, auto* out) { vkGetDeviceBufferMemoryRequirements(device, info, out); });
    VkImageCreateInfo image_info = {};
    image_info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
    VkDeviceImageMemoryRequirements image_query = {};
    image_query.sType = VK_STRUCTURE_TYPE_DEVICE_IMAGE_MEMORY_REQUIREMENTS;
    image_query.pCreateInfo = &image_info;
    ExpectUntouched(
        &taps->GetDeviceImageMemoryRequirements, image_query,
        [&](auto* info, auto* out) { vkGetDeviceImageMemoryRequirements(device, info, out); });
    vkDestroyBuffer(device, buffer, nullptr);
    vkDestroyImage(device, image, nullptr);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// Sections 3 and 6: a range arrives at its slot's place, with the chain that it had.
TEST(Contract_VkMappedMemoryRange, ArrivesWithItsPlaceAndItsChain) {
    SessionOptions options = Watched();
    options.description = "preset:noncoherent";
    Session session(options);
    const uint32_t type =
        session.TypeWith(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                         VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    VkPhysicalDeviceProperties properties = {};
    vkGetPhysicalDeviceProperties(session.physical_device, &properties);
    const VkDeviceSize atom = properties.limits.nonCoherentAtomSize;
    constexpr size_t kRanges = 20;
    std::vector<VkBaseInStructure> chains(kRanges);
    std::vector<VkMappedMemoryRange> given(kRanges);
    for (size_t i = 0; i < kRanges; ++i) {
        chains[i].sType = static_cast<VkStructureType>(1000999000);  // of the future
        given[i].sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE;
        given[i].pNext = i % 3 == 2 ? nullptr : &chains[i];
        given[i].memory = session.Allocate(i % 5 == 4 ? kLarge : 16 * atom, type);
        given[i].offset = atom * (i % 4);
        given[i].size = atom * (1 + i % 3);
        session.Map(given[i].memory);
    }
    Taps taps;
    std::vector<VkMappedMemoryRange> flushed;
    std::vector<VkMappedMemoryRange> invalidated;
    taps->FlushMappedMemoryRanges = [&](VkDevice device, uint32_t count,
                                        const VkMappedMemoryRange* ranges) {
        flushed.assign(ranges, ranges + count);
        return Next().FlushMappedMemoryRanges(device, count, ranges);
    };
    taps->InvalidateMappedMemoryRanges = [&](VkDevice device, uint32_t count,
                                             const VkMappedMemoryRange* ranges) {
        invalidated.assign(ranges, ranges + count);
        return Next().InvalidateMappedMemoryRanges(device, count, ranges);
    };
    ASSERT_EQ(vkFlushMappedMemoryRanges(session.device, kRanges, given.data()), VK_SUCCESS);
    ASSERT_EQ(vkInvalidateMappedMemoryRanges(session.device, kRanges, given.data()), VK_SUCCESS);
    ASSERT_EQ(flushed.size(), kRanges);
    ASSERT_EQ(invalidated.size(), kRanges);
    for (size_t i = 0; i < kRanges; ++i) {
        const VkBuffer buffer = session.MakeBuffer(16);
        ASSERT_EQ(vkBindBufferMemory(session.device, buffer, given[i].memory, 0), VK_SUCCESS);
        TesseraMockBinding start = {};
        ASSERT_TRUE(session.mock->find_buffer(session.device, buffer, &start));
        EXPECT_EQ(start.memory == given[i].memory, i % 5 == 4) << "large ones go through";
        for (const VkMappedMemoryRange& below : {flushed[i], invalidated[i]}) {
            EXPECT_EQ(below.sType, given[i].sType);
            EXPECT_EQ(below.pNext, given[i].pNext);
            EXPECT_EQ(below.memory, start.memory);
            EXPECT_EQ(below.offset, start.offset + given[i].offset);
            EXPECT_EQ(below.size, given[i].size);
        }
        vkDestroyBuffer(session.device, buffer, nullptr);
        session.Free(given[i].memory);
    }
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// Section 3: the driver writes the result into the application's own structure.
TEST(Contract_VkExportMetalBufferInfoEXT, TheResultArrives) {
    SessionOptions options = Watched();
    options.description = R"({"base": "discrete", "add_extensions": ["VK_EXT_metal_objects"]})";
    options.device_extensions = {"VK_EXT_metal_objects"};
    Session session(options);
    const VkDeviceMemory memory = session.Allocate(kLarge, kType);
    MockExportMetalInfo buffer = {};
    buffer.sType = VK_STRUCTURE_TYPE_EXPORT_METAL_BUFFER_INFO_EXT;
    buffer.memory = memory;
    MockExportMetalInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_EXPORT_METAL_OBJECTS_INFO_EXT;
    info.pNext = &buffer;
    int object = 0;
    Taps taps;
    taps->ExportMetalObjectsEXT = [&](VkDevice device, MockExportMetalInfo* below) {
        EXPECT_EQ(below, &info);
        EXPECT_EQ(below->pNext, &buffer);
        EXPECT_EQ(buffer.memory, memory);
        Next().ExportMetalObjectsEXT(device, below);
        auto* out = static_cast<const MockExportMetalInfo*>(below->pNext);
        const_cast<MockExportMetalInfo*>(out)->mtlBuffer = &object;
    };
    session.Command<PFN_vkExportMetalObjectsEXT>("vkExportMetalObjectsEXT")(session.device, &info);
    EXPECT_EQ(buffer.mtlBuffer, &object);
    EXPECT_EQ(info.pNext, &buffer);
    session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// Section 5: an allocation is reported once and its end once, under the application's handle, with
// the heap of its type and one identity of its own.
TEST(Contract_VkDeviceMemoryReportCallbackDataEXT, EachMemoryIsReportedOnceAndItsEndOnce) {
    std::vector<VkDeviceMemoryReportCallbackDataEXT> events;
    VkDeviceDeviceMemoryReportCreateInfoEXT report = {};
    report.sType = VK_STRUCTURE_TYPE_DEVICE_DEVICE_MEMORY_REPORT_CREATE_INFO_EXT;
    report.pfnUserCallback = [](const VkDeviceMemoryReportCallbackDataEXT* data, void* user) {
        static_cast<std::vector<VkDeviceMemoryReportCallbackDataEXT>*>(user)->push_back(*data);
    };
    report.pUserData = &events;
    VkPhysicalDeviceDeviceMemoryReportFeaturesEXT features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DEVICE_MEMORY_REPORT_FEATURES_EXT;
    features.deviceMemoryReport = VK_TRUE;
    features.pNext = &report;
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_features": ["deviceMemoryReport"],
                              "add_extensions": ["VK_EXT_device_memory_report"]})";
    options.device_extensions = {"VK_EXT_device_memory_report"};
    options.device_chain = &features;
    Session session(options);
    events.clear();
    const std::pair<uint32_t, VkDeviceSize> asked[] = {{1, 1000}, {2, 3000}, {1, 1}};
    std::vector<VkDeviceMemory> memories;
    for (const auto& [type, size] : asked)
        memories.push_back(session.Allocate(size, type));
    for (VkDeviceMemory memory : memories)
        session.Free(memory);
    ASSERT_EQ(events.size(), 6u);
    for (size_t i = 0; i < 3; ++i) {
        const VkDeviceMemoryReportCallbackDataEXT& begin = events[i];
        const VkDeviceMemoryReportCallbackDataEXT& end = events[i + 3];
        const uint32_t heap = session.memory_properties.memoryTypes[asked[i].first].heapIndex;
        EXPECT_EQ(begin.type, VK_DEVICE_MEMORY_REPORT_EVENT_TYPE_ALLOCATE_EXT);
        EXPECT_EQ(end.type, VK_DEVICE_MEMORY_REPORT_EVENT_TYPE_FREE_EXT);
        for (const VkDeviceMemoryReportCallbackDataEXT& event : {begin, end}) {
            EXPECT_EQ(event.objectType, VK_OBJECT_TYPE_DEVICE_MEMORY);
            EXPECT_EQ(event.objectHandle, (uint64_t)memories[i]);
            EXPECT_EQ(event.heapIndex, heap);
            EXPECT_EQ(event.memoryObjectId, begin.memoryObjectId);
        }
        EXPECT_GE(begin.size, asked[i].second);
        for (size_t j = 0; j < i; ++j)
            EXPECT_NE(begin.memoryObjectId, events[j].memoryObjectId);
    }
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

struct AddressEvent {
    VkDeviceAddressBindingTypeEXT type;
    VkDeviceSize size;
    VkObjectType object_type;
    uint64_t handle;
};

VKAPI_ATTR VkBool32 VKAPI_CALL OnAddress(VkDebugUtilsMessageSeverityFlagBitsEXT,
                                         VkDebugUtilsMessageTypeFlagsEXT,
                                         const VkDebugUtilsMessengerCallbackDataEXT* data,
                                         void* user) {
    for (auto* link = static_cast<const VkBaseInStructure*>(data->pNext); link != nullptr;
         link = link->pNext) {
        if (link->sType != VK_STRUCTURE_TYPE_DEVICE_ADDRESS_BINDING_CALLBACK_DATA_EXT) continue;
        const auto& binding = *reinterpret_cast<const VkDeviceAddressBindingCallbackDataEXT*>(link);
        EXPECT_EQ(data->objectCount, 1u);
        static_cast<std::vector<AddressEvent>*>(user)->push_back({binding.bindingType, binding.size,
                                                                  data->pObjects[0].objectType,
                                                                  data->pObjects[0].objectHandle});
    }
    return VK_FALSE;
}

// Section 5: addresses of allocations and binds are reported under the application's handles.
TEST(Contract_VkDeviceAddressBindingCallbackDataEXT, AllocationsAndBindsAreReportedToTheirEnd) {
    VkPhysicalDeviceAddressBindingReportFeaturesEXT features = {};
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ADDRESS_BINDING_REPORT_FEATURES_EXT;
    features.reportAddressBinding = VK_TRUE;
    SessionOptions options;
    options.description = R"({"base": "discrete", "add_features": ["reportAddressBinding"],
                              "add_extensions": ["VK_EXT_device_address_binding_report"]})";
    options.instance_extensions = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
    options.device_extensions = {"VK_EXT_device_address_binding_report"};
    options.device_chain = &features;
    Session session(options);
    const auto get = [&](const char* name) {
        return vkGetInstanceProcAddr(session.instance, name);
    };
    std::vector<AddressEvent> events;
    VkDebugUtilsMessengerCreateInfoEXT info = {};
    info.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT;
    info.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_INFO_BIT_EXT;
    info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_DEVICE_ADDRESS_BINDING_BIT_EXT;
    info.pfnUserCallback = OnAddress;
    info.pUserData = &events;
    VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;
    ASSERT_EQ(reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(get(
                  "vkCreateDebugUtilsMessengerEXT"))(session.instance, &info, nullptr, &messenger),
              VK_SUCCESS);
    const VkBuffer buffer = session.MakeBuffer(1000);
    const VkDeviceMemory memory = session.Allocate(4096, kType);
    ASSERT_EQ(vkBindBufferMemory(session.device, buffer, memory, 0), VK_SUCCESS);
    const VkDeviceSize bound = session.Requirements(buffer).size;
    vkDestroyBuffer(session.device, buffer, nullptr);
    session.Free(memory);
    ASSERT_EQ(events.size(), 4u);
    const std::pair<VkObjectType, uint64_t> objects[] = {
        {VK_OBJECT_TYPE_DEVICE_MEMORY, (uint64_t)memory},
        {VK_OBJECT_TYPE_BUFFER, (uint64_t)buffer},
        {VK_OBJECT_TYPE_BUFFER, (uint64_t)buffer},
        {VK_OBJECT_TYPE_DEVICE_MEMORY, (uint64_t)memory}};
    for (size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(events[i].type, i < 2 ? VK_DEVICE_ADDRESS_BINDING_TYPE_BIND_EXT
                                        : VK_DEVICE_ADDRESS_BINDING_TYPE_UNBIND_EXT);
        EXPECT_EQ(events[i].object_type, objects[i].first);
        EXPECT_EQ(events[i].handle, objects[i].second);
        EXPECT_EQ(events[i].size, i == 0 || i == 3 ? 4096 : bound);
    }
    reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(get("vkDestroyDebugUtilsMessengerEXT"))(
        session.instance, messenger, nullptr);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// Section 5: a slot is named as its block, or as nothing where it has no place; all else stays.
TEST(Contract_vkDebugReportMessageEXT, ObjectAndTypeArriveAsTheyMustBeBelow) {
    SessionOptions options = Watched();
    options.instance_extensions = {VK_EXT_DEBUG_REPORT_EXTENSION_NAME};
    Session session(options);
    const VkDeviceMemory floating = session.Allocate(4096, kType);
    const VkDeviceMemory placed = session.Allocate(4096, kType);
    const VkDeviceMemory large = session.Allocate(kLarge, kType);
    const VkBuffer buffer = session.MakeBuffer(4096);
    ASSERT_EQ(vkBindBufferMemory(session.device, buffer, placed, 0), VK_SUCCESS);
    TesseraMockBinding binding = {};
    ASSERT_TRUE(session.mock->find_buffer(session.device, buffer, &binding));
    ASSERT_NE(binding.memory, placed);
    constexpr auto kMemory = VK_DEBUG_REPORT_OBJECT_TYPE_DEVICE_MEMORY_EXT;
    constexpr auto kBuffer = VK_DEBUG_REPORT_OBJECT_TYPE_BUFFER_EXT;
    struct Case {
        VkDebugReportObjectTypeEXT type;
        uint64_t object;
        VkDebugReportObjectTypeEXT type_below;
        uint64_t object_below;
    };
    const Case cases[] = {
        {kMemory, (uint64_t)placed, kMemory, (uint64_t)binding.memory},
        {kMemory, (uint64_t)floating, VK_DEBUG_REPORT_OBJECT_TYPE_UNKNOWN_EXT, 0},
        {kMemory, (uint64_t)large, kMemory, (uint64_t)large},
        {kBuffer, (uint64_t)buffer, kBuffer, (uint64_t)buffer},
        // Of another type the same value is another object.
        {kBuffer, (uint64_t)placed, kBuffer, (uint64_t)placed},
    };
    static constexpr char kPrefix[] = "prefix";
    static constexpr char kText[] = "text";
    const auto report = reinterpret_cast<PFN_vkDebugReportMessageEXT>(
        vkGetInstanceProcAddr(session.instance, "vkDebugReportMessageEXT"));
    Taps taps;
    for (const Case& test : cases) {
        int calls = 0;
        taps->DebugReportMessageEXT = [&](VkInstance, VkDebugReportFlagsEXT flags,
                                          VkDebugReportObjectTypeEXT type, uint64_t object,
                                          size_t location, int32_t code, const char* prefix,
                                          const char* text) {
            ++calls;
            EXPECT_EQ(flags, VK_DEBUG_REPORT_WARNING_BIT_EXT);
            EXPECT_EQ(type, test.type_below);
            EXPECT_EQ(object, test.object_below);
            EXPECT_EQ(location, 17u);
            EXPECT_EQ(code, -4);
            EXPECT_EQ(prefix, kPrefix);
            EXPECT_EQ(text, kText);
        };
        report(session.instance, VK_DEBUG_REPORT_WARNING_BIT_EXT, test.type, test.object, 17, -4,
               kPrefix, kText);
        EXPECT_EQ(calls, 1);
    }
    vkDestroyBuffer(session.device, buffer, nullptr);
    for (VkDeviceMemory memory : {floating, placed, large})
        session.Free(memory);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

// e5: the limit is used up and never passed, what fails fails with an error of vkAllocateMemory,
// and one free makes room for one.
TEST(Contract_e5, AsManyObjectsAreMadeAsTheDriverAllows) {
    SessionOptions options;
    options.description = "preset:tiny";
    options.environment = {"TESSERA_MAX_BLOCK_BYTES=128KiB", "TESSERA_RECYCLE=off"};
    Session session(options);
    VkPhysicalDeviceProperties properties = {};
    vkGetPhysicalDeviceProperties(session.physical_device, &properties);
    const uint32_t limit = properties.limits.maxMemoryAllocationCount;
    constexpr VkDeviceSize kPassed = 100 << 10;  // more than a block of 128 KiB serves
    std::vector<VkDeviceMemory> memories = {session.Allocate(4096, 0)};
    ASSERT_EQ(session.DriverLive(0), 1u);
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkResult result = VK_SUCCESS;
    while (memories.size() < 2 * limit &&
           (result = session.TryAllocate(kPassed, 0, &memory)) == VK_SUCCESS) {
        memories.push_back(memory);
    }
    EXPECT_EQ(result, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    EXPECT_EQ(session.DriverLive(0), limit);
    EXPECT_EQ(memories.size(), limit);
    memories.push_back(session.Allocate(4096, 0));
    EXPECT_EQ(session.DriverLive(0), limit) << "a block has room without a further object";
    session.Free(memories[1]);
    memories[1] = session.Allocate(kPassed, 0);
    EXPECT_EQ(session.TryAllocate(kPassed, 0, &memory), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    for (VkDeviceMemory live : memories)
        session.Free(live);
    session.Close();
    EXPECT_EQ(session.mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::test
