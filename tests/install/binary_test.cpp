// SPDX-License-Identifier: Apache-2.0
//
// The built layer as a file: a guest in every Vulkan application may bring no symbols, no libraries
// and nothing that keeps it from being unloaded. One leaked STB_GNU_UNIQUE symbol would pin the
// library, and its globals would then survive from one instance to the next.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vulkan/vk_layer.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using testing::AnyOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kLayer[] = TESSERA_LAYER_FILE;

// Returns: what readelf says about the layer, line by line.
std::vector<std::string> ReadElf(const std::string& options) {
    const std::string command = TESSERA_READELF " --wide " + options + " " + kLayer;
    FILE* const pipe = popen(command.c_str(), "r");
    EXPECT_NE(pipe, nullptr) << command;
    std::vector<std::string> lines;
    std::array<char, 4096> line;
    while (pipe != nullptr && fgets(line.data(), static_cast<int>(line.size()), pipe) != nullptr) {
        lines.emplace_back(line.data());
        if (lines.back().ends_with('\n')) lines.back().pop_back();
    }
    EXPECT_EQ(pipe != nullptr ? pclose(pipe) : -1, 0) << command;
    return lines;
}

// Returns: the names of the dynamic symbols that the layer defines, so that others can bind to
// them.
std::vector<std::string> ExportedSymbols() {
    std::vector<std::string> names;
    for (const std::string& line : ReadElf("--dyn-syms")) {
        // "   Num:    Value          Size Type    Bind   Vis      Ndx Name"
        std::istringstream fields(line);
        std::string number, value, size, type, binding, visibility, section, name;
        fields >> number >> value >> size >> type >> binding >> visibility >> section >> name;
        if (name.empty() || number == "Num:" || section == "UND" || binding == "LOCAL") continue;
        names.push_back(name);
    }
    return names;
}

bool IsMapped() {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        if (line.ends_with("libVkLayer_tessera_suballocator.so")) return true;
    }
    return false;
}

TEST(LayerBinary, ExportsTheNegotiationFunctionAndNothingElse) {
    EXPECT_THAT(ExportedSymbols(), ElementsAre("vkNegotiateLoaderLayerInterfaceVersion"));
}

TEST(LayerBinary, HasNoSymbolThatPinsIt) {
    const std::vector<std::string> lines = ReadElf("--dyn-syms");
    ASSERT_THAT(lines, Not(IsEmpty()));
    EXPECT_THAT(lines, Each(Not(HasSubstr(" UNIQUE "))));
}

TEST(LayerBinary, AsksForNoStaticThreadLocalStorage) {
    EXPECT_THAT(ReadElf("--dynamic"), Each(Not(HasSubstr("STATIC_TLS"))));
}

#ifndef TESSERA_TEST_SANITIZED  // their run-time libraries are needed besides
TEST(LayerBinary, NeedsTheCLibraryOnly) {
    std::vector<std::string> needed;
    for (const std::string& line : ReadElf("--dynamic")) {
        if (line.find("(NEEDED)") == std::string::npos) continue;
        const size_t begin = line.find('[') + 1;
        needed.push_back(line.substr(begin, line.find(']') - begin));
    }
    EXPECT_THAT(needed, Not(IsEmpty()));
    EXPECT_THAT(needed, Each(AnyOf("libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2",
                                   "ld-linux-aarch64.so.1", "ld-linux.so.2")));
}
#endif

TEST(LayerBinary, NegotiatesInterfaceVersionTwo) {
    void* const library = dlopen(kLayer, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << dlerror();
    const auto negotiate = reinterpret_cast<PFN_vkNegotiateLoaderLayerInterfaceVersion>(
        dlsym(library, "vkNegotiateLoaderLayerInterfaceVersion"));
    ASSERT_NE(negotiate, nullptr);
    VkNegotiateLayerInterface interface {};
    interface.sType = LAYER_NEGOTIATE_INTERFACE_STRUCT;
    interface.loaderLayerInterfaceVersion = 7;  // a loader of the future: the layer lowers it
    EXPECT_EQ(negotiate(&interface), VK_SUCCESS);
    EXPECT_EQ(interface.loaderLayerInterfaceVersion, 2u);
    EXPECT_NE(interface.pfnGetInstanceProcAddr, nullptr);
    EXPECT_NE(interface.pfnGetDeviceProcAddr, nullptr);
    EXPECT_EQ(dlclose(library), 0);
}

TEST(LayerBinary, LeavesTheProcessWhenItIsClosed) {
    for (int round = 0; round < 3; ++round) {
        void* const library = dlopen(kLayer, RTLD_NOW | RTLD_LOCAL);
        ASSERT_NE(library, nullptr) << dlerror();
        EXPECT_TRUE(IsMapped());
        const auto negotiate = reinterpret_cast<PFN_vkNegotiateLoaderLayerInterfaceVersion>(
            dlsym(library, "vkNegotiateLoaderLayerInterfaceVersion"));
        ASSERT_NE(negotiate, nullptr);
        VkNegotiateLayerInterface interface {};
        interface.sType = LAYER_NEGOTIATE_INTERFACE_STRUCT;
        interface.loaderLayerInterfaceVersion = 2;
        EXPECT_EQ(negotiate(&interface), VK_SUCCESS);
        EXPECT_EQ(dlclose(library), 0);
        EXPECT_FALSE(IsMapped());
    }
}

}  // namespace
