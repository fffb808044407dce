#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Counts which lines of layer/ the tests run. Builds the preset `coverage`, runs all of ctest but
# what judges the library as it is shipped, and prints a table; its last column names the
# lines that do not run. Fails below 95 % of the lines.
#
# usage: scripts/coverage.sh
# Needs gcovr (Debian: gcovr) besides what scripts/setup.sh installs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v gcovr >/dev/null || { echo "coverage: gcovr is missing (in Debian, the package gcovr)" >&2; exit 1; }
configure=()
if command -v ccache >/dev/null; then configure+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cmake --preset coverage "${configure[@]}"
cmake --build --preset coverage
find build/coverage -name '*.gcda' -delete

# A failing test is another script's business: here it only means fewer lines.
ctest --preset coverage -j2 -E '^(install|binary|mutants)' || echo "coverage: some tests failed"

# Parts of the layer are linked into several programs; what any of them ran has run.
gcovr --root . --filter layer/ --gcov-ignore-parse-errors --fail-under-line 95 build/coverage |
    tee build/coverage/lines.txt
