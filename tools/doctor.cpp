// SPDX-License-Identifier: Apache-2.0
//
// `tessera doctor`: whether the layer works on this machine, what would be passed through and why,
// and what to do about it.
//
// Whatever touches Vulkan happens in child processes (probe.h), in the environment that
// `tessera run` would give to an application; each device has one of its own. Where one fails with
// the layer it is tried without, so that the blame is not laid at the wrong door.
// Threads: one.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include "base/settings.h"
#include "tessera/reader.h"
#include "tools/commands.h"
#include "tools/exit_codes.h"
#include "tools/findings.h"
#include "tools/output.h"
#include "tools/probe.h"
#include "tools/text.h"
#include "tools/vulkan_probe.h"

namespace tessera::command {
namespace {

constexpr char kHelp[] =
    R"(Checks, in the environment of this shell: whether the layer's files are there, whether the Vulkan
loader finds them, whether an instance and each device come up with the layer, which memory types
would be pooled, and which variables change any of this.

Examples:
  tessera doctor
  VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/lvp_icd.x86_64.json tessera doctor
  tessera doctor --json | jq .works

Exit code: 0 if the layer works, also with warnings; 3 if it does not; 1 if the result cannot be
written; 2 for a wrong option.)";

constexpr char kNoDriver[] =
    "Install a driver (mesa-vulkan-drivers has one that needs no GPU), or check VK_DRIVER_FILES "
    "and VK_ICD_FILENAMES.";
constexpr char kHiddenDrivers[] = "XDG_DATA_DIRS hides the system's drivers: see above.";

// A driver's first start compiles and caches things.
constexpr std::chrono::seconds kLimit{30};

// The probes' environment: that of an application, with the layer's warnings where they are read.
Environment ProbeEnvironment(Environment environment) {
    const std::string level = SettingEnvironmentName("log_level");
    // A value that is wrong stays: the layer warns of it.
    if (!CheckSettings({level + "=" + Variable(environment, level).value_or("off")}).empty()) {
        SetVariable(environment, level, "warning");
    }
    SetVariable(environment, SettingEnvironmentName("log_file"), std::nullopt);
    return environment;
}

// How a probe failed, as the end of a sentence; empty if it went through.
std::string Failure(const ProbeResult& probe) {
    if (probe.Finished()) {
        const auto error = probe.report.find("error");
        return error == probe.report.end() ? "" : Printable(error->get<std::string>());
    }
    const std::string step = probe.step.empty() ? "starting" : Printable(probe.step);
    if (probe.pid < 0) return "no process could be started for it";
    if (probe.timed_out) {
        return "it hangs while " + step + " (given up after " + std::to_string(kLimit.count()) +
               " seconds)";
    }
    if (probe.signal) {
        return "it crashes while " + step + " (" + strsignal(*probe.signal) + ")";
    }
    return "it ends while " + step;
}

// "type 0", "types 0, 3".
std::string Types(const std::string& list) {
    return (list.find(',') == std::string::npos ? "type " : "types ") + list;
}

// A probe's numbers are of no further use, and would stand in `tessera ps`.
void RemoveStatistics(const ProbeResult& probe) {
    if (probe.pid <= 0) return;
    const auto left = reader::ReadProcess(static_cast<uint64_t>(probe.pid));
    if (left.ok() && left.value.state != reader::ProcessState::kLive) {
        unlink(left.value.path.c_str());
    }
}

class Doctor {
 public:
    explicit Doctor(const std::string& layer_path)
        : own_(CurrentEnvironment()), search_(FindLayer(OwnExecutable(), layer_path, own_)) {}

    void Examine() {
        Add(CheckFiles(search_, own_));
        Add(CheckLoaderVariables(own_));
        Add(CheckSettings(own_));
        if (!search_.layer) return;
        with_layer_ = ProbeEnvironment(WithLayer(own_, *search_.layer));
        without_layer_ = ProbeEnvironment(WithoutLayer(own_));
        const std::optional<Json> loader = ExamineLoader();
        if (!loader) return;
        const Json& devices = (*loader)["devices"];
        for (uint32_t i = 0; i < devices.size(); ++i)
            ExamineDevice(i, devices[i]);
        if (devices.empty()) {
            Say(Level::kError, "device", "The Vulkan loader finds no device.", NoDriver());
        } else if (std::none_of(devices_.begin(), devices_.end(),
                                [](const Json& device) { return device["works"] == true; })) {
            Say(Level::kError, "device", "No device works with the layer.");
        } else {
            Say(Level::kNote, "application",
                "An application that misbehaves only with the layer may take fresh memory to be "
                "zero, as old ones do.",
                "Try TESSERA_ZERO=reuse first, then TESSERA_MODE=off; the user guide says what to "
                "make of it.");
        }
    }

