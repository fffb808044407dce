// SPDX-License-Identifier: Apache-2.0
//
// See campaign.h.
#include "campaign.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "layer_calls.h"

namespace tessera::faults {
namespace {

constexpr int kMostFailures = 40;

// What system functions fail with: no room, no right, no memory.
constexpr int kErrors[] = {ENOSPC, EACCES, ENOMEM};

Machine With(Machine machine, bool use_layer) {
    machine.use_layer = use_layer;
    return machine;
}

// The calls of every command that can fail, since counting started.
std::map<std::string, uint64_t> CountDriverCalls() {
    std::map<std::string, uint64_t> calls;
    const TesseraMock& mock = mock::Control();
    for (uint32_t i = 0; mock.result_command(i) != nullptr; ++i) {
        const uint64_t count = mock.call_count(mock.result_command(i));
        if (count != 0) calls[mock.result_command(i)] = count;
    }
    return calls;
}

int FailuresSoFar() {
    const testing::TestInfo* info = testing::UnitTest::GetInstance()->current_test_info();
    return info == nullptr ? 0 : info->result()->total_part_count();
}

}  // namespace

Campaign::Campaign(const Scenario& scenario, bool use_layer)
    : scenario_(scenario), mock_(scenario.machine.description) {
    EXPECT_TRUE(mock_.good()) << scenario.machine.description;
    scenario_.machine = With(scenario.machine, use_layer);
    if (scenario_.whole) return;
    host_ = std::make_unique<Application>(scenario_.machine, std::nullopt);
    host_->MakeInstance();
}

Campaign::~Campaign() = default;

std::vector<Event> Campaign::Run(const std::optional<Fault>& fault) {
    mock_->clear_violations();
    Application app(scenario_.machine, fault);
    if (host_ == nullptr) {
        // What an earlier run published would be continued, by other calls than these.
        std::error_code ignored;
        std::filesystem::remove_all(getenv("XDG_RUNTIME_DIR"), ignored);
        std::filesystem::create_directory(getenv("XDG_RUNTIME_DIR"), ignored);
        std::filesystem::permissions(getenv("XDG_RUNTIME_DIR"), std::filesystem::perms::owner_all,
                                     ignored);
        app.Start();
        try {
            scenario_.run(app);
        } catch (const GivenUp&) {
            app.Abandon();
            return app.events();
        }
    } else {
        app.instance = host_->instance;
        app.physical_device = host_->physical_device;
        app.MakeDevice();
        app.Start();
        scenario_.run(app);
        app.CheckNumbers();
    }
    app.Stop();
    if (!fault && scenario_.machine.use_layer && host_ != nullptr) app.ExpectPooledAsAsked();
    app.DestroyDevice();
    if (host_ != nullptr) app.instance = VK_NULL_HANDLE;
    EXPECT_EQ(mock_->live_objects(VK_NULL_HANDLE, VK_OBJECT_TYPE_DEVICE_MEMORY), 0u);
    EXPECT_EQ(mock_.Violations(), "");
    EXPECT_EQ(app.fired(), fault.has_value()) << "what was to fail was never called";
    return app.events();
}

bool Campaign::GivesUp() const {
    return FailuresSoFar() > kMostFailures;
}

void Campaign::Try(const Fault& fault, Coverage* coverage) {
    SCOPED_TRACE(std::string(scenario_.name) + ": " + fault.Text());
    for (const Event& event : Run(fault)) {
        if (event.result < 0) {
            ++coverage->told[{fault.function, event.command, event.result, fault.sticky}];
        }
    }
    ++coverage->runs;
}

Coverage Campaign::FailDriver() {
    Coverage coverage;
    Run(std::nullopt);
    coverage.calls = CountDriverCalls();
    for (const auto& [command, count] : coverage.calls) {
        EXPECT_TRUE(IsInTable(command)) << "result_codes.inc has no " << command;
        for (uint64_t nth = 1; nth <= count; ++nth) {
            for (const VkResult result : ErrorsOf(command)) {
                for (const bool sticky : {false, true}) {
                    if (GivesUp()) return coverage;
                    Try({Source::kDriver, command, nth, sticky, result}, &coverage);
                }
            }
        }
    }
    return coverage;
}

Coverage Campaign::FailHostMemory() {
    Coverage coverage;
    Run(std::nullopt);
    const uint64_t count = LayerCallCount(kHostMemory);
    coverage.calls[kHostMemory] = count;
    for (uint64_t nth = 1; nth <= count; ++nth) {
        for (const bool sticky : {false, true}) {
            if (GivesUp()) return coverage;
            Try({Source::kHostMemory, kHostMemory, nth, sticky, VK_SUCCESS, ENOMEM}, &coverage);
        }
    }
    return coverage;
}

Coverage Campaign::FailSystem() {
    Coverage coverage;
    for (const std::string& function : SystemFunctions()) {
        Run(std::nullopt);
        const uint64_t count = LayerCallCount(function);
        if (count != 0) coverage.calls[function] = count;
        for (uint64_t nth = 1; nth <= count; ++nth) {
            for (const int error : kErrors) {
                for (const bool sticky : {false, true}) {
                    if (GivesUp()) return coverage;
                    Try({Source::kSystem, function, nth, sticky, VK_SUCCESS, error}, &coverage);
                }
            }
        }
    }
    return coverage;
}

std::map<std::string, uint64_t> DriverCommandsOf(const Scenario& scenario) {
    Campaign campaign(scenario);
    campaign.Run(std::nullopt);
    return CountDriverCalls();
}

}  // namespace tessera::faults
