# cmake -P cmake/test.cmake
# Installs what is missing, builds everything and runs every test: the suite itself, each header alone, programs that must not
# compile, programs that use the library as a package, the examples, and the sanitizer builds. Ends with CTest's summary.
# cmake -DSADDLE_DRY_RUN=ON -P cmake/test.cmake prints the commands instead.
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
    if("${CMAKE_ARGV${i}}" STREQUAL "--")
        message(FATAL_ERROR "test.cmake takes no arguments after --; run parts of the suite by ctest --test-dir build/ci -R NAME")
    endif()
endforeach()

include(${CMAKE_CURRENT_LIST_DIR}/setup.cmake)

saddle_run("Configuring" ${CMAKE_COMMAND} --preset ci)
saddle_run("Building" ${CMAKE_COMMAND} --build build/ci --parallel ${SADDLE_JOBS})
saddle_run("Testing" ${CMAKE_CTEST_COMMAND} --test-dir build/ci --parallel ${SADDLE_JOBS} --output-on-failure
    --no-tests=error --no-label-summary)
