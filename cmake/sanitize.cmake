# cmake -DPRESET=... -DFOLDERS=... -DSPEC=... -DBUILD=... -DJOBS=... -P cmake/sanitize.cmake
# Configures, builds and runs a part of the test suite with a sanitizer preset in a folder of its own.
function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "failed (${result}): ${ARGN}")
    endif()
endfunction()

get_filename_component(source ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)
run(${CMAKE_COMMAND} --preset ${PRESET} -S ${source} -B ${BUILD} -DSADDLE_CUDA=OFF "-DSADDLE_TEST_FOLDERS=${FOLDERS}"
    "-DSADDLE_TEST_SPEC=${SPEC}")
run(${CMAKE_COMMAND} --build ${BUILD} --parallel ${JOBS})
run(${CMAKE_CTEST_COMMAND} --test-dir ${BUILD} --parallel ${JOBS} --output-on-failure --no-tests=error)
