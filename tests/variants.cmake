# SPDX-License-Identifier: Apache-2.0
# The engine with all of its parts, and without them: the correctness suites must pass either way.
# Each suite runs at length as users have the layer, and once more, in short, with each of these
# (label `variant`). What a test sets itself wins.
set(TESSERA_VARIANTS engine_on engine_off)
set(TESSERA_VARIANT_engine_on TESSERA_HELPER=on TESSERA_SHARDS=eager TESSERA_RECYCLE=on)
set(TESSERA_VARIANT_engine_off TESSERA_HELPER=off TESSERA_SHARDS=off TESSERA_RECYCLE=off)

# add_variants(NAME COMMAND PROGRAM [ARGUMENT...] [SETTINGS NAME=VALUE...] [PROPERTIES NAME VALUE...])
# Adds VARIANT.NAME for each variant. SETTINGS are added to each variant's own, and win.
function(add_variants name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "COMMAND;SETTINGS;PROPERTIES")
    foreach(variant IN LISTS TESSERA_VARIANTS)
        add_test(NAME ${variant}.${name} COMMAND ${arg_COMMAND})
        set_tests_properties(${variant}.${name} PROPERTIES
            LABELS "variant" TIMEOUT 300 ${arg_PROPERTIES}
            ENVIRONMENT "${TESSERA_VARIANT_${variant}};${arg_SETTINGS}")
    endforeach()
endfunction()
