// SPDX-License-Identifier: Apache-2.0
//
// Records of loaded files: enough to find an address of a call stack in the file on disk.
#include "channel/modules.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "channel/call_stacks.h"
#include "fake_extents.h"

namespace tessera::test {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

using Modules = RecordsTest;

std::vector<tessera_module_record> InUse() {
    auto records = Records<tessera_module_record>(TESSERA_KIND_MODULES, 0);
    std::erase_if(records, [](const tessera_module_record& record) { return record.start == 0; });
    return records;
}

// Those that an address lies in.
std::vector<tessera_module_record> Around(uint64_t address) {
    auto records = InUse();
    std::erase_if(records, [address](const tessera_module_record& record) {
        return address < record.start || address >= record.end;
    });
    return records;
}

template <typename Function>
uint64_t AddressOf(Function* function) {
    return reinterpret_cast<uintptr_t>(function);
}

// Notes the files that these functions lie in.
template <typename... Function>
void NoteFilesOf(Function*... function) {
    const uint64_t addresses[] = {AddressOf(function)...};
    channel::NoteModulesOf(addresses);
}

std::string FileName(const tessera_module_record& record) {
    return std::filesystem::path(record.path).filename();
}

TEST_F(Modules, TheProgramHasItsPathItsBuildIdAndItsBias) {
    NoteFilesOf(&FileName);
    const auto around = Around(AddressOf(&FileName));
    ASSERT_THAT(around, SizeIs(1));
    EXPECT_EQ(around[0].path, std::filesystem::read_symlink("/proc/self/exe").string());
    ASSERT_EQ(around[0].id_bytes, 8u);
    EXPECT_THAT(std::vector<int>(around[0].build_id, around[0].build_id + 8),
                ElementsAre(0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef));
    // dladdr() knows it, too: of a position-independent program the bias is where it begins.
    Dl_info info = {};
    ASSERT_NE(dladdr(reinterpret_cast<void*>(&FileName), &info), 0);
    EXPECT_EQ(around[0].bias, AddressOf(static_cast<char*>(info.dli_fbase)));
    EXPECT_EQ(around[0].start, around[0].bias);
}

TEST_F(Modules, LibrariesHaveARecordEachAndNoneOverlaps) {
    NoteFilesOf(&FileName, &std::getenv, &std::terminate);
    auto records = InUse();
    ASSERT_THAT(records, SizeIs(3));
    const auto libc = Around(AddressOf(&std::getenv));
    ASSERT_THAT(libc, SizeIs(1));
    EXPECT_THAT(FileName(libc[0]), testing::StartsWith("libc."));
    std::sort(records.begin(), records.end(),
              [](const auto& a, const auto& b) { return a.start < b.start; });
    for (size_t i = 1; i < records.size(); ++i)
        EXPECT_LE(records[i - 1].end, records[i].start) << records[i].path;
}

TEST_F(Modules, NotingAgainChangesNothing) {
    NoteFilesOf(&FileName, &std::getenv, &FileName);
    EXPECT_THAT(InUse(), SizeIs(2));
    const uint64_t asked = TimesAsked();
    NoteFilesOf(&std::getenv, &FileName);
    EXPECT_THAT(InUse(), SizeIs(2));
    EXPECT_EQ(TimesAsked(), asked);
}

uint16_t CaptureAll() {
    return channel::CaptureCallStackOutside(0, 0);
}

TEST_F(Modules, AFileThatIsLoadedLaterIsThereWithTheFirstStackThroughIt) {
    CaptureAll();
    void* const library = dlopen(TESSERA_TEST_MODULE, RTLD_NOW);
    ASSERT_NE(library, nullptr) << dlerror();
    const auto call = reinterpret_cast<uint16_t (*)(uint16_t(*)())>(dlsym(library, "CallThrough"));
    ASSERT_NE(call, nullptr);
    EXPECT_THAT(Around(AddressOf(call)), SizeIs(0)) << "nobody looked since";
    const uint16_t number = call(CaptureAll);
    const auto around = Around(AddressOf(call));
    ASSERT_THAT(around, SizeIs(1));
    EXPECT_STREQ(around[0].path, TESSERA_TEST_MODULE);
    const auto stack = Records<tessera_stack_record>(TESSERA_KIND_STACKS, 0).at(number);
    EXPECT_TRUE(std::any_of(stack.addresses, stack.addresses + stack.depth, [&](uint64_t address) {
        return address >= around[0].start && address < around[0].end;
    }));
    dlclose(library);
}

// Links of other names to the same file are the same to the linker: it takes copies.
std::string CopyOfModule(int number) {
    const std::string copy = testing::TempDir() + "records_module_" + std::to_string(getpid()) +
                             "_" + std::to_string(number) + ".so";
    std::filesystem::copy_file(TESSERA_TEST_MODULE, copy,
                               std::filesystem::copy_options::overwrite_existing);
    return copy;
}

TEST_F(Modules, WhatIsUnloadedStaysUntilAnotherFileTakesItsAddresses) {
    uint64_t replaced = 0;
    for (int i = 0; i < 8; ++i) {
        const std::string path = CopyOfModule(i);
        void* const library = dlopen(path.c_str(), RTLD_NOW);
        ASSERT_NE(library, nullptr) << dlerror();
        const uint64_t address = AddressOf(static_cast<char*>(dlsym(library, "CallThrough")));
        replaced += Around(address).size();
        NoteFilesOf(reinterpret_cast<char*>(address));
        const auto around = Around(address);
        ASSERT_THAT(around, SizeIs(1));
        EXPECT_EQ(around[0].path, path);
        dlclose(library);
        NoteFilesOf(&FileName);
        EXPECT_THAT(Around(address), SizeIs(1)) << "stacks may still lead there";
        std::filesystem::remove(path);
    }
    EXPECT_GT(replaced, 0u) << "addresses were used again, so that this means something";
}

TEST_F(Modules, RecordsStayWhenTheLayerComesBack) {
    NoteFilesOf(&FileName, &std::getenv);
    const auto before = Records<tessera_module_record>(TESSERA_KIND_MODULES, 0);
    Reload();
    NoteFilesOf(&FileName, &std::getenv);
    const auto after = Records<tessera_module_record>(TESSERA_KIND_MODULES, 0);
    ASSERT_EQ(after.size(), before.size());
    for (size_t i = 0; i < after.size(); ++i) {
        EXPECT_EQ(after[i].start, before[i].start);
        EXPECT_EQ(after[i].sequence, before[i].sequence) << "it is not even written again";
    }
}

TEST_F(Modules, WithoutRoomFilesAreNotedOnceThereIsSome) {
    SetRoom(0);
    NoteFilesOf(&FileName);
    EXPECT_THAT(InUse(), SizeIs(0));
    SetRoom(kAmpleRoom);
    for (int i = 0; i < 64 && InUse().empty(); ++i)
        NoteFilesOf(&FileName);
    EXPECT_THAT(Around(AddressOf(&FileName)), SizeIs(1));
}

TEST_F(Modules, AnAddressInNoFileIsPassedOver) {
    const std::vector<char> data(1);
    NoteFilesOf(&data[0], static_cast<const char*>(nullptr), &FileName);
    EXPECT_THAT(InUse(), SizeIs(1));
}

}  // namespace
}  // namespace tessera::test
