// SPDX-License-Identifier: Apache-2.0
//
// Asks the real loader: creates a Vulkan instance, naming no layer itself, and checks which copy of
// the layer the environment brought in, that it is in the chain once however many manifests there
// are, and that it is gone from the process when the instance is.
//
// usage: loader_probe LIBRARY             the file that must be loaded
//        loader_probe none                no copy of the layer may be loaded
//
// Requires: VK_LOADER_DEBUG=all. The loader says what it inserts into the chain only in its debug
// output, and looks at that variable when it is loaded; the probe reads its own stderr.
// Threading: none.
#include <sys/mman.h>
#include <unistd.h>
#include <vulkan/vulkan.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace {

constexpr char kLibraryName[] = "libVkLayer_tessera_suballocator.so";
constexpr char kInserted[] = "Insert instance layer \"VK_LAYER_TESSERA_suballocator\"";

// Returns: every file of the layer's name that is mapped into this process.
std::set<std::string> LoadedLibraries() {
    std::set<std::string> paths;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        const size_t path = line.find('/');
        if (path != std::string::npos && line.ends_with(kLibraryName)) {
            paths.insert(line.substr(path));
        }
    }
    return paths;
}

size_t CountOf(const std::string& text, const std::string& part) {
    size_t count = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++count;
    }
    return count;
}

// Creates an instance. Returns: what the loader wrote to stderr while doing so.
std::string CreateInstance(VkInstance& instance, VkResult& result) {
    const int original = dup(STDERR_FILENO);
    const int capture = memfd_create("stderr", MFD_CLOEXEC);
    dup2(capture, STDERR_FILENO);
    const VkInstanceCreateInfo info{.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                    .pNext = nullptr,
                                    .flags = 0,
                                    .pApplicationInfo = nullptr,
                                    .enabledLayerCount = 0,
                                    .ppEnabledLayerNames = nullptr,
                                    .enabledExtensionCount = 0,
                                    .ppEnabledExtensionNames = nullptr};
    result = vkCreateInstance(&info, nullptr, &instance);
    dup2(original, STDERR_FILENO);
    close(original);

    std::string text(static_cast<size_t>(lseek(capture, 0, SEEK_END)), '\0');
    const ssize_t count = pread(capture, text.data(), text.size(), 0);
    close(capture);
    text.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return text;
}

int Fail(const std::string& sentence, const std::string& loader_output) {
    std::fprintf(stderr, "%s\nloader_probe: %s\n", loader_output.c_str(), sentence.c_str());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return Fail("usage: loader_probe LIBRARY|none", "");
    std::set<std::string> expected;
    if (argv[1] != std::string("none")) expected.insert(std::filesystem::canonical(argv[1]));

    VkInstance instance = VK_NULL_HANDLE;
    VkResult result = VK_SUCCESS;
    const std::string output = CreateInstance(instance, result);
    if (result != VK_SUCCESS) return Fail("vkCreateInstance returned an error", output);

    const std::set<std::string> loaded = LoadedLibraries();
    if (loaded != expected) {
        std::string found;
        for (const std::string& path : loaded)
            found += " " + path;
        return Fail("expected " + std::string(argv[1]) + ", found:" + found, output);
    }
    if (const size_t count = CountOf(output, kInserted); count != expected.size()) {
        return Fail("the layer is in the chain " + std::to_string(count) + " times", output);
    }
    vkDestroyInstance(instance, nullptr);
    if (!LoadedLibraries().empty()) return Fail("the layer outlived its last instance", output);
    return 0;
}
