// SPDX-License-Identifier: Apache-2.0
//
// How resources lie in memories: the granule index and the byte access of Backing. See resources.h.
#include <algorithm>
#include <cstring>

#include "resources.h"
#include "text.h"

namespace tessera::mock {

const BoundRange* GranuleIndex::Conflict(const BoundRange& range, bool linear,
                                         VkDeviceSize granule) const {
    const Kind& other = kinds_[linear ? 0 : 1];
    // The last granule of a range that ends before, or the first of one that begins after, can be
    // shared; ranges that have bytes in common are aliased on purpose and pass.
    auto [before, before_end] = other.by_last.equal_range(range.begin / granule);
    for (; before != before_end; ++before) {
        if (before->second.end <= range.begin) return &before->second;
    }
    auto [after, after_end] = other.by_first.equal_range((range.end - 1) / granule);
    for (; after != after_end; ++after) {
        if (after->second.begin >= range.end) return &after->second;
    }
    return nullptr;
}

void GranuleIndex::Add(const BoundRange& range, bool linear, VkDeviceSize granule) {
    Kind& kind = kinds_[linear ? 1 : 0];
    kind.by_first.emplace(range.begin / granule, range);
    kind.by_last.emplace((range.end - 1) / granule, range);
}

void GranuleIndex::Remove(const BoundRange& range, bool linear, VkDeviceSize granule) {
    auto erase_from = [&range](std::multimap<VkDeviceSize, BoundRange>& index, VkDeviceSize key) {
        auto [entry, end] = index.equal_range(key);
        for (; entry != end; ++entry) {
            if (entry->second.resource == range.resource && entry->second.begin == range.begin) {
                index.erase(entry);
                return;
            }
        }
    };
    Kind& kind = kinds_[linear ? 1 : 0];
    erase_from(kind.by_first, range.begin / granule);
    erase_from(kind.by_last, (range.end - 1) / granule);
}

void Backing::Bind(std::shared_ptr<Memory> memory, VkDeviceSize offset, VkDeviceSize size_bytes) {
    whole_ = {std::move(memory), offset, size_bytes};
}

void Backing::BindPages(VkDeviceSize begin, const Range& range) {
    // Invariant: ranges do not overlap. Start at the one that may reach over `begin`.
    const VkDeviceSize end = begin + range.size_bytes;
    auto page = pages_.upper_bound(begin);
    if (page != pages_.begin()) --page;
    while (page != pages_.end() && page->first < end) {
        const VkDeviceSize old_begin = page->first;
        const Range old = page->second;
        const VkDeviceSize old_end = old_begin + old.size_bytes;
        if (old_end <= begin) {
            ++page;
            continue;
        }
        page = pages_.erase(page);
        if (old_begin < begin) {
            pages_.emplace(old_begin, Range{old.memory, old.offset, begin - old_begin});
        }
        if (old_end > end) {
            pages_.emplace(end, Range{old.memory, old.offset + (end - old_begin), old_end - end});
        }
    }
    if (range.memory != nullptr) pages_.emplace(begin, range);
}

// Calls visit(device bytes or null, position in the request, length) for each piece.
template <class Visit>
std::string Backing::ForEachPiece(VkDeviceSize offset, size_t size_bytes, Visit visit) const {
    std::string problem;
    auto piece = [&](const Range* range, VkDeviceSize in_range, size_t at, size_t length) {
        std::byte* bytes = nullptr;
        if (range != nullptr && !range->memory->alive) {
            problem = Text("memory ", Hex{range->memory->handle}, " has been freed");
        } else if (range != nullptr &&
                   range->offset + in_range + length > range->memory->device_view.size()) {
            problem = Text("the access leaves memory ", Hex{range->memory->handle});
        } else if (range != nullptr) {
            bytes = range->memory->device_view.data() + range->offset + in_range;
        }
        visit(bytes, at, length);
    };
    if (!sparse) {  // one piece
        if (!bound()) problem = "the resource is not bound to memory";
        piece(bound() ? &whole_ : nullptr, offset, 0, size_bytes);
        return problem;
    }
    // Alternate between pages and the holes between them.
    size_t at = 0;
    while (at < size_bytes) {
        const VkDeviceSize here = offset + at;
        auto next = pages_.upper_bound(here);
        VkDeviceSize until = next == pages_.end() ? offset + size_bytes : next->first;
        const Range* range = nullptr;
        VkDeviceSize in_range = 0;
        if (next != pages_.begin()) {
            auto page = std::prev(next);
            if (here < page->first + page->second.size_bytes) {
                range = &page->second;
                in_range = here - page->first;
                until = page->first + page->second.size_bytes;
            }
        }
        const auto length = static_cast<size_t>(std::min(until, offset + size_bytes) - here);
        piece(range, in_range, at, length);
        at += length;
    }
    return problem;
}

std::string Backing::Read(VkDeviceSize offset, void* out, size_t size_bytes) const {
    auto* to = static_cast<std::byte*>(out);
    return ForEachPiece(offset, size_bytes, [to](const std::byte* bytes, size_t at, size_t length) {
        if (bytes != nullptr) {
            std::memcpy(to + at, bytes, length);
        } else {
            std::memset(to + at, 0, length);
        }
    });
}

std::string Backing::Write(VkDeviceSize offset, const void* data, size_t size_bytes) const {
    const auto* from = static_cast<const std::byte*>(data);
    return ForEachPiece(offset, size_bytes, [from](std::byte* bytes, size_t at, size_t length) {
        if (bytes != nullptr) std::memcpy(bytes, from + at, length);
    });
}

}  // namespace tessera::mock
