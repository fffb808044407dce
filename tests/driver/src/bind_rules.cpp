// SPDX-License-Identifier: Apache-2.0
//
// See bind_rules.h.
#include "bind_rules.h"

#include "reports.h"
#include "requirements.h"

namespace tessera::mock {
namespace {

// Reports a broken rule unless the kind of resource has none.
template <class Sentence>
bool Rule(const Call& call, bool holds, const BindVuids& vuids, const char* tail,
          const Sentence& sentence) {
    return tail == nullptr || call.Require(holds, Text(vuids.prefix, tail), sentence);
}

void CheckPlacement(const Call& call, const BindVuids& vuids, const Resource& resource,
                    const Memory& memory, VkDeviceSize offset) {
    const VkMemoryRequirements& needs = resource.requirements;
    const auto where =
        Text(resource.linear ? "linear" : "optimal", " resource ", Hex{resource.object.handle},
             " (size ", needs.size, ", alignment ", needs.alignment, ", types ",
             Hex{needs.memoryTypeBits}, ") at offset ", offset, " of memory ", Hex{memory.handle},
             " (type ", memory.type_index, ", size ", memory.size_bytes, ")");
    auto rule = [&](bool holds, const char* tail) { Rule(call, holds, vuids, tail, where); };
    rule(offset < memory.size_bytes, vuids.offset_inside);
    rule(needs.memoryTypeBits >> memory.type_index & 1, vuids.type);
    rule(offset % needs.alignment == 0, vuids.alignment);
    rule(offset <= memory.size_bytes && needs.size <= memory.size_bytes - offset, vuids.size);
    const bool memory_protected = memory.properties & VK_MEMORY_PROPERTY_PROTECTED_BIT;
    rule(!resource.is_protected || memory_protected, vuids.is_protected);
    rule(resource.is_protected || !memory_protected, vuids.not_protected);
}

void CheckDedicated(const Call& call, const BindVuids& vuids, const Resource& resource,
                    const Memory& memory, VkDeviceSize offset) {
    const bool any = memory.dedicated_buffer != 0 || memory.dedicated_image != 0;
    const bool mine =
        resource.dedicated != nullptr && memory.*resource.dedicated == resource.object.handle;
    Rule(call, !any || (mine && offset == 0), vuids, vuids.dedicated_to,
         Text("memory ", Hex{memory.handle}, " is dedicated to another resource than ",
              Hex{resource.object.handle}, ", or the offset ", offset, " is not 0"));
    const bool required = RequiresDedicated(*call.device().description, !resource.linear);
    Rule(call, !required || mine, vuids, vuids.requires_dedicated,
         Text("resource ", Hex{resource.object.handle}, " requires a dedicated allocation"));
}

// Two resources of different kinds in one granule are as good as aliased: right only if they are
// aliased on purpose, byte over byte.
void CheckGranularity(const Call& call, const Resource& resource, const Memory& memory,
                      const BoundRange& range) {
    const VkDeviceSize granule = call.device().description->granularity;
    const BoundRange* other = memory.granules.Conflict(range, resource.linear, granule);
    if (other == nullptr) return;
    call.Violation(
        "bufferImageGranularity",
        Text(resource.linear ? "linear" : "optimal", " resource ", Hex{range.resource}, " at ",
             range.begin, " to ", range.end, " and ", resource.linear ? "optimal" : "linear",
             " resource ", Hex{other->resource}, " at ", other->begin, " to ", other->end,
             " share a granule of ", granule, " bytes in memory ", Hex{memory.handle}));
}

}  // namespace

VkResult BindLocked(Call& call, const BindVuids& vuids, const Resource& resource,
                    const std::shared_ptr<Memory>& memory, VkDeviceSize offset) {
    if (memory == nullptr || !memory->alive) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    const Hex name{resource.object.handle};
    if (!Rule(call, !resource.sparse, vuids, vuids.sparse, Text("resource ", name, " is sparse")) ||
        !Rule(call, !resource.backing.bound(), vuids, vuids.bound,
              Text("resource ", name, " is bound already"))) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    CheckPlacement(call, vuids, resource, *memory, offset);
    CheckDedicated(call, vuids, resource, *memory, offset);
    const VkDeviceSize size = resource.requirements.size;
    const BoundRange range{resource.object.handle, offset, offset + size};
    CheckGranularity(call, resource, *memory, range);
    memory->granules.Add(range, resource.linear, call.device().description->granularity);
    ++memory->bound_count;
    resource.backing.Bind(memory, offset, size);
    ReportAddressLocked(call, resource.object, memory->address + offset, size, true);
    return VK_SUCCESS;
}

void UnbindLocked(Call& call, const Object& object, const Backing& backing, bool linear) {
    const Backing::Range& range = backing.whole();
    if (range.memory == nullptr) return;
    range.memory->granules.Remove({object.handle, range.offset, range.offset + range.size_bytes},
                                  linear, call.device().description->granularity);
    --range.memory->bound_count;
    ReportAddressLocked(call, object, range.memory->address + range.offset, range.size_bytes,
                        false);
}

}  // namespace tessera::mock
