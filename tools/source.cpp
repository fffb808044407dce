// SPDX-License-Identifier: Apache-2.0
//
// See source.h.
#include "tools/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "tools/exit_codes.h"
#include "tools/recording/recording.h"

namespace tessera::command {
namespace {

// A process that runs, or one that has ended and whose segment is still there.
class SegmentSource : public Source {
 public:
    SegmentSource(int file, reader::Process process) : file_(file) {
        process_ = std::move(process);
    }
    ~SegmentSource() override { close(file_); }
    SegmentSource(const SegmentSource&) = delete;
    SegmentSource& operator=(const SegmentSource&) = delete;

    bool IsRecording() const override { return false; }
    const std::vector<Sample>& samples() const override { return samples_; }
    uint64_t lost() const override { return lost_; }

    std::string ForEachEvents(
        const std::function<void(std::span<const reader::Event>)>& each) override {
        // A new one gives what the rings still hold.
        reader::EventReader events(file_);
        const reader::Result<reader::EventBatch> batch = events.Read();
        if (!batch.ok()) return batch.error;
        lost_ = batch.value.lost;
        if (!batch.value.events.empty()) each(batch.value.events);
        return {};
    }

 private:
    const int file_;
    const std::vector<Sample> samples_;
    uint64_t lost_ = 0;
};

class RecordingSource : public Source {
 public:
    explicit RecordingSource(std::unique_ptr<recording::Recording> recording,
                             reader::Process process)
        : recording_(std::move(recording)) {
        process_ = std::move(process);
        remark_ = recording_->remark();
        is_whole_ = recording_->is_whole();
        // When its end was written so was its last state.
        const std::optional<recording::EndRecord>& end = recording_->end();
        if (end) process_.copied_ns = std::max(process_.copied_ns, end->monotonic_ns);
        // At its end the process was gone, as a copy alone cannot tell.
        const bool has_ended =
            end && (end->exit_kind != 0 || end->reason == recording::EndReason::kProcessEnded);
        if (has_ended && process_.state == reader::ProcessState::kLive)
            process_.state = reader::ProcessState::kEnded;
    }

    bool IsRecording() const override { return true; }
    const std::vector<Sample>& samples() const override { return recording_->samples(); }
    uint64_t lost() const override { return recording_->lost(); }
    std::string ForEachEvents(
        const std::function<void(std::span<const reader::Event>)>& each) override {
        return recording_->ForEachEvents(each);
    }

 private:
    const std::unique_ptr<recording::Recording> recording_;
};

// Opens without waiting for anybody, and takes nothing but regular files. `follow`: O_NOFOLLOW, or
// 0 for a name that a person gave. Returns: a descriptor, or -1 with what is wrong in `error`.
int OpenRegular(const std::string& path, int follow, struct stat& status, std::string& error) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | follow);
    if (file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode)) return file;
    error = "'" + path + "' cannot be read: ";
    error += file >= 0                       ? "it is not a regular file"
             : errno == ELOOP && follow != 0 ? "it is a symbolic link"
                                             : strerror(errno);
    error += '.';
    if (file >= 0) close(file);
    return -1;
}

bool IsRecordingFile(int file) {
    uint64_t magic = 0;
    return pread(file, &magic, sizeof(magic), 0) == sizeof(magic) && magic == recording::kMagic;
}

std::unique_ptr<Source> OpenSegment(int file, const std::string& path, std::string* error) {
    reader::Result<reader::Process> process =
        reader::ReadSegmentFd(file, path, reader::Depth::kDetail);
    if (process.ok()) return std::make_unique<SegmentSource>(file, std::move(process.value));
    close(file);
    *error = process.error;
    return nullptr;
}

std::unique_ptr<Source> OpenRecording(int file, uint64_t size, const std::string& path,
                                      std::string* error) {
    std::string problem;
    std::unique_ptr<recording::Recording> recording =
        recording::Recording::Open(std::make_unique<recording::FileBytes>(file, size), problem);
    if (recording == nullptr) {
        *error = "The recording '" + path + "' cannot be read: it " + problem + ".";
        return nullptr;
    }
    reader::Result<reader::Process> process =
        reader::ReadSegmentCopy(recording->last_state(), path, reader::Depth::kDetail);
    if (process.ok())
        return std::make_unique<RecordingSource>(std::move(recording), std::move(process.value));
    *error = process.error;
    return nullptr;
}

std::unique_ptr<Source> OpenSegmentFile(const std::string& path, int follow, std::string* error) {
    struct stat status = {};
    const int file = OpenRegular(path, follow, status, *error);
    return file < 0 ? nullptr : OpenSegment(file, path, error);
}

std::unique_ptr<Source> OpenNamedFile(const std::string& path, std::string* error) {
    struct stat status = {};
    const int file = OpenRegular(path, 0, status, *error);
    if (file >= 0 && IsRecordingFile(file))
        return OpenRecording(file, static_cast<uint64_t>(status.st_size), path, error);
    std::unique_ptr<Source> source = file < 0 ? nullptr : OpenSegment(file, path, error);
    // Perhaps it was meant for the name of a process.
    if (!source && path.find('/') == std::string::npos)
        *error += " A process is given by its number; `tessera ps` lists them.";
    return source;
}

}  // namespace

std::unique_ptr<Source> Source::Open(const std::string& what, std::string* error) {
    if (what.empty() || what.find_first_not_of("0123456789") != std::string::npos)
        return OpenNamedFile(what, error);
    uint64_t pid = 0;
    const auto [rest, wrong] = std::from_chars(what.data(), what.data() + what.size(), pid);
    if (wrong != std::errc{} || pid == 0) {
        *error = "'" + what + "' is not the number of a process.";
        return nullptr;
    }
    const reader::Result<std::string> path = reader::FindSegment(pid);
    if (path.ok()) return OpenSegmentFile(path.value, O_NOFOLLOW, error);
    *error = path.error;
    return nullptr;
}

int ExitCodeFor(const Source& source, int code) {
    return code == kOk && !source.is_whole() ? static_cast<int>(kFailure) : code;
}

}  // namespace tessera::command
