#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows what Tessera does. Two unmodified Vulkan applications run alone and then through
# `tessera run`: one that allocates memory for each of 5,000 resources, as tutorials teach it, and
# vkcube, in a window on a virtual screen. The script compares what they drew and fails if anything
# differs. It sets up what it needs, builds that and all that `cmake --install` installs, and needs
# neither a GPU nor a screen: unless VK_ICD_FILENAMES or VK_DRIVER_FILES names a driver, it uses
# Mesa's software driver, lavapipe.
#
# usage: scripts/demo.sh [RESOURCES]      RESOURCES: how many instead of 5,000
# What it writes stays in build/demo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly resources=${1-5000}
readonly bin=build/release/bin
readonly out=build/demo

# say TEXT: a heading between the outputs of the programs.
say() { printf '\n== %s\n' "$*"; }

fail() {
    printf '\ndemo: FAILED: %s\n' "$*" >&2
    exit 1
}

# The driver that needs no hardware, as the loader wants it named.
choose_driver() {
    if [[ -n ${VK_ICD_FILENAMES-}${VK_DRIVER_FILES-} ]]; then return; fi
    local manifest
    for manifest in /usr/share/vulkan/icd.d/lvp_icd."$(uname -m)".json \
        /usr/share/vulkan/icd.d/lvp_icd.*.json; do
        if [[ -r $manifest ]]; then
            export VK_ICD_FILENAMES=$manifest
            return
        fi
    done
    fail "lavapipe's manifest is not in /usr/share/vulkan/icd.d"
}

build() {
    local launcher=()
    if command -v ccache >/dev/null; then
        launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    fi
    cmake --preset release "${launcher[@]}" >"$out/configure.log" ||
        fail "the project does not configure; see $out/configure.log"
    cmake --build --preset release --target installed naive_scene VkLayer_tessera_test_present_judge
}

# run_scene NAME COMMAND...: the naive application through COMMAND (nothing to run it alone).
run_scene() {
    local name=$1
    shift
    "$@" "$bin/naive_scene" --resources "$resources" --png "$out/$name.png" | tee "$out/$name.txt" ||
        fail "naive_scene ended with an error in the run '$name'"
}

# run_cube NAME COMMAND...: vkcube through COMMAND, 40 frames on a virtual screen, under a test layer
# that writes a hash of every picture that is presented.
run_cube() {
    local name=$1
    shift
    PRESENT_JUDGE_FILE=$PWD/$out/cube_$name.txt VK_ADD_LAYER_PATH=$PWD/build/release/test_layers \
        VK_INSTANCE_LAYERS=VK_LAYER_TESSERA_test_present_judge \
        xvfb-run --auto-servernum --server-args='-screen 0 640x480x24' "$@" vkcube --c 40 ||
        fail "vkcube ended with an error in the run '$name'"
    [[ $(grep -c '^present ' "$out/cube_$name.txt") -eq 40 ]] ||
        fail "vkcube did not present 40 pictures in the run '$name': see $out/cube_$name.txt"
}

# The line of a run that says what was drawn.
checksum() { grep '^checksum ' "$out/$1.txt" || fail "the run '$1' printed no checksum"; }

scripts/setup.sh
mkdir -p "$out"
rm -f "$out"/*.png "$out"/*.txt
build
choose_driver

say "An application with $resources resources, alone"
run_scene alone
say "The same application through tessera run"
run_scene tessera "$bin/tessera" run --stats "$out/stats.json" --

alone=$(checksum alone)
tessera=$(checksum tessera)
[[ $alone == "$tessera" ]] || fail "the pictures differ: $alone alone, $tessera with Tessera"
cmp "$out/alone.png" "$out/tessera.png" || fail "the pictures differ: see $out/*.png"

say "vkcube, 40 frames, alone"
run_cube alone
say "vkcube, 40 frames, through tessera run"
run_cube tessera "$bin/tessera" run --
cmp "$out/cube_alone.txt" "$out/cube_tessera.txt" ||
    fail "vkcube presented other pictures: compare $out/cube_*.txt"

say "Result"
echo "Both applications ran with Tessera as they do alone."
echo "naive_scene drew the same picture both times, byte for byte ($alone)."
echo "vkcube presented the same 40 pictures both times."
echo "The summaries above say how many allocations each asked for, and how few the driver saw."
echo "Pictures and numbers: $out/alone.png $out/tessera.png $out/stats.json"
