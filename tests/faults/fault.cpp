// SPDX-License-Identifier: Apache-2.0
//
// See fault.h.
#include "fault.h"

#include <map>

#include "layer_calls.h"
#include "mock_client.h"

namespace tessera::faults {
namespace {

const std::map<std::string, std::vector<VkResult>>& Table() {
    static const std::map<std::string, std::vector<VkResult>> kTable = {
#include "result_codes.inc"
    };
    return kTable;
}

}  // namespace

uint64_t Fault::Calls() const {
    return source == Source::kDriver ? mock::Control().call_count(function.c_str())
                                     : LayerCallCount(function);
}

void Fault::Arm() const {
    if (source == Source::kDriver) {
        mock::Control().fail_call(function.c_str(), nth, result, sticky ? 1 : 0);
    } else {
        FailLayerCall(function, nth, sticky, error);
    }
}

std::string Fault::Text() const {
    std::string text = function + " call " + std::to_string(nth);
    if (source == Source::kDriver) text += " returns " + std::to_string(result);
    if (source == Source::kSystem) text += " fails with errno " + std::to_string(error);
    return text + (sticky ? ", and all after it" : "");
}

void StartCounting() {
    mock::Control().reset_call_counts();
    ResetLayerCalls();
}

void ClearFaults() {
    mock::Control().clear_faults();
    ClearLayerFaults();
}

const std::vector<VkResult>& ErrorsOf(const std::string& command) {
    static const std::vector<VkResult> kNone;
    const auto found = Table().find(command);
    return found == Table().end() ? kNone : found->second;
}

bool IsInTable(const std::string& command) {
    return Table().count(command) != 0;
}

}  // namespace tessera::faults
