# SPDX-License-Identifier: Apache-2.0
# Runs PROGRAM with ARGUMENTS, which it must refuse: exit code CODE, a sentence that contains SAYS on
# stderr, nothing on stdout.
#   cmake -DPROGRAM=... "-DARGUMENTS=--frames;0" -DCODE=2 -DSAYS=--frames -P refuses.cmake
execute_process(COMMAND ${PROGRAM} ${ARGUMENTS}
                OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE code)
if(NOT code EQUAL CODE)
    message(FATAL_ERROR "The exit code is ${code} where ${CODE} is due.")
endif()
string(FIND "${errors}" "${SAYS}" position)
if(position EQUAL -1)
    message(FATAL_ERROR "'${SAYS}' is not in the message: ${errors}")
endif()
if(NOT output STREQUAL "")
    message(FATAL_ERROR "A refused command line printed to stdout: ${output}")
endif()
