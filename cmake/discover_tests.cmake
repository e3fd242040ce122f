# saddle_discover_tests(<target> <prefix> [<Catch2 test specification>]): registers each TEST_CASE of a Catch2 program, version 2 or
# 3, as a test "<prefix>/<name>" once the program is built. Catch2 2's own module loses tests whose names hold [ or a semicolon.
if(NOT CMAKE_SCRIPT_MODE_FILE)
    set(saddle_discover_script ${CMAKE_CURRENT_LIST_FILE})
    function(saddle_discover_tests target prefix)
        set(tests ${CMAKE_CURRENT_BINARY_DIR}/${target}.tests.cmake)
        add_custom_command(TARGET ${target} POST_BUILD BYPRODUCTS ${tests} VERBATIM
            COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:${target}> -DPREFIX=${prefix} "-DSPEC=${ARGN}" -DOUTPUT=${tests}
                -P ${saddle_discover_script})
        file(WRITE ${tests}.include.cmake
            "if(EXISTS [==[${tests}]==])\n    include([==[${tests}]==])\nelse()\n    add_test(${target}_NOT_BUILT ${target}_NOT_BUILT)\nendif()\n")
        set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${tests}.include.cmake)
    endfunction()
    return()
endif()

# Version 2 counts the tests in its exit status; version 3 does not know the option.
execute_process(COMMAND ${PROGRAM} ${SPEC} --list-test-names-only OUTPUT_VARIABLE names ERROR_VARIABLE problem RESULT_VARIABLE result)
if("${names}${problem}" MATCHES "Unrecogni[sz]ed token")
    execute_process(COMMAND ${PROGRAM} ${SPEC} --list-tests --verbosity quiet OUTPUT_VARIABLE names ERROR_VARIABLE problem
        RESULT_VARIABLE result)
endif()
if(NOT result MATCHES "^[0-9]+$" OR ("${names}" STREQUAL "" AND "${SPEC}" STREQUAL ""))
    message(FATAL_ERROR "${PROGRAM} does not list its tests (${result}):\n${problem}")
endif()

# A list of CMake cannot hold these characters as they are.
foreach(code IN ITEMS 1 2 3)
    string(ASCII ${code} mark_${code})
endforeach()
string(REPLACE "[" "${mark_1}" names "${names}")
string(REPLACE "]" "${mark_2}" names "${names}")
string(REPLACE ";" "${mark_3}" names "${names}")
string(REPLACE "\n" ";" names "${names}")

set(script "")
foreach(name IN LISTS names)
    if(name STREQUAL "")
        continue()
    endif()
    string(REPLACE "${mark_1}" "[" name "${name}")
    string(REPLACE "${mark_2}" "]" name "${name}")
    string(REPLACE "${mark_3}" ";" name "${name}")
    string(REGEX REPLACE "([],\\[*\"])" "\\\\\\1" pattern "${name}")
    string(REGEX REPLACE "^~" "*" pattern "${pattern}")  # a leading ~ would exclude
    # OpenBLAS: no result may depend on a thread count of its own, and its threads are not instrumented for sanitizers.
    string(APPEND script "add_test([==[${PREFIX}/${name}]==] [==[${PROGRAM}]==] [==[${pattern}]==])\n"
        "set_tests_properties([==[${PREFIX}/${name}]==] PROPERTIES TIMEOUT 600 ENVIRONMENT OPENBLAS_NUM_THREADS=1 "
        "FAIL_REGULAR_EXPRESSION \"No test cases matched\")\n")
endforeach()
file(WRITE ${OUTPUT} "${script}")
