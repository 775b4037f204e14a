# The public library: one archive of all rooms that it needs, which stands alone, with its headers and what
# pkg-config and find_package ask for.
include(CMakePackageConfigHelpers)

set(objects)
foreach(room base sys procfs packet doctor pipeline lib)
  list(APPEND objects $<TARGET_OBJECTS:penstock_${room}>)
endforeach()
add_library(penstock_library STATIC ${objects})
set_target_properties(penstock_library PROPERTIES OUTPUT_NAME penstock EXPORT_NAME penstock LINKER_LANGUAGE CXX)
target_compile_features(penstock_library INTERFACE cxx_std_17)
target_include_directories(penstock_library INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(penstock_library INTERFACE $<INSTALL_INTERFACE:Threads::Threads>
  $<INSTALL_INTERFACE:ZLIB::ZLIB>)

# A relative way from where the file lies, so that the tree may be moved.
file(RELATIVE_PATH PENSTOCK_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" PENSTOCK_PC_PREFIX "\${pcfiledir}/${PENSTOCK_PC_PREFIX}")
configure_file(${CMAKE_SOURCE_DIR}/cmake/penstock.pc.in ${CMAKE_BINARY_DIR}/penstock.pc @ONLY)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Penstock)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/PenstockConfig.cmake.in
  ${CMAKE_BINARY_DIR}/PenstockConfig.cmake INSTALL_DESTINATION ${package_dir})
# Until 1.0 each minor version may change the interface.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/PenstockConfigVersion.cmake COMPATIBILITY SameMinorVersion)

# `cmake --install DIR --component library` installs these alone.
install(TARGETS penstock_library EXPORT PenstockTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
install(EXPORT PenstockTargets NAMESPACE Penstock:: DESTINATION ${package_dir} COMPONENT library)
install(FILES ${CMAKE_BINARY_DIR}/PenstockConfig.cmake ${CMAKE_BINARY_DIR}/PenstockConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT library)
install(FILES ${CMAKE_BINARY_DIR}/penstock.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/penstock DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library)
