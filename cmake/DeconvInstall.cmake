# Headers, the exported target and the package file that find_package(deconv) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/deconv" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.hpp")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/recipes" DESTINATION "${CMAKE_INSTALL_DATADIR}/deconv"
        FILES_MATCHING PATTERN "*.json")
install(TARGETS deconv EXPORT deconvTargets INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")

set(DECONV_CONFIG_DIR "${CMAKE_INSTALL_DATADIR}/cmake/deconv")
install(EXPORT deconvTargets NAMESPACE deconv:: DESTINATION "${DECONV_CONFIG_DIR}")

if(TARGET deconv_cuda)
  # In a file of its own, read only where the CUDA runtime is found again.
  install(TARGETS deconv_cuda EXPORT deconvCudaTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT deconvCudaTargets NAMESPACE deconv:: DESTINATION "${DECONV_CONFIG_DIR}")
endif()

if(TARGET deconv_mpi)
  # Likewise, read only where it is asked for.
  install(TARGETS deconv_mpi EXPORT deconvMpiTargets)
  install(EXPORT deconvMpiTargets NAMESPACE deconv:: DESTINATION "${DECONV_CONFIG_DIR}")
endif()

set(DECONV_FIND_AGAIN "")
foreach(package IN LISTS DECONV_PACKAGES)
  string(APPEND DECONV_FIND_AGAIN "find_dependency(${package})\n")
endforeach()
list(JOIN DECONV_LINKS " " DECONV_LINKS_SPACED)
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/deconvConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/deconvConfig.cmake" INSTALL_DESTINATION "${DECONV_CONFIG_DIR}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/deconvConfigVersion.cmake" COMPATIBILITY SameMinorVersion
                                 ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/deconvConfig.cmake" "${PROJECT_BINARY_DIR}/deconvConfigVersion.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/Findstb.cmake" "${PROJECT_SOURCE_DIR}/cmake/Findprotozero.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/FindoneDNN.cmake" "${PROJECT_SOURCE_DIR}/cmake/FindLibRSVG.cmake"
        DESTINATION "${DECONV_CONFIG_DIR}")
if(TARGET deconv_tool)
  install(TARGETS deconv_tool DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
