// SPDX-License-Identifier: Apache-2.0
//
// Settings that are wrong, or that somebody hostile wrote, change nothing for the application and
// cost one line of the log each, which says what would be right.
#include <filesystem>

#include "system_fixture.h"

namespace tessera::test {
namespace {

constexpr char kKeys[] = "mode, channel, level, stacks";

class HostileSettings : public SystemTest {
 protected:
    HostileSettings() : options_(Layered()) {}

    // Runs an application, which must not notice. Returns: the warnings and errors of the layer.
    std::vector<std::string> Faults() const {
        const Command command = {TESSERA_LIFECYCLE_APP, "clean"};
        const Outcome outcome = RunProgram(command, options_);
        ExpectSame(outcome, RunProgram(command, bare()));
        ExpectPooling(outcome);
        std::vector<std::string> faults;
        for (const std::string& line : LinesWith(outcome.err, "tessera[")) {
            if (line.find(" info: ") == std::string::npos) faults.push_back(line);
        }
        return faults;
    }

    ProgramOptions options_;
};

void ExpectSays(const std::string& line, const std::vector<std::string>& parts) {
    for (const std::string& part : parts)
        EXPECT_NE(line.find(part), std::string::npos) << part << " is not in: " << line;
}

TEST_F(HostileSettings, GoodSettingsCostNoLine) {
    options_.environment["TESSERA_IDLE_BYTES"] = "1MiB";
    EXPECT_EQ(Faults().size(), 0u);
}

TEST_F(HostileSettings, AnUnknownVariableCostsOneLineWithTheVariables) {
    options_.environment["TESSERA_NO_SUCH_KEY"] = "1";
    const std::vector<std::string> faults = Faults();
    ASSERT_EQ(faults.size(), 1u);
    ExpectSays(faults[0], {"TESSERA_NO_SUCH_KEY", "TESSERA_MODE, TESSERA_CHANNEL"});
}

TEST_F(HostileSettings, AWrongValueCostsOneLineWithTheValues) {
    options_.environment["TESSERA_IDLE_BYTES"] = "banana";
    const std::vector<std::string> faults = Faults();
    ASSERT_EQ(faults.size(), 1u);
    ExpectSays(faults[0], {"idle_bytes", "banana", "64MiB"});
}

TEST_F(HostileSettings, AnUnreadableSettingsFileCostsOneLineWithItsPath) {
    const std::string path = folder_ / "none.txt";
    options_.environment["VK_LAYER_SETTINGS_PATH"] = path;
    const std::vector<std::string> faults = Faults();
    ASSERT_EQ(faults.size(), 1u);
    ExpectSays(faults[0], {path, "cannot be read"});
}

TEST_F(HostileSettings, EveryFaultInAFileOfGarbageCostsOnePrintableLine) {
    std::string text;
    for (int i = 0; i < 4096; ++i)
        text += static_cast<char>((i * 167 + i / 256) % 256);
    text += std::string("\ntessera_suballocator.\x1b[31mkey = 1\n") +
            "tessera_suballocator.mode = \x07loud\n" + "other_layer.key = value\n" +
            std::string(5000, '=') + "\n";
    const std::string path = folder_ / "garbage.txt";
    WriteFile(path, text);
    options_.environment["VK_LAYER_SETTINGS_PATH"] = path;
    const std::vector<std::string> faults = Faults();
    ASSERT_EQ(faults.size(), 2u);
    ExpectSays(faults[0], {path, kKeys});
    ExpectSays(faults[1], {path, "mode", "pool, off"});
    for (const std::string& fault : faults)
        EXPECT_EQ(fault.find_first_of("\x1b\x07"), std::string::npos) << fault;
}

TEST_F(HostileSettings, FaultsOfSeveralSourcesAreToldTogether) {
    const std::string path = folder_ / "settings.txt";
    WriteFile(path, "tessera_suballocator.page_align = perhaps\n");
    options_.environment["VK_LAYER_SETTINGS_PATH"] = path;
    options_.environment["TESSERA_NO_SUCH_KEY"] = "1";
    options_.environment["TESSERA_IDLE_BYTES"] = "banana";
    const std::vector<std::string> faults = Faults();
    ASSERT_EQ(faults.size(), 3u);
    std::string all;
    for (const std::string& fault : faults)
        all += fault + "\n";
    ExpectSays(all, {"page_align", "perhaps", "on, off", "TESSERA_NO_SUCH_KEY", "banana"});
}

TEST_F(HostileSettings, ALogFileThatCannotBeWrittenLeavesTheLogOnStandardError) {
    options_.environment["TESSERA_LOG_FILE"] = folder_ / "none/log";
    const std::vector<std::string> faults = Faults();
    ASSERT_EQ(faults.size(), 1u);
    ExpectSays(faults[0], {folder_ / "none/log", "stderr"});
    EXPECT_FALSE(std::filesystem::exists(folder_ / "none"));
}

}  // namespace
}  // namespace tessera::test
