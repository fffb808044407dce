// SPDX-License-Identifier: Apache-2.0
//
// In place of what needs the mock driver, where the tests are not built.

#include "special.h"

namespace bench {

std::vector<Outcome> RunSteadyGrowth(const Scenario&, const Settings&) {
    throw std::runtime_error("the mock driver is not built");
}

}  // namespace bench
