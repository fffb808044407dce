// SPDX-License-Identifier: Apache-2.0
//
// See system_fixture.h. Mounts are made by the programs of util-linux, in a child: the test process
// itself never changes what it sees.
#include "system_fixture.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <sstream>

namespace tessera::test {

Ended RunToEnd(const Command& command, const ProgramOptions& options) {
    Program program(command, options);
    return {.pid = program.pid(), .outcome = program.Wait()};
}

bool IsInstalled(std::string_view program) {
    const char* const path = getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "");
    std::string folder;
    while (std::getline(folders, folder, ':')) {
        const std::string file = folder + "/" + std::string(program);
        if (access(file.c_str(), X_OK) == 0) return true;
    }
    return false;
}

std::vector<std::string> Lines(std::string_view text) {
    return LinesWith(text, "");
}

std::vector<std::string> LinesWith(std::string_view text, std::string_view part) {
    std::istringstream stream{std::string(text)};
    std::vector<std::string> lines;
    std::string line;
    while (std::getline(stream, line)) {
        if (!line.empty() && line.find(part) != std::string::npos) lines.push_back(line);
    }
    return lines;
}

std::vector<std::string> FilesIn(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error))
        names.push_back(entry.path().filename());
    return names;
}

uint64_t Sum(const Json& process, const char* view, const char* counter) {
    uint64_t sum = 0;
    for (const Json& device : process.at("devices")) {
        for (const Json& type : device.at("memory_types"))
            sum += type.at(view).at(counter).get<uint64_t>();
    }
    return sum;
}

uint64_t PlacementFailures(const Json& process) {
    uint64_t sum = 0;
    for (const Json& device : process.at("devices")) {
        for (const Json& type : device.at("memory_types"))
            sum += type.at("placement_failures").get<uint64_t>();
    }
    return sum;
}

std::string WithoutNumbersOfARun(const std::string& text) {
    return std::regex_replace(text, std::regex("0x[0-9a-fA-F]+"), "0x#");
}

std::vector<std::string> DeviceChain(const std::string& loader_log,
                                     const std::vector<std::string>& layers) {
    std::vector<std::string> chain;
    const size_t start = loader_log.rfind("vkCreateDevice layer callstack");
    if (start == std::string::npos) return chain;
    for (const std::string& line : LinesWith(loader_log.substr(start), " VK_LAYER_")) {
        const std::string name = line.substr(line.find("VK_LAYER_"));
        if (std::ranges::find(layers, name) != layers.end()) chain.push_back(name);
    }
    return chain;
}

void ExpectSame(const Outcome& layered, const Outcome& bare) {
    EXPECT_EQ(layered.code, bare.code) << layered.err;
    EXPECT_EQ(layered.signal, bare.signal) << layered.err;
    EXPECT_EQ(layered.out, bare.out) << layered.err;
}

void ExpectPooling(const Outcome& outcome, size_t devices) {
    EXPECT_EQ(LinesWith(outcome.err, "info: device ").size(), devices) << outcome.err;
    EXPECT_EQ(LinesWith(outcome.err, ": pooling").size(), devices) << outcome.err;
}

namespace {

// Without root, a user namespace in which we are root is needed as well.
Command Unshare() {
    Command command = {"unshare", "--mount"};
    if (geteuid() != 0) command.insert(command.end(), {"--user", "--map-root-user"});
    return command;
}

}  // namespace

bool PrivateMountsPermitted() {
    if (!IsInstalled("unshare") || !IsInstalled("mount")) return false;
    Command command = Unshare();
    command.insert(command.end(), {"mount", "-t", "tmpfs", "none", "/dev/shm"});
    return RunProgram(command).code == 0;
}

Command WithPrivateMounts(const std::string& before, const Command& command,
                          const std::string& after) {
    Command whole = Unshare();
    // 125: not an exit code of the programs that are run so.
    const std::string script =
        "{ " + before + "; } || exit 125; \"$@\"; code=$?; " + after + "; exit $code";
    whole.insert(whole.end(), {"sh", "-c", script, "sh"});
    whole.insert(whole.end(), command.begin(), command.end());
    return whole;
}

