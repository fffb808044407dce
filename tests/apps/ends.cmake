# SPDX-License-Identifier: Apache-2.0
# Runs PROGRAM with ARGUMENTS and checks how it ends: RESULT is an exit code or CMake's name for a
# signal. With RESULT 0 the last line must be `ok`.
#   cmake -DPROGRAM=... "-DARGUMENTS=reload;20" -DRESULT=0 -P ends.cmake
execute_process(COMMAND ${PROGRAM} ${ARGUMENTS}
                OUTPUT_VARIABLE output RESULT_VARIABLE result OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT result STREQUAL RESULT)
    message(FATAL_ERROR "The program ended with '${result}' where '${RESULT}' is due.\n${output}")
endif()
if(RESULT STREQUAL "0" AND NOT output MATCHES "(^|\n)ok$")
    message(FATAL_ERROR "The last line is not 'ok':\n${output}")
endif()
