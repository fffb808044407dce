// SPDX-License-Identifier: Apache-2.0
//
// The file that `tessera run --stats` writes when the application has ended.
//
// The one idea: whoever reads the file finds the old text or the whole new one, never a part. So a
// regular file is replaced by rename(2); what is not one (a pipe, /dev/null) is written in place,
// since replacing it would destroy it. Whether that will work is found out before the application
// is started.
//
// Threads: one at a time.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace tessera::command {

class StatsFile {
 public:
    // `what`: as sentences call the file.
    explicit StatsFile(std::string what = "the statistics file") : what_(std::move(what)) {}

    // Finds out whether `path` can be written. A symbolic link is followed now: the file that it
    // leads to is the one that is replaced.
    // Returns: a sentence if it cannot be, else an empty string. The file itself is not touched.
    std::string Prepare(const std::string& path);

    // Writes the file. Requires: Prepare() found nothing wrong.
    // Returns: a sentence if it failed; then a regular file is as it was.
    std::string Write(std::string_view text) const;

 private:
    std::string Problem(int error) const;

    std::string what_;
    std::string path_;
    bool in_place_ = false;
};

}  // namespace tessera::command
