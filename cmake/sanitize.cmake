# cmake -DPRESET=... -DFOLDERS=... -DSPEC=... -DBUILD=... -DJOBS=... -DAT_ONCE=... -P cmake/sanitize.cmake
# Configures, builds and runs a part of the test suite with a sanitizer preset in a folder of its own.
get_filename_component(source ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)
execute_process(COMMAND ${CMAKE_COMMAND} --preset ${PRESET} -S ${source} -B ${BUILD} -DSADDLE_CUDA=OFF
    -DSADDLE_TESTS_AT_ONCE=${AT_ONCE} "-DSADDLE_TEST_FOLDERS=${FOLDERS}" "-DSADDLE_TEST_SPEC=${SPEC}" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --parallel ${JOBS} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${BUILD} --parallel ${JOBS} --output-on-failure --no-tests=error
    COMMAND_ERROR_IS_FATAL ANY)