Display::Display() {
    // It chooses a free number and writes it to standard output when it is ready.
    server_ = std::make_unique<Program>(
        Command{"Xvfb", "-displayfd", "1", "-screen", "0", "640x640x24", "-nolisten", "tcp"});
    if (!WaitForText(server_->output_path())) return;
    const std::vector<std::string> lines = Lines(ReadFile(server_->output_path()));
    if (!lines.empty()) name_ = ":" + lines.front();
}

Display::~Display() {
    server_->Signal(SIGTERM);
    server_->Wait();
}

std::string DriverManifest() {
    const char* const chosen = getenv("TESSERA_TEST_DRIVER");
    return chosen != nullptr ? chosen : TESSERA_LAVAPIPE;
}

void SystemTest::SetUp() {
    if (!std::filesystem::exists(DriverManifest()))
        GTEST_SKIP() << "There is no driver at " << DriverManifest()
                     << ": the newer lavapipe could not be had.";
}

SystemTest::SystemTest() {
    bare_.unset = {"VK_INSTANCE_LAYERS", "VK_LAYER_PATH",           "VK_ADD_LAYER_PATH",
                   "VK_LAYER_ENABLES",   "VK_LOADER_DEBUG",         "VK_LAYER_SETTINGS_PATH",
                   "ENABLE_TESSERA",     "DISABLE_TESSERA",         "VK_LOADER_LAYERS_ENABLE",
                   "VK_DRIVER_FILES",    "VK_LOADER_LAYERS_DISABLE"};
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view variable = *entry;
        if (variable.starts_with("TESSERA_"))
            bare_.unset.emplace_back(variable.substr(0, variable.find('=')));
    }
    const std::string home = folder_ / "home";
    for (const std::string& path : {RuntimeFolder(), home}) {
        std::filesystem::create_directory(path);
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    }
    for (const char* variable : {"HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"})
        bare_.environment[variable] = home;
    bare_.environment["XDG_RUNTIME_DIR"] = RuntimeFolder();
    bare_.environment["VK_ICD_FILENAMES"] = DriverManifest();
}

ProgramOptions SystemTest::Layered() const {
    ProgramOptions options = bare_;
    options.environment["VK_LAYER_PATH"] = TESSERA_LAYER_FOLDER;
    options.environment["VK_INSTANCE_LAYERS"] = kLayerName;
    options.environment["TESSERA_LOG_LEVEL"] = "info";
    // Whoever runs the tests may ask for another shape of the engine; see tests/variants.cmake.
    for (const char* setting : {"TESSERA_HELPER", "TESSERA_SHARDS", "TESSERA_RECYCLE"}) {
        if (const char* value = std::getenv(setting)) options.environment[setting] = value;
    }
    return options;
}

Outcome SystemTest::Tessera(Command arguments) const {
    arguments.insert(arguments.begin(), TESSERA_COMMAND);
    return RunProgram(arguments, bare_);
}

Json SystemTest::Stat(pid_t pid) const {
    const Outcome outcome = Tessera({"stat", std::to_string(pid), "--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const Json document = Json::parse(outcome.out, nullptr, false);
    EXPECT_EQ(document.value("schema", 0), 1) << outcome.out;
    return document.at("processes").at(0);
}

Json SystemTest::Processes() const {
    const Outcome outcome = Tessera({"ps", "--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const std::vector<std::string> segments = FilesIn(SegmentFolder());
    Json own = Json::array();
    const Json document = Json::parse(outcome.out);
    for (const Json& process : document.at("processes")) {
        const std::string prefix = process.at("pid").dump() + "-";
        const auto is_its = [&](const std::string& name) { return name.starts_with(prefix); };
        if (std::ranges::any_of(segments, is_its)) own.push_back(process);
    }
    return own;
}

}  // namespace tessera::test
