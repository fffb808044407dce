// SPDX-License-Identifier: Apache-2.0
//
// The symbolizer (tools/symbols/symbolizer.h): on addresses of a library made for it, on files that
// are not what they should be, and on broken ones.
#include "tools/symbols/symbolizer.h"

#include <arpa/inet.h>
#include <execinfo.h>
#include <gtest/gtest.h>
#include <link.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string_view>

#include "support.h"
#include "symbol_sample.h"

namespace tessera::command {
namespace {

using test::ReadFile;
using test::TempFolder;
using test::WriteFile;

struct Sampled {
    reader::Module module;
    std::vector<uint64_t> addresses;  // in Outer, with Inner inlined; in SampleCall
};

int FindSample(dl_phdr_info* info, size_t, void* data) {
    const std::string_view name = info->dlpi_name;
    if (name.find("symbol_sample") == std::string_view::npos) return 0;
    reader::Module& module = *static_cast<reader::Module*>(data);
    module.path = std::filesystem::canonical(name);
    module.bias = info->dlpi_addr;
    module.start = ~uint64_t{0};
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const ElfW(Phdr)& part = info->dlpi_phdr[i];
        const uint64_t start = info->dlpi_addr + part.p_vaddr;
        if (part.p_type == PT_LOAD) {
            module.start = std::min(module.start, start);
            module.end = std::max(module.end, start + part.p_memsz);
        }
        const auto* const note = reinterpret_cast<const ElfW(Nhdr)*>(start);
        if (part.p_type == PT_NOTE && note->n_type == NT_GNU_BUILD_ID) {
            const auto* const id = reinterpret_cast<const uint8_t*>(note + 1) + 4;
            module.build_id.assign(id, id + note->n_descsz);
        }
    }
    return 1;
}

void TakeStack(void* data) {
    std::array<void*, 8> found;
    const int count = backtrace(found.data(), static_cast<int>(found.size()));
    Sampled& sampled = *static_cast<Sampled*>(data);
    for (int i = 0; i < count; ++i) {
        const auto address = reinterpret_cast<uint64_t>(found[static_cast<size_t>(i)]);
        if (address > sampled.module.start && address < sampled.module.end)
            sampled.addresses.push_back(address);
    }
}

Sampled Sample() {
    Sampled sampled;
    dl_iterate_phdr(FindSample, &sampled.module);
    SampleCall(TakeStack, &sampled);
    EXPECT_EQ(sampled.addresses.size(), 2u);
    EXPECT_EQ(sampled.module.build_id.size(), 20u);
    return sampled;
}

uint32_t LineOf(std::string_view words) {
    const std::string text = ReadFile(TESSERA_SYMBOL_SAMPLE_SOURCE);
    const size_t at = text.find(words);
    EXPECT_NE(at, std::string::npos);
    return 1 + static_cast<uint32_t>(std::ranges::count(text.substr(0, at), '\n'));
}

std::string Hex(const std::vector<uint8_t>& bytes) {
    std::string text;
    for (const uint8_t byte : bytes) {
        std::array<char, 3> digits;
        snprintf(digits.data(), digits.size(), "%02x", byte);
        text += digits.data();
    }
    return text;
}

// The place of the first address if the module lay at `path`.
Place PlaceAt(Sampled sampled, const std::string& path, std::vector<std::string>* remarks = nullptr,
              Symbolizer::Options options = {}) {
    sampled.module.path = path;
    Symbolizer symbolizer({sampled.module}, options);
    symbolizer.Resolve(sampled.addresses);
    if (remarks != nullptr) *remarks = symbolizer.remarks();
    return symbolizer.At(sampled.addresses[0]);
}

// Copies the library without its debug information, and that alone, to `folder`.
void Split(const Sampled& sampled, const TempFolder& folder, const std::string& debug) {
    std::filesystem::create_directories(std::filesystem::path(debug).parent_path());
    const auto run = [](const std::vector<std::string>& command) {
        EXPECT_EQ(test::RunProgram(command).code, 0);
    };
    run({TESSERA_OBJCOPY, "--only-keep-debug", sampled.module.path, debug});
    run({TESSERA_OBJCOPY, "--strip-all", sampled.module.path, folder / "stripped.so"});
}

void ExpectInlinedPlace(const Place& place) {
    ASSERT_EQ(place.lines.size(), 2u);
    EXPECT_EQ(place.lines[0].function, "sample::Inner(void (*)(void*), void*)");
    EXPECT_TRUE(place.lines[0].inlined);
    EXPECT_EQ(place.lines[0].line, LineOf("// Inner calls here"));
    EXPECT_EQ(place.lines[1].function, "sample::Outer(void (*)(void*), void*)");
    EXPECT_FALSE(place.lines[1].inlined);
    EXPECT_EQ(place.lines[1].line, LineOf("// Outer calls here"));
    for (const SourceLine& line : place.lines)
        EXPECT_TRUE(line.file.ends_with("symbol_sample.cpp")) << line.file;
}

TEST(Symbolizer, FindsFunctionFileAndLineAlsoOfWhatWasInlined) {
    const Sampled sampled = Sample();
    Symbolizer symbolizer({sampled.module});
    symbolizer.Resolve(sampled.addresses);
    ExpectInlinedPlace(symbolizer.At(sampled.addresses[0]));
    const Place caller = symbolizer.At(sampled.addresses[1]);
    ASSERT_EQ(caller.lines.size(), 1u);
    EXPECT_EQ(caller.lines[0].function, "SampleCall");
    EXPECT_EQ(caller.module, sampled.module.path);
    EXPECT_EQ(caller.offset, sampled.addresses[1] - sampled.module.bias);
    EXPECT_TRUE(symbolizer.remarks().empty());
}

TEST(Symbolizer, FindsNamesInTheSymbolTableWhereThereIsNothingElse) {
    const Sampled sampled = Sample();
    const TempFolder folder;
    test::RunProgram(
        {TESSERA_OBJCOPY, "--strip-debug", sampled.module.path, folder / "symbols.so"});
    const Place place = PlaceAt(sampled, folder / "symbols.so");
    ASSERT_EQ(place.lines.size(), 1u);
    EXPECT_EQ(place.lines[0].function, "sample::Outer(void (*)(void*), void*)");
    EXPECT_EQ(place.lines[0].file, "");
}

TEST(Symbolizer, TakesDebugInformationThatLiesApartByItsBuildId) {
    const Sampled sampled = Sample();
    const TempFolder folder;
    const std::string id = Hex(sampled.module.build_id);
    const std::string debug =
        folder / ("debug/.build-id/" + id.substr(0, 2) + "/" + id.substr(2) + ".debug");
    Split(sampled, folder, debug);
    Symbolizer::Options options;
    EXPECT_TRUE(PlaceAt(sampled, folder / "stripped.so", nullptr, options).lines.size() < 2);
    options.debug_folder = folder / "debug";
    ExpectInlinedPlace(PlaceAt(sampled, folder / "stripped.so", nullptr, options));
    // A file of another build in its place is not taken.
    std::filesystem::copy_file("/proc/self/exe", debug,
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_TRUE(PlaceAt(sampled, folder / "stripped.so", nullptr, options).lines.size() < 2);
}

TEST(Symbolizer, UsesNothingOfAFileWithAnotherBuildIdAndSaysSoOnce) {
    Sampled sampled = Sample();
    sampled.module.build_id[3] ^= 1;
    Symbolizer symbolizer({sampled.module});
    symbolizer.Resolve(std::span(sampled.addresses).first(1));
    symbolizer.Resolve(sampled.addresses);
    for (const uint64_t address : sampled.addresses) {
        EXPECT_TRUE(symbolizer.At(address).lines.empty());
        EXPECT_EQ(symbolizer.At(address).offset, address - sampled.module.bias);
    }
    ASSERT_EQ(symbolizer.remarks().size(), 1u);
    EXPECT_NE(symbolizer.remarks()[0].find("build id differs"), std::string::npos);
}

TEST(Symbolizer, OpensNothingButRegularFilesAndWaitsForNobody) {
    const Sampled sampled = Sample();
    const TempFolder folder;
    ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
    std::filesystem::create_symlink(folder / "pipe", folder / "link");
    const auto expect = [&](const std::string& path, const std::string& part) {
        std::vector<std::string> remarks;
        EXPECT_TRUE(PlaceAt(sampled, path, &remarks).lines.empty());
        ASSERT_EQ(remarks.size(), 1u) << path;
        EXPECT_NE(remarks[0].find(part), std::string::npos) << remarks[0];
    };
    expect(folder / "pipe", "not a regular file");
    expect(folder / "link", "not a regular file");
    expect(folder.path(), "not a regular file");
    expect("/dev/zero", "not a regular file");
    expect(folder / "missing", "cannot be opened");
    WriteFile(folder / "text", "no program");
    expect(folder / "text", "is no program or library");
    WriteFile(folder / "empty", "");
    expect(folder / "empty", "is no program or library");
    WriteFile(folder / "large", "");
    std::filesystem::resize_file(folder / "large", (uint64_t{1} << 30) + 1);
    expect(folder / "large", "too large");
}

TEST(Symbolizer, StopsWhenTheTimeIsOver) {
    const Sampled sampled = Sample();
    std::vector<std::string> remarks;
    Symbolizer::Options options;
    options.total_time = std::chrono::milliseconds(0);
    EXPECT_TRUE(PlaceAt(sampled, sampled.module.path, &remarks, options).lines.empty());
    ASSERT_EQ(remarks.size(), 1u);
    EXPECT_NE(remarks[0].find("took too long"), std::string::npos);
}

TEST(Symbolizer, LooksUpNoMoreAddressesThanItMay) {
    const Sampled sampled = Sample();
    Symbolizer::Options options;
    options.max_addresses = 1;
    Symbolizer symbolizer({sampled.module}, options);
    symbolizer.Resolve(sampled.addresses);
    EXPECT_FALSE(symbolizer.At(sampled.addresses[0]).lines.empty());
    EXPECT_TRUE(symbolizer.At(sampled.addresses[1]).lines.empty());
}

TEST(KeptSymbolizer, KeepsWhatItKnowsWhileTheModulesAreTheSame) {
    Sampled sampled = Sample();
    const TempFolder folder;
    const std::string copy = folder / "copy.so";
    std::filesystem::copy_file(sampled.module.path, copy);
    sampled.module.path = copy;
    Symbolizer::Options options;
    options.total_time = std::chrono::minutes(5);
    options.module_time = std::chrono::minutes(1);
    KeptSymbolizer kept(options);
    kept.For({sampled.module}).Resolve(sampled.addresses);
    std::filesystem::remove(copy);
    ExpectInlinedPlace(kept.For({sampled.module}).At(sampled.addresses[0]));
    // Something else lies there now.
    sampled.module.build_id[3] ^= 1;
    EXPECT_TRUE(kept.For({sampled.module}).At(sampled.addresses[0]).lines.empty());
}

// A server on the loopback that counts who connects.
class Listener {
 public:
    Listener() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
        EXPECT_EQ(listen(socket_, 4), 0);
        socklen_t size = sizeof(address);
        getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
        url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    }
    ~Listener() { close(socket_); }
    const std::string& url() const { return url_; }
    bool WasAsked() const { return accept(socket_, nullptr, nullptr) >= 0; }

 private:
    int socket_;
    std::string url_;
};

TEST(Symbolizer, AsksNoServerUnlessItIsToldTo) {
    const Sampled sampled = Sample();
    const TempFolder folder;
    Split(sampled, folder, folder / ("buildid/" + Hex(sampled.module.build_id) + "/debuginfo"));
    const Listener listener;
    setenv("DEBUGINFOD_URLS", (listener.url() + " file://" + folder.path()).c_str(), 1);
    setenv("DEBUGINFOD_CACHE_PATH", (folder / "cache").c_str(), 1);
    setenv("DEBUGINFOD_TIMEOUT", "1", 1);
    EXPECT_TRUE(PlaceAt(sampled, folder / "stripped.so").lines.size() < 2);
    EXPECT_FALSE(listener.WasAsked());
    EXPECT_FALSE(std::filesystem::exists(folder / "cache"));
    Symbolizer::Options options;
    options.debuginfod = true;
    const Place place = PlaceAt(sampled, folder / "stripped.so", nullptr, options);
    unsetenv("DEBUGINFOD_URLS");
    if (!listener.WasAsked()) GTEST_SKIP() << "libdebuginfod is not there";
    ExpectInlinedPlace(place);
}

TEST(Symbolizer, TellsAddressesOfNoModule) {
    Symbolizer symbolizer({});
    symbolizer.Resolve(std::array<uint64_t, 3>{0, 1, ~uint64_t{0}});
    EXPECT_EQ(PlaceText(symbolizer.At(0x1234)), std::vector<std::string>{"0x1234"});
    EXPECT_TRUE(symbolizer.remarks().empty());
}

TEST(PlaceText, EscapesWhatComesFromFiles) {
    const Place place = {
        .module = "/lib/a\x1b[2J.so",
        .offset = 0x10,
        .lines = {{.function = "f\x1b]0;x", .file = "a\nb.cpp", .line = 3, .inlined = true},
                  {.function = "g", .file = "", .line = 0, .inlined = false}}};
    EXPECT_EQ(PlaceText(place), (std::vector<std::string>{"f\\x1b]0;x (inlined) at a\\x0ab.cpp:3",
                                                          "g in a\\x1b[2J.so+0x10"}));
}

TEST(PlaceText, KeepsOfAPathItsLastFolder) {
    const auto file = [](const std::string& path) {
        Place place;
        place.lines = {{.function = "f", .file = path}};
        return PlaceText(place)[0];
    };
    EXPECT_EQ(file("/home/me/game/src/scene.cpp"), "f at src/scene.cpp");
    EXPECT_EQ(file("scene.cpp"), "f at scene.cpp");
    EXPECT_EQ(file("/scene.cpp"), "f at /scene.cpp");
}

TEST(ShortFunction, LeavesOutParametersAndLongTemplates) {
    EXPECT_EQ(ShortFunction("main"), "main");
    EXPECT_EQ(ShortFunction("a::B::C(int, void (*)(long)) const"), "a::B::C");
    EXPECT_EQ(ShortFunction("(anonymous namespace)::F(int)"), "(anonymous namespace)::F");
    EXPECT_EQ(ShortFunction("a::B::operator()(int) const"), "a::B::operator()");
    EXPECT_EQ(ShortFunction("f::{lambda(int)#1}::operator()(int) const"),
              "f::{lambda(int)#1}::operator()");
    EXPECT_EQ(ShortFunction("bool operator<(A const&, B const&)"), "bool operator<");
    const std::string letters(40, 'x');
    EXPECT_EQ(ShortFunction("F<" + letters + ", G<" + letters + "> >::H<int>(int)"),
              "F<..>::H<..>");
    EXPECT_EQ(ShortFunction("F<short>::G(int)"), "F<short>::G");
    EXPECT_EQ(ShortFunction(")"), ")");
    EXPECT_EQ(ShortFunction("(("), "((");
    EXPECT_EQ(ShortFunction("(int)"), "(int)");
    EXPECT_EQ(ShortFunction(std::string(1000, 'y')).size(), 120u);
}

// Each round breaks a few bytes of the library, but not its build id, so that it is used.
// TESSERA_SYMBOL_ROUNDS says how many rounds; ctest makes do with few.
TEST(Symbolizer, BearsBrokenFiles) {
    const Sampled sampled = Sample();
    const TempFolder folder;
    const std::string whole = ReadFile(sampled.module.path);
    const std::string_view id(reinterpret_cast<const char*>(sampled.module.build_id.data()),
                              sampled.module.build_id.size());
    const size_t id_at = whole.find(id);
    ASSERT_NE(id_at, std::string::npos);
    const char* const asked = getenv("TESSERA_SYMBOL_ROUNDS");
    const int rounds = asked == nullptr ? 200 : atoi(asked);
    std::mt19937 random(20);
    const auto below = [&](size_t end) {
        return std::uniform_int_distribution<size_t>(0, end - 1)(random);
    };
    int used = 0;
    for (int round = 0; round < rounds; ++round) {
        std::string broken = whole;
        const size_t changes = 1 + below(64);
        // Tables of sections and the headers are where most can go wrong.
        const size_t span = below(3) == 0 ? broken.size() : 4096;
        const size_t first = below(2) == 0 ? 0 : broken.size() - span;
        for (size_t i = 0; i < changes; ++i)
            broken[first + below(span)] = static_cast<char>(below(4) == 0 ? 0xff : below(256));
        if (below(8) == 0) broken.resize(below(broken.size()));
        if (id_at + id.size() < broken.size()) broken.replace(id_at, id.size(), id);
        WriteFile(folder / "broken.so", broken);
        Symbolizer::Options options;
        options.module_time = std::chrono::milliseconds(5'000);
        const auto begin = std::chrono::steady_clock::now();
        const Place place = PlaceAt(sampled, folder / "broken.so", nullptr, options);
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
        EXPECT_LE(place.lines.size(), 32u);
        EXPECT_GE(PlaceText(place).size(), 1u);
        used += place.lines.empty() ? 0 : 1;
    }
    EXPECT_GT(used, 0) << "no broken file was usable: the test does not test reading";
    EXPECT_TRUE(used < rounds) << "every broken file was usable: the test breaks nothing";
}

}  // namespace
}  // namespace tessera::command
