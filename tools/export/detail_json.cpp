// SPDX-License-Identifier: Apache-2.0
//
// Everything of a process as JSON: see format.h. The records of a list are written one by one, a
// line each; only what surrounds them is built as a whole.
#include <array>
#include <cstdio>

#include "tools/detail.h"
#include "tools/export/format.h"
#include "tools/json.h"
#include "tools/vulkan_names.h"

namespace tessera::command {
namespace {

Json IndexJson(uint32_t index) {
    return index == reader::kNone ? Json() : Json(index);
}

Json TimeJson(uint64_t ns) {
    return ns == 0 ? Json() : Json(ns);
}

Json AllocationJson(const reader::Allocation& allocation) {
    const bool pooled = allocation.block != reader::kNone;
    return {{"memory", HandleText(allocation.memory)},
            {"name", allocation.name},
            {"size_bytes", allocation.size_bytes},
            {"padding_bytes", allocation.padding_bytes},
            {"type", allocation.type},
            {"block", IndexJson(allocation.block)},
            {"offset", allocation.offset},
            {"passed_through", pooled ? Json() : Json(reader::ReasonName(allocation.reason))},
            {"flags", AllocationFlagNames(allocation.flags)},
            {"made_ns", TimeJson(allocation.made_ns)},
            {"thread", IndexJson(allocation.thread)},
            {"stack", IndexJson(allocation.stack)}};
}

Json BlockJson(const reader::Block& block) {
    return {{"memory", HandleText(block.memory)},
            {"bytes", block.bytes},
            {"type", block.type},
            {"flags", BlockFlagNames(block.flags)},
            {"made_ns", TimeJson(block.made_ns)},
            {"driver_ns", block.driver_ns}};
}

Json ResourceJson(const reader::Resource& resource) {
    const Use use = UseOf(resource);
    Json json = {{"object", HandleText(resource.object)},
                 {"object_type", ObjectTypeName(resource.object_type)},
                 {"kind", Name(use)},
                 {"name", resource.name},
                 {"memory", HandleText(resource.memory)},
                 {"allocation", IndexJson(resource.allocation)},
                 {"offset", resource.offset},
                 {"size_bytes", resource.size_bytes},
                 {"usage", UsageNames(resource.object_type, resource.usage)}};
    if (use == Use::kLinearImage || use == Use::kOptimalImage) {
        json["format"] = FormatName(resource.format);
        json["width"] = resource.width;
        json["height"] = resource.height;
        json["depth_or_layers"] = resource.depth_or_layers;
        json["levels"] = resource.levels;
    }
    return json;
}

Json ModuleJson(const reader::Module& module) {
    std::string id;
    for (const uint8_t byte : module.build_id) {
        std::array<char, 3> digits;
        snprintf(digits.data(), digits.size(), "%02x", byte);
        id += digits.data();
    }
    return {{"path", module.path},
            {"start", HandleText(module.start)},
            {"end", HandleText(module.end)},
            {"bias", HandleText(module.bias)},
            {"build_id", id}};
}

Json StackJson(const reader::CallStack& stack) {
    Json addresses = Json::array();
    for (const uint64_t address : stack.addresses)
        addresses.push_back(HandleText(address));
    return addresses;
}

Json ThreadJson(const reader::Thread& thread) {
    return {{"tid", thread.tid}, {"name", thread.name}};
}

// Writes objects and lists, as long as somebody reads.
class DocumentWriter {
 public:
    explicit DocumentWriter(const Sink& sink) : sink_(sink) {}

    void Text(std::string_view text) { reads_ = reads_ && sink_(text); }

    // The members of `json`, an object that is not empty, without the brace that ends it.
    void Open(const Json& json) {
        const std::string text = Dump(json, Layout::kLine);
        Text(std::string_view(text).substr(0, text.rfind('}')));
    }

    template <typename T, typename ToJson>
    void List(std::string_view name, const std::vector<T>& list, ToJson to_json) {
        Text(",\n\"" + std::string(name) + "\":[");
        for (size_t i = 0; i < list.size() && reads_; ++i) {
            std::string text = (i == 0 ? "\n" : ",\n") + Dump(to_json(list[i]), Layout::kLine);
            text.pop_back();
            Text(text);
        }
        Text("]");
    }

 private:
    const Sink& sink_;
    bool reads_ = true;
};

Json UnrecordedJson(const reader::Detail& detail) {
    return {{"slots", detail.unrecorded[TESSERA_KIND_SLOTS]},
            {"passed_through", detail.unrecorded[TESSERA_KIND_PASSED]},
            {"blocks", detail.unrecorded[TESSERA_KIND_BLOCKS]},
            {"resources", detail.unrecorded[TESSERA_KIND_RESOURCES]},
            {"events", detail.unrecorded[TESSERA_KIND_RING]},
            {"stacks", detail.unrecorded[TESSERA_KIND_STACKS]}};
}

void WriteDevice(const reader::Device& device, DocumentWriter& writer) {
    const reader::Detail& detail = device.detail;
    writer.Open({{"id", device.id},
                 {"level", reader::LevelName(detail.level)},
                 {"since_ns", TimeJson(detail.since_ns)},
                 {"frames", device.frames},
                 {"unrecorded", UnrecordedJson(detail)},
                 {"moving", detail.moving}});
    writer.List("allocations", detail.allocations, AllocationJson);
    writer.List("blocks", detail.blocks, BlockJson);
    writer.List("resources", detail.resources, ResourceJson);
    writer.Text("}");
}

}  // namespace

void WriteDetailJson(const reader::Process& process, const Sink& sink) {
    DocumentWriter writer(sink);
    writer.Text("{\"schema\":" + std::to_string(kSchema) + ",\"processes\":[\n");
    writer.Open(ProcessJson(process));
    writer.Text(",\n\"detail\":");
    writer.Open({{"level", reader::LevelName(process.level)},
                 {"stack_interval", process.stack_interval},
                 {"start_time", process.start_time},
                 {"created_ns", process.created_ns},
                 {"monotonic_created_ns", process.monotonic_created_ns},
                 {"copied_ns", process.copied_ns},
                 {"segment_bytes", process.segment_bytes},
                 {"torn", process.torn}});
    writer.Text(",\n\"devices\":[");
    for (size_t i = 0; i < process.devices.size(); ++i) {
        writer.Text(i == 0 ? "\n" : ",\n");
        WriteDevice(process.devices[i], writer);
    }
    writer.Text("]");
    writer.List("stacks", process.stacks, StackJson);
    writer.List("modules", process.modules, ModuleJson);
    writer.List("threads", process.threads, ThreadJson);
    writer.Text("}}]}\n");
}

}  // namespace tessera::command
