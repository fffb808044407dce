// SPDX-License-Identifier: Apache-2.0
//
// File systems of a chosen size or right, seen by one child process only.
//
// For use in InChild(): where the system does not permit it, the child leaves with kChildSkipped.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <string>

#include "support.h"

namespace tessera::test {

// Gives the process mounts of its own. Without root a user namespace is needed as well, in which
// the user is nobody until the ids are mapped.
inline void EnterPrivateMounts() {
    const auto write_to = [](const char* path, const std::string& text) {
        const int file = open(path, O_WRONLY | O_CLOEXEC);
        const bool written =
            file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
        if (file >= 0) close(file);
        return written;
    };
    const auto map_to_itself = [](unsigned id) {
        return std::to_string(id) + " " + std::to_string(id) + " 1";
    };
    if (geteuid() == 0) {
        if (unshare(CLONE_NEWNS) != 0) _exit(kChildSkipped);
    } else {
        const std::string user = map_to_itself(geteuid());
        const std::string group = map_to_itself(getegid());
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || !write_to("/proc/self/uid_map", user) ||
            !write_to("/proc/self/setgroups", "deny") || !write_to("/proc/self/gid_map", group))
            _exit(kChildSkipped);
    }
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) _exit(kChildSkipped);
}

// Mounts an empty file system in memory at `path`. `options` as in tmpfs(5), and ro.
inline void MountTmpfs(const std::string& path, std::string options) {
    const size_t ro = options.find(",ro");
    if (ro != std::string::npos) options.erase(ro);
    const unsigned long flags = ro != std::string::npos ? MS_RDONLY : 0;
    if (mount("none", path.c_str(), "tmpfs", flags, options.c_str()) != 0) _exit(kChildSkipped);
}

}  // namespace tessera::test
