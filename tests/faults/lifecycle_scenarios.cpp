// SPDX-License-Identifier: Apache-2.0
//
// Scenarios that make their instances and devices themselves, and the list of all scenarios.
#include "scenarios.h"

namespace tessera::faults {
namespace {

// The layer counts itself among the tools.
void AskForTools(Application& app) {
    uint32_t count = 0;
    app.Call("vkGetPhysicalDeviceToolProperties", Kind::kPlain, [&] {
        return vkGetPhysicalDeviceToolProperties(app.physical_device, &count, nullptr);
    });
    VkPhysicalDeviceToolProperties tool = {};
    tool.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TOOL_PROPERTIES;
    app.Call("vkGetPhysicalDeviceToolProperties", Kind::kPlain, [&] {
        count = 1;
        return vkGetPhysicalDeviceToolProperties(app.physical_device, &count, &tool);
    });
}

// One instance, one device, one allocation.
void ComeAndGo(Application& app) {
    app.MakeInstance();
    AskForTools(app);
    app.MakeDevice();
    app.Free(app.Pooled(4096, 1));
    app.CheckNumbers();
    app.DestroyDevice();
    app.DestroyInstance();
}

// Two devices at a time, three in all, and two instances, one after the other.
void SeveralDevices(Application& app) {
    app.MakeInstance();
    app.MakeDevice();
    const VkDevice first = app.device;
    const VkDeviceMemory on_first = app.Pooled(4096, 1);
    app.MakeDevice();
    const VkDevice second = app.device;
    const VkDeviceMemory on_second = app.Pooled(4096, 2);
    app.CheckNumbers();
    app.device = first;
    app.Free(on_first);
    app.CheckNumbers();
    app.DestroyDevice();
    app.MakeDevice();
    app.Free(app.Pooled(5000, 1));
    app.DestroyDevice();
    app.device = second;
    app.Free(on_second);
    app.CheckNumbers();
    app.DestroyDevice();
    app.DestroyInstance();
    ComeAndGo(app);
}

}  // namespace

std::vector<Scenario> LifecycleScenarios() {
    Machine budget;
    budget.description = "preset:budget";
    Machine with_settings;
    with_settings.environment = {"TESSERA_IDLE_BYTES=1MiB", "TESSERA_PAGE_ALIGN=on",
                                 "TESSERA_LOG_LEVEL=debug", "TESSERA_LOG_FILE=@/log",
                                 "VK_LAYER_SETTINGS_PATH=/nowhere/at/all"};
    Machine two;
    two.description = "preset:discrete";
    return {
        {"come_and_go", budget, ComeAndGo, true},
        {"settings", with_settings, ComeAndGo, true},
        {"several_devices", two, SeveralDevices, true},
    };
}

const std::vector<Scenario>& Scenarios() {
    static const std::vector<Scenario> all = [] {
        std::vector<Scenario> list = MemoryScenarios();
        for (const auto& part : {ObjectScenarios(), LifecycleScenarios()})
            list.insert(list.end(), part.begin(), part.end());
        return list;
    }();
    return all;
}

}  // namespace tessera::faults
