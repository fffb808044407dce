#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds everything and runs every test, as the continuous integration does: first the optimised
# build with warnings as errors and all tests, then, under AddressSanitizer with UBSan and under
# ThreadSanitizer, the tests that can find what those find. Stops at the first failure; the last
# thing to be seen is the closing line of the last ctest.
#
# usage: scripts/test.sh
# TESSERA_TEST_FAST=1 leaves the sanitizers out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

configure=()
if command -v ccache >/dev/null; then
    configure+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi

# build_and_test PRESET COMMAND...: builds a preset, then runs ctest through COMMAND.
build_and_test() {
    local preset=$1
    shift
    echo "== $preset"
    cmake --preset "$preset" "${configure[@]}"
    cmake --build --preset "$preset"
    "$@"
}

scripts/setup.sh
build_and_test ci ctest --preset ci -j2 --no-tests=error
if [[ ${TESSERA_TEST_FAST-0} == 1 ]]; then exit 0; fi

labels='unit|layer|stress'
build_and_test asan ctest --preset asan -j2 --no-tests=error -L "$labels" -LE slow

# ThreadSanitizer of GCC 12 knows where programs used to lie: newer kernels place them anywhere.
fixed_addresses=()
if setarch --addr-no-randomize true 2>/dev/null; then fixed_addresses=(setarch --addr-no-randomize); fi
build_and_test tsan "${fixed_addresses[@]}" ctest --preset tsan -j2 --no-tests=error -L "$labels" \
    -LE slow
