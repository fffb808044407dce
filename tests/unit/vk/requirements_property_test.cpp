// SPDX-License-Identifier: Apache-2.0
//
// Whatever a device's resources require, and whatever an application allocates after it asked for
// them: the place suits everything known that fits into it.
//
// Devices, resources and sizes are random; the random numbers are the same in every run. A failure
// prints the device's seed and the resource. The promise is checked as the specification words it
// (a base that is a multiple of the alignment, granules that are not shared), not as the code
// computes it.

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <ostream>
#include <random>
#include <vector>

#include "layer/base/checked.h"
#include "layer/vk/requirements.h"

namespace tessera {
namespace {

struct Resource {
    uint64_t size = 0;
    uint64_t alignment = 1;
    Layout layout = Layout::kLinear;
    uint32_t type_bits = 0;

    friend std::ostream& operator<<(std::ostream& out, const Resource& resource) {
        return out << (resource.layout == Layout::kOptimal ? "optimal" : "linear")
                   << " resource of " << resource.size << " bytes at multiples of "
                   << resource.alignment;
    }
};

// How sizes and alignments of a device's resources relate.
enum class Shape {
    kPadded,     // as nearly all drivers answer: the size is a multiple of the alignment
    kArbitrary,  // as the specification allows: a small resource may need a large alignment
};

class RandomDevice {
 public:
    static constexpr uint32_t kTypes = 4;

    RandomDevice(uint64_t seed, Shape shape) : random_(seed), shape_(shape) {
        VkPhysicalDeviceMemoryProperties memory = {};
        memory.memoryTypeCount = kTypes;
        for (uint32_t type = 0; type < kTypes; ++type) {
            memory.memoryTypes[type].propertyFlags = Chance(2)
                                                         ? VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
                                                         : VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
        }
        limits_.granularity = PowerOfTwo(0, 17);
        limits_.host_alignment = PowerOfTwo(6, 8);
        limits_.sparse_block = Chance(4) ? 64 * kKiB : 0;
        limits_.page_align = Chance(4);
        book_.Init(memory, limits_);
        for (int i = 0; i < 24; ++i)
            ObserveOne();
    }

    // An application may allocate anything, but nearly always allocates what it asked about.
    uint64_t PickSize() {
        if (Chance(4)) return LogUniform(1, 26);
        return resources_[Below(resources_.size())].size + (Chance(4) ? 1 : 0);
    }
    uint32_t PickType() { return static_cast<uint32_t>(Below(kTypes)); }

    const RequirementBook& book() const { return book_; }
    const std::vector<Resource>& resources() const { return resources_; }
    uint64_t granularity() const { return limits_.granularity; }

 private:
    uint64_t Below(uint64_t limit) { return random_() % limit; }
    bool Chance(uint64_t one_in) { return Below(one_in) == 0; }
    uint64_t PowerOfTwo(uint32_t from, uint32_t to) {
        return uint64_t{1} << (from + Below(to - from + 1));
    }
    uint64_t LogUniform(uint32_t from_bits, uint32_t to_bits) {
        const uint64_t top = PowerOfTwo(from_bits, to_bits);
        return top / 2 + Below(top / 2 + 1) + 1;
    }

    void ObserveOne() {
        Resource resource;
        resource.alignment = PowerOfTwo(0, 23);
        resource.size = LogUniform(1, 24);
        if (shape_ == Shape::kPadded) resource.size = AlignUp(resource.size, resource.alignment);
        resource.layout = Chance(2) ? Layout::kOptimal : Layout::kLinear;
        resource.type_bits = 1 + static_cast<uint32_t>(Below((1u << kTypes) - 1));
        book_.Observe({resource.size, resource.alignment, resource.type_bits}, resource.layout,
                      /*learn=*/!Chance(3));
        resources_.push_back(resource);
    }

