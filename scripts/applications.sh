#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs real applications, bare and with the layer, and prints a table of what was compared and how
# many allocations became how many. See docs/applications.md.
#
# usage: scripts/applications.sh [--install] [--list] [--only NAME] [FOLDER]
#   --install   first installs, with apt-get, every application that the table knows
#   FOLDER      runs what lies in it as well: programs, or descriptions (*.app)
# TESSERA_BUILD names the build folder (default: build/release, which is built if need be).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ ${1-} == --install ]]; then
    shift
    as_root=()
    if [[ $EUID -ne 0 ]]; then as_root=(sudo); fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends vulkan-tools xvfb imagemagick ffmpeg mpv vkd3d-demos mesa-utils \
        libgl1-mesa-dri qml-qt6 qml6-module-qtquick qml6-module-qtquick-window \
        qml6-module-qtqml qml6-module-qtqml-workerscript supertuxkart
fi
build=${TESSERA_BUILD:-build/release}
if [[ ! -x $build/bin/tessera || ! -x $build/bin/lifecycle_app || ! -x $build/bin/memory_stress ]]; then
    cmake --preset release
    cmake --build --preset release
fi
exec env PATH="$PATH:/usr/games" python3 tests/applications/applications.py --build "$build" "$@"
