// SPDX-License-Identifier: Apache-2.0
//
// What a handle means: live, stale or the driver's; and that no two meanings ever share a value.
//
// Handles of the driver that look like ours are forged from the layout that slot_table.h states.

#include "layer/pool/slot_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <new>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace {
// Called, once, by the next allocation of a chunk of slots.
thread_local std::function<void()>* during_chunk = nullptr;
}  // namespace

void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    if (auto* action = std::exchange(during_chunk, nullptr)) (*action)();
    const auto step = static_cast<std::size_t>(alignment);
    return std::aligned_alloc(step, (size + step - 1) / step * step);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}

namespace tessera::pool {
namespace {

using Kind = SlotTable::Kind;

constexpr uint32_t kFirstChunkSlots = 64;

uint64_t Forge(uint64_t index, uint64_t generation) {
    return uint64_t(SlotTable::kTag << SlotTable::kTagShift |
                    generation << SlotTable::kGenerationShift | index);
}
uint64_t IndexIn(uint64_t memory) {
    return memory & SlotTable::kIdMask;
}
uint64_t GenerationIn(uint64_t memory) {
    return (memory >> SlotTable::kGenerationShift) & uint64_t{Mark::kGenerationMask};
}

// Stands for the shards: a lock, and the slots that are free.
class SlotTableTest : public testing::Test {
 protected:
    struct Made {
        Slot* slot = nullptr;
        SlotId id = kNoSlot;
        uint64_t handle = 0;
    };

    Made Acquire() {
        Made made;
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!free_.empty()) {
            made.id = free_.back();
            free_.pop_back();
        } else {
            EXPECT_EQ(table_.AddSlots(1, &made.id), 1u);
        }
        made.slot = &table_.At(made.id);
        return made;
    }
    uint64_t Publish(const Made& made) {
        const std::lock_guard<std::mutex> lock(mutex_);
        return table_.Publish(*made.slot, made.id);
    }
    Made Allocate() {
        Made made = Acquire();
        made.handle = Publish(made);
        return made;
    }
    void Release(const Made& made) {
        const std::lock_guard<std::mutex> lock(mutex_);
        free_.push_back(made.id);
    }
    void Free(const Made& made) {
        table_.Retire(*made.slot);
        Release(made);
    }
    bool AdmitForeign(uint64_t value) {
        return table_.AdmitForeign(value, [this] { const std::lock_guard<std::mutex> l(mutex_); });
    }
    Kind KindOf(uint64_t memory) const { return table_.Find(memory).kind; }
    static uint64_t GenerationOf(const Slot& slot) {
        return slot.mark.load() & Mark::kGenerationMask;
    }
    static void SetGeneration(Slot& slot, uint64_t generation) {
        slot.mark.store(static_cast<uint32_t>(generation));
    }
    // The handle that the next Publish() of this slot would make.
    static uint64_t NextOf(const Made& made) {
        return Forge(made.id, GenerationOf(*made.slot) + 1);
    }

