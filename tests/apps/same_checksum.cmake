# SPDX-License-Identifier: Apache-2.0
# Runs PROGRAM twice with the same arguments and once with another seed: the last lines of the first
# two must be equal checksums, and the third must differ from them.
#   cmake -DPROGRAM=... -P same_checksum.cmake
function(run_scene seed out)
    execute_process(COMMAND ${PROGRAM} --resources 400 --frames 3 --seed ${seed}
                    OUTPUT_VARIABLE output RESULT_VARIABLE code OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT code EQUAL 0)
        message(FATAL_ERROR "naive_scene ended with ${code}.")
    endif()
    string(REGEX MATCH "[^\n]*$" last_line "${output}")
    if(NOT last_line MATCHES "^checksum [0-9a-f]+$")
        message(FATAL_ERROR "The last line is no checksum: ${last_line}")
    endif()
    set(${out} ${last_line} PARENT_SCOPE)
endfunction()

run_scene(5 first)
run_scene(5 second)
run_scene(6 other)
if(NOT first STREQUAL second)
    message(FATAL_ERROR "Two runs with one seed differ: ${first}, ${second}.")
endif()
if(first STREQUAL other)
    message(FATAL_ERROR "Another seed gave the same picture: ${first}.")
endif()
