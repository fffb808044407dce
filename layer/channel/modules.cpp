// SPDX-License-Identifier: Apache-2.0
//
// See modules.h for the contract. What is read of a file is what the dynamic linker mapped of it,
// while it keeps others from unmapping that.
#include "channel/modules.h"

#include <elf.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <span>
#include <utility>

#include "base/mutex.h"
#include "channel/call_stacks.h"
#include "channel/record_table.h"

namespace tessera::channel {
namespace {

using ModuleTable = RecordTable<tessera_module_record, TESSERA_KIND_MODULES, 64, kMaxModules>;
using Header = ElfW(Phdr);
using Headers = std::span<const Header>;

struct State {
    uint32_t generation = 0;  // TableGeneration() when it was begun
    uint64_t adds = 0;        // the linker's count of files loaded when all had a record
    ModuleTable table;
};

constinit Mutex g_mutex;
constinit State g_state ABSL_GUARDED_BY(g_mutex);

// Addresses that the file's segments take.
void FindRange(ElfW(Addr) bias, Headers headers, tessera_module_record& module) noexcept {
    uint64_t start = ~uint64_t{0};
    uint64_t end = 0;
    for (const Header& header : headers) {
        if (header.p_type != PT_LOAD || header.p_memsz == 0) continue;
        start = std::min<uint64_t>(start, header.p_vaddr);
        end = std::max<uint64_t>(end, header.p_vaddr + header.p_memsz);
    }
    if (start >= end) return;
    module.start = bias + start;
    module.end = bias + end;
    module.bias = bias;
}

// Whether [start, start + bytes) of the file is mapped for reading.
bool IsMapped(Headers headers, uint64_t start, uint64_t bytes) noexcept {
    return std::any_of(headers.begin(), headers.end(), [=](const Header& header) {
        return header.p_type == PT_LOAD && (header.p_flags & PF_R) != 0 &&
               start >= header.p_vaddr && bytes <= header.p_filesz &&
               start - header.p_vaddr <= header.p_filesz - bytes;
    });
}

constexpr uint64_t AlignNote(uint64_t bytes, uint64_t alignment) noexcept {
    return (bytes + alignment - 1) / alignment * alignment;
}

// Looks for a build id in the notes [note, end). Returns: whether there is one.
bool FindIdIn(const char* note, const char* end, uint64_t alignment,
              tessera_module_record& module) noexcept {
    ElfW(Nhdr) header;
    while (static_cast<size_t>(end - note) >= sizeof(header)) {
        std::memcpy(&header, note, sizeof(header));
        const uint64_t name_bytes = AlignNote(header.n_namesz, alignment);
        const uint64_t bytes = AlignNote(header.n_descsz, alignment);
        const auto left = static_cast<uint64_t>(end - note) - sizeof(header);
        if (name_bytes > left || header.n_descsz > left - name_bytes) return false;
        const char* const name = note + sizeof(header);
        if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == sizeof(ELF_NOTE_GNU) &&
            std::memcmp(name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0) {
            module.id_bytes = std::min<uint64_t>(header.n_descsz, sizeof(module.build_id));
            std::memcpy(module.build_id, name + name_bytes, module.id_bytes);
            return true;
        }
        if (bytes > left - name_bytes) return false;
        note = name + name_bytes + bytes;
    }
    return false;
}

void FindId(ElfW(Addr) bias, Headers headers, tessera_module_record& module) noexcept {
    for (const Header& header : headers) {
        if (header.p_type != PT_NOTE || !IsMapped(headers, header.p_vaddr, header.p_memsz))
            continue;
        const auto* const notes = reinterpret_cast<const char*>(bias + header.p_vaddr);
        // Notes of 8 bytes' alignment have a segment of their own.
        const uint64_t alignment = header.p_align == 8 ? 8 : 4;
        if (FindIdIn(notes, notes + header.p_memsz, alignment, module)) return;
    }
}

// A text that does not fit is left out.
void FindPath(const char* name, tessera_module_record& module) noexcept {
    const size_t size = strnlen(name, sizeof(module.path));
    if (size < sizeof(module.path)) std::memcpy(module.path, name, size);
}

// The dynamic linker has no name for the program itself.
void FindProgramsPath(tessera_module_record& module) noexcept {
    const ssize_t size = readlink("/proc/self/exe", module.path, sizeof(module.path));
    if (size < 0 || size >= ssize_t{sizeof(module.path)})
        std::memset(module.path, 0, sizeof(module.path));
}

// Words of both, but for the sequence.
bool IsSame(const tessera_module_record& a, const tessera_module_record& b) noexcept {
    return std::memcmp(&a.start, &b.start, sizeof(a) - offsetof(tessera_module_record, start)) == 0;
}

bool Overlaps(const tessera_module_record& a, const tessera_module_record& b) noexcept {
    return a.start < b.end && b.start < a.end;
}

// Looks for a record of the file, and gives up those of others that were at its addresses.
// Returns: null if there is none yet. Then `free` is one that is not in use; null if all are.
tessera_module_record* FindSame(const tessera_module_record& module,
                                tessera_module_record*& free) noexcept
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mutex) {
    free = nullptr;
    for (uint32_t number = 0; number < g_state.table.capacity(); ++number) {
        tessera_module_record& record = g_state.table.At(number);
        const tessera_module_record known = Copy(record);
        if (known.start != 0 && IsSame(known, module)) return &record;
        if (known.start != 0 && Overlaps(known, module))
            WriteRecord(record, tessera_module_record{});
        if (free == nullptr && Load(record.start) == 0) free = &record;
    }
    return nullptr;
}

// Returns: whether the file has a record now.
bool Note(const tessera_module_record& module) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mutex) {
    tessera_module_record* free = nullptr;
    do {
        if (FindSame(module, free) != nullptr) return true;
        // What is added may be of an earlier load of the layer, and full as well.
    } while (free == nullptr && g_state.table.Grow(/*owner=*/0));
    if (free == nullptr) return false;
    WriteRecord(*free, module);
    return true;
}

void Restart() noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(g_mutex) {
    if (g_state.generation == TableGeneration()) return;
    g_state = State();
    g_state.generation = TableGeneration();
}

struct Visit {
    bool complete = true;
    bool first = true;
    uint64_t adds = 0;
};

// The callback of dl_iterate_phdr(). Returns: other than 0 to see no more.
int VisitModule(dl_phdr_info* info, size_t, void* argument) noexcept {
    Visit& visit = *static_cast<Visit*>(argument);
    const MutexLock lock(g_mutex);
    const bool is_program = std::exchange(visit.first, false);
    if (is_program) {
        Restart();
        visit.adds = info->dlpi_adds;
        if (g_state.adds == visit.adds) return 1;
    }
    tessera_module_record module = {};
    const Headers headers(info->dlpi_phdr, info->dlpi_phnum);
    FindRange(info->dlpi_addr, headers, module);
    if (module.start == 0) return 0;
    FindId(info->dlpi_addr, headers, module);
    if (is_program)
        FindProgramsPath(module);
    else if (info->dlpi_name != nullptr)
        FindPath(info->dlpi_name, module);
    if (!Note(module)) visit.complete = false;
    return 0;
}

}  // namespace

void NoteModules() noexcept {
    Visit visit;
    if (dl_iterate_phdr(VisitModule, &visit) != 0 || !visit.complete) return;
    const MutexLock lock(g_mutex);
    g_state.adds = visit.adds;
}

void ForgetModulesInChild() noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS {
    // It may be held by a thread of the parent that does not exist here.
    new (&g_mutex) Mutex();
}

}  // namespace tessera::channel
