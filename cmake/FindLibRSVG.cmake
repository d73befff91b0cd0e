# Finds librsvg (2.52 or later, with cairo), which tells pkg-config alone where it is. Defines the target
# LibRSVG::LibRSVG.
if(TARGET LibRSVG::LibRSVG)
  set(LibRSVG_FOUND TRUE)
  return()
endif()

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(DECONV_LIBRSVG QUIET librsvg-2.0>=2.52 cairo)
endif()
set(LibRSVG_VERSION "${DECONV_LIBRSVG_librsvg-2.0_VERSION}")

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibRSVG REQUIRED_VARS DECONV_LIBRSVG_LINK_LIBRARIES VERSION_VAR LibRSVG_VERSION)

if(LibRSVG_FOUND)
  add_library(LibRSVG::LibRSVG INTERFACE IMPORTED GLOBAL)
  target_include_directories(LibRSVG::LibRSVG INTERFACE ${DECONV_LIBRSVG_INCLUDE_DIRS})
  # Loading it and all it stands on takes longer than starting a program: only those that call it are bound to it.
  set(DECONV_LIBRSVG_LINKS ${DECONV_LIBRSVG_LINK_LIBRARIES})
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    list(PREPEND DECONV_LIBRSVG_LINKS "-Wl,--push-state,--as-needed")
    list(APPEND DECONV_LIBRSVG_LINKS "-Wl,--pop-state")
  endif()
  target_link_libraries(LibRSVG::LibRSVG INTERFACE ${DECONV_LIBRSVG_LINKS})
endif()
