#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Gets a second, newer lavapipe for the tests: the one of Debian's bookworm-backports, which binds
# sparsely, tells budgets, takes priorities and maps with vkMapMemory2, where that of Debian 12 does
# not. It is unpacked into a folder and never installed; the system and its lists stay as they are.
#
# usage: scripts/newer_lavapipe.sh FOLDER
# Leaves FOLDER/lvp_icd.json, a driver's manifest for VK_ICD_FILENAMES. Does nothing if it is there.
# Exit codes: 0 it is there; 77 it cannot be had here, with the reason on stderr; 2 wrong arguments.
set -euo pipefail

cannot() {
    echo "newer_lavapipe: $1; only the installed lavapipe is used" >&2
    exit 77
}

[[ $# -eq 1 && -n $1 ]] || { echo "usage: scripts/newer_lavapipe.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
manifest=$folder/lvp_icd.json
[[ -e $manifest ]] && exit 0
command -v apt-get >/dev/null || cannot "this is not a Debian system"
command -v dpkg >/dev/null || cannot "this is not a Debian system"

# apt as this machine is set up, but with lists, packages and sources of its own.
work=$folder/apt
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
apt() {
    apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o Debug::NoLocking=true \
        -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=2 -o Acquire::http::Timeout=20 "$@"
}

# Backports lie where the machine gets its release from.
origin=$(apt-get indextargets --format '$(BASE_URI) $(REPO_URI)' 2>/dev/null |
    awk '$1 ~ "/dists/bookworm/$" {print $2; exit}')
[[ -n $origin ]] || cannot "this machine does not get packages of Debian 12"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
signed=$([[ -e $keyring ]] && echo "[signed-by=$keyring]" || true)
echo "deb $signed $origin bookworm-backports main" >"$work/sources.list"
apt update >/dev/null 2>"$work/log" || cannot "backports cannot be reached"
(cd "$work" && apt download mesa-vulkan-drivers) >/dev/null 2>>"$work/log" ||
    cannot "backports have no mesa-vulkan-drivers"

dpkg -x "$work"/mesa-vulkan-drivers_*.deb "$folder"
library=$(find "$folder/usr/lib" -name libvulkan_lvp.so | head -n 1)
[[ -n $library ]] || cannot "the package has no lavapipe"
if missing=$(ldd "$library" | grep 'not found'); then
    cannot "it needs what is not installed:$(awk '{printf " %s", $1}' <<<"$missing")"
fi
version=$(sed -nE 's/.*"api_version": *"([^"]*)".*/\1/p' "$folder"/usr/share/vulkan/icd.d/lvp_icd*.json)
rm -rf "$work"
# Last, so that an interrupted run begins anew.
cat >"$manifest.new" <<JSON
{"file_format_version": "1.0.1",
 "ICD": {"library_path": "$library", "api_version": "${version:-1.3.0}"}}
JSON
mv "$manifest.new" "$manifest"
