# saddle_cuda_standard(<target>): C++20 for what nvcc compiles of a target; CMake before 3.26 does not know that nvcc has it.
function(saddle_cuda_standard target)
    if(DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
        set_target_properties(${target} PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON)
    else()
        target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
    endif()
endfunction()

# saddle_cuda_sources(<target> <file>...): compiles .cpp files of a target with nvcc and links saddle::cuda, for users who have only .cpp
# files. The project must have enabled the language CUDA; devices are chosen by CMAKE_CUDA_ARCHITECTURES or the target's property.
function(saddle_cuda_sources target)
    if(NOT TARGET saddle::cuda)
        message(FATAL_ERROR "saddle: no target saddle::cuda; it needs nvcc and the CUDA toolkit (find_package(saddle COMPONENTS cuda))")
    endif()
    get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
    if(NOT CUDA IN_LIST languages)
        message(FATAL_ERROR "saddle: saddle_cuda_sources needs project(... LANGUAGES CXX CUDA) or enable_language(CUDA)")
    endif()
    set_source_files_properties(${ARGN} TARGET_DIRECTORY ${target} PROPERTIES LANGUAGE CUDA)
    saddle_cuda_standard(${target})
    target_link_libraries(${target} PRIVATE saddle::cuda)
endfunction()
