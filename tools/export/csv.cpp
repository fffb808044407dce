// SPDX-License-Identifier: Apache-2.0
//
// Live allocations as CSV: see format.h.
#include "tools/detail.h"
#include "tools/export/format.h"
#include "tools/text.h"
#include "tools/vulkan_names.h"

namespace tessera::command {
namespace {

constexpr std::string_view kHeader =
    "device,type,heap,memory,kind,name,size_bytes,padding_bytes,block,offset,passed_through,flags,"
    "age_ns,tid,thread,resources,usage,call\r\n";

std::string Words(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : " ") + word;
    return text;
}

// The usages of all resources in an allocation, if they are of one kind.
std::string Usage(const reader::Detail& detail, std::span<const uint32_t> resources, Use use) {
    if (use == Use::kUnknown || resources.empty()) return {};
    uint64_t usage = 0;
    for (const uint32_t i : resources)
        usage |= detail.resources[i].usage;
    return Words(UsageNames(detail.resources[resources.front()].object_type, usage));
}

class LineWriter {
 public:
    void Add(uint64_t number) { Append(std::to_string(number)); }
    void Add(const std::string& text) { Append(CsvCell(text)); }
    void AddNothing() { Append(""); }
    std::string Take() { return std::move(line_) + "\r\n"; }

 private:
    void Append(const std::string& cell) {
        if (!first_) line_ += ',';
        first_ = false;
        line_ += cell;
    }
    std::string line_;
    bool first_ = true;
};

std::string Line(const reader::Process& process, const reader::Device& device,
                 const ResourceIndex& index, size_t i) {
    const reader::Detail& detail = device.detail;
    const reader::Allocation& allocation = detail.allocations[i];
    const std::span<const uint32_t> resources = index.Of(i);
    const Use use = UseOf(detail, index, i);
    const bool pooled = allocation.block != reader::kNone;
    LineWriter line;
    line.Add(device.id);
    line.Add(uint64_t{allocation.type});
    if (allocation.type < device.memory_types.size())
        line.Add(uint64_t{device.memory_types[allocation.type].heap});
    else
        line.AddNothing();
    line.Add(HandleText(allocation.memory));
    line.Add(Name(use));
    line.Add(allocation.name);
    line.Add(allocation.size_bytes);
    line.Add(allocation.padding_bytes);
    if (pooled) {
        line.Add(uint64_t{allocation.block});
        line.Add(allocation.offset);
        line.AddNothing();
    } else {
        line.AddNothing();
        line.AddNothing();
        line.Add(reader::ReasonName(allocation.reason));
    }
    line.Add(Words(AllocationFlagNames(allocation.flags)));
    if (allocation.made_ns != 0)
        line.Add(AgeOf(process, allocation.made_ns));
    else
        line.AddNothing();
    if (allocation.thread < process.threads.size()) {
        line.Add(process.threads[allocation.thread].tid);
        line.Add(process.threads[allocation.thread].name);
    } else {
        line.AddNothing();
        line.AddNothing();
    }
    line.Add(resources.size());
    line.Add(Usage(detail, resources, use));
    const bool stack = allocation.stack < process.stacks.size() &&
                       !process.stacks[allocation.stack].addresses.empty();
    line.Add(stack ? FrameText(process, process.stacks[allocation.stack].addresses.front()) : "");
    return line.Take();
}

bool StartsFormula(char c) {
    return c == '=' || c == '+' || c == '-' || c == '@' || c == '\t' || c == '\r';
}

}  // namespace

std::string CsvCell(const std::string& text) {
    std::string safe;
    bool at_start = true;  // of what some reader might take for a cell
    for (const char c : text) {
        if (at_start && StartsFormula(c)) safe += '\'';
        // What may stand before a formula without ending that danger.
        at_start = c == ';' || c == '\t' || c == '|' || c == ',' || c == '\n' || c == '\r' ||
                   (at_start && (c == ' ' || c == '"'));
        safe += c;
    }
    safe = Printable(safe);
    if (safe == text && safe.find_first_of(",\"; '|") == std::string::npos) return safe;
    std::string quoted = "\"";
    for (const char c : safe) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + "\"";
}

void WriteCsv(const reader::Process& process, const Sink& sink) {
    if (!sink(kHeader)) return;
    for (const reader::Device& device : process.devices) {
        const ResourceIndex index(device.detail);
        for (size_t i = 0; i < device.detail.allocations.size(); ++i)
            if (!sink(Line(process, device, index, i))) return;
    }
}

}  // namespace tessera::command
