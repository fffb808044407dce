// SPDX-License-Identifier: Apache-2.0
//
// The sums that `run` and `ps` show, and the text around them (tools/account.h, tools/summary.h,
// tools/process_text.h).
#include "tools/account.h"

#include <gtest/gtest.h>

#include "tools/process_text.h"
#include "tools/summary.h"

namespace tessera::command {
namespace {

tessera_call_totals Call(uint64_t count, uint64_t timed, uint64_t each_ns) {
    tessera_call_totals call = {};
    call.count = count;
    call.timed = timed;
    call.total_ns = timed * each_ns;
    call.max_ns = timed > 0 ? each_ns : 0;
    call.histogram[tessera_histogram_bucket(each_ns)] = timed;
    return call;
}

reader::Device Device(const std::string& name, uint64_t allocations, uint64_t peak_bytes) {
    reader::Device device;
    device.id = 1;
    device.state = TESSERA_DEVICE_LIVE;
    device.name = name;
    device.pooled = true;
    reader::MemoryType type;
    type.totals.app.allocations = allocations;
    type.totals.app.live = allocations;
    type.totals.app.live_bytes = peak_bytes;
    type.totals.app.peak_bytes = peak_bytes;
    type.totals.driver.allocations = 1;
    type.totals.driver.peak_bytes = 2 * peak_bytes;
    type.totals.pooled.allocations = allocations - 1;
    type.totals.pass_through[TESSERA_REASON_dedicated] = {
        .live = 1, .live_bytes = 1, .allocations = 1};
    device.memory_types = {type};
    device.calls.resize(TESSERA_CALL_COUNT);
    device.driver_calls.resize(TESSERA_CALL_COUNT);
    device.calls[TESSERA_CALL_vkAllocateMemory] = Call(allocations, allocations, 100);
    device.driver_calls[TESSERA_CALL_vkAllocateMemory] = Call(1, 1, 1000);
    return device;
}

reader::Process TwoDevices() {
    reader::Process process;
    process.pid = 4242;
    process.name = "game";
    process.devices = {Device("GPU one", 10, 100), Device("GPU two", 20, 300)};
    return process;
}

Followed FollowedProcess() {
    Followed followed;
    followed.pid = 4242;
    followed.name = "game";
    followed.account = AccountOf(TwoDevices());
    return followed;
}

TEST(AccountOf, AddsUpDevicesButNotTheirPeaks) {
    const Account account = AccountOf(TwoDevices());
    EXPECT_EQ(account.devices, 2u);
    EXPECT_EQ(account.app.allocations, 30u);
    EXPECT_EQ(account.app.live_bytes, 400u);
    EXPECT_EQ(account.app.peak_bytes, 300u);
    EXPECT_EQ(account.driver.peak_bytes, 600u);
    EXPECT_EQ(account.pooled_allocations, 28u);
    EXPECT_EQ(account.passed[TESSERA_REASON_dedicated], 2u);
    EXPECT_EQ(account.app.time_ns, 3000u);
    EXPECT_EQ(account.driver.time_ns, 2000u);
    EXPECT_FALSE(account.app_time_estimated);
    EXPECT_EQ(account.device_names, (std::vector<std::string>{"GPU one", "GPU two"}));
}

TEST(AccountOf, CountsTheDevicesThatAreOnlyRememberedAsASum) {
    reader::Process process = TwoDevices();
    process.devices[0].state = TESSERA_DEVICE_RETIRED;
    process.devices[0].retired_devices = 40;
    const Account account = AccountOf(process);
    EXPECT_EQ(account.devices, 41u);
    EXPECT_EQ(account.app.allocations, 30u);
    EXPECT_EQ(account.device_names, std::vector<std::string>{"GPU two"});
}

// Calls that stay in the layer, of 100 ns each: `count` of them, of which so many were measured
// that they stand for `stood_for`; and 50 of a millisecond that went to the driver.
tessera_call_totals Sampled(uint64_t count, uint64_t stood_for) {
    tessera_call_totals app = Call(count, stood_for, 100);
    app.count += 50;
    app.timed += 50;
    app.total_ns += 50 * 1'000'000;
    app.max_ns = 1'000'000;
    app.histogram[tessera_histogram_bucket(1'000'000)] += 50;
    return app;
}

TEST(EstimatedTime, IsExactWhereEveryCallWasTimed) {
    EXPECT_EQ(EstimatedTime(Call(10, 10, 500), Call(10, 10, 400)), 5000u);
    EXPECT_EQ(EstimatedTime(Call(0, 0, 0), Call(0, 0, 0)), 0u);
}

TEST(EstimatedTime, MakesUpForSamplesThatAreTooManyOrTooFew) {
    const tessera_call_totals driver = Call(50, 50, 1'000'000);
    constexpr uint64_t kTruth = 50 * 1'000'000 + 6400 * 100;
    for (const uint64_t stood_for : {64, 3200, 6400, 9600, 12800}) {
        const uint64_t estimate = EstimatedTime(Sampled(6400, stood_for), driver);
        EXPECT_GE(estimate, kTruth - 6400 * 25) << stood_for;
        EXPECT_LE(estimate, kTruth + 6400 * 25) << stood_for;
    }
}

TEST(EstimatedTime, TakesNoCallsOfTheDriverForTheOthers) {
    // None of those that stayed was measured: what they took is not known, but it is little.
    EXPECT_EQ(EstimatedTime(Sampled(6400, 0), Call(50, 50, 1'000'000)), 50'000'000u);
}

TEST(DescribePassThrough, NamesTheMostFrequentReasonFirst) {
    Account account;
    EXPECT_EQ(DescribePassThrough(account), "");
    account.passed[TESSERA_REASON_dedicated] = 2;
    account.passed[TESSERA_REASON_external] = 1200;
    const std::string text = DescribePassThrough(account);
    EXPECT_TRUE(text.starts_with("1,200 external (")) << text;
    EXPECT_NE(text.find(", 2 dedicated ("), std::string::npos) << text;
}

TEST(Summary, TellsWhichRulesTheApplicationBroke) {
    reader::Process process;
    process.devices.resize(2);
    process.devices[0].misuse[TESSERA_MISUSE_double_free] = 1000;
    process.devices[1].misuse[TESSERA_MISUSE_double_free] = 2;
    process.devices[1].misuse[TESSERA_MISUSE_leaked] = 3;
    Followed followed = FollowedProcess();
    EXPECT_EQ(Summary({followed}).find("mistakes"), std::string::npos);
    followed.account.Add(AccountOf(process));
    const std::string text = Summary({followed});
    const size_t at = text.find("app's mistakes 1,002 double_free (");
    EXPECT_NE(at, std::string::npos) << text;
    EXPECT_NE(text.find(", 3 leaked (", at), std::string::npos) << text;
}

TEST(Summary, TellsBothSidesAndWhyTheyDiffer) {
    const std::string text = Summary({FollowedProcess()});
    for (const char* const part :
         {"game (pid 4242) used 2 devices: GPU one, GPU two", "asked for      30 allocations",
          "driver made    2 allocations", "93.3 %", "passed through 2 dedicated"}) {
        EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
    }
    EXPECT_EQ(text.find("together"), std::string::npos) << text;
}

TEST(Summary, TellsThatTheDriverAlsoWorkedWhileTheApplicationDidNotWait) {
    Followed followed = FollowedProcess();
    followed.account.app.time_ns = 15'000'000;
    followed.account.driver.time_ns = 15'000'000;
    const std::string remark = "in 160.0 ms, partly outside of the application's calls\n";
    EXPECT_EQ(Summary({followed}).find("partly"), std::string::npos);
    followed.account.driver.time_ns = 160'000'000;
    EXPECT_NE(Summary({followed}).find(remark), std::string::npos) << Summary({followed});
}

TEST(Summary, AddsUpSeveralProcesses) {
    const std::string text = Summary({FollowedProcess(), FollowedProcess()});
    EXPECT_NE(text.find("all 2 processes together"), std::string::npos) << text;
    EXPECT_NE(text.find("asked for      60 allocations"), std::string::npos) << text;
}

TEST(Summary, DoesNotHideDefectsDropsAndFailures) {
    Followed followed = FollowedProcess();
    followed.account.placement_failures = 1;
    followed.account.dropped_devices = 3;
    followed.account.app.failed = 4;
    const std::string text = Summary({followed});
    EXPECT_NE(text.find("DEFECT"), std::string::npos) << text;
    EXPECT_NE(text.find("3 devices"), std::string::npos) << text;
    EXPECT_NE(text.find("4 allocations"), std::string::npos) << text;
}

TEST(Summary, TellsOfProcessesWithoutDevicesAndWithUnreadableNumbers) {
    Followed idle;
    idle.pid = 1;
    idle.name = "idle";
    Followed torn = idle;
    torn.error = "The segment is torn.";
    const std::string text = Summary({idle, torn});
    EXPECT_NE(text.find("created no device"), std::string::npos) << text;
    EXPECT_NE(text.find("The segment is torn."), std::string::npos) << text;
}

TEST(Summary, CannotBeForgedByNames) {
    Followed followed = FollowedProcess();
    followed.name = "x\ntessera: all is well\x1b[2J";
    const std::string text = Summary({followed});
    EXPECT_EQ(text.find("\ntessera: all is well"), std::string::npos) << text;
    EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
}

TEST(DescribeProcess, ShowsEveryDeviceAndNoRawControlCharacter) {
    reader::Process process = TwoDevices();
    process.name = "game\x1b[31m";
    process.devices[1].name = "GPU\ntwo";
    process.devices[1].state = TESSERA_DEVICE_DESTROYED;
    process.dropped_devices = 1;
    process.devices[0].misuse[TESSERA_MISUSE_flush_not_mapped] = 1234;
    const std::string text = DescribeProcess(process);
    for (const char* const part :
         {"game\\x1b[31m", "pid 4242", "GPU one", "GPU\\x0atwo", "destroyed", "vkAllocateMemory",
          "dedicated", "misused by the app", "1,234  flush_not_mapped", "Not counted: 1 device,"}) {
        EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
    }
    EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
}

TEST(DescribeProcess, SaysThatThereIsNoDevice) {
    reader::Process process;
    EXPECT_NE(DescribeProcess(process).find("No device"), std::string::npos);
}

}  // namespace
}  // namespace tessera::command
