// SPDX-License-Identifier: Apache-2.0
//
// The reader library's C API, through its shared library, as others load it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/process.h"
#include "segment_builder.h"
#include "tessera/tessera.h"

namespace tessera::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;

template <typename T>
T Info() {
    T info{};
    info.size = sizeof(info);
    return info;
}

// A runtime folder with the sample segment of this process.
class CApi : public testing::Test {
 protected:
    CApi() {
        std::string name = std::filesystem::temp_directory_path() / "tessera_c_api_XXXXXX";
        if (mkdtemp(name.data()) == nullptr) abort();
        runtime_dir_ = name;
        setenv("XDG_RUNTIME_DIR", runtime_dir_.c_str(), 1);
        std::filesystem::create_directory(runtime_dir_ + "/tessera");
        builder_.header.pid = static_cast<uint64_t>(getpid());
        builder_.header.pid_start_time = ReadProcessStat(builder_.header.pid)->start_time;
        Publish();
    }
    ~CApi() override {
        tessera_close(reader_);
        std::error_code ignored;
        std::filesystem::remove_all(runtime_dir_, ignored);
        unsetenv("XDG_RUNTIME_DIR");
    }

    std::string path() const {
        return runtime_dir_ + "/tessera/" + std::to_string(builder_.header.pid) + "-" +
               std::to_string(builder_.header.pid_start_time) + ".channel";
    }
    // In place, as a process writes.
    void Publish() const {
        const std::vector<std::byte> bytes = builder_.Build();
        const int file = open(path().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        EXPECT_EQ(write(file, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
        close(file);
    }
    void Open(uint32_t depth = TESSERA_DEPTH_DETAIL) {
        ASSERT_EQ(tessera_open_pid(builder_.header.pid, &reader_), TESSERA_OK)
            << tessera_error_text();
        ASSERT_EQ(tessera_refresh(reader_, depth), TESSERA_OK) << tessera_error_text();
    }

    std::string runtime_dir_;
    SegmentBuilder builder_ = SampleSegment();
    tessera_reader* reader_ = nullptr;
};

TEST_F(CApi, TellsTheProcessAndItsDevices) {
    Open();
    auto process = Info<tessera_process_info>();
    ASSERT_EQ(tessera_get_process(reader_, &process), TESSERA_OK);
    EXPECT_EQ(process.pid, builder_.header.pid);
    EXPECT_STREQ(process.name, "made_up");
    EXPECT_EQ(process.path, path());
    EXPECT_STREQ(tessera_state_name(process.state), "live");
    EXPECT_EQ(process.device_count, 3u);
    EXPECT_EQ(process.thread_count, 2u);

    auto device = Info<tessera_device_info>();
    ASSERT_EQ(tessera_get_device(reader_, 2, &device), TESSERA_OK);
    EXPECT_EQ(device.id, 8u);
    EXPECT_STREQ(device.name, "Test device");
    EXPECT_EQ(device.allocation_count, 4u);
    EXPECT_EQ(device.block_count, 2u);
    EXPECT_EQ(device.frames, 8u);
    ASSERT_EQ(tessera_get_device(reader_, 1, &device), TESSERA_OK);
    EXPECT_EQ(device.misuses, 4u);

    auto heap = Info<tessera_heap_info>();
    ASSERT_EQ(tessera_get_heap(reader_, 2, 1, &heap), TESSERA_OK);
    EXPECT_EQ(heap.app_live_bytes, 3u * 4096);
    EXPECT_EQ(heap.driver_live_bytes, 2u << 20);
    EXPECT_EQ(heap.driver_live, 2u);
    EXPECT_EQ(heap.budget_bytes, 0u) << "not known";

    auto type = Info<tessera_memory_type_info>();
    ASSERT_EQ(tessera_get_memory_type(reader_, 2, 0, &type), TESSERA_OK);
    EXPECT_EQ(type.passed_live, 1u);
    EXPECT_EQ(type.passed_live_bytes, 8u << 20);
    ASSERT_EQ(tessera_get_memory_type(reader_, 2, 1, &type), TESSERA_OK);
    EXPECT_EQ(type.pooled_live, 3u);
    EXPECT_EQ(type.app_allocations, 10u);
    EXPECT_EQ(type.blocks, 2u);

    auto call = Info<tessera_call_info>();
    ASSERT_EQ(tessera_get_call(reader_, 2, TESSERA_CALL_vkFreeMemory, 0, &call), TESSERA_OK);
    EXPECT_STREQ(call.name, "vkFreeMemory");
    EXPECT_EQ(call.count, 7u);
}

TEST_F(CApi, TellsWhatIsRecordedOfADevice) {
    Open();
    auto allocation = Info<tessera_allocation_info>();
    ASSERT_EQ(tessera_get_allocation(reader_, 2, 1, &allocation), TESSERA_OK);
    EXPECT_EQ(allocation.memory, 0x1000u);
    EXPECT_STREQ(allocation.name, "vertices");
    EXPECT_EQ(allocation.block, 0u);
    ASSERT_EQ(tessera_get_allocation(reader_, 2, 3, &allocation), TESSERA_OK);
    EXPECT_EQ(allocation.block, TESSERA_NONE);
    EXPECT_STREQ(tessera_reason_name(allocation.reason), "dedicated");
    EXPECT_EQ(allocation.stack, TESSERA_NONE);

    auto block = Info<tessera_block_info>();
    ASSERT_EQ(tessera_get_block(reader_, 2, 1, &block), TESSERA_OK);
    EXPECT_EQ(block.memory, 0xB2u);
    auto resource = Info<tessera_resource_info>();
    ASSERT_EQ(tessera_get_resource(reader_, 2, 1, &resource), TESSERA_OK);
    EXPECT_STREQ(resource.name, "shadow map");
    EXPECT_EQ(resource.linear, 1u);
    EXPECT_EQ(resource.allocation, 3u);
    auto stack = Info<tessera_stack_info>();
    ASSERT_EQ(tessera_get_stack(reader_, 0, &stack), TESSERA_OK);
    ASSERT_EQ(stack.depth, 3u);
    EXPECT_EQ(stack.addresses[1], 0x402000u);
    auto module = Info<tessera_module_info>();
    ASSERT_EQ(tessera_get_module(reader_, 0, &module), TESSERA_OK);
    EXPECT_STREQ(module.path, "/usr/bin/made_up");
    EXPECT_EQ(module.build_id_bytes, 20u);
    auto thread = Info<tessera_thread_info>();
    ASSERT_EQ(tessera_get_thread(reader_, 1, &thread), TESSERA_OK);
    EXPECT_STREQ(thread.name, "render");
}

TEST_F(CApi, WithoutDetailTellsTotalsOnly) {
    Open(TESSERA_DEPTH_TOTALS);
    auto device = Info<tessera_device_info>();
    ASSERT_EQ(tessera_get_device(reader_, 2, &device), TESSERA_OK);
    EXPECT_EQ(device.allocation_count, 0u);
    EXPECT_EQ(device.level, uint32_t{TESSERA_LEVEL_events});
    auto type = Info<tessera_memory_type_info>();
    ASSERT_EQ(tessera_get_memory_type(reader_, 2, 1, &type), TESSERA_OK);
    EXPECT_EQ(type.app_live, 3u);
}

TEST_F(CApi, ServesCallersOfEarlierAndLaterVersions) {
    Open();
    // An earlier one knows fewer fields, and has something else behind them.
    struct {
        tessera_device_info info;
        char behind[8];
    } place;
    std::memset(&place, 0x5A, sizeof(place));
    place.info.size = offsetof(tessera_device_info, name);
    ASSERT_EQ(tessera_get_device(reader_, 2, &place.info), TESSERA_OK);
    EXPECT_EQ(place.info.id, 8u);
    const char* untouched = nullptr;
    std::memset(&untouched, 0x5A, sizeof(untouched));
    EXPECT_EQ(place.info.name, untouched);
    // A later one has fields that this version does not know.
    std::array<unsigned char, sizeof(tessera_device_info) + 64> later;
    later.fill(0x5A);
    const size_t size = later.size() - 8;
    std::memcpy(later.data(), &size, sizeof(size));
    ASSERT_EQ(tessera_get_device(reader_, 2, reinterpret_cast<tessera_device_info*>(later.data())),
              TESSERA_OK);
    EXPECT_EQ(later[sizeof(tessera_device_info)], 0);
    EXPECT_EQ(later[size - 1], 0);
    EXPECT_EQ(later[size], 0x5A);
    // And one that forgot its size is told.
    for (const size_t wrong : {size_t{0}, size_t{7}, size_t{5000}, ~size_t{0}}) {
        auto info = Info<tessera_device_info>();
        info.size = wrong;
        EXPECT_EQ(tessera_get_device(reader_, 2, &info), TESSERA_ERROR_ARGUMENT);
        EXPECT_THAT(tessera_error_text(), HasSubstr("size"));
    }
}

TEST_F(CApi, RefusesWhatIsNotThere) {
    Open();
    auto device = Info<tessera_device_info>();
    EXPECT_EQ(tessera_get_device(reader_, 3, &device), TESSERA_ERROR_ARGUMENT);
    EXPECT_EQ(tessera_get_device(reader_, TESSERA_NONE, &device), TESSERA_ERROR_ARGUMENT);
    EXPECT_EQ(tessera_get_device(reader_, 0, nullptr), TESSERA_ERROR_ARGUMENT);
    EXPECT_EQ(tessera_get_device(nullptr, 0, &device), TESSERA_ERROR_ARGUMENT);
    auto allocation = Info<tessera_allocation_info>();
    EXPECT_EQ(tessera_get_allocation(reader_, 2, 4, &allocation), TESSERA_ERROR_ARGUMENT);
    EXPECT_EQ(tessera_get_allocation(reader_, 2, ~uint64_t{0}, &allocation),
              TESSERA_ERROR_ARGUMENT);
    EXPECT_EQ(tessera_get_allocation(reader_, 9, 0, &allocation), TESSERA_ERROR_ARGUMENT);
    auto call = Info<tessera_call_info>();
    EXPECT_EQ(tessera_get_call(reader_, 2, TESSERA_CALL_COUNT, 0, &call), TESSERA_ERROR_ARGUMENT);
    EXPECT_EQ(tessera_refresh(reader_, 2), TESSERA_ERROR_ARGUMENT);
    EXPECT_EQ(tessera_refresh(nullptr, 0), TESSERA_ERROR_ARGUMENT);
    EXPECT_EQ(tessera_request_level(reader_, 3, 0, 0), TESSERA_ERROR_ARGUMENT);
    tessera_close(nullptr);

    tessera_reader* other = reader_;
    EXPECT_EQ(tessera_open_pid(kDeadPid, &other), TESSERA_ERROR_NOT_FOUND);
    EXPECT_EQ(other, nullptr);
    EXPECT_THAT(tessera_error_text(), HasSubstr("There is no process 1000000000"));
    EXPECT_EQ(tessera_open_path(runtime_dir_.c_str(), &other), TESSERA_ERROR_UNREADABLE);
    EXPECT_THAT(tessera_error_text(), HasSubstr("not a regular file"));
    EXPECT_EQ(tessera_open_path(nullptr, &other), TESSERA_ERROR_ARGUMENT);
    EXPECT_EQ(tessera_open_pid(1, nullptr), TESSERA_ERROR_ARGUMENT);
}

TEST_F(CApi, KeepsTheLastCopyWhenTheNextOneFails) {
    Open();
    EXPECT_EQ(truncate(path().c_str(), 100), 0);
    EXPECT_EQ(tessera_refresh(reader_, TESSERA_DEPTH_DETAIL), TESSERA_ERROR_UNREADABLE);
    EXPECT_THAT(tessera_error_text(), HasSubstr("cut short"));
    auto device = Info<tessera_device_info>();
    EXPECT_EQ(tessera_get_device(reader_, 2, &device), TESSERA_OK);
    EXPECT_EQ(device.allocation_count, 4u);
}

TEST_F(CApi, BeforeTheFirstRefreshTellsOfNoProcess) {
    ASSERT_EQ(tessera_open_path(path().c_str(), &reader_), TESSERA_OK);
    auto process = Info<tessera_process_info>();
    ASSERT_EQ(tessera_get_process(reader_, &process), TESSERA_OK);
    EXPECT_EQ(process.pid, 0u);
    EXPECT_EQ(process.device_count, 0u);
    EXPECT_STREQ(process.name, "");
}

TEST_F(CApi, ReadsAfterTheFileIsGone) {
    Open();
    std::filesystem::remove(path());
    EXPECT_EQ(tessera_refresh(reader_, TESSERA_DEPTH_DETAIL), TESSERA_OK) << tessera_error_text();
}

TEST_F(CApi, ReadsEventsInPortions) {
    Open();
    std::array<tessera_event_info, 10> events;
    std::vector<uint64_t> times;
    size_t count = 0;
    uint64_t lost = 77;
    do {
        ASSERT_EQ(tessera_read_events(reader_, events.data(), sizeof(events[0]), events.size(),
                                      &count, &lost),
                  TESSERA_OK);
        EXPECT_EQ(lost, 0u);
        for (size_t i = 0; i < count; ++i)
            times.push_back(events[i].time_ns);
    } while (count == events.size());
    EXPECT_EQ(times.size(), 15u + 8u);
    EXPECT_TRUE(std::ranges::is_sorted(times));
    EXPECT_EQ(tessera_read_events(reader_, nullptr, sizeof(events[0]), 0, &count, nullptr),
              TESSERA_OK);
    EXPECT_EQ(count, 0u);
    EXPECT_EQ(tessera_read_events(reader_, nullptr, sizeof(events[0]), 1, &count, nullptr),
              TESSERA_ERROR_ARGUMENT);
    EXPECT_EQ(tessera_read_events(reader_, events.data(), 0, 1, &count, nullptr),
              TESSERA_ERROR_ARGUMENT);
}

TEST_F(CApi, TellsEventsOfCallersWithLargerStructures) {
    Open();
    struct Later {
        tessera_event_info event;
        uint64_t unknown;
    };
    std::array<Later, 3> events;
    std::memset(static_cast<void*>(events.data()), 0x5A, sizeof(events));
    size_t count = 0;
    ASSERT_EQ(tessera_read_events(reader_, &events[0].event, sizeof(Later), events.size(), &count,
                                  nullptr),
              TESSERA_OK);
    ASSERT_EQ(count, 3u);
    EXPECT_EQ(events[2].event.device, 8u);
    EXPECT_EQ(events[2].event.thread, 0u);
    EXPECT_EQ(events[2].unknown, 0u);
}

TEST_F(CApi, ListsTheProcessesThatPublish) {
    std::array<uint64_t, 64> pids{};
    size_t count = 0;
    ASSERT_EQ(tessera_list_pids(pids.data(), pids.size(), &count), TESSERA_OK);
    ASSERT_LE(count, pids.size());
    EXPECT_THAT(std::vector(pids.begin(), pids.begin() + static_cast<ptrdiff_t>(count)),
                IsSupersetOf({builder_.header.pid}));
    size_t again = 0;
    EXPECT_EQ(tessera_list_pids(nullptr, 0, &again), TESSERA_OK);
    EXPECT_EQ(again, count);
    EXPECT_EQ(tessera_list_pids(nullptr, 1, &again), TESSERA_ERROR_ARGUMENT);
    EXPECT_EQ(tessera_list_pids(nullptr, 0, nullptr), TESSERA_ERROR_ARGUMENT);
}

TEST_F(CApi, LooksIntoNoFolderThatOthersMayFill) {
    namespace fs = std::filesystem;
    const fs::path folder = runtime_dir_ + "/tessera";
    fs::permissions(folder, fs::perms::all);
    EXPECT_EQ(tessera_open_pid(builder_.header.pid, &reader_), TESSERA_ERROR_NOT_FOUND);
    fs::permissions(folder, fs::perms::owner_all);
    constexpr uid_t kNobody = 65534;
    if (chown(folder.c_str(), kNobody, kNobody) == 0) {
        EXPECT_EQ(tessera_open_pid(builder_.header.pid, &reader_), TESSERA_ERROR_NOT_FOUND);
    }
    EXPECT_EQ(chown(folder.c_str(), geteuid(), getegid()), 0);
    EXPECT_EQ(tessera_open_pid(builder_.header.pid, &reader_), TESSERA_OK);
}

TEST_F(CApi, SaysWhyALevelWasNotChanged) {
    Open();
    EXPECT_EQ(tessera_request_level(reader_, TESSERA_LEVEL_full, 0, 20), TESSERA_ERROR_REFUSED);
    EXPECT_THAT(tessera_error_text(), HasSubstr("does not answer"));
}

TEST(CApiText, IsCutByWholeCharacters) {
    char out[8];
    EXPECT_EQ(tessera_terminal_text("a\x1b z", out, sizeof(out)), 7u);
    EXPECT_STREQ(out, "a\\x1b z");
    EXPECT_EQ(tessera_terminal_text("abcdef\xC3\xBC", out, sizeof(out)), 8u);
    EXPECT_STREQ(out, "abcdef") << "not half of the last one";
    EXPECT_EQ(tessera_terminal_text("abc", nullptr, 0), 3u);
    EXPECT_EQ(tessera_terminal_text(nullptr, out, sizeof(out)), 0u);
    EXPECT_STREQ(out, "");
}

TEST(CApiNames, AreNeverNull) {
    EXPECT_STREQ(tessera_level_name(1), "full");
    EXPECT_STREQ(tessera_event_name(TESSERA_EVENT_frame), "frame");
    EXPECT_STREQ(tessera_state_name(99), "unknown");
    EXPECT_STREQ(tessera_reason_name(~0u), "unknown");
    EXPECT_STRNE(tessera_version(), "");
}

// The example of docs/reader-library.md, on this process's segment.
TEST_F(CApi, TheExampleShowsHeapsAndTheLargestAllocation) {
    builder_.header.pid_start_time = ReadProcessStat(builder_.header.pid)->start_time;
    const std::string command =
        std::string(TESSERA_HUD) + " " + std::to_string(builder_.header.pid) + " 1 2>&1";
    FILE* const pipe = popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string text;
    for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe))
        text += static_cast<char>(c);
    EXPECT_EQ(pclose(pipe), 0) << text;
    EXPECT_THAT(text, HasSubstr("Test device (events)\n"));
    EXPECT_THAT(text, HasSubstr("heap 1: 0.0 MiB asked for, 2.0 from the driver, of 16384.0\n"));
    EXPECT_THAT(text, HasSubstr("largest: 8.0 MiB  type 0  shadow map\n"));
}

// A name of C++ that leaks out could be bound to a program's own.
TEST(SharedLibrary, ExportsTheFunctionsOfItsHeaderAndNothingElse) {
    FILE* const pipe = popen(TESSERA_NM " -D --defined-only --format=posix " TESSERA_LIBRARY, "r");
    ASSERT_NE(pipe, nullptr);
    std::ifstream header(TESSERA_HEADER);
    std::stringstream text;
    text << header.rdbuf();
    char line[512];
    size_t functions = 0;
    while (fgets(line, sizeof(line), pipe) != nullptr) {
        std::istringstream words(line);
        std::string name, kind;
        words >> name >> kind;
        name = name.substr(0, name.find('@'));
        if (kind == "A") continue;  // the version's own name
        ++functions;
        EXPECT_THAT(text.str(), HasSubstr(" " + name + "(")) << "it is not declared";
    }
    EXPECT_EQ(pclose(pipe), 0);
    size_t declared = 0;
    for (std::string word; std::getline(text, word);)
        declared += word.starts_with("TESSERA_API ") ? 1 : 0;
    EXPECT_EQ(functions, declared);
    EXPECT_GT(functions, 20u);
}

}  // namespace
}  // namespace tessera::test