    std::mt19937_64 random_;
    Shape shape_;
    PlacementLimits limits_;
    RequirementBook book_;
    std::vector<Resource> resources_;
};

testing::AssertionResult Suits(const PlacementRule& place, const Resource& resource,
                               uint64_t granularity) {
    if (!IsAligned(place.alignment_bytes, resource.alignment)) {
        return testing::AssertionFailure()
               << resource << " lies at a multiple of " << place.alignment_bytes << " only";
    }
    const bool own_granules =
        IsAligned(place.alignment_bytes, granularity) && IsAligned(place.padded_bytes, granularity);
    if (resource.layout == Layout::kOptimal && place.kind == pool::Kind::kLinear && !own_granules) {
        return testing::AssertionFailure()
               << resource << " shares granules of " << granularity << " with linear neighbours";
    }
    if (place.kind == pool::Kind::kAny && !own_granules) {
        return testing::AssertionFailure()
               << "a slot for anything does not own its granules of " << granularity;
    }
    return testing::AssertionSuccess();
}

void ExpectEveryPlaceToSuit(Shape shape) {
    constexpr uint64_t kDevices = 400;
    constexpr int kAllocations = 60;
    for (uint64_t seed = 1; seed <= kDevices; ++seed) {
        RandomDevice device(seed, shape);
        for (int i = 0; i < kAllocations; ++i) {
            const uint64_t size = device.PickSize();
            const uint32_t type = device.PickType();
            const PlacementRule place = device.book().Place(type, size, 0);
            ASSERT_GE(place.padded_bytes, size);
            ASSERT_TRUE(IsPowerOfTwo(place.alignment_bytes));
            for (const Resource& resource : device.resources()) {
                if ((resource.type_bits >> type & 1) == 0 || resource.size > size) continue;
                ASSERT_TRUE(Suits(place, resource, device.granularity()))
                    << "device " << seed << ", type " << type << ", allocation of " << size;
            }
        }
    }
}

TEST(RequirementBookProperty, PlacesSuitEverythingKnownThatFitsWhenSizesArePadded) {
    ExpectEveryPlaceToSuit(Shape::kPadded);
}

TEST(RequirementBookProperty,
     PlacesSuitEverythingKnownThatFitsWhenSmallResourcesNeedLargeAlignments) {
    ExpectEveryPlaceToSuit(Shape::kArbitrary);
}

// A slot that moves at its first bind is placed for that resource and still for all the others.
TEST(RequirementBookProperty, PlacesForOneResourceStillSuitEverythingElseThatFits) {
    for (uint64_t seed = 1; seed <= 400; ++seed) {
        RandomDevice device(seed, Shape::kArbitrary);
        for (const Resource& bound : device.resources()) {
            const auto type = static_cast<uint32_t>(std::countr_zero(bound.type_bits));
            const PlacementRule place =
                device.book().PlaceFor(type, bound.size, 0, bound.alignment, bound.layout);
            for (const Resource& resource : device.resources()) {
                if ((resource.type_bits >> type & 1) == 0 || resource.size > bound.size) continue;
                ASSERT_TRUE(Suits(place, resource, device.granularity()))
                    << "device " << seed << ", type " << type << ", moved for " << bound;
            }
        }
    }
}

// Facts only ever get more careful: what is observed later may not loosen a place.
TEST(RequirementBookProperty, FurtherKnowledgeNeverLowersTheAlignmentOfAType) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 200; ++round) {
        TypeFacts facts;
        uint64_t within[26] = {};
        for (int i = 0; i < 40; ++i) {
            facts.Saw(1 + random() % (uint64_t{1} << (random() % 25)),
                      uint64_t{1} << (random() % 24),
                      random() % 2 == 0 ? Layout::kLinear : Layout::kOptimal);
            for (uint32_t bits = 0; bits < 26; ++bits) {
                const uint64_t now = facts.AlignmentWithin(uint64_t{1} << bits);
                ASSERT_GE(now, within[bits]);
                within[bits] = now;
            }
            ASSERT_LE(within[25], facts.Alignment());
        }
    }
}

}  // namespace
}  // namespace tessera
