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

# build PRESET [CMAKE-OPTION...] [-- TARGET...]: configures and builds a preset, or targets of it.
build() {
    local preset=$1
    shift
    local options=()
    while [[ $# -gt 0 && $1 != -- ]]; do
        options+=("$1")
        shift
    done
    [[ $# -gt 0 ]] && shift
    echo "== $preset"
    cmake --preset "$preset" "${configure[@]}" "${options[@]}"
    cmake --build --preset "$preset" ${1:+--target "$@"}
}

scripts/setup.sh
build ci
ctest --preset ci -j2 --no-tests=error
if [[ ${TESSERA_TEST_FAST-0} == 1 ]]; then exit 0; fi

# What runs the layer, or its parts, in a process of the project's own: real programs and tools are
# not built with sanitizers.
build asan '-DTESSERA_TEST_PARTS=apps;driver;unit;layer;faults;fuzz;stress' -- \
    VkLayer_tessera_suballocator tessera_mock_driver layer_test faults_test tessera_fuzz \
    memory_stress base_unit_test channel_test documents_test pool_test pool_stress_test \
    reader_test vk_test
ctest --preset asan -j2 --no-tests=error -L 'unit|layer|stress' -LE slow \
    -E '^(naive_scene|lifecycle_app|mock_driver)'

# Under ThreadSanitizer what runs several threads at length, which is what finds races. That of GCC 12
# knows where programs used to lie: newer kernels place them anywhere.
fixed_addresses=()
if setarch --addr-no-randomize true 2>/dev/null; then fixed_addresses=(setarch --addr-no-randomize); fi
build tsan '-DTESSERA_TEST_PARTS=apps;driver;unit;fuzz;stress' -- VkLayer_tessera_suballocator \
    tessera_mock_driver tessera_fuzz memory_stress pool_stress_test
"${fixed_addresses[@]}" ctest --preset tsan -j2 --no-tests=error -R '^fuzz.threads|stress' -LE slow
