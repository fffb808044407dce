// SPDX-License-Identifier: Apache-2.0
//
// See page.h. The texts in page_resource.h are made by embed.cmake from the files in page/.
#include "tools/report/page.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "tools/report/page_resource.h"

namespace tessera::command::report {
namespace {

// Appends `text` with each "@KEY@" of the template replaced, once, in the order of the template:
// what is put in is never looked at again.
void Append(std::string& out, std::string_view& rest, std::string_view key,
            std::string_view value) {
    const size_t at = rest.find(key);
    if (at == std::string_view::npos) throw std::logic_error("the page lacks a place");
    out += rest.substr(0, at);
    out += value;
    rest.remove_prefix(at + key.size());
}

}  // namespace

bool HasPage() {
    return !kChartLibrary.empty();
}

std::string EmbeddedJson(const Json& model) {
    const std::string plain = model.dump(-1, ' ', false, Json::error_handler_t::replace);
    std::string text;
    text.reserve(plain.size() + plain.size() / 16);
    for (size_t i = 0; i < plain.size(); ++i) {
        const char c = plain[i];
        if (c == '<') {
            text += "\\u003c";
        } else if (c == '>') {
            text += "\\u003e";
        } else if (c == '&') {
            text += "\\u0026";
        } else if (plain.compare(i, 3, "\xe2\x80\xa8") == 0) {
            text += "\\u2028";
            i += 2;
        } else if (plain.compare(i, 3, "\xe2\x80\xa9") == 0) {
            text += "\\u2029";
            i += 2;
        } else {
            text += c;
        }
    }
    return text;
}

std::string Page(const Json& model, const std::string& nonce) {
    const std::string json = EmbeddedJson(model);
    std::string page;
    page.reserve(json.size() + kChartLibrary.size() + kScript.size() + kStyle.size() +
                 kTemplate.size());
    std::string_view rest = kTemplate;
    Append(page, rest, "@NONCE@", nonce);  // of the policy, for scripts
    Append(page, rest, "@NONCE@", nonce);  // and for styles
    Append(page, rest, "@NONCE@", nonce);
    Append(page, rest, "@STYLE@", kStyle);
    Append(page, rest, "@MODEL@", json);
    Append(page, rest, "@NONCE@", nonce);
    Append(page, rest, "@CHART@", kChartLibrary);
    Append(page, rest, "@NONCE@", nonce);
    Append(page, rest, "@SCRIPT@", kScript);
    page += rest;
    return page;
}

std::string RandomNonce() {
    std::array<unsigned char, 16> bytes = {};
    size_t filled = 0;
    while (filled < bytes.size()) {
        const ssize_t got = getrandom(bytes.data() + filled, bytes.size() - filled, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw std::system_error(errno, std::generic_category(), "getrandom");
        filled += static_cast<size_t>(got);
    }
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const unsigned char byte : bytes) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15u];
    }
    return text;
}

}  // namespace tessera::command::report
