# cmake -P cmake/demo.cmake [-- options of robust_training]
# Installs what is missing, builds the main example and runs it.
include(${CMAKE_CURRENT_LIST_DIR}/setup.cmake)

set(arguments "")
set(after OFF)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
    if(after)
        list(APPEND arguments "${CMAKE_ARGV${i}}")
    elseif("${CMAKE_ARGV${i}}" STREQUAL "--")
        set(after ON)
    endif()
endforeach()

saddle_run("Configuring" ${CMAKE_COMMAND} --preset release)
saddle_run("Building" ${CMAKE_COMMAND} --build build/release --parallel ${SADDLE_JOBS} --target robust_training)
saddle_execute(result "Running" build/release/examples/robust_training ${arguments})
if(NOT result EQUAL 0)
    saddle_exit(${result})
endif()
