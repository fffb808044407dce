// SPDX-License-Identifier: Apache-2.0
//
// See stats_file.h.
#include "tools/stats_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "tools/text.h"

namespace tessera::command {
namespace {

// Creates an empty file beside `path`, with the rights that the user's umask gives to new files.
// Returns: its descriptor, or -1 with errno set. `name` receives its path.
int CreateBeside(const std::string& path, std::string& name) {
    name = path + ".XXXXXX";
    const int file = mkostemp(name.data(), O_CLOEXEC);
    if (file < 0) return -1;
    const mode_t mask = umask(0);
    umask(mask);
    fchmod(file, 0666 & ~mask);
    return file;
}

// Returns: 0, or the errno of what went wrong. Closes the file.
int WriteAndClose(int file, std::string_view text) {
    int error = 0;
    while (!text.empty() && error == 0) {
        const ssize_t count = write(file, text.data(), text.size());
        if (count >= 0) {
            text.remove_prefix(static_cast<size_t>(count));
        } else if (errno != EINTR) {
            error = errno;
        }
    }
    if (close(file) != 0 && error == 0) error = errno;
    return error;
}

}  // namespace

std::string StatsFile::Problem(int error) const {
    return what_ + " '" + Printable(path_) + "' cannot be written: " + strerror(error) + ".";
}

std::string StatsFile::Prepare(const std::string& path) {
    path_ = path;
    struct stat status = {};
    if (stat(path.c_str(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) return Problem(EISDIR);
        if (access(path.c_str(), W_OK) != 0) return Problem(errno);
        in_place_ = !S_ISREG(status.st_mode);
    } else if (errno != ENOENT) {
        return Problem(errno);
    }
    if (in_place_) return {};

    // The application may change neither what the path means nor where a link leads.
    std::error_code error;
    const std::filesystem::path real = std::filesystem::weakly_canonical(path, error);
    if (error) return Problem(error.value());
    path_ = real;

    std::string name;
    const int file = CreateBeside(path_, name);
    if (file < 0) return Problem(errno);
    close(file);
    unlink(name.c_str());
    return {};
}

std::string StatsFile::Write(std::string_view text) const {
    if (in_place_) {
        // A named pipe that nobody reads is an error rather than waited for; one that is read is
        // then written at the reader's pace.
        const int file = open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (file >= 0) fcntl(file, F_SETFL, 0);
        const int error = file < 0 ? errno : WriteAndClose(file, text);
        return error == 0 ? std::string() : Problem(error);
    }
    std::string name;
    const int file = CreateBeside(path_, name);
    if (file < 0) return Problem(errno);
    int error = WriteAndClose(file, text);
    if (error == 0 && rename(name.c_str(), path_.c_str()) != 0) error = errno;
    if (error == 0) return {};
    unlink(name.c_str());
    return Problem(error);
}

}  // namespace tessera::command
