# SPDX-License-Identifier: Apache-2.0
# cmake -DHOW=find_package|pkg_config -DEXAMPLE=hud.c -DPREFIX=... -DLIBDIR=lib -DWORK=... -DCC=...
#       -DCXX=... -DSOURCE=consumer -P consumer.cmake
# Builds the example of the reader library against an installed tree and runs it: of a process that
# does not exist it must say so.
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})

function(run)
    execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${WORK} RESULT_VARIABLE failed
                    OUTPUT_VARIABLE text ERROR_VARIABLE text OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(failed)
        message(FATAL_ERROR "${ARGN} failed:\n${text}")
    endif()
    set(text "${text}" PARENT_SCOPE)
endfunction()

function(check program)
    execute_process(COMMAND ${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${PREFIX}/${LIBDIR}
                            ${program} 1000000000
                    RESULT_VARIABLE code ERROR_VARIABLE text)
    if(NOT code EQUAL 1 OR NOT text MATCHES "There is no process 1000000000")
        message(FATAL_ERROR "${program} ended with ${code} and said: ${text}")
    endif()
endfunction()

if(HOW STREQUAL "find_package")
    run(${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/build -DCMAKE_PREFIX_PATH=${PREFIX}
        -DEXAMPLE=${EXAMPLE} -DCMAKE_C_COMPILER=${CC} -DCMAKE_CXX_COMPILER=${CXX})
    run(${CMAKE_COMMAND} --build ${WORK}/build)
    check(${WORK}/build/hud_reader)
    check(${WORK}/build/hud_reader_static)
    return()
endif()

set(ENV{PKG_CONFIG_PATH} ${PREFIX}/${LIBDIR}/pkgconfig)
run(pkg-config --cflags --libs tessera)
separate_arguments(flags UNIX_COMMAND "${text}")
run(${CC} -std=gnu11 -Wall -Wextra -Wpedantic -Werror -o hud ${EXAMPLE} ${flags})
check(${WORK}/hud)
run(pkg-config --cflags tessera)
separate_arguments(cflags UNIX_COMMAND "${text}")
run(pkg-config --libs --static tessera)
separate_arguments(flags UNIX_COMMAND "${text}")
list(REMOVE_ITEM flags -ltessera_reader)
run(${CC} -std=gnu11 -o hud_static ${EXAMPLE} ${cflags} ${PREFIX}/${LIBDIR}/libtessera_reader.a
    ${flags})
check(${WORK}/hud_static)
