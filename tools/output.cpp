// SPDX-License-Identifier: Apache-2.0
//
// See output.h.
#include "tools/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "tools/exit_codes.h"

namespace tessera::command {
namespace {

// Returns: 0, or the errno of what went wrong. A descriptor that was left non-blocking by somebody
// who shares it (terminals often are) is waited for.
int WriteAll(int file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = write(file, text.data(), text.size());
        if (count >= 0) {
            text.remove_prefix(static_cast<size_t>(count));
        } else if (errno == EAGAIN) {
            pollfd ready = {.fd = file, .events = POLLOUT, .revents = 0};
            poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

}  // namespace

Written PrintResult(std::string_view text) {
    const int error = WriteAll(STDOUT_FILENO, text);
    if (error == 0) return Written::kAll;
    if (error == EPIPE) return Written::kNobodyReads;
    Complain(std::string("the result cannot be written: ") + strerror(error) + ".");
    return Written::kFailed;
}

int ExitCodeOf(Written written) {
    return written == Written::kFailed ? kFailure : kOk;
}

void Complain(std::string_view sentence) {
    PrintAside("tessera: " + std::string(sentence) + "\n");
}

void PrintAside(std::string_view text) {
    WriteAll(STDERR_FILENO, text);
}

}  // namespace tessera::command
