// SPDX-License-Identifier: Apache-2.0
//
// The model of a report: everything that the page shows, as JSON. docs/report.md has its schema.
//
// The one idea: the model is bounded whatever the source holds, so that the page opens at once;
// what was merged or left out to that end is said in it, in numbers.
//
// Threads: one.
#pragma once

#include <string>

#include "tools/json.h"
#include "tools/report/words.h"
#include "tools/source.h"

namespace tessera::command::report {

// Reads all of `source`. `what`: what it was opened from, to be told. `frames` names the frames of
// call stacks. `*problem`: empty, or a sentence on what could not be read; the model then has what
// came before it.
Json ModelOf(Source& source, const std::string& what, const FrameTexts& frames,
             std::string* problem);

}  // namespace tessera::command::report
