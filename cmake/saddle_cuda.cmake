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
    target_compile_features(${target} PRIVATE cuda_std_20)
    target_link_libraries(${target} PRIVATE saddle::cuda)
endfunction()