    bool Works() const {
        return std::ranges::none_of(
            findings_, [](const Finding& finding) { return finding.level == Level::kError; });
    }

    Json ToJson() const {
        const bool found = search_.layer.has_value();
        return {{"schema", kSchema},
                {"works", Works()},
                {"manifest", found ? Json(search_.layer->manifest) : Json()},
                {"loader_version", loader_version_.empty() ? Json() : Json(loader_version_)},
                {"devices", devices_},
                {"findings", FindingsJson(findings_)}};
    }

    std::string Describe() const {
        const auto warnings = static_cast<uint64_t>(std::ranges::count(
            findings_, Level::kWarning, [](const Finding& finding) { return finding.level; }));
        std::string text = DescribeFindings(findings_);
        text += Works() ? "\nThe layer works here" : "\nThe layer does not work here";
        if (warnings > 0) text += ", with " + Plural(warnings, "warning");
        return text + ".\n";
    }

 private:
    void Add(Findings findings) { std::ranges::move(findings, std::back_inserter(findings_)); }
    void Say(Level level, const std::string& check, const std::string& text,
             const std::string& advice = "") {
        findings_.push_back({level, check, text, advice});
    }

    std::optional<Json> ExamineLoader();
    void CheckLayerNames(const Json& names);
    void ExamineDevice(uint32_t index, const Json& properties);
    void BlameForDevice(uint32_t index, const std::string& name, const std::string& failure);
    void DescribeDevice(const std::string& name, const Json& report);
    void AddLog(const ProbeResult& probe);

    // What to do where there is no driver.
    const char* NoDriver() const {
        return HiddenDrivers(own_).empty() ? kNoDriver : kHiddenDrivers;
    }

