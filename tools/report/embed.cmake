# SPDX-License-Identifier: Apache-2.0
# Makes page_resource.h: the parts of the report's page as texts in C++. Run as a script:
#   cmake -DOUT=FILE -DPAGE=FOLDER -DMODULES=a.js,b.js -DCHART=FILE|"" -P embed.cmake
#
# The page's script is its modules one after the other, in the order of MODULES, as one module: their
# imports are left out and what they export is simply there. So no two modules may use one name for
# two things at their top level; a browser says so at once if they do.

# Appends `text` to the header as a string_view. Compilers limit the length of a literal, so it is cut
# into several, at ends of lines where there are any.
function(append_text name text)
    string(LENGTH "${text}" length)
    set(at 0)
    set(literal "")
    while(at LESS length)
        string(SUBSTRING "${text}" ${at} 12000 piece)
        string(LENGTH "${piece}" step)
        string(APPEND literal "R\"~~page~~(${piece})~~page~~\"\n")
        math(EXPR at "${at} + ${step}")
    endwhile()
    if(literal STREQUAL "")
        set(literal "\"\"")
    endif()
    file(APPEND ${OUT}.new "inline constexpr std::string_view ${name} =\n${literal};\n\n")
endfunction()

file(WRITE ${OUT}.new "// Generated from tools/report/page by embed.cmake.
#pragma once

#include <string_view>

namespace tessera::command::report {

")

file(READ ${PAGE}/page.html template)
append_text(kTemplate "${template}")
file(READ ${PAGE}/style.css style)
append_text(kStyle "${style}")

set(script "")
string(REPLACE "," ";" modules "${MODULES}")
foreach(module IN LISTS modules)
    file(READ ${PAGE}/${module} text)
    string(REGEX REPLACE "(^|\n)import [^\n]*" "\\1" text "${text}")
    string(REGEX REPLACE "\nexport " "\n" text "${text}")
    string(APPEND script "${text}\n")
endforeach()
append_text(kScript "${script}")

set(chart "")
if(CHART)
    file(READ ${CHART} chart)
    # A map of its sources is not part of the page.
    string(REGEX REPLACE "\n//# sourceMappingURL=[^\n]*" "" chart "${chart}")
endif()
append_text(kChartLibrary "${chart}")

file(APPEND ${OUT}.new "}  // namespace tessera::command::report\n")
file(RENAME ${OUT}.new ${OUT})
