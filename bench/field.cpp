// SPDX-License-Identifier: Apache-2.0
//
// See field.h.

#include "field.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace bench {

std::string ManifestOf(const std::string& driver) {
    if (driver == "any") return "";
    std::string manifest = driver;
    if (driver == "mock") manifest = TESSERA_BENCH_MOCK_ICD;
    if (driver == "lavapipe") manifest = TESSERA_BENCH_LAVAPIPE_ICD;
    if (!std::filesystem::exists(manifest)) {
        throw std::runtime_error("there is no driver '" + driver + "' (" + manifest + ")");
    }
    return manifest;
}

void PrepareEnvironment(const Settings& settings) {
    const std::string manifest = ManifestOf(settings.driver);
    if (!manifest.empty()) {
        setenv("VK_ICD_FILENAMES", manifest.c_str(), 1);
        setenv("VK_DRIVER_FILES", manifest.c_str(), 1);
    }
    setenv("VK_LAYER_PATH", settings.layer_dir.c_str(), 1);
    // The bare machine is to stay bare: the layered one names the layer itself.
    unsetenv("VK_INSTANCE_LAYERS");
    unsetenv("ENABLE_TESSERA");
    // A discrete GPU with room for as many allocations as one likes; requirements tell the sizes
    // that were asked for, so that the layer learns those that are measured.
    const std::string cost = std::to_string(settings.driver_cost_ns);
    const std::string description = R"({"base": "discrete", "size_below_alignment": true,)"
                                    R"( "limits": {"maxMemoryAllocationCount": 4294967295},)"
                                    R"( "cost_ns": {"vkAllocateMemory": )" +
                                    cost + R"(, "vkFreeMemory": )" + cost + "}}";
    setenv("TESSERA_MOCK_DESCRIPTION", description.c_str(), 1);
}

bool Wants(const Settings& settings, const std::string& name) {
    const auto& wanted = settings.contenders;
    return std::find(wanted.begin(), wanted.end(), name) != wanted.end();
}

std::string Missing(const Settings& settings) {
    std::string missing;
    for (const char* peer : {"vma", "offset_allocator"}) {
        if (TESSERA_BENCH_HAS_PEERS || !Wants(settings, peer)) continue;
        missing += (missing.empty() ? "" : ", ") + std::string(peer);
    }
    return missing;
}

Field::Field(const Settings& settings, bool sparse)
    : most_for_driver_(settings.most_for_driver),
      bare_({.layered = false, .sparse = sparse, .type = settings.type}) {
    if (Wants(settings, "tessera")) {
        layered_ = std::make_unique<Machine>(
            Machine::Options{.layered = true, .sparse = sparse, .type = settings.type});
        contenders_.push_back(MakeTessera(*layered_));
    }
    if (Wants(settings, "driver")) contenders_.push_back(MakeDriver(bare_));
    if (Wants(settings, "vma")) contenders_.push_back(MakeVma(bare_));
    if (Wants(settings, "offset_allocator")) contenders_.push_back(MakeOffsetAllocator());
    std::erase(contenders_, nullptr);
}

std::vector<Contender*> Field::For(uint64_t live) const {
    std::vector<Contender*> chosen;
    for (const auto& contender : contenders_) {
        if (contender->bare() && live > most_for_driver_) continue;
        chosen.push_back(contender.get());
    }
    return chosen;
}

}  // namespace bench