    Environment own_;
    LayerSearch search_;
    Environment with_layer_;
    Environment without_layer_;
    Findings findings_;
    std::string loader_version_;
    Json devices_ = Json::array();
};

// What the layer itself said; the same line only once.
void Doctor::AddLog(const ProbeResult& probe) {
    for (const std::string& line : probe.log) {
        const std::string text = "The layer says: " + Printable(line);
        const auto same = std::ranges::find(findings_, text, &Finding::text);
        if (same == findings_.end()) Say(Level::kWarning, "log", text);
    }
}

// Returns: the probe's report if devices can be looked at.
std::optional<Json> Doctor::ExamineLoader() {
    const ProbeResult probe = RunProbe(with_layer_, kLimit, ProbeLoader);
    RemoveStatistics(probe);
    if (const std::string failure = Failure(probe); !failure.empty()) {
        const ProbeResult bare = RunProbe(without_layer_, kLimit, ProbeLoader);
        const bool ours = Failure(bare).empty();
        Say(Level::kError, "loader",
            "Vulkan does not come up" + std::string(ours ? " with the layer: " : ": ") + failure +
                ".",
            ours ? "Without the layer it does. Please report this."
                 : "It does not without the layer either: install or repair the Vulkan loader "
                   "(libvulkan1) and the drivers.");
        return std::nullopt;
    }
    loader_version_ = probe.report["version"];
    Say(Level::kOk, "loader", "The Vulkan loader is there: version " + loader_version_ + ".");
    CheckLayerNames(probe.report["layers"]);
    AddLog(probe);
    if (probe.report["instance"] != "VK_SUCCESS") {
        const ProbeResult bare = RunProbe(without_layer_, kLimit, ProbeLoader);
        const bool ours = bare.Finished() && bare.report.value("instance", "") == "VK_SUCCESS";
        Say(Level::kError, "loader",
            "No instance can be created" + std::string(ours ? " with the layer: " : ": ") +
                probe.report["instance"].get<std::string>() + ".",
            ours ? "Without the layer it can. Please report this." : NoDriver());
        return std::nullopt;
    }
    if (!probe.report["layer_loaded"]) {
        Say(Level::kError, "loader", "The Vulkan loader creates instances without the layer.",
            "Try `VK_LOADER_DEBUG=layer tessera run vulkaninfo` to see why.");
        return std::nullopt;
    }
    return probe.report;
}

void Doctor::CheckLayerNames(const Json& names) {
    const auto listed = [&](const std::string& name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (listed(kExplicitLayerName)) {
        Say(Level::kOk, "loader", "The Vulkan loader finds the layer.");
    } else {
        Say(Level::kError, "loader", "The Vulkan loader does not find the layer.",
            "Try `VK_LOADER_DEBUG=layer tessera run vulkaninfo` to see why. A loader before "
            "1.3.207 does not know VK_ADD_LAYER_PATH: set VK_LAYER_PATH to the layer's folder.");
    }
    std::istringstream own_layers(Variable(own_, "VK_INSTANCE_LAYERS").value_or(""));
    for (std::string name; std::getline(own_layers, name, ':');) {
        if (name.empty() || listed(name)) continue;
        Say(Level::kWarning, "loader_variables",
            "VK_INSTANCE_LAYERS names '" + Printable(name) +
                "', which the Vulkan loader does not find.",
            "It is skipped. Install that layer, or take its name out.");
    }
}

void Doctor::ExamineDevice(uint32_t index, const Json& properties) {
    const std::string name = "'" + Printable(properties["name"].get<std::string>()) + "'";
    const ProbeResult probe = RunProbe(
        with_layer_, kLimit, [index](const TellStep& tell) { return ProbeDevice(tell, index); });
    RemoveStatistics(probe);

    Json device = {{"index", index}};
    device.update(properties);
    const std::string failure = Failure(probe);
    device["works"] = failure.empty();
    if (failure.empty()) {
        for (const char* const key : {"mode", "why", "memory_types"})
            device[key] = probe.report.value(key, Json());
        DescribeDevice(name, probe.report);
    } else {
        BlameForDevice(index, name, failure);
    }
    devices_.push_back(std::move(device));
    AddLog(probe);
}

void Doctor::BlameForDevice(uint32_t index, const std::string& name, const std::string& failure) {
    const ProbeResult bare = RunProbe(
        without_layer_, kLimit, [index](const TellStep& tell) { return ProbeDevice(tell, index); });
    if (Failure(bare).empty()) {
        Say(Level::kError, "device",
            "The device " + name + " fails with the layer: " + failure + ".",
            "Without the layer it works. Please report this, and set TESSERA_MODE=off meanwhile.");
    } else {
        Say(Level::kWarning, "device", "The device " + name + " does not work: " + failure + ".",
            "It does not without the layer either: this is a matter of its driver.");
    }
}

void Doctor::DescribeDevice(const std::string& name, const Json& report) {
    if (report.contains("no_statistics")) {
        Say(Level::kWarning, "device",
            "The device " + name + " comes up with the layer, which publishes no statistics: " +
                Printable(report["no_statistics"].get<std::string>()),
            "The layer works, but `tessera run`, `ps` and `stat` cannot show what it does.");
        return;
    }
    // Memory types by what became of an allocation in them.
    std::map<std::string, std::string> served;
    for (const Json& type : report["memory_types"]) {
        std::string& list = served[type["served"].get<std::string>()];
        list += (list.empty() ? "" : ", ") + std::to_string(type["index"].get<uint32_t>());
    }
    if (served.contains("pooled")) {
        Say(Level::kOk, "device",
            "The device " + name +
                " comes up with the layer; allocations are pooled in memory of " +
                Types(served["pooled"]) + ".");
    } else {
        Say(Level::kWarning, "device",
            "The device " + name +
                " comes up with the layer, and all of its memory is passed "
                "through.",
            report["mode"] == "off" ? "Its reason follows; it holds for the whole device." : "");
    }
    for (uint32_t reason = 0; reason < TESSERA_REASON_COUNT; ++reason) {
        const auto types = served.find(reader::ReasonName(reason));
        if (types == served.end()) continue;
        Say(Level::kNote, "device",
            "Memory of " + Types(types->second) + " of " + name +
                " is passed through: " + types->first + " (" + reader::ReasonText(reason) + ").");
    }
    if (served.contains("failed")) {
        Say(Level::kNote, "device",
            "A trial allocation failed in memory of " + Types(served["failed"]) + " of " + name +
                ".",
            "The memory may be in use elsewhere.");
    }
}

struct DoctorOptions {
    std::string layer_path;
    bool json = false;
};

int RunDoctor(const DoctorOptions& options) {
    Doctor doctor(options.layer_path);
    doctor.Examine();
    const std::string text =
        options.json ? Dump(doctor.ToJson(), Layout::kPretty) : doctor.Describe();
    if (PrintResult(text) == Written::kFailed) return kFailure;
    return doctor.Works() ? kOk : kNotFound;
}

}  // namespace

void AddDoctor(CLI::App& app, Action& action) {
    const auto options = std::make_shared<DoctorOptions>();
    CLI::App* const doctor = app.add_subcommand("doctor", "Check whether the layer works here");
    doctor->footer(kHelp);
    doctor
        ->add_option("--layer-path", options->layer_path,
                     "Take the layer from this folder instead of looking for it")
        ->type_name("DIR");
    doctor->add_flag("--json", options->json, "Print JSON");
    doctor->callback([&action, options] { action = [options] { return RunDoctor(*options); }; });
}

}  // namespace tessera::command
