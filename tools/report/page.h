// SPDX-License-Identifier: Apache-2.0
//
// The page: the model of a report in one file that needs nothing else.
//
// The one idea: what the application named cannot become markup, since it is only ever inside one
// JSON text in which no '<', '>' or '&' stands, and scripts put it on the page as text. Should that
// fail, the page's own policy runs no script and no style but those that carry this file's number.
//
// Threads: pure functions.
#pragma once

#include <string>

#include "tools/json.h"

namespace tessera::command::report {

// Whether this build has a page: it was built where the library that draws its charts was.
bool HasPage();

// The page with `model` in it. `nonce`: letters and digits that nobody could know beforehand.
// Requires: HasPage().
std::string Page(const Json& model, const std::string& nonce);

// A text of 128 random bits, as letters and digits. Throws std::system_error if there are none.
std::string RandomNonce();

// `model` as JSON that may stand in a script element: what could end it, or is a line end to
// JavaScript alone, is written as \uNNNN.
std::string EmbeddedJson(const Json& model);

}  // namespace tessera::command::report