    SlotTable table_;
    std::mutex mutex_;
    std::vector<SlotId> free_;
};

TEST_F(SlotTableTest, ANullHandleIsForeign) {
    EXPECT_EQ(KindOf(uint64_t{0}), Kind::kForeign);
}

TEST_F(SlotTableTest, AHandleWithoutTheTagIsForeignWhateverItsLowBits) {
    const Made made = Allocate();
    const uint64_t low = made.handle & ~(uint64_t{0xFFFF} << SlotTable::kTagShift);
    for (uint64_t top :
         {uint64_t{0}, uint64_t{1}, SlotTable::kTag - 1, SlotTable::kTag + 1, uint64_t{0xFFFF}}) {
        EXPECT_EQ(KindOf(uint64_t(top << SlotTable::kTagShift | low)), Kind::kForeign) << top;
    }
}

TEST_F(SlotTableTest, APublishedHandleIsLiveAndLeadsToItsSlot) {
    const Made first = Allocate();
    const Made second = Allocate();
    EXPECT_NE(first.handle, second.handle);
    EXPECT_EQ(first.handle >> SlotTable::kTagShift, SlotTable::kTag);
    EXPECT_EQ(table_.Find(first.handle).kind, Kind::kLive);
    EXPECT_EQ(table_.Find(first.handle).slot, first.slot);
    EXPECT_EQ(table_.Find(second.handle).slot, second.slot);
}

TEST_F(SlotTableTest, AnAcquiredSlotIsNotLiveUntilItIsPublished) {
    const Made made = Acquire();
    EXPECT_NE(KindOf(NextOf(made)), Kind::kLive);
    EXPECT_EQ(KindOf(Publish(made)), Kind::kLive);
}

TEST_F(SlotTableTest, ARetiredHandleIsStaleBeforeAndAfterItsSlotIsReleased) {
    const Made made = Allocate();
    table_.Retire(*made.slot);
    EXPECT_EQ(KindOf(made.handle), Kind::kStale);
    EXPECT_EQ(table_.Find(made.handle).slot, nullptr);
    Release(made);
    EXPECT_EQ(KindOf(made.handle), Kind::kStale);
}

TEST_F(SlotTableTest, AReusedSlotGetsAnotherHandleAndTheOldOneStaysStale) {
    const Made first = Allocate();
    Free(first);
    const Made second = Allocate();
    ASSERT_EQ(second.slot, first.slot);
    EXPECT_EQ(IndexIn(second.handle), IndexIn(first.handle));
    EXPECT_EQ(GenerationIn(second.handle), GenerationIn(first.handle) + 1);
    EXPECT_EQ(KindOf(first.handle), Kind::kStale);
    EXPECT_EQ(KindOf(second.handle), Kind::kLive);
}

// All that the driver makes passes AdmitForeign(): other values with the tag are handles of ours
// that this device does not have, and no driver could make anything of them.
TEST_F(SlotTableTest, ATaggedValueThatNobodyMadeHereIsStale) {
    EXPECT_EQ(KindOf(Forge(0, 1)), Kind::kStale);  // the table is still empty
    const Made made = Allocate();
    EXPECT_EQ(KindOf(Forge(kFirstChunkSlots, 1)), Kind::kStale);
    EXPECT_EQ(KindOf(Forge(SlotTable::kIdMask, 1)), Kind::kStale);
    EXPECT_EQ(KindOf(NextOf(made)), Kind::kStale);
    EXPECT_EQ(KindOf(Forge(made.id, uint64_t{Mark::kGenerationMask})), Kind::kStale);
    const uint64_t unused = (made.id + 1) % kFirstChunkSlots;
    EXPECT_EQ(KindOf(Forge(unused, 1)), Kind::kStale);
}

TEST_F(SlotTableTest, AHandleOfAnotherTableIsNotMistakenForOneOfItsOwn) {
    SlotTable other;
    for (int i = 0; i < 100; ++i) {
        const Made made = Allocate();
        SlotId id = kNoSlot;
        ASSERT_EQ(other.AddSlots(1, &id), 1u);
        const uint64_t others = other.Publish(other.At(id), id);
        EXPECT_EQ(IndexIn(others), IndexIn(made.handle)) << "the same place in both tables";
        EXPECT_EQ(KindOf(others), Kind::kStale);
        EXPECT_EQ(other.Find(made.handle).kind, Kind::kStale);
    }
}

// In a forked child the thread that holds the lock may not exist: a look-up must not wait for it.
TEST_F(SlotTableTest, ALookUpDoesNotWaitForWhoHoldsTheLock) {
    std::vector<Made> made(kFirstChunkSlots);
    for (Made& one : made)
        one = Allocate();
    const uint64_t look_alike = Forge(3, 99);
    ASSERT_TRUE(AdmitForeign(look_alike));
    Free(made[0]);
    Allocate();
    // The table grows under its lock, and asks for memory meanwhile.
    bool asked = false;
    std::function<void()> look_up = [&] {
        asked = true;
        EXPECT_EQ(KindOf(made[0].handle), Kind::kStale);
        EXPECT_EQ(KindOf(made[1].handle), Kind::kLive);
        EXPECT_EQ(KindOf(look_alike), Kind::kForeign);
        table_.ForgetForeign(look_alike);
        EXPECT_EQ(KindOf(look_alike), Kind::kStale);
    };
    during_chunk = &look_up;
    Allocate();
    during_chunk = nullptr;
    EXPECT_TRUE(asked);
}

TEST_F(SlotTableTest, ADriverHandleWithoutTheTagIsAdmittedAndForeign) {
    const uint64_t driver = uint64_t(0x12345678);
    EXPECT_TRUE(AdmitForeign(driver));
    EXPECT_EQ(KindOf(driver), Kind::kForeign);
    table_.ForgetForeign(driver);
    EXPECT_EQ(KindOf(driver), Kind::kForeign);
}

TEST_F(SlotTableTest, ALookAlikeIsForeignWhileItLives) {
    const Made made = Allocate();
    const uint64_t look_alike = NextOf(made);
    EXPECT_TRUE(AdmitForeign(look_alike));
    EXPECT_EQ(KindOf(look_alike), Kind::kForeign);
    EXPECT_EQ(table_.Find(look_alike).slot, nullptr);
    EXPECT_EQ(KindOf(made.handle), Kind::kLive);
}

TEST_F(SlotTableTest, ALookAlikeOfAStaleHandleIsForeignAndStaleAgainOnceForgotten) {
    const Made made = Allocate();
    Free(made);
    EXPECT_TRUE(AdmitForeign(made.handle));
    EXPECT_EQ(KindOf(made.handle), Kind::kForeign);
    table_.ForgetForeign(made.handle);
    EXPECT_EQ(KindOf(made.handle), Kind::kStale);
}

TEST_F(SlotTableTest, ALookAlikeOfALiveSlotIsRefusedAndTheSlotStaysLive) {
    const Made made = Allocate();
    EXPECT_FALSE(AdmitForeign(made.handle));
    EXPECT_EQ(table_.Find(made.handle).slot, made.slot);
    // Once the slot is freed the driver may well use the value.
    Free(made);
    EXPECT_TRUE(AdmitForeign(made.handle));
}

TEST_F(SlotTableTest, PublishSkipsEveryValueThatADriverHandleHas) {
    const Made made = Allocate();
    const uint64_t next = NextOf(made);
    const uint64_t after_next = uint64_t(next + (uint64_t{1} << SlotTable::kGenerationShift));
    Free(made);
    ASSERT_TRUE(AdmitForeign(next));
    ASSERT_TRUE(AdmitForeign(after_next));

    const Made again = Allocate();
    ASSERT_EQ(again.slot, made.slot);
    EXPECT_NE(again.handle, next);
    EXPECT_NE(again.handle, after_next);
    EXPECT_EQ(KindOf(again.handle), Kind::kLive);
    EXPECT_EQ(KindOf(next), Kind::kForeign);
    EXPECT_EQ(KindOf(after_next), Kind::kForeign);
    EXPECT_EQ(KindOf(made.handle), Kind::kStale);
}

TEST_F(SlotTableTest, AForgottenLookAlikeMayBecomeAHandleOfOurs) {
    const Made made = Allocate();
    const uint64_t next = NextOf(made);
    Free(made);
    ASSERT_TRUE(AdmitForeign(next));
    table_.ForgetForeign(next);
    EXPECT_EQ(KindOf(next), Kind::kStale);
    EXPECT_EQ(Allocate().handle, next);
    EXPECT_EQ(KindOf(next), Kind::kLive);
}

TEST_F(SlotTableTest, ForgettingOneLookAlikeKeepsTheOthers) {
    std::vector<uint64_t> look_alikes;
    for (uint64_t index = 0; index < 5; ++index) {
        look_alikes.push_back(Forge(index, 7));
        ASSERT_TRUE(AdmitForeign(look_alikes.back()));
    }
    const Made made = Allocate();
    SetGeneration(*made.slot, 6);
    table_.ForgetForeign(look_alikes[3]);
    table_.ForgetForeign(look_alikes[3]);  // a second time changes nothing
    table_.ForgetForeign(Forge(9, 9));     // nor does one that was never admitted
    const uint64_t skipped = look_alikes[made.id];
    EXPECT_NE(Publish(made), skipped);
    EXPECT_EQ(KindOf(skipped), Kind::kForeign);
}

TEST_F(SlotTableTest, ALookAlikeBeyondTheTableStaysForeignWhenTheTableGrowsOverIt) {
    const uint64_t ahead = Forge(kFirstChunkSlots, 1);
    ASSERT_TRUE(AdmitForeign(ahead));
    bool reached = false;
    for (uint32_t i = 0; i < kFirstChunkSlots + 1; ++i) {
        const Made made = Allocate();
        EXPECT_NE(made.handle, ahead);
        reached |= made.id == kFirstChunkSlots;
    }
    ASSERT_TRUE(reached);
    EXPECT_EQ(KindOf(ahead), Kind::kForeign);
}

TEST_F(SlotTableTest, AFreshSlotStartsFloatingEvenAfterUse) {
    const Made made = Allocate();
    made.slot->mark = Mark::WithState(made.slot->mark, SlotState::kPinned);
    EXPECT_EQ(KindOf(made.handle), Kind::kLive) << "whatever its state";
    Free(made);
    const Made again = Allocate();
    ASSERT_EQ(again.slot, made.slot);
    EXPECT_EQ(Mark::StateIn(again.slot->mark), SlotState::kFloating);
}

// A look-alike that comes while a slot is about to get the same name: one of the two gives way.
TEST_F(SlotTableTest, ALookAlikeIsNeverAdmittedBesideASlotThatGetsItsName) {
    for (int i = 0; i < 2000; ++i) {
        const Made made = Acquire();
        const uint64_t name = NextOf(made);
        std::atomic<int> ready = 0;
        const auto meet = [&ready] {
            for (++ready; ready != 2;) {
            }
        };
        bool admitted = false;
        std::thread driver([&] {
            meet();
            admitted = AdmitForeign(name);
        });
        meet();
        const uint64_t published = Publish(made);
        driver.join();
        EXPECT_NE(admitted, published == name) << "both may not have it, and one of them must";
        if (admitted) table_.ForgetForeign(name);
        Free({made.slot, made.id, published});
    }
}

TEST_F(SlotTableTest, GenerationsWrapWithinTheirBits) {
    const Made made = Allocate();
    SetGeneration(*made.slot, uint64_t{Mark::kGenerationMask} - 2);
    std::set<uint64_t> seen = {made.handle};
    for (int i = 0; i < 6; ++i) {
        table_.Retire(*made.slot);
        const uint64_t handle = Publish(made);
        EXPECT_EQ(handle >> SlotTable::kTagShift, SlotTable::kTag);
        EXPECT_EQ(IndexIn(handle), made.id);
        EXPECT_EQ(KindOf(handle), Kind::kLive);
        if (GenerationIn(handle) != GenerationIn(made.handle)) {
            EXPECT_TRUE(seen.insert(handle).second);
        }
    }
    EXPECT_LT(GenerationOf(*made.slot), 8u);
    EXPECT_EQ(KindOf(Forge(made.id, uint64_t{Mark::kGenerationMask})), Kind::kStale);
}

TEST_F(SlotTableTest, SlotsOnBothSidesOfEveryChunkBoundaryAreFound) {
    // Chunks hold 64, 128, 256, 512 and 1024 slots.
    constexpr uint32_t kBoundaries[] = {64, 192, 448, 960};
    std::vector<Made> by_index(1984);
    for (size_t i = 0; i < by_index.size(); ++i) {
        const Made made = Allocate();
        ASSERT_LT(made.id, by_index.size());
        ASSERT_EQ(by_index[made.id].slot, nullptr) << "an index was handed out twice";
        by_index[made.id] = made;
    }
    for (uint32_t boundary : kBoundaries) {
        for (uint32_t index : {boundary - 1, boundary}) {
            EXPECT_EQ(table_.Find(by_index[index].handle).slot, by_index[index].slot) << index;
            EXPECT_EQ(IndexIn(by_index[index].handle), index);
        }
    }
    for (const Made& made : by_index)
        EXPECT_EQ(table_.Find(made.handle).slot, made.slot);
    EXPECT_EQ(KindOf(Forge(by_index.size(), 1)), Kind::kStale);
}

TEST_F(SlotTableTest, AMillionSlotsAreLiveAtOnceAndUsedAgain) {
    constexpr size_t kSlots = 1'000'000;
    std::vector<Made> live(kSlots);
    for (Made& made : live)
        made = Allocate();
    size_t found = 0;
    uint64_t largest_index = 0;
    for (const Made& made : live) {
        found += table_.Find(made.handle).slot == made.slot ? 1 : 0;
        largest_index = std::max(largest_index, IndexIn(made.handle));
    }
    EXPECT_EQ(found, kSlots);
    for (const Made& made : live)
        Free(made);
    size_t stale = 0;
    for (const Made& made : live)
        stale += KindOf(made.handle) == Kind::kStale ? 1 : 0;
    EXPECT_EQ(stale, kSlots);
    for (size_t i = 0; i < 1000; ++i)
        EXPECT_LE(Allocate().id, largest_index);
}

// Threads allocate and free while others look up what is live, what was, and what never was ours.
class SlotTableThreads : public SlotTableTest {
 protected:
    static constexpr int kWriters = 3;
    static constexpr int kReaders = 2;
    static constexpr int kRounds = 20'000;

