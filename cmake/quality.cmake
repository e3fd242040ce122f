# Targets on request: format, format-check, tidy, docs.
if(NOT PROJECT_IS_TOP_LEVEL)
    return()
endif()

file(GLOB_RECURSE saddle_sources CONFIGURE_DEPENDS include/*.hpp include/*.cuh tests/*.hpp tests/*.cpp examples/*.cpp
    benchmarks/*.hpp benchmarks/*.cpp tests/*.cuh tests/*.cu examples/*.cu benchmarks/*.cu)
find_program(SADDLE_CLANG_FORMAT NAMES clang-format-14 clang-format)
mark_as_advanced(SADDLE_CLANG_FORMAT)
if(SADDLE_CLANG_FORMAT)
    add_custom_target(format COMMAND ${SADDLE_CLANG_FORMAT} -i ${saddle_sources} VERBATIM)
    add_custom_target(format-check COMMAND ${SADDLE_CLANG_FORMAT} --dry-run -Werror ${saddle_sources} VERBATIM)
endif()

find_program(SADDLE_CLANG_TIDY NAMES clang-tidy-14 clang-tidy)
mark_as_advanced(SADDLE_CLANG_TIDY)
if(SADDLE_CLANG_TIDY)
    set(includes "$<TARGET_PROPERTY:saddle,INTERFACE_INCLUDE_DIRECTORIES>")
    if(TARGET saddle_reference)
        set(includes "$<TARGET_PROPERTY:saddle_reference,INTERFACE_INCLUDE_DIRECTORIES>")
    endif()
    # One file for all headers: what they share is read once.
    list(TRANSFORM saddle_headers REPLACE "(.+)" "#include \"\\1\"\n" OUTPUT_VARIABLE lines)
    list(TRANSFORM saddle_reference_headers REPLACE "(.+)" "#include \"\\1\"\n" OUTPUT_VARIABLE reference_lines)
    list(JOIN lines "" lines)
    list(JOIN reference_lines "" reference_lines)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/every_header.cpp CONTENT "${lines}${reference_lines}")
    add_custom_target(tidy
        COMMAND ${SADDLE_CLANG_TIDY} --quiet --warnings-as-errors=* ${PROJECT_BINARY_DIR}/every_header.cpp --
            -std=c++20 "-I$<JOIN:${includes},;-I>"
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} COMMAND_EXPAND_LISTS VERBATIM)
endif()

if(SADDLE_DOCS)
    find_package(Doxygen)
    if(DOXYGEN_FOUND)
        set(DOXYGEN_EXTRACT_ALL NO)
        set(DOXYGEN_QUIET YES)
        set(DOXYGEN_EXCLUDE_SYMBOLS "saddle::detail,saddle::detail::*")
        set(DOXYGEN_STRIP_FROM_PATH ${PROJECT_SOURCE_DIR}/include)
        set(DOXYGEN_FILE_PATTERNS *.hpp *.cuh *.md)
        set(DOXYGEN_USE_MDFILE_AS_MAINPAGE ${PROJECT_SOURCE_DIR}/docs/README.md)
        doxygen_add_docs(docs ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/docs ALL)
    else()
        add_custom_target(docs ALL COMMAND ${CMAKE_COMMAND} -E echo
            "saddle: Doxygen is not installed, so no reference pages were made (Debian: apt-get install doxygen)" VERBATIM)
    endif()
endif()
