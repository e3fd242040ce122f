# Installs the headers and a package that `find_package(saddle)` finds, with the components reference and cuda where they exist.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_DATADIR}/cmake/saddle)

foreach(name IN ITEMS saddle reference cuda)
    set(target saddle_${name})
    if(name STREQUAL "saddle")
        set(target saddle)
    endif()
    if(TARGET ${target})
        install(TARGETS ${target} EXPORT saddle_${name} FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
        install(EXPORT saddle_${name} FILE saddle-${name}.cmake NAMESPACE saddle:: DESTINATION ${package_folder})
    endif()
endforeach()

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/saddleConfig.cmake.in ${PROJECT_BINARY_DIR}/saddleConfig.cmake
    INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/saddleConfigVersion.cmake COMPATIBILITY SameMinorVersion
    ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/saddleConfig.cmake ${PROJECT_BINARY_DIR}/saddleConfigVersion.cmake
    ${CMAKE_CURRENT_LIST_DIR}/saddle_cuda.cmake
    DESTINATION ${package_folder})
