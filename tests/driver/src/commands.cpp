// SPDX-License-Identifier: Apache-2.0
//
// The table of commands.h, laid out once: rows of commands first, in the order of their
// identifiers, then rows of aliases. Built on first use, never changed, any thread.
#include "commands.h"

#include <string_view>
#include <unordered_map>
#include <vector>

namespace tessera::mock {
namespace {

template <class Function>
struct ReturnsResult : std::false_type {};

template <class... Args>
struct ReturnsResult<VkResult (*)(Args...)> : std::true_type {};

std::vector<Entry> MakeRows() {
    std::vector<Entry> rows;
#define TESSERA_MOCK_ROW(command, scope, gate)                              \
    rows.push_back({"vk" #command, Command::k##command, Scope::scope, gate, \
                    ReturnsResult<PFN_vk##command>::value,                  \
                    reinterpret_cast<PFN_vkVoidFunction>(&mock::command)});
    TESSERA_MOCK_COMMANDS(TESSERA_MOCK_ROW)
#undef TESSERA_MOCK_ROW
#define TESSERA_MOCK_ALIAS(alias, command, alias_gate)              \
    rows.push_back(rows[static_cast<size_t>(Command::k##command)]); \
    rows.back().name = "vk" #alias;                                 \
    rows.back().gate = alias_gate;
    TESSERA_MOCK_ALIASES(TESSERA_MOCK_ALIAS)
#undef TESSERA_MOCK_ALIAS
    return rows;
}

const std::vector<Entry>& Rows() {
    static const std::vector<Entry>& rows = *new std::vector<Entry>(MakeRows());
    return rows;
}

}  // namespace

const Entry* FindEntry(const char* name) {
    using Index = std::unordered_map<std::string_view, const Entry*>;
    static const Index& index = *[] {
        auto* made = new Index;
        for (const Entry& row : Rows())
            made->emplace(row.name, &row);
        return made;
    }();
    auto found = index.find(name);
    return found == index.end() ? nullptr : found->second;
}

const Entry& EntryOf(Command command) {
    return Rows()[static_cast<size_t>(command)];
}

}  // namespace tessera::mock
