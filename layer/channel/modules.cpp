// SPDX-License-Identifier: Apache-2.0
//
// See modules.h for the contract. What is told of a file is read from what the dynamic linker
// mapped of it: its first page holds the headers, which tell where its notes are.
#include "channel/modules.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "channel/call_stacks.h"
#include "channel/record_table.h"

namespace tessera::channel {
namespace {

using ModuleTable = RecordTable<tessera_module_record, TESSERA_KIND_MODULES, 64, kMaxModules>;
using Header = ElfW(Phdr);
using Headers = std::span<const Header>;

struct State {
    uint32_t generation = 0;  // TableGeneration() when it was begun
    ModuleTable table;
};

// Guarded by the lock of the call stacks.
constinit State g_state;

// Returns: the program headers of a file that is mapped to [start, end); empty if its first page
// does not hold them.
Headers FindHeaders(const char* start, const char* end) noexcept {
    ElfW(Ehdr) file;
    const auto bytes = static_cast<uint64_t>(end - start);
    if (bytes < sizeof(file)) return {};
    std::memcpy(&file, start, sizeof(file));
    if (std::memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 || file.e_phentsize != sizeof(Header))
        return {};
    constexpr uint64_t kSmallestPage = 4096;
    const uint64_t room = std::min(bytes, kSmallestPage);
    if (file.e_phoff > room || file.e_phnum > (room - file.e_phoff) / sizeof(Header)) return {};
    return {reinterpret_cast<const Header*>(start + file.e_phoff), file.e_phnum};
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

void FindId(Headers headers, tessera_module_record& module) noexcept {
    for (const Header& header : headers) {
        if (header.p_type != PT_NOTE || !IsMapped(headers, header.p_vaddr, header.p_memsz))
            continue;
        const auto* const notes = reinterpret_cast<const char*>(module.bias + header.p_vaddr);
        // Notes of 8 bytes' alignment have a segment of their own.
        const uint64_t alignment = header.p_align == 8 ? 8 : 4;
        if (FindIdIn(notes, notes + header.p_memsz, alignment, module)) return;
    }
}

// A text that does not fit is left out. The dynamic linker has no name for the program itself.
void FindPath(const char* name, tessera_module_record& module) noexcept {
    if (name != nullptr && name[0] != '\0') {
        const size_t size = strnlen(name, sizeof(module.path));
        if (size < sizeof(module.path)) std::memcpy(module.path, name, size);
        return;
    }
    const ssize_t size = readlink("/proc/self/exe", module.path, sizeof(module.path));
    if (size < 0 || size >= ssize_t{sizeof(module.path)})
        std::memset(module.path, 0, sizeof(module.path));
}

// Returns: false if the address lies in no file.
bool Describe(uint64_t address, tessera_module_record& module) noexcept {
    dl_find_object found;
    if (_dl_find_object(reinterpret_cast<void*>(address), &found) != 0) return false;
    module.start = reinterpret_cast<uintptr_t>(found.dlfo_map_start);
    module.end = reinterpret_cast<uintptr_t>(found.dlfo_map_end);
    if (found.dlfo_link_map == nullptr || module.start >= module.end) return false;
    module.bias = found.dlfo_link_map->l_addr;
    FindId(FindHeaders(static_cast<const char*>(found.dlfo_map_start),
                       static_cast<const char*>(found.dlfo_map_end)),
           module);
    FindPath(found.dlfo_link_map->l_name, module);
    return true;
}

// All words but the sequence.
bool IsSame(const tessera_module_record& a, const tessera_module_record& b) noexcept {
    return std::memcmp(&a.start, &b.start, sizeof(a) - offsetof(tessera_module_record, start)) == 0;
}

bool Overlaps(const tessera_module_record& a, const tessera_module_record& b) noexcept {
    return a.start < b.end && b.start < a.end;
}

// Looks for a record of the file, and gives up those of others that were at its addresses.
// Returns: whether there is one. If not, `free` is a record that is not in use; null if all are.
bool FindSame(const tessera_module_record& module, tessera_module_record*& free) noexcept {
    free = nullptr;
    for (uint32_t number = 0; number < g_state.table.capacity(); ++number) {
        tessera_module_record& record = g_state.table.At(number);
        const tessera_module_record known = Copy(record);
        if (known.start != 0 && IsSame(known, module)) return true;
        if (known.start != 0 && Overlaps(known, module))
            WriteRecord(record, tessera_module_record{});
        if (free == nullptr && Load(record.start) == 0) free = &record;
    }
    return false;
}

void Note(const tessera_module_record& module) noexcept {
    tessera_module_record* free = nullptr;
    do {
        if (FindSame(module, free)) return;
        // What is added may be of an earlier load of the layer, and full as well.
    } while (free == nullptr && g_state.table.Grow(/*owner=*/0));
    if (free != nullptr) WriteRecord(*free, module);
}

}  // namespace

void NoteModulesOf(std::span<const uint64_t> addresses) noexcept {
    if (g_state.generation != TableGeneration()) {
        g_state = State();
        g_state.generation = TableGeneration();
    }
    tessera_module_record module = {};
    for (const uint64_t address : addresses) {
        // Mostly several frames in a row lie in one file.
        if (address >= module.start && address < module.end) continue;
        module = {};
        if (Describe(address, module)) Note(module);
    }
}

}  // namespace tessera::channel
