// SPDX-License-Identifier: Apache-2.0
//
// Exhaustive failure: every call below the layer fails once, and for good, in every way that it
// may, and every host allocation of the layer, and every system call of its channel. rules.h says
// what the application may hear of it; application.h what must hold after each.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <set>

#include "campaign.h"
#include "layer_calls.h"

namespace tessera::faults {
namespace {

std::string NameOf(const testing::TestParamInfo<size_t>& info) {
    return Scenarios()[info.param].name;
}

std::string Sum(const Coverage& coverage) {
    uint64_t calls = 0;
    for (const auto& [function, count] : coverage.calls)
        calls += count;
    return std::to_string(coverage.runs) + " runs failed " + std::to_string(calls) + " calls of " +
           std::to_string(coverage.calls.size()) + " functions";
}

class EveryScenario : public testing::TestWithParam<size_t> {
 protected:
    const Scenario& scenario() const { return Scenarios()[GetParam()]; }
};

class DriverFaults : public EveryScenario {};
class HostMemoryFaults : public EveryScenario {};

// Every scenario but those whose loader asks the driver as well: these are compared below.
TEST_P(DriverFaults, AreAbsorbedOrToldAndNothingIsLeft) {
    const Coverage coverage = Campaign(scenario()).FailDriver();
    EXPECT_FALSE(coverage.calls.empty());
    uint64_t expected = 0;
    for (const auto& [command, count] : coverage.calls)
        expected += count * ErrorsOf(command).size() * 2;
    EXPECT_EQ(coverage.runs, expected) << "every call in every way, once and for good";
    std::cout << scenario().name << ": " << Sum(coverage) << "\n";
}

TEST_P(HostMemoryFaults, AreAbsorbedOrToldAndNothingIsLeft) {
    if (!LayerCallsAvailable()) GTEST_SKIP() << "the sanitizer's allocator cannot be replaced";
    const Coverage coverage = Campaign(scenario()).FailHostMemory();
    EXPECT_EQ(coverage.runs, 2 * coverage.calls.at(kHostMemory));
    EXPECT_GT(coverage.runs, 0u) << "the layer's allocations are not seen";
    std::cout << scenario().name << ": " << Sum(coverage) << "\n";
}

INSTANTIATE_TEST_SUITE_P(Scenario, DriverFaults, testing::Range<size_t>(0, Scenarios().size()),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(Scenario, HostMemoryFaults, testing::Range<size_t>(0, Scenarios().size()),
                         NameOf);

// While an instance or a device is made the loader calls the driver as well, and tells what it sees
// fit. The layer's own calls must all be absorbed: what is told with the layer is what is told
// without it, as often.
TEST(CreationFaults, TheApplicationHearsWhatItHearsWithoutTheLayer) {
    for (const Scenario& scenario : Scenarios()) {
        if (!scenario.whole) continue;
        SCOPED_TRACE(scenario.name);
        auto of_creation = [](const Coverage& coverage) {
            Told told;
            for (const auto& [what, count] : coverage.told) {
                const std::string& call = std::get<1>(what);
                // A fault that stays would be told by the next call of the loader.
                if (std::get<3>(what)) continue;
                if (call == "vkCreateInstance" || call == "vkCreateDevice" ||
                    call == "vkEnumeratePhysicalDevices") {
                    told[what] = count;
                }
            }
            return told;
        };
        const Told with = of_creation(Campaign(scenario).FailDriver());
        const Told without = of_creation(Campaign(scenario, /*use_layer=*/false).FailDriver());
        EXPECT_EQ(with, without);
        EXPECT_FALSE(without.empty());
    }
}

// The channel is for readers; without it, or with a part of it, the application runs as ever.
TEST(SystemFaults, CostStatisticsAndNothingElse) {
    if (!LayerCallsAvailable()) GTEST_SKIP() << "the sanitizer's functions cannot be replaced";
    std::set<std::string> failed;
    for (const Scenario& scenario : Scenarios()) {
        if (!scenario.whole) continue;
        const Coverage coverage = Campaign(scenario).FailSystem();
        for (const auto& [function, count] : coverage.calls)
            failed.insert(function);
        std::cout << scenario.name << ": " << Sum(coverage) << "\n";
    }
    for (const char* function : {"openat", "mmap", "posix_fallocate", "fchmod", "fstat"})
        EXPECT_EQ(failed.count(function), 1u) << function << " was never called";
}

// Whether a device's command is the layer's own.
bool IsIntercepted(VkDevice device, const char* name) {
    const PFN_vkVoidFunction function = vkGetDeviceProcAddr(device, name);
    Dl_info info = {};
    return function != nullptr && dladdr(reinterpret_cast<void*>(function), &info) != 0 &&
           std::string(info.dli_fname).find("VkLayer_tessera") != std::string::npos;
}

// No command that the layer intercepts is left out of all scenarios.
TEST(Coverage, EveryInterceptedCommandThatCanFailWasFailed) {
    std::map<std::string, uint64_t> made;
    for (const Scenario& scenario : Scenarios()) {
        for (const auto& [command, count] : DriverCommandsOf(scenario))
            made[command] += count;
    }
    std::set<std::string> intercepted = {"vkCreateInstance", "vkCreateDevice",
                                         "vkEnumerateDeviceExtensionProperties",
                                         "vkGetPhysicalDeviceToolProperties"};
    for (const Scenario& scenario : Scenarios()) {
        if (scenario.whole) continue;
        mock::ScopedMock mock(scenario.machine.description);
        Application app(scenario.machine, std::nullopt);
        app.MakeInstance();
        app.MakeDevice();
        for (uint32_t i = 0; mock->result_command(i) != nullptr; ++i) {
            if (IsIntercepted(app.device, mock->result_command(i))) {
                intercepted.insert(mock->result_command(i));
            }
        }
        app.Close();
    }
    EXPECT_GE(intercepted.size(), 20u);
    for (const std::string& command : intercepted)
        EXPECT_GT(made[command], 0u) << command << " is intercepted and no scenario calls it";
    uint64_t calls = 0;
    for (const auto& [command, count] : made)
        calls += count;
    std::cout << made.size() << " commands are called " << calls << " times, " << intercepted.size()
              << " of them intercepted\n";
}

// Callbacks of the application that have no host memory.
struct EmptyCallbacks {
    static void* VKAPI_PTR Allocate(void* user, size_t, size_t, VkSystemAllocationScope) {
        ++*static_cast<int*>(user);
        return nullptr;
    }
    static void* VKAPI_PTR Reallocate(void* user, void*, size_t, size_t, VkSystemAllocationScope) {
        return Allocate(user, 0, 0, VK_SYSTEM_ALLOCATION_SCOPE_OBJECT);
    }
    static void VKAPI_PTR Free(void* user, void* memory) {
        if (memory != nullptr) ++*static_cast<int*>(user);
    }

    int calls = 0;
    VkAllocationCallbacks callbacks = {&calls, Allocate, Reallocate, Free, nullptr, nullptr};
};

// A block outlives the allocation that caused it, so it is not made with the application's
// callbacks, and neither is anything that the layer keeps (f17). What goes through takes them
// along.
TEST(EmptyCallbacks, ReachTheDriverWithWhatGoesThroughOnly) {
    mock::ScopedMock mock("preset:discrete");
    Application app({}, std::nullopt);
    app.MakeInstance();
    app.MakeDevice();
    EmptyCallbacks empty;
    const VkDeviceMemory pooled = app.Pooled(4096, 1, nullptr, &empty.callbacks);
    app.Free(pooled, &empty.callbacks);
    EXPECT_EQ(empty.calls, 0);
    VkMemoryAllocateInfo info = {};
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    info.allocationSize = VkDeviceSize{80} << 20;
    info.memoryTypeIndex = 1;
    VkDeviceMemory through = VK_NULL_HANDLE;
    EXPECT_EQ(vkAllocateMemory(app.device, &info, &empty.callbacks, &through),
              VK_ERROR_OUT_OF_HOST_MEMORY);
    // Once for the request, and once more after the idle block was given back.
    EXPECT_EQ(empty.calls, 2);
    EXPECT_EQ(mock->live_objects(app.device, VK_OBJECT_TYPE_DEVICE_MEMORY), 0u);
    app.CheckNumbers();
    app.Free(app.Through(VkDeviceSize{80} << 20, 1));
    app.Close();
    EXPECT_EQ(mock.Violations(), "");
}

}  // namespace
}  // namespace tessera::faults

// The layer is loaded before anything else and stays: its code has to be known before its first
// allocation. Everything is published into a folder of this process.
int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    for (const char* name : {"VK_INSTANCE_LAYERS", "VK_ADD_LAYER_PATH", "VK_LAYER_SETTINGS_PATH",
                             "TESSERA_MODE", "TESSERA_CHANNEL", "TESSERA_IDLE_BYTES"}) {
        unsetenv(name);
    }
    char directory[] = "/tmp/tessera-faults-test-XXXXXX";
    if (mkdtemp(directory) == nullptr) return 1;
    setenv("XDG_RUNTIME_DIR", directory, 1);
    setenv("XDG_DATA_HOME", directory, 1);
    setenv("TESSERA_LOG_LEVEL", "off", 1);
    // Layers of the system are not what is tested, and some do not bear a driver that fails.
    setenv("VK_LOADER_LAYERS_DISABLE", "~implicit~", 1);
    const std::string layer = TESSERA_LAYER_LIBRARY;
    if (dlopen(layer.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr ||
        (tessera::faults::LayerCallsAvailable() && !tessera::faults::WatchLayer(layer))) {
        std::cerr << "cannot watch " << layer << "\n";
        return 1;
    }
    const int result = RUN_ALL_TESTS();
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
    return result;
}
