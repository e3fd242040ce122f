# cmake -DCOMPILER=... -DSOURCE=... -DINCLUDES=... -P check.cmake
# The first lines of SOURCE say what must happen:
#   // expected-error: <regular expression found in one error line>
#   // flags: <flags of the compilation that must fail>            (optional)
file(STRINGS ${SOURCE} expected REGEX "^// expected-error: " LIMIT_COUNT 1)
file(STRINGS ${SOURCE} flags REGEX "^// flags: " LIMIT_COUNT 1)
string(REGEX REPLACE "^// expected-error: " "" expected "${expected}")
string(REGEX REPLACE "^// flags: " "" flags "${flags}")
separate_arguments(flags UNIX_COMMAND "${flags}")
if(expected STREQUAL "")
    message(FATAL_ERROR "${SOURCE}: no line '// expected-error: ...'")
endif()

list(TRANSFORM INCLUDES PREPEND -I)
set(compile ${COMPILER} -std=c++20 -O0 ${INCLUDES} -S -o /dev/null ${SOURCE})

execute_process(COMMAND ${compile} -DSADDLE_COMPILES RESULT_VARIABLE result ERROR_VARIABLE output)
if(NOT result EQUAL 0)
    message(FATAL_ERROR "${SOURCE}: does not compile with SADDLE_COMPILES either:\n${output}")
endif()
execute_process(COMMAND ${compile} ${flags} RESULT_VARIABLE result ERROR_VARIABLE output)
if(result EQUAL 0)
    message(FATAL_ERROR "${SOURCE}: compiles; expected an error with: ${expected}")
endif()
if(NOT output MATCHES "error: [^\n]*${expected}")
    message(FATAL_ERROR "${SOURCE}: expected an error with: ${expected}\nfound:\n${output}")
endif()
