# SPDX-License-Identifier: Apache-2.0
# cmake -DBUILD=... -DNINJA=... -P built.cmake: the target `installed` makes every program and every
# library that an installation copies, so that no test needs to be built for it.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND ${NINJA} -C ${BUILD} -t commands installed
                RESULT_VARIABLE failed OUTPUT_VARIABLE commands ERROR_QUIET)
if(failed)
    message(FATAL_ERROR "There is no target `installed` in ${BUILD}.")
endif()

set(found 0)
file(GLOB_RECURSE scripts ${BUILD}/cmake_install.cmake)
foreach(script IN LISTS scripts)
    file(READ ${script} text)
    string(REGEX MATCHALL "TYPE (MODULE|EXECUTABLE|SHARED_LIBRARY|STATIC_LIBRARY) FILES[^)]*" copies
           "${text}")
    foreach(copy IN LISTS copies)
        string(REGEX MATCHALL "\"[^\"]+\"" files "${copy}")
        foreach(file IN LISTS files)
            string(REPLACE "\"" "" file ${file})
            file(RELATIVE_PATH name ${BUILD} ${file})
            math(EXPR found "${found} + 1")
            # What a command makes is a word of it.
            string(FIND "${commands}" " ${name} " place)
            if(place EQUAL -1)
                message(SEND_ERROR "${name} is installed and not built by the target `installed`.")
            endif()
        endforeach()
    endforeach()
endforeach()
if(found LESS 2)
    message(FATAL_ERROR "Only ${found} programs and libraries are installed.")
endif()
