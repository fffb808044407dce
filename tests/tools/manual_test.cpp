// SPDX-License-Identifier: Apache-2.0
//
// What `--help`, the manual pages and docs/command.md say of options must agree, for each command
// that there is. A test that fails lists what lacks where.
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "support.h"

namespace tessera::command {
namespace {

using Names = std::set<std::string>;

Names Matches(const std::string& text, const std::string& pattern) {
    const std::regex expression(pattern);
    Names names;
    for (std::sregex_iterator i(text.begin(), text.end(), expression), end; i != end; ++i)
        names.insert((*i)[1]);
    return names;
}

std::vector<std::string> Lines(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        lines.push_back(line);
    return lines;
}

std::string Help(const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {TESSERA_COMMAND};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return test::RunProgram(command).out;
}

// Options stand at the start of a line of the help, and in the column before its text.
Names OptionsOfHelp(const std::string& help) {
    Names options;
    for (const std::string& line : Lines(help)) {
        if (!std::regex_search(line, std::regex("^ +-"))) continue;
        const size_t text = line.find("  ", line.find('-'));
        options.merge(Matches(line.substr(0, text), "(-{1,2}[A-Za-z][A-Za-z-]*)"));
    }
    return options;
}

// "Fl o , Fl -output Ar FILE" in a list of options is -o and --output.
Names OptionsOfPage(const std::string& page) {
    Names options;
    for (const std::string& line : Lines(page)) {
        if (!line.starts_with(".It Fl ")) continue;
        for (const std::string& name : Matches(line, "Fl (-?[A-Za-z][A-Za-z-]*)"))
            options.insert("-" + name);
    }
    return options;
}

// The part of docs/command.md under a heading of the second level that names the command.
std::string Section(const std::string& document, const std::string& command) {
    std::string section;
    bool inside = false;
    for (const std::string& line : Lines(document)) {
        if (line.starts_with("## "))
            inside = std::regex_search(line, std::regex("\\b" + command + "\\b"));
        if (inside) section += line + "\n";
    }
    return section;
}

// Options in backquotes, with or without a value: `--limit N`, `--leaks[=N]`.
Names OptionsOfSection(const std::string& section) {
    return Matches(section, "`(-{1,2}[A-Za-z][A-Za-z-]*)");
}

// Of the first column of tables only: what is said in a text may be about another command.
Names OptionsOfTables(const std::string& section) {
    Names options;
    for (const std::string& line : Lines(section)) {
        if (line.starts_with("| `-"))
            options.merge(OptionsOfSection(line.substr(0, line.find(" | "))));
    }
    return options;
}

std::string Missing(const Names& wanted, const Names& there) {
    std::string text;
    for (const std::string& name : wanted)
        if (!there.contains(name)) text += " " + name;
    return text;
}

std::vector<std::string> Commands() {
    std::vector<std::string> commands;
    bool inside = false;
    for (const std::string& line : Lines(Help({"--help"}))) {
        if (line.starts_with("Subcommands:")) {
            inside = true;
        } else if (inside && line.starts_with("  ") && line[2] != ' ') {
            commands.push_back(line.substr(2, line.find(' ', 2) - 2));
        } else if (inside && !line.starts_with(" ")) {
            inside = false;
        }
    }
    return commands;
}

std::string PagePath(const std::string& command) {
    return std::string(TESSERA_SOURCE) + "/docs/man/tessera-" + command + ".1";
}

TEST(Manual, HasAPageOfEachCommandWithItsOptionsAndNoOthers) {
    const std::vector<std::string> commands = Commands();
    ASSERT_GE(commands.size(), 5u);
    const std::string overview =
        test::ReadFile(std::string(TESSERA_SOURCE) + "/docs/man/tessera.1");
    for (const std::string& command : commands) {
        EXPECT_NE(overview.find("tessera-" + command + " 1\n"), std::string::npos)
            << "tessera.1 does not name " << command;
        const Names of_page = OptionsOfPage(test::ReadFile(PagePath(command)));
        const Names of_help = OptionsOfHelp(Help({command, "--help"}));
        EXPECT_TRUE(of_help.contains("--help")) << command;
        EXPECT_EQ(Missing(of_help, of_page), "") << "not in tessera-" << command << ".1";
        EXPECT_EQ(Missing(of_page, of_help), "") << "not in `tessera " << command << " --help`";
    }
}

TEST(CommandDocument, TellsOfEachOptionAndOfNoOthers) {
    const std::string document = test::ReadFile(std::string(TESSERA_SOURCE) + "/docs/command.md");
    for (const std::string& command : Commands()) {
        const std::string section = Section(document, command);
        EXPECT_NE(section, "") << "docs/command.md has no section of " << command;
        Names of_help = OptionsOfHelp(Help({command, "--help"}));
        const Names of_section = OptionsOfSection(section);
        of_help.erase("-h");
        of_help.erase("--help");
        EXPECT_EQ(Missing(of_help, of_section), "") << "not in the section of " << command;
        // A section may be about several commands.
        for (const std::string& other : Commands()) {
            if (Section(document, other) == section)
                of_help.merge(OptionsOfHelp(Help({other, "--help"})));
        }
        EXPECT_EQ(Missing(OptionsOfTables(section), of_help), "")
            << "not in `tessera " << command << " --help`";
    }
}

}  // namespace
}  // namespace tessera::command
