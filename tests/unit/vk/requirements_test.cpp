// SPDX-License-Identifier: Apache-2.0
//
// The facts about a memory type, the sizes that are learned, and the places that follow from them.
//
// The table of places is named after the rows of limits that a place has to respect: buffer-image
// granularity, atoms, map alignment, resource alignment, sparse blocks, robust access, device
// addresses. Random devices are in requirements_property_test.cpp.

#include "layer/vk/requirements.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "layer/base/checked.h"

namespace tessera {
namespace {

using pool::Kind;

constexpr uint64_t kNothing = ~uint64_t{0};

TEST(TypeFacts, AskForTheMinimumWhileNothingIsKnown) {
    const TypeFacts facts;
    EXPECT_EQ(facts.Alignment(), kMinimumAlignment);
    EXPECT_EQ(facts.AlignmentWithin(1), kMinimumAlignment);
    EXPECT_EQ(facts.AlignmentWithin(uint64_t{1} << 40), kMinimumAlignment);
    EXPECT_FALSE(facts.AdmitsOptimal());
    EXPECT_EQ(facts.SmallestOptimal(), kNothing);
}

TEST(TypeFacts, NeverGoBelowTheMinimum) {
    TypeFacts facts;
    facts.Saw(100, 16, Layout::kLinear);
    EXPECT_EQ(facts.Alignment(), kMinimumAlignment);
    EXPECT_EQ(facts.AlignmentWithin(100), kMinimumAlignment);
}

TEST(TypeFacts, AnAlignmentCountsFromTheSmallestSizeThatNeedsIt) {
    TypeFacts facts;
    facts.Saw(5000, 4096, Layout::kLinear);
    facts.Saw(3000, 4096, Layout::kLinear);
    facts.Saw(9000, 4096, Layout::kLinear);
    EXPECT_EQ(facts.AlignmentWithin(2999), kMinimumAlignment);
    EXPECT_EQ(facts.AlignmentWithin(3000), 4096u);
    EXPECT_EQ(facts.AlignmentWithin(1'000'000), 4096u);
}

TEST(TypeFacts, EachPowerOfTwoFrom512To2MiBHasALevelOfItsOwn) {
    TypeFacts facts;
    for (uint64_t alignment = 512; alignment <= 2 * kMiB; alignment *= 2)
        facts.Saw(10 * alignment, alignment, Layout::kLinear);
    for (uint64_t alignment = 512; alignment <= 2 * kMiB; alignment *= 2) {
        EXPECT_EQ(facts.AlignmentWithin(10 * alignment), alignment);
        EXPECT_EQ(facts.AlignmentWithin(10 * alignment - 1), alignment / 2);
    }
}

TEST(TypeFacts, ASmallResourceWithALargeAlignmentRaisesEverySizeAboveIt) {
    TypeFacts facts;
    facts.Saw(1'000'000, 512, Layout::kLinear);
    facts.Saw(10, 64 * kKiB, Layout::kLinear);
    EXPECT_EQ(facts.AlignmentWithin(9), kMinimumAlignment);
    EXPECT_EQ(facts.AlignmentWithin(10), 64 * kKiB);
    EXPECT_EQ(facts.AlignmentWithin(1'000'000), 64 * kKiB);
}

TEST(TypeFacts, AlignmentsBeyondTheLastLevelAreNotCutToIt) {
    TypeFacts facts;
    facts.Saw(kMiB, 2 * kMiB, Layout::kLinear);
    EXPECT_EQ(facts.AlignmentWithin(kMiB), 2 * kMiB);
    facts.Saw(8 * kMiB, 16 * kMiB, Layout::kLinear);
    EXPECT_EQ(facts.Alignment(), 16 * kMiB);
    EXPECT_EQ(facts.AlignmentWithin(8 * kMiB), 16 * kMiB);
    // The levels above 2 MiB share their smallest size, which is more careful than need be.
    EXPECT_EQ(facts.AlignmentWithin(kMiB), 16 * kMiB);
    EXPECT_EQ(facts.AlignmentWithin(kMiB - 1), kMinimumAlignment);
}

TEST(TypeFacts, OnlyOptimalImagesSayHowSmallOneCanBe) {
    TypeFacts facts;
    facts.Saw(10, 16, Layout::kLinear);
    EXPECT_FALSE(facts.AdmitsOptimal());
    facts.Saw(4096, 1024, Layout::kOptimal);
    facts.Saw(2048, 1024, Layout::kOptimal);
    facts.Saw(8192, 1024, Layout::kOptimal);
    EXPECT_TRUE(facts.AdmitsOptimal());
    EXPECT_EQ(facts.SmallestOptimal(), 2048u);
}

TEST(TypeFacts, ThreadsThatObserveAtOnceLoseNothing) {
    TypeFacts facts;
    std::vector<std::thread> threads;
    for (uint64_t thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&facts, thread] {
            for (uint64_t i = 0; i < 5000; ++i)
                facts.Saw(20'000 - i * 4 - thread, 512u << (i % 8), Layout::kOptimal);
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(facts.Alignment(), 64 * kKiB);
    EXPECT_EQ(facts.SmallestOptimal(), 1u);
    EXPECT_EQ(facts.AlignmentWithin(1), 64 * kKiB);
}

TEST(LearnedSizes, KnowWhatTheyWereTaughtAndNothingElse) {
    LearnedSizes sizes;
    EXPECT_FALSE(sizes.Contains(700));
    sizes.Learn(700);
    sizes.Learn(700);
    EXPECT_TRUE(sizes.Contains(700));
    EXPECT_FALSE(sizes.Contains(699));
    EXPECT_FALSE(sizes.Contains(701));
}

TEST(LearnedSizes, AllSmallOnesAreLearned) {
    LearnedSizes sizes;
    for (uint64_t size = 1; size < 64 * kKiB; size += 2)
        sizes.Learn(size);
    for (uint64_t size = 0; size < 64 * kKiB; ++size)
        EXPECT_EQ(sizes.Contains(size), size % 2 == 1) << size;
    EXPECT_FALSE(sizes.Contains(64 * kKiB + 1));
}

TEST(LearnedSizes, WhatDoesNotFitIsNotLearnedAndForgetsNothing) {
    constexpr uint64_t kFrom = 64 * kKiB;
    LearnedSizes sizes;
    std::vector<uint64_t> kept;
    for (uint64_t size = kFrom; size <= kFrom + 20'000; ++size) {
        sizes.Learn(size);
        if (sizes.Contains(size)) kept.push_back(size);
    }
    EXPECT_GT(kept.size(), 512u);
    EXPECT_LE(kept.size(), 1024u);
    for (uint64_t size : kept)
        EXPECT_TRUE(sizes.Contains(size)) << size;
    for (uint64_t size = kFrom + 20'001; size < kFrom + 40'000; ++size)
        EXPECT_FALSE(sizes.Contains(size)) << size;
}

TEST(LearnedSizes, ThreadsThatLearnTheSameSizeAgree) {
    LearnedSizes sizes;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&sizes] {
            for (uint64_t size = 1; size <= 200; ++size)
                sizes.Learn(size * 4096);
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    for (uint64_t size = 1; size <= 200; ++size)
        EXPECT_TRUE(sizes.Contains(size * 4096)) << size;
}

// Two memory types, one on each side of the line that matters for placement.
constexpr uint32_t kDevice = 0;
constexpr uint32_t kHost = 1;
constexpr uint32_t kBoth = 1u << kDevice | 1u << kHost;

VkPhysicalDeviceMemoryProperties TwoTypes() {
    VkPhysicalDeviceMemoryProperties memory = {};
    memory.memoryTypeCount = 2;
    memory.memoryTypes[kDevice].propertyFlags = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    memory.memoryTypes[kHost].propertyFlags = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
    return memory;
}

struct Observed {
    uint64_t size;
    uint64_t alignment;
    Layout layout = Layout::kLinear;
    bool learn = false;
    uint32_t types = kBoth;
};

struct PlaceCase {
    const char* name;
    PlacementLimits limits;
    std::vector<Observed> observed;
    uint32_t type;
    uint64_t size;
    VkMemoryAllocateFlags flags;
    uint64_t alignment;
    uint64_t padded;
    Kind kind;

    friend std::ostream& operator<<(std::ostream& out, const PlaceCase& row) {
        return out << row.size << " bytes of type " << row.type;
    }
};

PlacementLimits Granularity(uint64_t bytes) {
    PlacementLimits limits;
    limits.granularity = bytes;
    return limits;
}
PlacementLimits HostAlignment(uint64_t bytes) {
    PlacementLimits limits;
    limits.host_alignment = bytes;
    return limits;
}
PlacementLimits SparseBlocks() {
    PlacementLimits limits;
    limits.sparse_block = 64 * kKiB;
    return limits;
}
PlacementLimits DescriptorHeaps() {
    PlacementLimits limits;
    limits.address_floor = 64 * kKiB;
    return limits;
}
PlacementLimits Pages() {
    PlacementLimits limits;
    limits.page_align = true;
    return limits;
}

constexpr VkMemoryAllocateFlags kAddress = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
const Observed kImage = {1024, 1024, Layout::kOptimal};
const Observed kBigImage = {64 * kKiB, 64 * kKiB, Layout::kOptimal};

// A row a place: limits, what is known, type, size, flags; alignment, padded size, kind.
// clang-format off
const PlaceCase kPlaceCases[] = {
    // e1: bufferImageGranularity.
    {"e1_SlotsForAnythingOwnTheirGranules",
     Granularity(1024), {kImage}, kDevice, 700, 0, 1024, 1024, Kind::kAny},
    {"e1_TheLargestGranularityIsRespected",
     Granularity(128 * kKiB), {kImage}, kDevice, 1, 0, 128 * kKiB, 128 * kKiB, Kind::kAny},
    {"e1_ATypeWithoutOptimalImagesNeedsNoGranules",
     Granularity(128 * kKiB), {{700, 256, Layout::kLinear}}, kDevice, 700, 0, 256, 768,
     Kind::kLinear},
    {"e1_AnImageOfAnotherTypeIsNoneOfThisType",
     Granularity(1024), {{1024, 1024, Layout::kOptimal, false, 1u << kHost}}, kDevice, 700, 0, 256,
     768, Kind::kLinear},
    // e2: nonCoherentAtomSize.
    {"e2_HostVisibleSlotsShareNoAtom",
     HostAlignment(1024), {}, kHost, 1025, 0, 1024, 2048, Kind::kLinear},
    {"e2_SmallAtomsAreWithinTheMinimum",
     HostAlignment(64), {}, kHost, 65, 0, 256, 256, Kind::kLinear},
    {"e2_OtherMemoryHasNoAtoms",
     HostAlignment(1024), {}, kDevice, 1025, 0, 256, 1280, Kind::kLinear},
    // e3: minMemoryMapAlignment, and pages if the user asks for them.
    {"e3_MappedPointersKeepTheMapAlignment",
     HostAlignment(4096), {}, kHost, 1, 0, 4096, 4096, Kind::kLinear},
    {"e3_PagesOfTheirOwnIfAskedFor",
     Pages(), {}, kHost, 4097, 0, 4096, 8192, Kind::kLinear},
    {"e3_NoPagesForWhatCannotBeMapped",
     Pages(), {}, kDevice, 4097, 0, 256, 4352, Kind::kLinear},
    // e8: VkMemoryRequirements::alignment of whatever may be bound.
    {"e8_TheLargestKnownAlignmentIfItFits",
     {}, {kBigImage}, kDevice, 100'000, 0, 64 * kKiB, 100'096, Kind::kAny},
    {"e8_NoMoreThanTheLargestPowerOfTwoInside",
     {}, {kBigImage}, kDevice, 10'000, 0, 8192, 10'240, Kind::kAny},
    {"e8_ExactlyTheAlignmentIsEnough",
     {}, {kBigImage}, kDevice, 64 * kKiB, 0, 64 * kKiB, 64 * kKiB, Kind::kAny},
    {"e8_OneByteLessNeedsHalf",
     {}, {kBigImage}, kDevice, 64 * kKiB - 1, 0, 32 * kKiB, 64 * kKiB, Kind::kAny},
    {"e8_ASmallBufferWithALargeAlignment",
     {}, {{1, 4096}}, kDevice, 1, 0, 4096, 256, Kind::kLinear},
    {"e8_AlignmentsOfAnotherTypeDoNotCount",
     {}, {{4096, 4096, Layout::kLinear, false, 1u << kHost}}, kDevice, 8192, 0, 256, 8192,
     Kind::kLinear},
    {"e8_AlignmentsBeyond2MiBCount",
     {}, {{16 * kMiB, 8 * kMiB}}, kDevice, 20 * kMiB, 0, 8 * kMiB, 20 * kMiB, Kind::kLinear},
    // e9: sparse binding.
    {"e9_MemoryForSparseBlocksIsAlignedToThem",
     SparseBlocks(), {}, kDevice, 64 * kKiB, 0, 64 * kKiB, 64 * kKiB, Kind::kLinear},
    {"e9_MemoryForManyBlocksToo",
     SparseBlocks(), {}, kHost, 10 * 64 * kKiB, 0, 64 * kKiB, 640 * kKiB, Kind::kLinear},
    {"e9_WhatIsSmallerThanABlockHoldsNone",
     SparseBlocks(), {{300, 16, Layout::kLinear, true}}, kDevice, 300, 0, 256, 512, Kind::kLinear},
    // e10: robust buffer access rounds ranges up to 256 bytes.
    {"e10_TheRoundedRangeStaysInsideTheSlot",
     {}, {}, kDevice, 1, 0, 256, 256, Kind::kLinear},
    {"e10_OneByteMoreIsAnother256",
     {}, {}, kDevice, 257, 0, 256, 512, Kind::kLinear},
    // e11: consumers of device addresses.
    {"e11_DescriptorHeapsAlignAddresses",
     DescriptorHeaps(), {}, kDevice, 100, kAddress, 64 * kKiB, 64 * kKiB, Kind::kLinear},
    {"e11_SlotsWithoutAddressStaySmall",
     DescriptorHeaps(), {}, kDevice, 100, 0, 256, 256, Kind::kLinear},
    {"e11_AddressesAreMultiplesOf256Anyway",
     {}, {}, kDevice, 100, kAddress, 256, 256, Kind::kLinear},
    // Learned sizes.
    {"Learned_ASizeBelowEveryImageLiesAmongLinearOnes",
     Granularity(1024), {kImage, {700, 16, Layout::kLinear, true}}, kDevice, 700, 0, 256, 768,
     Kind::kLinear},
    {"Learned_AnotherSizeDoesNot",
     Granularity(1024), {kImage, {700, 16, Layout::kLinear, true}}, kDevice, 701, 0, 1024, 1024,
     Kind::kAny},
    {"Learned_WhatTheProbeSawIsNotLearned",
     Granularity(1024), {kImage, {700, 16, Layout::kLinear, false}}, kDevice, 700, 0, 1024, 1024,
     Kind::kAny},
    {"Learned_ASizeThatAnImageFitsIntoSuitsTheImage",
     Granularity(512), {kImage, kBigImage, {3000, 16, Layout::kLinear, true}}, kDevice, 3000, 0,
     1024, 3072, Kind::kAny},
    {"Learned_NeverInHostVisibleMemory",
     Granularity(1024), {kImage, {700, 16, Layout::kLinear, true}}, kHost, 700, 0, 1024, 1024,
     Kind::kAny},
    {"Learned_FromTheLargestAlignmentUpwardTheFormulaHolds",
     {}, {kBigImage, {100'000, 16, Layout::kLinear, true}}, kDevice, 100'000, 0, 64 * kKiB, 100'096,
     Kind::kAny},
};
// clang-format on

class PlaceTable : public testing::TestWithParam<PlaceCase> {};

TEST_P(PlaceTable, HoldsThisRow) {
    const PlaceCase& row = GetParam();
    RequirementBook book;
    book.Init(TwoTypes(), row.limits);
    for (const Observed& seen : row.observed)
        book.Observe({seen.size, seen.alignment, seen.types}, seen.layout, seen.learn);
    const PlacementRule place = book.Place(row.type, row.size, row.flags);
    EXPECT_EQ(place.alignment_bytes, row.alignment);
    EXPECT_EQ(place.padded_bytes, row.padded);
    EXPECT_EQ(place.kind, row.kind);
}

INSTANTIATE_TEST_SUITE_P(Rows, PlaceTable, testing::ValuesIn(kPlaceCases),
                         [](const auto& row) { return std::string(row.param.name); });

class RequirementBookTest : public testing::Test {
 protected:
    RequirementBookTest() {
        limits_.granularity = 1024;
        limits_.host_alignment = 64;
        book_.Init(TwoTypes(), limits_);
    }
    void ExpectUntaught() {
        const PlacementRule place = book_.Place(kDevice, 64 * kKiB, 0);
        EXPECT_EQ(place.alignment_bytes, kMinimumAlignment);
        EXPECT_EQ(place.kind, Kind::kLinear);
    }

    PlacementLimits limits_;
    RequirementBook book_;
};

TEST_F(RequirementBookTest, AnswersThatAreNoPowerOfTwoTeachNothing) {
    for (uint64_t alignment : {uint64_t{0}, uint64_t{3}, uint64_t{4097}, kNothing})
        book_.Observe({4096, alignment, kBoth}, Layout::kOptimal, true);
    ExpectUntaught();
}

TEST_F(RequirementBookTest, TypesThatTheDeviceDoesNotHaveAreIgnored) {
    book_.Observe({4096, 4096, ~kBoth}, Layout::kOptimal, true);
    ExpectUntaught();
}

TEST_F(RequirementBookTest, APlaceSuitsTheUnknownOnlyIfAlignmentAndKindDo) {
    EXPECT_TRUE(book_.SuitsUnknown(kDevice, 1024, 256, Kind::kLinear));
    book_.Observe({1024, 1024, 1u << kDevice}, Layout::kOptimal, false);
    EXPECT_FALSE(book_.SuitsUnknown(kDevice, 1024, 256, Kind::kAny));
    EXPECT_FALSE(book_.SuitsUnknown(kDevice, 1024, 1024, Kind::kLinear));
    EXPECT_TRUE(book_.SuitsUnknown(kDevice, 1024, 1024, Kind::kAny));
    EXPECT_TRUE(book_.SuitsUnknown(kHost, 1024, 256, Kind::kLinear));
}

TEST_F(RequirementBookTest, AnImageSeenAfterThePlaceWasChosenMakesItWanting) {
    book_.Observe({700, 16, kBoth}, Layout::kLinear, true);
    const PlacementRule place = book_.Place(kDevice, 700, 0);
    EXPECT_TRUE(book_.SuitsUnknown(kDevice, 700, place.alignment_bytes, place.kind));
    book_.Observe({512, 512, kBoth}, Layout::kOptimal, true);
    EXPECT_FALSE(book_.SuitsUnknown(kDevice, 700, place.alignment_bytes, place.kind));
    EXPECT_EQ(book_.Place(kDevice, 700, 0).kind, Kind::kAny);
}

TEST_F(RequirementBookTest, AMovedSlotIsPlacedForAnythingAndForWhatIsBound) {
    book_.Observe({1024, 1024, kBoth}, Layout::kOptimal, false);
    book_.Observe({700, 16, kBoth}, Layout::kLinear, true);
    ASSERT_EQ(book_.Place(kDevice, 700, 0).kind, Kind::kLinear);
    const PlacementRule place = book_.PlaceFor(kDevice, 700, 0, 4096, Layout::kLinear);
    EXPECT_EQ(place.alignment_bytes, 4096u);
    EXPECT_EQ(place.padded_bytes, 1024u);
    EXPECT_EQ(place.kind, Kind::kAny);
}

TEST_F(RequirementBookTest, AMovedSlotIsNoLessAlignedThanANewOneWouldBe) {
    book_.Observe({64 * kKiB, 64 * kKiB, kBoth}, Layout::kOptimal, false);
    const PlacementRule place = book_.PlaceFor(kDevice, 100'000, 0, 256, Layout::kLinear);
    EXPECT_EQ(place.alignment_bytes, 64 * kKiB);
    EXPECT_EQ(place.padded_bytes, AlignUp(100'000, 1024));
}

TEST_F(RequirementBookTest, ASlotMovedForAnImageOwnsItsGranulesWhereNoImageWasKnown) {
    const PlacementRule place = book_.PlaceFor(kDevice, 700, 0, 512, Layout::kOptimal);
    EXPECT_EQ(place.alignment_bytes, 1024u);
    EXPECT_EQ(place.padded_bytes, 1024u);
    EXPECT_EQ(place.kind, Kind::kAny);
    EXPECT_EQ(book_.PlaceFor(kDevice, 700, 0, 512, Layout::kLinear).kind, Kind::kLinear);
}

TEST_F(RequirementBookTest, AMovedSlotKeepsItsDeviceAddressFloor) {
    limits_.address_floor = 64 * kKiB;
    RequirementBook heaps;
    heaps.Init(TwoTypes(), limits_);
    const auto alignment = [&heaps](VkMemoryAllocateFlags flags) {
        return heaps.PlaceFor(kDevice, 100, flags, 256, Layout::kLinear).alignment_bytes;
    };
    EXPECT_EQ(alignment(kAddress), 64 * kKiB);
    EXPECT_EQ(alignment(0), 256u);
}

TEST_F(RequirementBookTest, SizesNearTheLargestThatIsPromisedDoNotOverflow) {
    book_.Observe({64 * kKiB, 64 * kKiB, kBoth}, Layout::kOptimal, true);
    const uint64_t size = (uint64_t{1} << 56) - 1;
    const PlacementRule place = book_.Place(kDevice, size, 0);
    EXPECT_EQ(place.alignment_bytes, 64 * kKiB);
    EXPECT_EQ(place.padded_bytes, uint64_t{1} << 56);
}

TEST_F(RequirementBookTest, MoreTypesThanVulkanHasAreCutOff) {
    VkPhysicalDeviceMemoryProperties memory = TwoTypes();
    memory.memoryTypeCount = VK_MAX_MEMORY_TYPES + 5;
    RequirementBook book;
    book.Init(memory, limits_);
    book.Observe({4096, 4096, ~0u}, Layout::kLinear, false);
    EXPECT_EQ(book.Place(VK_MAX_MEMORY_TYPES - 1, 4096, 0).alignment_bytes, 4096u);
}

}  // namespace
}  // namespace tessera