    // Allocates, publishes the handle to the readers, checks it and frees it.
    void Write(std::atomic<uint64_t>& shown) {
        for (int i = 1; i <= kRounds; ++i) {
            const Made made = Allocate();
            shown.store(made.handle, std::memory_order_release);
            const SlotTable::Found found = table_.Find(made.handle);
            if (found.kind != Kind::kLive || found.slot != made.slot) ++errors_;
            // A slot with a handle of the driver's in its way now and then.
            const uint64_t look_alike = NextOf(made);
            const bool admitted = i % 64 == 0 && AdmitForeign(look_alike);
            if (admitted && KindOf(look_alike) != Kind::kForeign) ++errors_;
            table_.Retire(*made.slot);
            if (KindOf(made.handle) != Kind::kStale) ++errors_;
            Release(made);
            if (admitted) table_.ForgetForeign(look_alike);
        }
    }
    // Whatever a writer shows was ours once: it is live, with the slot that it names, or stale.
    void Read(const std::array<std::atomic<uint64_t>, kWriters>& shown, uint64_t lasting) {
        while (!done_.load(std::memory_order_acquire)) {
            if (KindOf(lasting) != Kind::kLive) ++errors_;
            if (KindOf(Forge(SlotTable::kIdMask, 1)) != Kind::kStale) ++errors_;
            for (const std::atomic<uint64_t>& value : shown) {
                const uint64_t memory = uint64_t(value.load(std::memory_order_acquire));
                if (memory == uint64_t{0}) continue;
                const SlotTable::Found found = table_.Find(memory);
                if (found.kind == Kind::kForeign) ++errors_;
                if (found.kind == Kind::kLive && found.slot != &table_.At(SlotTable::IdIn(memory)))
                    ++errors_;
            }
        }
    }

