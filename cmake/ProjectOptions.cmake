# SPDX-License-Identifier: Apache-2.0
# What every target of the project shares: the language level, the warnings and the sanitizers.
# Each target links `project_options` PRIVATE (warnings as INTERFACE of a leaf would reach nobody).

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_EXTENSIONS OFF)

add_library(project_options INTERFACE)
target_compile_features(project_options INTERFACE cxx_std_20 c_std_11)
target_compile_options(project_options INTERFACE
    -Wall -Wextra -Wshadow -Wundef -Wconversion
    # GCC 12 sees overlapping copies inside of std::string that cannot happen (its bug 105651).
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-restrict>
    $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:Clang>>:-Wthread-safety -Werror=thread-safety>
    $<$<BOOL:${TESSERA_WERROR}>:-Werror>)

if(TESSERA_SANITIZE STREQUAL "address")
    target_compile_options(project_options INTERFACE
        -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    target_link_options(project_options INTERFACE -fsanitize=address,undefined)
elseif(TESSERA_SANITIZE STREQUAL "thread")
    target_compile_options(project_options INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
    target_link_options(project_options INTERFACE -fsanitize=thread)
elseif(TESSERA_SANITIZE)
    message(FATAL_ERROR "TESSERA_SANITIZE is '${TESSERA_SANITIZE}'; use 'address', 'thread' or leave it empty.")
endif()

# Only layer/ is compiled with counters, but whatever links a part of it needs their runtime.
if(TESSERA_COVERAGE)
    add_link_options(--coverage)
endif()

if(NOT TESSERA_COUNT)
    target_compile_definitions(project_options INTERFACE TESSERA_UNCOUNTED)
endif()

find_package(Threads REQUIRED)
