#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks that all C and C++ of the project is formatted as .clang-format says; fails if anything is
# not, and also if the tool is missing.
#
# usage: scripts/format.sh [--fix]        --fix formats instead of checking
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=(--dry-run --Werror)
case ${1-} in
    '') ;;
    --fix) mode=(-i) ;;
    *)
        echo "usage: scripts/format.sh [--fix]" >&2
        exit 2
        ;;
esac

# Debian 12's version decides: others format the same style a little differently.
tool=$(command -v clang-format-14 || command -v clang-format) || {
    echo "format: clang-format is missing; run scripts/setup.sh --develop" >&2
    exit 1
}
git ls-files -z --cached --others --exclude-standard -- '*.h' '*.c' '*.cpp' |
    xargs -0 --no-run-if-empty "$tool" --style=file "${mode[@]}"