    std::atomic<bool> done_ = false;
    std::atomic<int> errors_ = 0;
};

TEST_F(SlotTableThreads, EveryLookUpIsRightWhileOthersAllocateAndFree) {
    const Made lasting = Allocate();
    std::array<std::atomic<uint64_t>, kWriters> shown = {};
    std::vector<std::thread> readers;
    for (int i = 0; i < kReaders; ++i)
        readers.emplace_back([&] { Read(shown, lasting.handle); });
    std::vector<std::thread> writers;
    for (int i = 0; i < kWriters; ++i)
        writers.emplace_back([&, i] { Write(shown[static_cast<size_t>(i)]); });
    for (std::thread& thread : writers)
        thread.join();
    done_.store(true, std::memory_order_release);
    for (std::thread& thread : readers)
        thread.join();
    EXPECT_EQ(errors_.load(), 0);
    EXPECT_EQ(KindOf(lasting.handle), Kind::kLive);
}

TEST_F(SlotTableThreads, LookUpsAreRightWhileTheTableGrows) {
    const Made lasting = Allocate();
    std::array<std::atomic<uint64_t>, kWriters> shown = {};
    std::thread reader([&] { Read(shown, lasting.handle); });
    std::vector<std::thread> writers;
    for (size_t i = 0; i < kWriters; ++i) {
        writers.emplace_back([&, i] {
            for (int round = 0; round < kRounds; ++round)
                shown[i].store(Allocate().handle, std::memory_order_release);
        });
    }
    for (std::thread& thread : writers)
        thread.join();
    done_.store(true, std::memory_order_release);
    reader.join();
    EXPECT_EQ(errors_.load(), 0);
}

}  // namespace
}  // namespace tessera::pool
