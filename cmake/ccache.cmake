# Compiles through ccache where it is installed. Paths are made relative, so that a second clone finds what a first one compiled;
# that is also why the tests have no precompiled header: it would tie every result to one folder.
find_program(SADDLE_CCACHE ccache)
mark_as_advanced(SADDLE_CCACHE)
if(SADDLE_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${SADDLE_CCACHE})
endif()
