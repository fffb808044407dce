// SPDX-License-Identifier: Apache-2.0
//
// Reads a description from text. JSON values are applied one key at a time over a preset; a reader
// throws std::runtime_error with a sentence, and ParseDescriptions() turns every exception (ours
// and the JSON library's) into *problem, so nothing leaves this file by exception. Stateless.
#include "description.h"

#include <bit>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "commands.h"
#include "feature_table.h"
#include "text.h"

namespace tessera::mock {
namespace {

using Json = nlohmann::json;
using Reader = std::function<void(const Json&)>;
using Readers = std::map<std::string, Reader>;

[[noreturn]] void Refuse(const std::string& sentence) {
    throw std::runtime_error(sentence);
}

std::string Names(const Readers& readers) {
    std::string names;
    for (const auto& [key, reader] : readers)
        names += (names.empty() ? "" : ", ") + key;
    return names;
}

// A description is read by tables: each key has a function that puts its value where it belongs.
//
// Calls the reader of each key of `object`; a key without a reader is refused.
void ReadObject(const Json& object, const std::string& where, const Readers& readers) {
    if (!object.is_object()) Refuse(where + " must be an object");
    for (const auto& [key, value] : object.items()) {
        auto reader = readers.find(key);
        if (reader == readers.end()) {
            Refuse("unknown key '" + key + "' in " + where + "; known: " + Names(readers));
        }
        reader->second(value);
    }
}

VkDeviceSize ReadSize(const Json& value) {
    if (value.is_number_unsigned()) return value.get<VkDeviceSize>();
    if (!value.is_string()) Refuse("a size must be a number or a string such as \"16MiB\"");
    const auto text = value.get<std::string>();
    size_t used = 0;
    const VkDeviceSize number = std::stoull(text, &used, 0);
    const std::string unit = text.substr(used);
    if (unit.empty() || unit == "B") return number;
    if (unit == "KiB") return number << 10;
    if (unit == "MiB") return number << 20;
    if (unit == "GiB") return number << 30;
    Refuse("unknown unit in size '" + text + "'; known: B, KiB, MiB, GiB");
}

VkDeviceSize ReadAlignment(const Json& value) {
    const VkDeviceSize alignment = ReadSize(value);
    if (!std::has_single_bit(alignment)) Refuse(Text(alignment, " is not a power of two"));
    return alignment;
}

template <class T>
Reader Into(T& target) {
    return [&target](const Json& value) { target = value.get<T>(); };
}

Reader SizeInto(VkDeviceSize& target) {
    return [&target](const Json& value) { target = ReadSize(value); };
}

Reader AlignmentInto(VkDeviceSize& target) {
    return [&target](const Json& value) { target = ReadAlignment(value); };
}

VkFlags ReadFlags(const Json& list, const std::map<std::string, VkFlags>& names) {
    VkFlags flags = 0;
    for (const Json& item : list) {
        auto found = names.find(item.get<std::string>());
        if (found == names.end()) Refuse("unknown flag '" + item.get<std::string>() + "'");
        flags |= found->second;
    }
    return flags;
}

MemoryHeap ReadHeap(const Json& value) {
    static const std::map<std::string, VkFlags> kFlags = {
        {"DEVICE_LOCAL", VK_MEMORY_HEAP_DEVICE_LOCAL_BIT},
        {"MULTI_INSTANCE", VK_MEMORY_HEAP_MULTI_INSTANCE_BIT},
        {"TILE_MEMORY", 0x8}};  // VK_MEMORY_HEAP_TILE_MEMORY_BIT_QCOM
    MemoryHeap heap;
    ReadObject(value, "heaps",
               {{"size", SizeInto(heap.size_bytes)},
                {"flags", [&](const Json& v) { heap.flags = ReadFlags(v, kFlags); }}});
    return heap;
}

MemoryType ReadType(const Json& value) {
    static const std::map<std::string, VkFlags> kFlags = {
        {"DEVICE_LOCAL", VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT},
        {"HOST_VISIBLE", VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT},
        {"HOST_COHERENT", VK_MEMORY_PROPERTY_HOST_COHERENT_BIT},
        {"HOST_CACHED", VK_MEMORY_PROPERTY_HOST_CACHED_BIT},
        {"LAZILY_ALLOCATED", VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT},
        {"PROTECTED", VK_MEMORY_PROPERTY_PROTECTED_BIT},
        {"DEVICE_COHERENT", VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD},
        {"DEVICE_UNCACHED", VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD}};
    MemoryType type;
    ReadObject(value, "memory_types",
               {{"heap", Into(type.heap)},
                {"flags", [&](const Json& v) { type.flags = ReadFlags(v, kFlags); }},
                {"charge", SizeInto(type.charge_bytes)}});
    if (type.charge_bytes == 0) Refuse("charge must not be 0");
    return type;
}

template <class T>
Reader ListInto(std::vector<T>& target, T (*read)(const Json&)) {
    return [&target, read](const Json& value) {
        target.clear();
        for (const Json& item : value)
            target.push_back(read(item));
    };
}

Reader AddTo(std::set<std::string>& target) {
    return [&target](const Json& value) { target.merge(value.get<std::set<std::string>>()); };
}

void ReadVersion(const Json& value, Description& d) {
    const auto text = value.get<std::string>();
    unsigned major = 0, minor = 0, patch = 0;
    if (std::sscanf(text.c_str(), "%u.%u.%u", &major, &minor, &patch) < 2 || major != 1) {
        Refuse("api_version '" + text + "' is not of the form 1.x.y");
    }
    d.api_version = VK_MAKE_API_VERSION(0, major, minor, patch);
}

void ReadUuid(const Json& value, Description& d) {
    const auto text = value.get<std::string>();
    if (text.size() != 2 * VK_UUID_SIZE) Refuse("device_uuid must have 32 hex digits");
    for (size_t i = 0; i < VK_UUID_SIZE; ++i) {
        d.device_uuid[i] = static_cast<uint8_t>(std::stoul(text.substr(2 * i, 2), nullptr, 16));
    }
}

void ReadDeviceType(const Json& value, Description& d) {
    static const std::map<std::string, VkPhysicalDeviceType> kTypes = {
        {"other", VK_PHYSICAL_DEVICE_TYPE_OTHER},
        {"integrated", VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU},
        {"discrete", VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU},
        {"virtual", VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU},
        {"cpu", VK_PHYSICAL_DEVICE_TYPE_CPU}};
    auto found = kTypes.find(value.get<std::string>());
    if (found == kTypes.end()) Refuse("unknown device_type '" + value.get<std::string>() + "'");
    d.type = found->second;
}

FaultRule ReadFault(const Json& value) {
    FaultRule rule;
    int32_t result = rule.result;
    ReadObject(value, "faults",
               {{"command", Into(rule.command)},
                {"nth", Into(rule.nth)},
                {"result", Into(result)},
                {"sticky", Into(rule.sticky)}});
    rule.result = static_cast<VkResult>(result);
    const Entry* entry = FindEntry(rule.command.c_str());
    if (entry == nullptr || !entry->returns_result || rule.nth == 0 || rule.result == VK_SUCCESS) {
        Refuse("the fault of '" + rule.command + "' can never happen");
    }
    return rule;
}

Readers LimitReaders(Description& d) {
    return {{"bufferImageGranularity", AlignmentInto(d.granularity)},
            {"nonCoherentAtomSize", AlignmentInto(d.atom)},
            {"minMemoryMapAlignment", AlignmentInto(d.map_alignment)},
            {"maxMemoryAllocationCount", Into(d.max_allocations)},
            {"maxMemoryAllocationSize", SizeInto(d.max_allocation_bytes)},
            {"descriptorBufferAddressSpaceSize", SizeInto(d.descriptor_space)},
            {"robustUniformBufferAccessSizeAlignment", AlignmentInto(d.robust_uniform)},
            {"robustStorageBufferAccessSizeAlignment", AlignmentInto(d.robust_storage)}};
}

Readers AlignmentReaders(Alignments& a) {
    return {{"buffer", AlignmentInto(a.buffer)},
            {"uniform", AlignmentInto(a.uniform)},
            {"storage", AlignmentInto(a.storage)},
            {"texel", AlignmentInto(a.texel)},
            {"device_address", AlignmentInto(a.device_address)},
            {"video", AlignmentInto(a.video)},
            {"layered_image", AlignmentInto(a.layered_image)},
            {"multisampled_image", AlignmentInto(a.multisampled_image)},
            {"sparse", AlignmentInto(a.sparse)},
            {"linear_image", AlignmentInto(a.linear_image)},
            {"optimal_image", AlignmentInto(a.optimal_image)}};
}

// The keys of a device. Each reader refers to `d`, which must outlive the table.
Readers TopReaders(Description& d) {
    auto nested = [](const char* where, Readers readers) {
        return [where, readers](const Json& value) { ReadObject(value, where, readers); };
    };
    return {
        {"base", [](const Json&) {}},
        {"name", Into(d.name)},
        {"group", Into(d.group)},
        {"api_version", [&d](const Json& v) { ReadVersion(v, d); }},
        {"driver", nested("driver", {{"id", Into(d.driver_id)},
                                     {"name", Into(d.driver_name)},
                                     {"info", Into(d.driver_info)},
                                     {"version", Into(d.driver_version)}})},
        {"device_uuid", [&d](const Json& v) { ReadUuid(v, d); }},
        {"heaps", ListInto(d.heaps, ReadHeap)},
        {"memory_types", ListInto(d.types, ReadType)},
        {"limits", nested("limits", LimitReaders(d))},
        {"alignment", nested("alignment", AlignmentReaders(d.alignment))},
        {"optimal_image_types",
         [&d](const Json& v) {
             d.optimal_image_types = 0;
             for (const Json& index : v)
                 d.optimal_image_types |= 1u << index.get<uint32_t>();
         }},
        {"size_below_alignment", Into(d.size_below_alignment)},
        {"image_size_below_alignment", Into(d.image_size_below_alignment)},
        {"dedicated",
         nested("dedicated", {{"prefers_from", SizeInto(d.dedicated.prefers_from_bytes)},
                              {"requires_optimal", Into(d.dedicated.requires_optimal)}})},
        {"sparse",
         [&d](const Json& v) {
             d.sparse = v.get<bool>();
             for (const char* feature : {"sparseBinding", "sparseResidencyBuffer",
                                         "sparseResidencyImage2D", "sparseResidencyAliased"}) {
                 d.sparse ? void(d.features.insert(feature)) : void(d.features.erase(feature));
             }
         }},
        {"extensions", Into(d.extensions)},
        {"add_extensions", AddTo(d.extensions)},
        {"features", Into(d.features)},
        {"add_features", AddTo(d.features)},
        {"budget", nested("budget", {{"percent", Into(d.budget_percent)},
                                     {"other_usage", SizeInto(d.budget_other_usage)}})},
        {"handles",
         [&d](const Json& v) {
             if (!ParseHandleRule(v.get<std::string>(), &d.handles)) {
                 Refuse("handles '" + v.get<std::string>() +
                        "' is not pointer, counter, recycle, random or lookalike:HEX[/HEXMASK]");
             }
         }},
        {"handle_seed", Into(d.handles.seed)},
        {"cost_ns", Into(d.cost_ns)},
        {"faults", ListInto(d.faults, ReadFault)},
        {"fill", Into(d.fill)},
        {"vendor_id", Into(d.vendor_id)},
        {"device_type", [&d](const Json& v) { ReadDeviceType(v, d); }},
    };
}

// What can be judged only when all keys have been read.
void CheckWhole(const Description& d) {
    if (d.heaps.empty() || d.heaps.size() > VK_MAX_MEMORY_HEAPS) Refuse("1 to 16 heaps, please");
    if (d.types.empty() || d.types.size() > VK_MAX_MEMORY_TYPES) Refuse("1 to 32 memory types");
    for (const MemoryType& type : d.types) {
        if (type.heap >= d.heaps.size()) Refuse("a memory type names a heap that is not there");
    }
    if (d.optimal_image_types >> d.types.size() != 0) {
        Refuse("optimal_image_types names a memory type that is not there");
    }
    for (const std::string& feature : d.features) {
        if (!IsKnownFeature(feature)) Refuse("unknown feature '" + feature + "'");
    }
    for (const auto& [command, ns] : d.cost_ns) {
        if (FindEntry(command.c_str()) == nullptr) Refuse("unknown command '" + command + "'");
    }
    if (d.budget_percent == 0 || d.budget_percent > 100) Refuse("budget percent must be 1 to 100");
}

// The base is read first, whatever its place in the text, since it is what the rest changes.
DescriptionPtr ReadDevice(const Json& object) {
    if (!object.is_object()) Refuse("a device must be a JSON object");
    const std::string base = object.value("base", "lavapipe_like");
    auto description = MakePreset(base);
    if (!description) Refuse("unknown preset '" + base + "' in base");
    ReadObject(object, "the description", TopReaders(*description));
    CheckWhole(*description);
    return description;
}

std::vector<DescriptionPtr> ReadJson(const Json& json) {
    std::vector<DescriptionPtr> devices;
    if (!json.is_array()) return {ReadDevice(json)};
    for (const Json& object : json)
        devices.push_back(ReadDevice(object));
    if (devices.empty()) Refuse("the list of devices is empty");
    return devices;
}

std::vector<DescriptionPtr> ReadPresets(const std::string& names) {
    std::vector<DescriptionPtr> devices;
    std::istringstream in(names);
    for (std::string name; std::getline(in, name, ',');) {
        if (name.starts_with("preset:")) name = name.substr(7);
        auto description = MakePreset(name);
        if (!description) Refuse("there is no preset and no file '" + name + "'");
        devices.push_back(std::move(description));
    }
    return devices;
}

}  // namespace

bool ParseHandleRule(const std::string& text, HandleRule* rule) {
    static const std::map<std::string, HandleStyle> kStyles = {{"pointer", HandleStyle::kPointer},
                                                               {"counter", HandleStyle::kCounter},
                                                               {"recycle", HandleStyle::kRecycle},
                                                               {"random", HandleStyle::kRandom}};
    if (auto style = kStyles.find(text); style != kStyles.end()) {
        rule->style = style->second;
        return true;
    }
    unsigned long long pattern = 0, mask = 0;
    const int fields = std::sscanf(text.c_str(), "lookalike:%llx/%llx", &pattern, &mask);
    if (fields < 1 || pattern == 0) return false;
    rule->style = HandleStyle::kLookalike;
    rule->pattern = pattern;
    rule->mask = mask;
    if (fields == 1) {
        // 2^(h+1) - 2^l for the highest and lowest set bits h and l, without a shift by 64.
        const uint64_t lowest = rule->pattern & (~rule->pattern + 1);
        rule->mask = (std::bit_floor(rule->pattern) - lowest) | std::bit_floor(rule->pattern);
    }
    return (rule->pattern & ~rule->mask) == 0;
}

std::vector<DescriptionPtr> ParseDescriptions(const std::string& text, std::string* problem) {
    try {
        if (text.empty()) return {MakePreset("lavapipe_like")};
        const size_t first = text.find_first_not_of(" \t\r\n");
        if (first != std::string::npos && (text[first] == '{' || text[first] == '[')) {
            return ReadJson(Json::parse(text));
        }
        if (std::ifstream file(text); file.good()) return ReadJson(Json::parse(file));
        return ReadPresets(text);
    } catch (const std::exception& error) {
        *problem = error.what();
        return {};
    }
}

}  // namespace tessera::mock
