// SPDX-License-Identifier: Apache-2.0
//
// What was found by fuzzing, or by those who thought about it, as the smallest input that showed
// it; and that the checks of the fuzzer can fail at all.
#include <gtest/gtest.h>

#include <cstddef>

#include "output_check.h"
#include "segment_input.h"
#include "settings_input.h"
#include "tessera/channel_abi.h"

namespace tessera::fuzz_readers {
namespace {

constexpr uint64_t kRecord1 = RecordOffset(1);
constexpr uint64_t kHeaderSequence = offsetof(tessera_channel_header, sequence);

Edit Put(uint64_t before_read, uint64_t offset, uint64_t value) {
    return {.before_read = before_read, .offset = offset, .value = value, .text = {}};
}

TEST(FoundInSegments, ASegmentThatIsNeverWholeIsGivenUpSoon) {
    // Stopped in the middle of two changes at once, one inside of the other.
    EXPECT_NO_THROW(
        CheckSegmentInput({Put(0, kHeaderSequence, 3),
                           Put(0, kRecord1 + offsetof(tessera_device_record, totals), 3)}));
}

TEST(FoundInSegments, ARecordThatGoesAwayWhileItIsReadIsNoDevice) {
    // At each moment there is.
    for (uint64_t read = 1; read < 40; ++read) {
        const Edit gone =
            Put(read, kRecord1 + offsetof(tessera_device_record, state), TESSERA_DEVICE_ABSENT);
        EXPECT_NO_THROW(CheckSegmentInput({gone})) << "before read " << read;
    }
}

TEST(FoundInSegments, MarksThatChangeTheDirectionOfWritingAreNotPrinted) {
    EXPECT_TRUE(CheckSegmentInput({{.kind = EditKind::kText,
                                    .offset = kRecord1 + offsetof(tessera_device_record, name),
                                    .text = "\xE2\x80\xAE"}}));
}

TEST(FoundInSettings, AByteOrderMarkDoesNotHideTheFirstSetting) {
    SettingsInput input;
    input.place = Place::kNamed;
    input.file = "\xEF\xBB\xBFtessera_suballocator.mode = off";
    EXPECT_EQ(CheckSettingsInput(input), 0u);
}

TEST(Readers, RefuseFilesOfOtherKinds) {
    EXPECT_NO_THROW(CheckOtherFiles());
}

TEST(Checks, RefuseWhatMayNotBePrinted) {
    EXPECT_NO_THROW(CheckPrintable("Gr\xC3\xBC\xC3\x9F \xF0\x9F\x99\x82\n", true));
    for (const char* const bad :
         {"\n", "\x1b", "\x7f", "\xC2\x9B", "\xE2\x80\xAE", "\xC0\xAF", "\xED\xA0\x80", "\xFF",
          "\xE6\x97", "\xF4\x90\x80\x80", "\xD8\x9C"})
        EXPECT_THROW(CheckPrintable(bad, false), Finding) << bad;
}

TEST(Checks, RefuseWhatIsNoJson) {
    EXPECT_NO_THROW(CheckJson("{\"a\": [1, -2, 0, true, null, \"\\\"\"], \"b\": {}}\n"));
    for (const char* const bad : {"{}", "{}\n\n", "{\"a\":1,}\n", "[1 2]\n", "{\"a\":1,\"a\":2}\n",
                                  "[01]\n", "[\"\x1b\"]\n", "[\"\\u001b\"]\n", "[\"\xFF\"]\n",
                                  "[\"a]\n", "[}\n", "\n", "[-]\n", "[tru]\n"})
        EXPECT_THROW(CheckJson(bad), Finding) << bad;
}

}  // namespace
}  // namespace tessera::fuzz_readers
