# saddle::saddle, saddle::reference and saddle::cuda, and the private targets that carry the flags of this project's own programs.
file(GLOB_RECURSE saddle_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/*.hpp)
file(GLOB_RECURSE saddle_cuda_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/*.cuh)

# Headers that need xtensor and BLAS, directly or by what they include, belong to saddle::reference.
set(saddle_reference_headers "")
set(pattern "#include <xtensor|#include \"saddle/backend/reference/")
foreach(round RANGE 20)
    set(found "")
    foreach(header IN LISTS saddle_headers)
        file(STRINGS ${header} matches REGEX "^(${pattern})" LIMIT_COUNT 1)
        if(matches OR header MATCHES "/backend/reference/")
            list(APPEND found ${header})
            cmake_path(RELATIVE_PATH header BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/include OUTPUT_VARIABLE included)
            string(REPLACE "." "\\." included ${included})
            string(APPEND pattern "|#include \"${included}\"")
        endif()
    endforeach()
    if(NOT found)
        break()
    endif()
    list(APPEND saddle_reference_headers ${found})
    list(REMOVE_ITEM saddle_headers ${found})
endforeach()

# saddle_interface(<target> <export name> <headers>...): a header-only target saddle::<export name>.
function(saddle_interface target name)
    add_library(${target} INTERFACE)
    add_library(saddle::${name} ALIAS ${target})
    set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
    target_compile_features(${target} INTERFACE cxx_std_20)
    target_sources(${target} INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${ARGN})
endfunction()

# saddle_use(<target> <dependencies>...): links what may be an imported target here and is found again by those who install.
function(saddle_use target)
    foreach(dependency IN LISTS ARGN)
        target_link_libraries(${target} INTERFACE $<BUILD_INTERFACE:${dependency}> $<INSTALL_INTERFACE:${dependency}>)
    endforeach()
endfunction()

saddle_interface(saddle saddle ${saddle_headers})
saddle_use(saddle Threads::Threads xsimd ZLIB::ZLIB PNG::PNG nlohmann_json::nlohmann_json)
set_target_properties(saddle PROPERTIES VERIFY_INTERFACE_HEADER_SETS ${SADDLE_VERIFY_HEADERS})

if(TARGET xtensor-blas)
    saddle_interface(saddle_reference reference ${saddle_reference_headers})
    target_link_libraries(saddle_reference INTERFACE saddle)
    saddle_use(saddle_reference xtensor xtensor-blas BLAS::BLAS LAPACK::LAPACK)
    set_target_properties(saddle_reference PROPERTIES VERIFY_INTERFACE_HEADER_SETS ${SADDLE_VERIFY_HEADERS})
else()
    message(STATUS "saddle: no BLAS and LAPACK (libopenblas-dev on Debian), hence no target saddle::reference")
endif()

if(SADDLE_CUDA_FOUND)
    saddle_interface(saddle_cuda cuda ${saddle_cuda_headers})
    target_link_libraries(saddle_cuda INTERFACE saddle)
    saddle_use(saddle_cuda CUDA::cudart CUDA::cublasLt)
    # Device code calls constexpr functions of the standard library.
    target_compile_options(saddle_cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>)
endif()

add_library(saddle_warnings INTERFACE)
target_compile_options(saddle_warnings INTERFACE -Wall -Wextra -Wpedantic -Wnon-virtual-dtor -Wno-missing-field-initializers
    $<$<BOOL:${SADDLE_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(saddle_warnings INTERFACE -Wno-psabi -fconcepts-diagnostics-depth=3)
    # GCC's own memory is collected late: a tenth of the compile time for half a gigabyte.
    target_compile_options(saddle_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:--param=ggc-min-heapsize=600000>)
    if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
        # False alarms of GCC 12: the undefined registers of its own intrinsics, "..." + std::string. Clang checks ours.
        target_compile_options(saddle_warnings INTERFACE -Wno-uninitialized -Wno-maybe-uninitialized -Wno-restrict)
    endif()
endif()

add_library(saddle_native INTERFACE)
if(SADDLE_NATIVE)
    include(CheckCXXCompilerFlag)
    check_cxx_compiler_flag(-march=native SADDLE_HAS_MARCH_NATIVE)
    if(SADDLE_HAS_MARCH_NATIVE)
        target_compile_options(saddle_native INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=native>
            $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-march=native>)
    endif()
endif()
if(NOT SADDLE_SANITIZE)
    # Without optimisation GCC's AVX-512 intrinsics are macros that xsimd 8 does not compile with.
    target_compile_options(saddle_native INTERFACE $<$<AND:$<CONFIG:Debug>,$<COMPILE_LANGUAGE:CXX>>:-Og>)
else()
    target_compile_options(saddle_native INTERFACE -fsanitize=${SADDLE_SANITIZE} -fno-sanitize-recover=all
        -fno-omit-frame-pointer)
    target_link_options(saddle_native INTERFACE -fsanitize=${SADDLE_SANITIZE})
endif()

# The processor's kernels, compiled once for all of this project's own programs that link this target.
set(saddle_kernel_files)
foreach(folder IN ITEMS backend/cpu certification)
    string(MAKE_C_IDENTIFIER ${folder} name)
    set(file ${PROJECT_BINARY_DIR}/kernels_${name}.cpp)
    file(CONFIGURE OUTPUT ${file} CONTENT "#include \"saddle/${folder}/define_kernels.hpp\"\n" @ONLY)
    list(APPEND saddle_kernel_files ${file})
endforeach()
add_library(saddle_cpu_kernels STATIC EXCLUDE_FROM_ALL ${saddle_kernel_files})
target_link_libraries(saddle_cpu_kernels PRIVATE saddle::saddle saddle_warnings saddle_native)
target_compile_definitions(saddle_cpu_kernels INTERFACE SADDLE_EXTERN_KERNELS)
