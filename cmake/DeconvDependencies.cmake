# What deconv stands on. Each package is looked for first; where it is missing FetchContent gets it (headers
# only, as imported targets, so that their warnings are not ours and nothing of theirs is installed).
#
# After this file: targets Eigen3::Eigen, stb::stb, OpenMP::OpenMP_CXX, and, where found,
# nlohmann_json::nlohmann_json, protozero::protozero, ZLIB::ZLIB, DNNL::dnnl, LibRSVG::LibRSVG, GIF::GIF.
# DECONV_LINKS lists the ones that deconv::deconv links, DECONV_PACKAGES what the installed package must find again.

include(FetchContent)
if(POLICY CMP0135)
  cmake_policy(SET CMP0135 NEW)  # files of a fetched archive are dated when they are unpacked
endif()
list(PREPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_LIST_DIR}")
# An embedding project links deconv from its own directory, so what deconv links must be visible there.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)

# deconv_fetch_headers(<package> <target> <url> <folder of the headers inside> [arguments of find_package])
# Makes <target> available: found on the machine, or else fetched.
macro(deconv_fetch_headers package target url headers)
  if(NOT TARGET ${target})
    # The folder in SOURCE_SUBDIR does not exist on purpose: the package's own CMake code is not run.
    FetchContent_Declare(${package} URL "${url}" SOURCE_SUBDIR deconv-uses-only-the-headers
                         FIND_PACKAGE_ARGS ${ARGN} GLOBAL)
    FetchContent_MakeAvailable(${package})
    if(NOT TARGET ${target})
      string(TOLOWER ${package} _deconv_lower)
      FetchContent_GetProperties(${_deconv_lower})
      add_library(${target} INTERFACE IMPORTED GLOBAL)
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES
                                                 "${${_deconv_lower}_SOURCE_DIR}/${headers}")
      message(STATUS "deconv: ${package} fetched")
    endif()
  endif()
endmacro()

find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
deconv_fetch_headers(Eigen3 Eigen3::Eigen
  "https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.gz" "." 3.3 CONFIG)
deconv_fetch_headers(stb stb::stb
  "https://github.com/nothings/stb/archive/5736b15f7ea0ffb08dd38af21067c314d6a3aae9.tar.gz" "." MODULE)
set(DECONV_LINKS OpenMP::OpenMP_CXX Eigen3::Eigen stb::stb)
set(DECONV_PACKAGES "OpenMP COMPONENTS CXX" "Eigen3 CONFIG" "stb MODULE")

# Readers that need more (ONNX, Caffe, safetensors, .gz data sets) are there when these are. Our own programs
# want them all; a project that embeds deconv is not made to download what it did not ask for.
if(PROJECT_IS_TOP_LEVEL)
  deconv_fetch_headers(nlohmann_json nlohmann_json::nlohmann_json
    "https://github.com/nlohmann/json/archive/refs/tags/v3.11.2.tar.gz" "include" CONFIG)
  deconv_fetch_headers(protozero protozero::protozero
    "https://github.com/mapbox/protozero/archive/refs/tags/v1.7.1.tar.gz" "include" MODULE)
  find_package(ZLIB REQUIRED)
else()
  find_package(nlohmann_json CONFIG QUIET)
  find_package(protozero MODULE QUIET)
  find_package(ZLIB QUIET)
endif()
foreach(_deconv_pair "nlohmann_json::nlohmann_json|nlohmann_json CONFIG" "protozero::protozero|protozero MODULE"
                     "ZLIB::ZLIB|ZLIB MODULE")
  string(REPLACE "|" ";" _deconv_pair "${_deconv_pair}")
  list(GET _deconv_pair 0 _deconv_target)
  list(GET _deconv_pair 1 _deconv_package)
  if(TARGET ${_deconv_target})
    list(APPEND DECONV_LINKS ${_deconv_target})
    list(APPEND DECONV_PACKAGES "${_deconv_package}")
  else()
    message(STATUS "deconv: no ${_deconv_target}: the readers that need it are absent")
  endif()
endforeach()

set(DECONV_WITH_ZLIB OFF)
if(TARGET ZLIB::ZLIB)
  set(DECONV_WITH_ZLIB ON)
endif()

# oneDNN's convolutions where it is there.
set(DECONV_ONEDNN AUTO CACHE STRING "Use oneDNN on the CPU: AUTO (where found), ON (or fail), OFF")
set_property(CACHE DECONV_ONEDNN PROPERTY STRINGS AUTO ON OFF)
set(DECONV_WITH_ONEDNN OFF)
if(DECONV_ONEDNN STREQUAL "AUTO")
  find_package(oneDNN 2.6 MODULE QUIET)
elseif(DECONV_ONEDNN)
  find_package(oneDNN 2.6 MODULE REQUIRED)
endif()
if(DECONV_ONEDNN AND TARGET DNNL::dnnl)
  set(DECONV_WITH_ONEDNN ON)
  list(APPEND DECONV_LINKS DNNL::dnnl)
  list(APPEND DECONV_PACKAGES "oneDNN MODULE")
  message(STATUS "deconv: oneDNN ${oneDNN_VERSION} is used")
else()
  message(STATUS "deconv: oneDNN is not used (DECONV_ONEDNN=${DECONV_ONEDNN})")
endif()

# Plots as pictures (viz/plot_picture.hpp) and animations (viz/animation.hpp): done without where these are absent.
# deconv_optional(<NAME> <package> <target> <what it does>)   sets DECONV_WITH_<NAME>
macro(deconv_optional name package target what)
  set(DECONV_${name} AUTO CACHE STRING "Use ${package} for ${what}: AUTO (where found), ON (or fail), OFF")
  set_property(CACHE DECONV_${name} PROPERTY STRINGS AUTO ON OFF)
  set(DECONV_WITH_${name} OFF)
  if(DECONV_${name} STREQUAL "AUTO")
    find_package(${package} MODULE QUIET)
  elseif(DECONV_${name})
    find_package(${package} MODULE REQUIRED)
  endif()
  if(DECONV_${name} AND TARGET ${target})
    set(DECONV_WITH_${name} ON)
    list(APPEND DECONV_LINKS ${target})
    list(APPEND DECONV_PACKAGES "${package} MODULE")
    message(STATUS "deconv: ${package} is used for ${what}")
  else()
    message(STATUS "deconv: no ${package}: without ${what} (DECONV_${name}=${DECONV_${name}})")
  endif()
endmacro()
deconv_optional(RSVG LibRSVG LibRSVG::LibRSVG "plots as pictures")
deconv_optional(GIF GIF GIF::GIF "animations")
