// SPDX-License-Identifier: Apache-2.0
//
// See violations.h. The store is created once and never destroyed: commands may still arrive while
// the process runs its exit handlers.
#include "violations.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

namespace tessera::mock {
namespace {

constexpr size_t kMaxTexts = 4096;

struct Store {
    std::mutex mutex;
    uint64_t count = 0;
    std::vector<std::string> texts;
};

Store& TheStore() {
    static Store& store = *new Store;
    return store;
}

void Append(const char* path, const std::string& text) {
    if (FILE* file = std::fopen(path, "ae")) {
        std::fprintf(file, "%s\n", text.c_str());
        std::fclose(file);
    }
}

}  // namespace

void RecordViolation(const std::string& command, const std::string& vuid,
                     const std::string& sentence) {
    std::string text = command + ": " + sentence;
    if (!vuid.empty()) text += " (" + vuid + ")";
    Store& store = TheStore();
    std::lock_guard lock(store.mutex);
    ++store.count;
    std::fprintf(stderr, "tessera-mock: violation: %s\n", text.c_str());
    if (const char* path = std::getenv("TESSERA_MOCK_LOG")) Append(path, text);
    if (store.texts.size() < kMaxTexts) store.texts.push_back(std::move(text));
}

uint64_t ViolationCount() {
    std::lock_guard lock(TheStore().mutex);
    return TheStore().count;
}

std::string ViolationText(uint64_t index) {
    std::lock_guard lock(TheStore().mutex);
    return index < TheStore().texts.size() ? TheStore().texts[index] : std::string();
}

void ClearViolations() {
    std::lock_guard lock(TheStore().mutex);
    TheStore().count = 0;
    TheStore().texts.clear();
}

}  // namespace tessera::mock
