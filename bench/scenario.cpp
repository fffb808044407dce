// SPDX-License-Identifier: Apache-2.0
//
// See scenario.h.

#include "scenario.h"

#include <cstdio>
#include <memory>

#include "lane.h"

namespace bench {

std::vector<Outcome> Run(const Scenario& scenario, const std::vector<Contender*>& contenders,
                         const RunOptions& options) {
    std::vector<std::unique_ptr<Lane>> lanes;
    for (Contender* contender : contenders) {
        if (scenario.threads > 1 && !contender->threadable()) continue;
        try {
            lanes.push_back(std::make_unique<Lane>(*contender, scenario, options));
        } catch (const GaveUp& reason) {
            std::printf("%s, %u live: %s\n", scenario.name.c_str(), scenario.live, reason.what());
        }
    }
    if (options.pairs != 0) {
        for (auto& lane : lanes)
            lane->FixedRound();
    } else {
        for (auto& lane : lanes)
            lane->WarmUp();
        for (uint32_t round = 0; round < options.rounds; ++round) {
            for (auto& lane : lanes)
                lane->Round();
        }
    }
    std::vector<Outcome> outcomes;
    for (auto& lane : lanes)
        outcomes.push_back(lane->Result());
    return outcomes;
}

}  // namespace bench
