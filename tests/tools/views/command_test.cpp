// SPDX-License-Identifier: Apache-2.0
//
// map, diff, export and level as their users meet them, on segments that the test made up and on a
// program that publishes: exit codes, streams, files.
#include <arpa/inet.h>
#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <thread>

#include "base/process.h"
#include "segment_builder.h"
#include "support.h"
#include "tools/json.h"
#include "tools/recording/recorder.h"

namespace tessera::command {
namespace {

using test::Outcome;
using test::Program;
using test::ProgramOptions;
using test::RunProgram;
using test::TempFolder;

class ViewsTest : public testing::Test {
 protected:
    ViewsTest() {
        const std::vector<std::byte> bytes = test::SampleSegment().Build();
        test::WriteFile(Segment(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    ProgramOptions Options() const {
        ProgramOptions options;
        options.environment["XDG_RUNTIME_DIR"] = folder_.path();
        options.environment["LC_ALL"] = "C.UTF-8";
        options.environment["TERM"] = "xterm";
        return options;
    }
    Outcome Tessera(std::vector<std::string> arguments, ProgramOptions options) const {
        arguments.insert(arguments.begin(), TESSERA_COMMAND);
        return RunProgram(arguments, options);
    }
    Outcome Tessera(std::vector<std::string> arguments) const {
        return Tessera(std::move(arguments), Options());
    }
    std::string Segment() const { return folder_ / "made_up.channel"; }

    const TempFolder folder_;
};

void ExpectComplaint(const Outcome& outcome, int code, const std::string& part) {
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_TRUE(outcome.err.starts_with("tessera: ")) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
}

TEST_F(ViewsTest, HelpIsPrintedWithExamplesAndExitCodes) {
    for (const char* const command : {"map", "diff", "export", "level"}) {
        const Outcome outcome = Tessera({command, "--help"});
        EXPECT_EQ(outcome.code, 0);
        EXPECT_NE(outcome.out.find("Examples:"), std::string::npos) << outcome.out;
        EXPECT_NE(outcome.out.find("Exit code"), std::string::npos) << outcome.out;
        EXPECT_EQ(outcome.err, "");
    }
}

TEST_F(ViewsTest, WrongCommandLinesAreUsageErrors) {
    ExpectComplaint(Tessera({"map"}), 2, "SOURCE");
    ExpectComplaint(Tessera({"map", Segment(), "-o", "map.jpg"}), 2, ".svg or .png");
    ExpectComplaint(Tessera({"map", Segment(), "--width", "3"}), 2, "width");
    ExpectComplaint(Tessera({"diff", Segment()}), 2, "AFTER");
    ExpectComplaint(Tessera({"diff", Segment(), Segment(), "--by", "age"}), 2, "by");
    ExpectComplaint(Tessera({"export"}), 2, "FORMAT");
    ExpectComplaint(Tessera({"export", "xml", Segment()}), 2, "xml");
    ExpectComplaint(Tessera({"export", "csv"}), 2, "PID|FILE");
    ExpectComplaint(Tessera({"export", "csv", "--listen"}), 2, "--listen");
    ExpectComplaint(Tessera({"export", "prometheus", "--listen=everywhere"}), 2, "ADDR:PORT");
    ExpectComplaint(Tessera({"export", "perfetto", Segment(), "--slow", "-1"}), 2, "slow");
    ExpectComplaint(Tessera({"level"}), 2, "PID");
    ExpectComplaint(Tessera({"level", "1", "loud"}), 2, "totals, full and events");
    ExpectComplaint(Tessera({"level", "1", "full", "--stacks", "some"}), 2, "--stacks");
}

// A module is a copy of a program, and of all its call stacks the first address is the program's
// first instruction.
test::SegmentBuilder SegmentOf(const std::string& program, uint64_t pid) {
    test::SegmentBuilder segment = test::SampleSegment();
    segment.header.pid = pid;
    segment.header.pid_start_time = ReadProcessStat(pid)->start_time;
    const std::string bytes = test::ReadFile(program);
    uint64_t entry = 0;
    std::memcpy(&entry, bytes.data() + offsetof(Elf64_Ehdr, e_entry), sizeof(entry));
    tessera_module_record& module = segment.modules[0];
    module.end = module.start + bytes.size();
    // The note with the build id: sizes of name and id, the type, the name.
    const std::string_view note("\4\0\0\0\24\0\0\0\3\0\0\0GNU", 16);
    const size_t id = bytes.find(note) + note.size();
    module.id_bytes = 20;
    std::memcpy(module.build_id, bytes.data() + id, module.id_bytes);
    test::SetText(module.path, program);
    segment.stacks[1].depth = 1;
    segment.stacks[1].addresses[0] = module.bias + entry + 1;
    return segment;
}

TEST_F(ViewsTest, StatThatWatchesLooksUpASymbolOnce) {
    const std::string program = folder_ / "program";
    std::filesystem::copy_file(TESSERA_PUBLISHER, program);
    const auto self = static_cast<uint64_t>(getpid());
    const test::SegmentBuilder segment = SegmentOf(program, self);
    std::filesystem::create_directory(folder_ / "tessera");
    std::filesystem::permissions(folder_ / "tessera", std::filesystem::perms::owner_all);
    const std::vector<std::byte> bytes = segment.Build();
    test::WriteFile(folder_ / ("tessera/" + std::to_string(self) + "-" +
                               std::to_string(segment.header.pid_start_time) + ".channel"),
                    {reinterpret_cast<const char*>(bytes.data()), bytes.size()});

    Program stat(
        {TESSERA_COMMAND, "stat", std::to_string(self), "--watch=0.05", "--detail", "--json"},
        Options());
    const auto samples = [&] {
        return std::ranges::count(test::ReadFile(stat.output_path()), '\n');
    };
    const auto wait_for = [&](ptrdiff_t count) {
        for (int i = 0; i < 6000 && samples() < count; ++i)
            usleep(10'000);
        return samples() >= count;
    };
    EXPECT_TRUE(wait_for(1));
    std::filesystem::remove(program);
    EXPECT_TRUE(wait_for(samples() + 2)) << "the last one was made without the file";
    stat.Signal(SIGTERM);
    const std::string out = stat.Wait().out;
    const size_t end = out.rfind('\n');
    const size_t begin = out.rfind('\n', end - 1) + 1;
    const Json last = Json::parse(out.substr(begin, end - begin));
    std::vector<std::string> functions;
    for (const Json& allocation : last["processes"][0]["devices"].back()["largest"])
        if (!allocation["stack"].is_null())
            functions.push_back(allocation["stack"][0].value("function", Json()).dump());
    ASSERT_FALSE(functions.empty()) << last;
    EXPECT_EQ(functions[0], "\"_start\"") << last;
}

TEST_F(ViewsTest, WhatIsNotThereIsNotFound) {
    ExpectComplaint(Tessera({"map", "4194305"}), 3, "4194305");
    ExpectComplaint(Tessera({"map", folder_ / "none"}), 3, "none");
    ExpectComplaint(Tessera({"diff", Segment(), folder_ / "none"}), 3, "none");
    ExpectComplaint(Tessera({"export", "json", folder_ / "none"}), 3, "none");
    ExpectComplaint(Tessera({"level", "4194305"}), 3, "4194305");
    ExpectComplaint(Tessera({"map", Segment(), "--device", "99"}), 3, "device");
    test::WriteFile(folder_ / "noise", std::string(100'000, 'x'));
    EXPECT_EQ(Tessera({"map", folder_ / "noise"}).code, 3);
}

// Commands that read, each with what it takes beside a source.
const std::vector<std::vector<std::string>> kReading = {{"stat"},
                                                        {"map"},
                                                        {"leaks"},
                                                        {"export", "csv"},
                                                        {"export", "vma"},
                                                        {"export", "perfetto"},
                                                        {"export", "json"},
                                                        {"export", "prometheus"},
                                                        {"report", "--json"}};

// The command on `source`; those that compare take it as both.
std::vector<std::string> On(std::vector<std::string> command, const std::string& source) {
    command.push_back(source);
    if (command[0] == "diff") command.push_back(source);
    if (command[0] == "export" && command[1] == "vma")
        command.insert(command.end(), {"--device", "8"});
    return command;
}

TEST_F(ViewsTest, OfARecordingThatIsNotWholeCommandsShowAPartSayItAndFail) {
    const std::string path = folder_ / "a.rec";
    const int file = open(Segment().c_str(), O_RDONLY | O_CLOEXEC);
    auto writer = std::make_unique<recording::ChunkWriter>();
    ASSERT_EQ(writer->Open(path), "");
    recording::Recorder recorder(file, Segment(), std::move(writer));
    ASSERT_EQ(recorder.Start(1'000'000'000), "");
    ASSERT_EQ(recorder.Poll(1'000'000'000), "");
    const auto never_ended = std::filesystem::file_size(path);
    ASSERT_EQ(recorder.End(2'000'000'000, recording::EndReason::kAsked, {}), "");
    close(file);
    std::vector<std::vector<std::string>> commands = kReading;
    commands.push_back({"diff"});
    const auto leaks = [](const std::vector<std::string>& command) {
        return command[0] == "leaks";
    };
    for (const auto& command : commands) {
        const Outcome whole = Tessera(On(command, path));
        // SampleSegment() has a destroyed device on which something is left.
        EXPECT_EQ(whole.code, leaks(command) ? 123 : 0) << command[0] << ": " << whole.err;
        EXPECT_EQ(whole.err.find("recording"), std::string::npos) << whole.err;
    }
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
    for (const auto& command : commands) {
        const Outcome cut = Tessera(On(command, path));
        EXPECT_EQ(cut.code, leaks(command) ? 123 : 1) << command[0];
        EXPECT_NE(cut.out, "") << command[0];
        EXPECT_NE(cut.err.find("not whole"), std::string::npos) << command[0] << ": " << cut.err;
    }
    // Nobody ended it, and nothing of it is missing.
    std::filesystem::resize_file(path, never_ended);
    for (const auto& command : commands) {
        const Outcome open = Tessera(On(command, path));
        EXPECT_EQ(open.code, leaks(command) ? 123 : 0) << command[0] << ": " << open.err;
        EXPECT_NE(open.err.find("did not end"), std::string::npos) << command[0] << open.err;
    }
}

TEST_F(ViewsTest, AProcessThatHasEndedIsNoneThatRuns) {
    Program publisher({TESSERA_PUBLISHER, "close"}, Options());
    const std::string pid = std::to_string(publisher.pid());
    ASSERT_EQ(publisher.Wait().code, 0);
    // It is kept, and closed rather than ended.
    EXPECT_NE(Tessera({"stat", pid}).out.find("  closed  "), std::string::npos);
    EXPECT_NE(Tessera({"export", "prometheus", pid}).out, "");
    const Outcome running = Tessera({"export", "prometheus"});
    EXPECT_EQ(running.code, 0) << running.err;
    // Others of this user may run.
    EXPECT_EQ(running.out.find("pid=\"" + pid + "\""), std::string::npos) << running.out;
    // One line, although more are asked for.
    const Outcome top = Tessera({"top", pid, "--json", "--count", "3", "--interval", "0.05"});
    EXPECT_EQ(top.code, 0) << top.err;
    EXPECT_EQ(std::ranges::count(top.out, '\n'), 1) << top.out;
}

TEST_F(ViewsTest, OfSeveralDevicesThatAreGoneOneMustBeChosen) {
    test::SegmentBuilder builder;
    for (const uint64_t id : {1, 2}) {
        test::SegmentBuilder::Device& device = builder.AddDevice(id);
        device.record.level = TESSERA_LEVEL_full;
        device.record.state = TESSERA_DEVICE_DESTROYED;
    }
    const std::vector<std::byte> bytes = builder.Build();
    const std::string file = folder_ / "gone.channel";
    test::WriteFile(file, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    ExpectComplaint(Tessera({"export", "vma", file}), 3, "--device N");
    ExpectComplaint(Tessera({"export", "vma", file, "--device", "3"}), 3, "no device 3");
    EXPECT_EQ(Tessera({"export", "vma", file, "--device", "2"}).code, 0);
}

TEST_F(ViewsTest, MapDrawsASegmentWithoutColoursIntoAPipe) {
    const Outcome outcome = Tessera({"map", Segment(), "--width", "90"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("block 0"), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("█"), std::string::npos) << outcome.out;
    EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos) << outcome.out;
    ProgramOptions dumb = Options();
    dumb.environment["TERM"] = "dumb";
    const Outcome letters = Tessera({"map", Segment()}, dumb);
    EXPECT_TRUE(std::ranges::all_of(letters.out, [](char c) {
        return c == '\n' || (c >= 0x20 && c < 0x7f);
    })) << letters.out;
}

TEST_F(ViewsTest, MapWritesPicturesAndLeavesNothingElseBehind) {
    EXPECT_EQ(Tessera({"map", Segment(), "-o", folder_ / "map.svg"}).code, 0);
    EXPECT_EQ(Tessera({"map", Segment(), "-o", folder_ / "map.png"}).code, 0);
    EXPECT_TRUE(test::ReadFile(folder_ / "map.svg").starts_with("<svg "));
    EXPECT_TRUE(test::ReadFile(folder_ / "map.png").starts_with("\x89PNG"));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()),
                            std::filesystem::directory_iterator()),
              3);
}

TEST_F(ViewsTest, MapJsonAgreesWithExportedAllocations) {
    const Outcome map = Tessera({"map", Segment(), "--json"});
    const Outcome all = Tessera({"export", "json", Segment()});
    ASSERT_EQ(map.code, 0) << map.err;
    ASSERT_EQ(all.code, 0) << all.err;
    const Json devices = Json::parse(map.out)["devices"];
    const Json details = Json::parse(all.out)["processes"][0]["detail"]["devices"];
    ASSERT_GE(devices.size(), 1u);
    for (const Json& device : devices) {
        const auto detail = std::ranges::find_if(
            details, [&](const Json& other) { return other["id"] == device["id"]; });
        ASSERT_NE(detail, details.end());
        uint64_t mapped = 0;
        for (const Json& row : device["rows"])
            mapped += row["allocations"].get<uint64_t>();
        EXPECT_EQ(mapped, (*detail)["allocations"].size());
    }
}

TEST_F(ViewsTest, FilesThatCannotBeWrittenAreSaidAndStayAsTheyWere) {
    ExpectComplaint(Tessera({"map", Segment(), "-o", folder_ / "no/such/map.svg"}), 1, "written");
    ExpectComplaint(Tessera({"export", "csv", Segment(), "-o", folder_.path()}), 1, "directory");
    // A full disk.
    ExpectComplaint(Tessera({"export", "json", Segment(), "-o", "/dev/full"}), 1, "No space");
    test::WriteFile(folder_ / "kept.csv", "kept");
    EXPECT_EQ(
        Tessera({"export", "vma", Segment(), "--device", "99", "-o", folder_ / "kept.csv"}).code,
        3);
    EXPECT_EQ(test::ReadFile(folder_ / "kept.csv"), "kept");
}

TEST_F(ViewsTest, AReaderThatLeavesIsNoFailure) {
    ProgramOptions options = Options();
    options.close_output = true;
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{"map", Segment()},
                                                      {"export", "json", Segment()},
                                                      {"export", "perfetto", Segment()}}) {
        const Outcome outcome = Tessera(arguments, options);
        EXPECT_EQ(outcome.code, 0) << outcome.err;
        EXPECT_EQ(outcome.signal, 0);
    }
}

TEST_F(ViewsTest, DiffOfASegmentWithItselfFindsNothing) {
    const Outcome text = Tessera({"diff", Segment(), Segment()});
    EXPECT_EQ(text.code, 0) << text.err;
    EXPECT_NE(text.out.find("look the same"), std::string::npos) << text.out;
    for (const char* const by : {"size", "name", "type", "stack"}) {
        const Outcome json = Tessera({"diff", Segment(), Segment(), "--json", "--by", by});
        ASSERT_EQ(json.code, 0) << json.err;
        for (const Json& device : Json::parse(json.out)["devices"])
            EXPECT_EQ(device["groups"].size(), 0u) << by;
    }
}

TEST_F(ViewsTest, EveryFormatIsWrittenOfASegment) {
    EXPECT_TRUE(Tessera({"export", "csv", Segment()}).out.starts_with("device,type,"));
    EXPECT_EQ(
        Json::parse(Tessera({"export", "vma", Segment(), "--device", "8"}).out)["General"]["API"],
        "Vulkan");
    const Outcome trace = Tessera({"export", "perfetto", Segment(), "--slow", "0"});
    const Json events = Json::parse(trace.out)["traceEvents"];
    EXPECT_TRUE(std::ranges::any_of(events, [](const Json& event) { return event["ph"] == "C"; }));
    EXPECT_NE(Tessera({"export", "prometheus", Segment()}).out.find("# TYPE tessera_memory_bytes"),
              std::string::npos);
}

TEST_F(ViewsTest, TotalsAloneAreEnoughForWhatNeedsNoMore) {
    test::SegmentBuilder builder;
    builder.AddDevice(1).record.level = TESSERA_LEVEL_totals;
    const std::vector<std::byte> bytes = builder.Build();
    test::WriteFile(folder_ / "totals.channel",
                    {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    const std::string file = folder_ / "totals.channel";
    ExpectComplaint(Tessera({"map", file}), 3, "tessera run --level full");
    ExpectComplaint(Tessera({"export", "csv", file}), 3, "tessera run --level full");
    ExpectComplaint(Tessera({"export", "vma", file}), 3, "tessera run --level full");
    EXPECT_EQ(Tessera({"export", "json", file}).code, 0);
    EXPECT_EQ(Tessera({"export", "prometheus", file}).code, 0);
    EXPECT_EQ(Tessera({"diff", file, file}).code, 0);
}

TEST_F(ViewsTest, AMapOfADeviceOrMemoryTypeThatIsNotThereIsNotFound) {
    ExpectComplaint(Tessera({"map", Segment(), "--device", "77"}), 3, "no such device");
    ExpectComplaint(Tessera({"map", Segment(), "--type", "31"}), 3, "no memory type 31");
    ExpectComplaint(Tessera({"map", Segment(), "--type", "31", "--json"}), 3, "no memory type 31");
    EXPECT_EQ(Tessera({"map", Segment(), "--type", "0"}).code, 0);
}

TEST_F(ViewsTest, LevelShowsAndComplainsOfWhoDoesNotAnswer) {
    Program publisher({TESSERA_PUBLISHER, "wait", folder_ / "wait"}, Options());
    ASSERT_TRUE(test::WaitForFile(folder_ / "wait"));
    const std::string pid = std::to_string(publisher.pid());
    const Outcome shown = Tessera({"level", pid});
    const Outcome json = Tessera({"level", pid, "--json"});
    const Outcome asked = Tessera({"level", pid, "events"});
    std::filesystem::remove(folder_ / "wait");
    publisher.Wait();
    ASSERT_EQ(shown.code, 0) << shown.err;
    EXPECT_NE(shown.out.find("level   totals\nstacks  off\n"), std::string::npos) << shown.out;
    EXPECT_EQ(Json::parse(json.out)["level"], "totals");
    ExpectComplaint(asked, 1, pid);
    ExpectComplaint(Tessera({"level", pid, "events"}), 3, "");
}

// What GET /metrics answers at a port of this machine.
std::string Scrape(uint16_t port) {
    const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string answer;
    if (connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
        EXPECT_EQ(write(file, request.data(), request.size()),
                  static_cast<ssize_t>(request.size()));
        char buffer[4096];
        for (ssize_t count = 1; count > 0;) {
            count = read(file, buffer, sizeof buffer);
            if (count > 0) answer.append(buffer, static_cast<size_t>(count));
        }
    }
    close(file);
    return answer;
}

TEST_F(ViewsTest, ListenAnswersScrapesOnLoopbackUntilItIsToldToEnd) {
    Program publisher({TESSERA_PUBLISHER, "wait", folder_ / "wait"}, Options());
    ASSERT_TRUE(test::WaitForFile(folder_ / "wait"));
    // The port is told on stderr once it is open.
    const std::string log = folder_ / "log";
    Program server({"sh", "-c", "exec \"$0\" export prometheus --listen=127.0.0.1:0 2>\"$1\"",
                    TESSERA_COMMAND, log},
                   Options());
    std::string said;
    for (int i = 0; i < 600 && said.find("/metrics") == std::string::npos; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        said = test::ReadFile(log);
    }
    const size_t port = said.find("127.0.0.1:");
    ASSERT_NE(port, std::string::npos) << said;
    const std::string answer = Scrape(static_cast<uint16_t>(std::stoi(said.substr(port + 10))));
    server.Signal(SIGTERM);
    EXPECT_EQ(server.Wait().code, 0);
    std::filesystem::remove(folder_ / "wait");
    publisher.Wait();
    EXPECT_TRUE(answer.starts_with("HTTP/1.")) << answer;
    EXPECT_NE(answer.find("tessera_memory_allocations{pid=\"" + std::to_string(publisher.pid())),
              std::string::npos)
        << answer;
}

}  // namespace
}  // namespace tessera::command
