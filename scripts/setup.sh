#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes sure that everything is there to build, test and show Tessera. Safe to run again: it installs
# only what is missing, and with nothing missing it needs no rights and no network.
#
# usage: scripts/setup.sh [--develop]     --develop adds what contributors use (see below)
#
# On Debian 12 (and its relatives) the packages are installed with apt-get, as root or with sudo. On
# other systems it names what is missing, with the name of the Debian package, and fails.
set -euo pipefail

# The one list of what the project needs: the Debian package, and how to see elsewhere that it is
# there: a command, a header in the include folders, or a file.
packages() {
    cat <<'LIST'
build-essential              command g++
cmake                        command cmake
ninja-build                  command ninja
libvulkan-dev                header vulkan/vulkan.h
vulkan-validationlayers-dev  header vulkan/vk_enum_string_helper.h
libabsl-dev                  header absl/base/thread_annotations.h
libcli11-dev                 header CLI/CLI.hpp
nlohmann-json3-dev           header nlohmann/json.hpp
libpng-dev                   header png.h
libjs-chart.js               file /usr/share/javascript/chart.js/chart.min.js
libdw-dev                    header elfutils/libdwfl.h
libzstd-dev                  header zstd.h
libxxhash-dev                header xxhash.h
libcairo2-dev                header cairo/cairo.h
prometheus-cpp-dev           header prometheus/exposer.h
libncurses-dev               header curses.h
pkg-config                   command pkg-config
libgtest-dev                 header gtest/gtest.h
libgmock-dev                 header gmock/gmock.h
libvterm-dev                 header vterm.h
glslang-tools                command glslangValidator
libvulkan1                   library libvulkan.so.1
mesa-vulkan-drivers          file /usr/share/vulkan/icd.d/lvp_icd.*.json
vulkan-validationlayers      file /usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json
vulkan-tools                 command vkcube
mangohud                     file /usr/share/vulkan/implicit_layer.d/MangoHud.json
xvfb                         command Xvfb
xauth                        command xauth
python3                      command python3
chromium                     command chromium
valgrind                     command valgrind
LIST
}

# For contributors: a second compiler (its thread-safety analysis is part of our rules), the
# formatter and linter, a compiler cache, which scripts/test.sh uses where it is, what
# scripts/coverage.sh counts lines with, and what bench/ measures the pool with.
develop_packages() {
    cat <<'LIST'
clang                        command clang++
clang-format                 command clang-format
clang-tidy                   command clang-tidy
ccache                       command ccache
gcovr                        command gcovr
libbenchmark-dev             header benchmark/benchmark.h
LIST
}

# is_present KIND NAME: whether something of the list is there, on any system.
is_present() {
    case $1 in
        command) command -v "$2" >/dev/null ;;
        header) has_file "/usr/include/$2" "/usr/include/*-linux-gnu/$2" "/usr/local/include/$2" ;;
        library) has_file "/lib*/$2" "/usr/lib*/$2" "/usr/lib/*-linux-gnu/$2" "/usr/local/lib*/$2" ;;
        file) has_file "$2" ;;
    esac
}

# has_file PATTERN...: whether any of the patterns matches a file.
has_file() {
    local pattern
    for pattern in "$@"; do
        compgen -G "$pattern" >/dev/null && return 0
    done
    return 1
}

is_installed() {
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

install_with_apt() {
    local missing=() package as_root=()
    while read -r package _; do
        is_installed "$package" || missing+=("$package")
    done
    [[ ${#missing[@]} -eq 0 ]] && return 0

    if [[ $EUID -ne 0 ]]; then
        if ! command -v sudo >/dev/null; then
            echo "setup: these packages are missing, and only root can install them: ${missing[*]}" >&2
            echo "setup: as root, run: apt-get install ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "setup: installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

name_what_is_missing() {
    local package kind name failed=0
    while read -r package kind name; do
        is_present "$kind" "$name" && continue
        echo "setup: missing: $kind $name (in Debian, the package $package)" >&2
        failed=1
    done
    return "$failed"
}

wanted=$(packages)
case ${1-} in
    '') ;;
    --develop) wanted+=$'\n'$(develop_packages) ;;
    *)
        echo "usage: scripts/setup.sh [--develop]" >&2
        exit 2
        ;;
esac

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
    install_with_apt <<<"$wanted"
elif ! name_what_is_missing <<<"$wanted"; then
    echo "setup: this is not a Debian system: install the above with its own tools, then run again" >&2
    exit 1
fi
echo "setup: everything is there"
