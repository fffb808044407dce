// SPDX-License-Identifier: Apache-2.0
//
// A campaign runs one scenario again and again, each time with another fault: first without any, to
// count what is called, then with every call of every function failing, in every way that it may
// fail, once and for good.
//
// Threads: one.
#ifndef TESSERA_TESTS_FAULTS_CAMPAIGN_H_
#define TESSERA_TESTS_FAULTS_CAMPAIGN_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "mock_client.h"
#include "scenarios.h"

namespace tessera::faults {

// How often the application heard what: (what failed, the application's call, the result, sticky).
using Told = std::map<std::tuple<std::string, std::string, VkResult, bool>, uint64_t>;

// What a campaign covered.
struct Coverage {
    std::map<std::string, uint64_t> calls;  // of each function, in the run without faults
    uint64_t runs = 0;                      // with a fault
    Told told;
};

class Campaign {
 public:
    // Makes the instance of a scenario that does not make its own.
    explicit Campaign(const Scenario& scenario, bool use_layer = true);
    ~Campaign();

    // Runs the scenario once. Nothing may be left alive below, and no rule of Vulkan broken.
    // Returns: what happened while the fault struck.
    std::vector<Event> Run(const std::optional<Fault>& fault);

    // Runs it without a fault, then with each of these sources.
    Coverage FailDriver();
    Coverage FailHostMemory();
    Coverage FailSystem();

 private:
    void Try(const Fault& fault, Coverage* coverage);
    // Ends a campaign that fails everywhere.
    bool GivesUp() const;

    Scenario scenario_;
    mock::ScopedMock mock_;
    std::unique_ptr<Application> host_;  // of the instance, unless the scenario is a whole
};

// The commands that the driver was called with in one run of the scenario without a fault.
std::map<std::string, uint64_t> DriverCommandsOf(const Scenario& scenario);

}  // namespace tessera::faults

#endif  // TESSERA_TESTS_FAULTS_CAMPAIGN_H_
