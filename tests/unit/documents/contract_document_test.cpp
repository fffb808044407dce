// SPDX-License-Identifier: Apache-2.0
//
// docs/contract.md and its pages say of each rule where the layer keeps it and which tests prove
// it. What they name must exist: each file, each function in the file it is said to be in, and each
// test in the sources of the tests; and no row may be left open.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path kSource = TESSERA_TEST_SOURCE_DIR;

struct Row {
    std::string page;
    std::string name;
    std::string rule;
    std::string where;
    std::string proof;
};

std::string ReadAll(const fs::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<std::string> Cells(const std::string& line) {
    std::vector<std::string> cells;
    std::istringstream stream(line);
    std::string cell;
    std::getline(stream, cell, '|');  // before the first bar
    while (std::getline(stream, cell, '|')) {
        const size_t first = cell.find_first_not_of(' ');
        const size_t last = cell.find_last_not_of(' ');
        cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
    }
    return cells;
}

std::vector<Row> ReadRows() {
    std::vector<Row> rows;
    for (const auto& entry : fs::directory_iterator(kSource / "docs/contract")) {
        std::istringstream page(ReadAll(entry.path()));
        for (std::string line; std::getline(page, line);) {
            if (!line.starts_with("| ") || line.starts_with("| Row |")) continue;
            const std::vector<std::string> cells = Cells(line);
            EXPECT_EQ(cells.size(), 4u) << line;
            if (cells.size() != 4) continue;
            rows.push_back(
                {entry.path().filename().string(), cells[0], cells[1], cells[2], cells[3]});
        }
    }
    return rows;
}

std::vector<std::string> Quoted(const std::string& cell) {
    std::vector<std::string> quoted;
    static const std::regex pattern("`([^`]+)`");
    for (std::sregex_iterator it(cell.begin(), cell.end(), pattern), end; it != end; ++it)
        quoted.push_back((*it)[1]);
    return quoted;
}

// Adds what a pattern finds in a text, behind a prefix.
void AddAll(const std::string& text, const std::regex& pattern, const std::string& prefix,
            std::set<std::string>* tests) {
    for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it)
        tests->insert(prefix + (*it)[1].str());
}

// All tests in the sources, as Suite.Name, and those that start a program of their own by the names
// that they have there.
std::set<std::string> TestsInSources() {
    std::set<std::string> tests;
    const std::string install = ReadAll(kSource / "tests/install/CMakeLists.txt");
    static const std::regex program(R"(\nadd_(?:installed|loader)_test\((\w+))");
    AddAll(install, program, "install.", &tests);
    static const std::regex pattern(R"(\nTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\))");
    for (const auto& entry : fs::recursive_directory_iterator(kSource / "tests")) {
        if (entry.path().extension() != ".cpp") continue;
        const std::string text = ReadAll(entry.path());
        for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it)
            tests.insert((*it)[1].str() + "." + (*it)[2].str());
    }
    return tests;
}

TEST(ContractDocument, EveryRowNamesFilesAndFunctionsThatExist) {
    std::map<std::string, std::string> texts;
    for (const Row& row : ReadRows()) {
        std::string file;
        for (const std::string& quoted : Quoted(row.where)) {
            if (quoted.find('/') != std::string::npos) {
                file = quoted;
                if (!texts.contains(file)) texts[file] = ReadAll(kSource / file);
                EXPECT_NE(texts[file], "") << row.name << " names " << file;
                continue;
            }
            const std::regex word("\\b" + quoted + "\\b");
            EXPECT_TRUE(std::regex_search(texts[file], word))
                << row.page << ", " << row.name << ": no " << quoted << " in " << file;
        }
        EXPECT_NE(file, "") << row.page << ", " << row.name << " names no file";
    }
}

TEST(ContractDocument, EveryRowNamesTestsThatExistOrSaysWhyThereIsNone) {
    const std::set<std::string> tests = TestsInSources();
    ASSERT_GT(tests.size(), 100u);
    for (const Row& row : ReadRows()) {
        const std::vector<std::string> quoted = Quoted(row.proof);
        static const std::string kNone = "not tested: ";
        const bool excused = row.proof.starts_with(kNone) && row.proof.size() > kNone.size();
        EXPECT_TRUE(excused || !quoted.empty()) << row.page << ", " << row.name;
        if (excused) continue;
        for (const std::string& test : quoted)
            EXPECT_TRUE(tests.contains(test)) << row.page << ", " << row.name << ": no " << test;
    }
}

TEST(ContractDocument, NoNumberedRowIsMissingAndNoRowIsThereTwice) {
    std::set<std::string> names;
    for (const Row& row : ReadRows())
        EXPECT_TRUE(names.insert(row.page + " " + row.name).second) << row.page << ", " << row.name;
    for (int i = 1; i <= 36; ++i)
        EXPECT_TRUE(names.contains("limits.md e" + std::to_string(i))) << "e" << i;
    for (int i = 0; i <= 30; ++i)
        EXPECT_TRUE(names.contains("freedoms.md f" + std::to_string(i))) << "f" << i;
}

// The rules that the loader's documentation numbers, as far as they concern a layer's code.
TEST(ContractDocument, TheLoadersNumberedRulesAreThere) {
    std::string rules;
    for (const Row& row : ReadRows())
        if (row.page == "loader.md") rules += row.name + " " + row.rule + "\n";
    for (const char* number : {"9", "14", "15", "16", "18", "21", "22"}) {
        const std::regex rule("LLP_LAYER_" + std::string(number) + "\\b");
        EXPECT_TRUE(std::regex_search(rules, rule)) << number;
    }
}

// The number of rows beside each page in docs/contract.md is that of the page.
TEST(ContractDocument, TheIndexCountsTheRowsOfEachPage) {
    std::map<std::string, size_t> counts;
    for (const Row& row : ReadRows())
        ++counts[row.page];
    const std::string index = ReadAll(kSource / "docs/contract.md");
    for (const auto& [page, count] : counts) {
        EXPECT_NE(index.find("(contract/" + page + ") | " + std::to_string(count) + " |"),
                  std::string::npos)
            << page << " has " << count << " rows";
    }
}

}  // namespace
