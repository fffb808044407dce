// SPDX-License-Identifier: Apache-2.0
//
// What tests of files and environment variables need, put back at the end of each test: a folder of
// their own that is also the working directory, variables, and another user's eyes.
//
// Threading: none; these change the process, so the tests that use them run one at a time.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tessera::test {

// A new empty folder, removed with all it holds; the working directory while it lives.
class ScratchFolder {
 public:
    ScratchFolder() : previous_(std::filesystem::current_path()) {
        std::string name = std::filesystem::temp_directory_path() / "tessera_test_XXXXXX";
        if (mkdtemp(name.data()) == nullptr)
            throw std::filesystem::filesystem_error(
                "mkdtemp", name, std::error_code(errno, std::generic_category()));
        path_ = name;
        std::filesystem::current_path(path_);
    }
    ~ScratchFolder() {
        std::error_code ignored;
        std::filesystem::current_path(previous_, ignored);
        std::filesystem::remove_all(path_, ignored);
    }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;

    // Returns: the absolute path of `name` in the folder.
    std::string operator/(std::string_view name) const { return path_ / name; }

 private:
    std::filesystem::path previous_;
    std::filesystem::path path_;
};

// One environment variable, set or removed for a scope.
class ScopedVariable {
 public:
    ScopedVariable(std::string name, const std::optional<std::string>& value)
        : name_(std::move(name)) {
        if (const char* const previous = getenv(name_.c_str())) previous_ = previous;
        Put(value);
    }
    ~ScopedVariable() { Put(previous_); }
    ScopedVariable(const ScopedVariable&) = delete;
    ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
    void Put(const std::optional<std::string>& value) {
        if (value) {
            setenv(name_.c_str(), value->c_str(), 1);
        } else {
            unsetenv(name_.c_str());
        }
    }

    std::string name_;
    std::optional<std::string> previous_;
};

// For root only, who may read and write everything: another user's rights for a scope.
class ScopedOrdinaryUser {
 public:
    ScopedOrdinaryUser() {
        constexpr uid_t kNobody = 65534;
        if (was_root_) {
            EXPECT_EQ(seteuid(kNobody), 0);
        }
    }
    ~ScopedOrdinaryUser() {
        if (was_root_) {
            EXPECT_EQ(seteuid(0), 0);
        }
    }
    ScopedOrdinaryUser(const ScopedOrdinaryUser&) = delete;
    ScopedOrdinaryUser& operator=(const ScopedOrdinaryUser&) = delete;

 private:
    const bool was_root_ = geteuid() == 0;
};

// Writes a file, with exactly these rights whatever the umask is, and the folders above it.
inline void WriteFile(const std::string& path, std::string_view text, mode_t rights = 0644) {
    std::filesystem::create_directories(std::filesystem::absolute(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
    ASSERT_EQ(chmod(path.c_str(), rights), 0) << path;
}

// Returns: all of a file; empty if it cannot be read.
inline std::string ReadFile(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace tessera::test
