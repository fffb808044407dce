// SPDX-License-Identifier: Apache-2.0
//
// See symbol_file.h. libelf reads the few notes and sections that decide whether a file is the
// module's; that happens in the child as well, under its limits of time and memory.
#include "tools/symbols/symbol_file.h"

#include <dlfcn.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace tessera::command {
namespace {

// The ABI keeps the first bytes of a build id (struct tessera_module_record).
constexpr size_t kKnownIdBytes = sizeof(tessera_module_record::build_id);

std::string Hex(std::span<const uint8_t> bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const uint8_t byte : bytes) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

bool SameId(std::span<const uint8_t> of_process, std::span<const uint8_t> of_file) {
    const size_t bytes = std::min(of_file.size(), kKnownIdBytes);
    return of_process.size() == bytes &&
           std::equal(of_process.begin(), of_process.end(), of_file.begin());
}

// An ELF file over a descriptor that stays the caller's.
class ElfFile {
 public:
    explicit ElfFile(int file)
        : elf_(file < 0 ? nullptr : elf_begin(file, ELF_C_READ_MMAP, nullptr)) {}
    ~ElfFile() { elf_end(elf_); }
    ElfFile(const ElfFile&) = delete;
    ElfFile& operator=(const ElfFile&) = delete;

    Elf* get() const { return elf_; }

    // Whether it is a program or a library, of which libdw does not relocate anything.
    bool Loadable() const {
        GElf_Ehdr header;
        if (elf_kind(elf_) != ELF_K_ELF || gelf_getehdr(elf_, &header) == nullptr) return false;
        return header.e_type == ET_EXEC || header.e_type == ET_DYN;
    }

    Elf_Data* Section(std::string_view wanted) const {
        size_t names = 0;
        if (elf_kind(elf_) != ELF_K_ELF || elf_getshdrstrndx(elf_, &names) != 0) return nullptr;
        for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf_, section)) != nullptr;) {
            GElf_Shdr header;
            if (gelf_getshdr(section, &header) == nullptr) continue;
            const char* const name = elf_strptr(elf_, names, header.sh_name);
            if (name != nullptr && name == wanted) return elf_getdata(section, nullptr);
        }
        return nullptr;
    }

    bool HasDebugInfo() const {
        return Section(".debug_info") != nullptr || Section(".zdebug_info") != nullptr;
    }

 private:
    Elf* const elf_;
};

// Opens `path` if it is a file with this build id.
int OpenWithId(const std::string& path, std::span<const uint8_t> id) {
    FileStatus ignored;
    const int file = OpenRegular(path, &ignored);
    if (file < 0) return -1;
    const ElfFile elf(file);
    const std::vector<uint8_t> found = BuildId(elf.get());
    if (std::ranges::equal(found, id)) return file;
    close(file);
    return -1;
}

int OpenById(const std::string& debug_folder, std::span<const uint8_t> id) {
    if (id.size() < 2) return -1;
    const std::string hex = Hex(id);
    return OpenWithId(
        debug_folder + "/.build-id/" + hex.substr(0, 2) + "/" + hex.substr(2) + ".debug", id);
}

// Asks the servers that DEBUGINFOD_URLS names. Returns: a descriptor, or -1.
int AskServers(std::span<const uint8_t> id) {
    void* const library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return -1;
    const auto begin = reinterpret_cast<void* (*)()>(dlsym(library, "debuginfod_begin"));
    const auto find = reinterpret_cast<int (*)(void*, const unsigned char*, int, char**)>(
        dlsym(library, "debuginfod_find_debuginfo"));
    if (begin == nullptr || find == nullptr) return -1;
    void* const client = begin();
    if (client == nullptr) return -1;
    char* path = nullptr;
    const int file = find(client, id.data(), static_cast<int>(id.size()), &path);
    if (file < 0 || path == nullptr) return -1;
    close(file);
    return OpenWithId(path, id);
}

// The file that debug information shares with others, as `elf` names it: by a path, whose end is a
// zero byte, and a build id.
int OpenAlternate(const ElfFile& elf, const std::string& debug_folder) {
    const Elf_Data* const data = elf.Section(".gnu_debugaltlink");
    if (data == nullptr || data->d_buf == nullptr) return -1;
    const std::string_view link(static_cast<const char*>(data->d_buf), data->d_size);
    const size_t end = link.find('\0');
    if (end == std::string_view::npos) return -1;
    const std::string path(link.substr(0, end));
    const std::string_view rest = link.substr(end + 1);
    const std::vector<uint8_t> id(rest.begin(), rest.end());
    if (const int file = OpenById(debug_folder, id); file >= 0) return file;
    const bool own = path.starts_with(debug_folder + "/") && path.find("/../") == std::string::npos;
    return own ? OpenWithId(path, id) : -1;
}

}  // namespace

int OpenRegular(const std::string& path, FileStatus* status) {
    // O_PATH opens nothing in the sense of a driver: a device does not notice.
    const int place = open(path.c_str(), O_PATH | O_CLOEXEC);
    struct stat found = {};
    if (place < 0 || fstat(place, &found) != 0) {
        if (place >= 0) close(place);
        *status = FileStatus::kMissing;
        return -1;
    }
    int file = -1;
    if (!S_ISREG(found.st_mode)) {
        *status = FileStatus::kNotRegular;
    } else if (static_cast<uint64_t>(found.st_size) > kMaxSymbolFileBytes) {
        *status = FileStatus::kTooLarge;
    } else {
        const std::string same = "/proc/self/fd/" + std::to_string(place);
        file = open(same.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        *status = file >= 0 ? FileStatus::kUsed : FileStatus::kMissing;
    }
    close(place);
    return file;
}

std::vector<uint8_t> BuildId(Elf* elf) {
    const void* bytes = nullptr;
    const ssize_t size = elf == nullptr ? 0 : dwelf_elf_gnu_build_id(elf, &bytes);
    if (size <= 0 || bytes == nullptr) return {};
    const auto* const first = static_cast<const uint8_t*>(bytes);
    return {first, first + size};
}

SymbolFiles OpenSymbolFiles(const reader::Module& module, const ChildLimits& limits) {
    SymbolFiles files;
    if (!module.path.starts_with('/')) {
        files.status = FileStatus::kNoPath;
        return files;
    }
    files.main = OpenRegular(module.path, &files.status);
    if (files.main < 0) return files;
    const ElfFile elf(files.main);
    if (!elf.Loadable()) {
        files.status = FileStatus::kNotElf;
        return files;
    }
    const std::vector<uint8_t> id = BuildId(elf.get());
    if (!SameId(module.build_id, id)) {
        files.status = FileStatus::kOtherBuild;
        return files;
    }
    files.status = id.empty() ? FileStatus::kUnverified : FileStatus::kUsed;
    if (!elf.HasDebugInfo() && !id.empty()) {
        files.debug = OpenById(limits.debug_folder, id);
        if (files.debug < 0 && limits.debuginfod) files.debug = AskServers(id);
    }
    const ElfFile debug(files.debug);
    files.alternate = OpenAlternate(files.debug >= 0 ? debug : elf, limits.debug_folder);
    return files;
}

}  // namespace tessera::command
