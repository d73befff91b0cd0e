# The emulated CUDA device: the same kernels/*.cu compiled by the host's compiler and run on the processor, one fiber a
# thread (docs/emulator.md). The compiler's thread sanitizer calls us for each access; its library is not linked.
set(DECONV_SIMT AUTO CACHE STRING "Build the emulated CUDA device: AUTO (where it can be), ON (or fail), OFF")
set_property(CACHE DECONV_SIMT PROPERTY STRINGS AUTO ON OFF)
set(DECONV_WITH_SIMT OFF)

set(simt_lacks "")
if(NOT DECONV_SIMT)
  set(simt_lacks "DECONV_SIMT=OFF")
elseif(NOT DECONV_KERNELS)
  set(simt_lacks "there are no kernels yet")
elseif(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 11)
  set(simt_lacks "it wants g++ 11 or later, and this is ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
elseif(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|aarch64")
  set(simt_lacks "it wants 64-bit Linux")
elseif("${CMAKE_CXX_FLAGS}" MATCHES "-fsanitize")
  set(simt_lacks "the compiler's flags name a sanitizer of their own")
else()
  find_package(Boost QUIET COMPONENTS context)
  if(NOT TARGET Boost::context)
    set(simt_lacks "Boost.Context was not found (Debian: libboost-context-dev)")
  endif()
endif()
if(simt_lacks)
  if(DECONV_SIMT STREQUAL "AUTO" OR NOT DECONV_SIMT)
    message(STATUS "deconv: the emulated CUDA device and its tests are skipped: ${simt_lacks}")
  else()
    message(FATAL_ERROR "DECONV_SIMT=${DECONV_SIMT}, but ${simt_lacks}")
  endif()
  return()
endif()
set(DECONV_WITH_SIMT ON)

# The emulator itself is not instrumented, and worth optimising in every build.
file(GLOB simt_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/simt/src/*.cpp")
add_library(deconv_simt STATIC EXCLUDE_FROM_ALL ${simt_sources})
target_compile_features(deconv_simt PUBLIC cxx_std_20)
target_compile_options(deconv_simt PRIVATE -O2 -g -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
                                           $<$<BOOL:${DECONV_WERROR}>:-Werror>)
# These stand in front of any real CUDA headers.
target_include_directories(deconv_simt BEFORE PUBLIC "${PROJECT_SOURCE_DIR}/tests/simt/include"
                                                     "${PROJECT_SOURCE_DIR}/tests/simt")
target_link_libraries(deconv_simt PUBLIC Boost::context Threads::Threads)

# What makes a C++ file a CUDA file: the header that nvcc includes by itself, and a call at each access. Accesses stay
# as they are written: nothing is vectorised or turned into memcpy, identical kernels keep their names.
set(DECONV_SIMT_OPTIONS
    -include cuda_runtime.h -fsanitize=thread,alignment --param=tsan-instrument-func-entry-exit=0
    -fno-ipa-icf -fno-ipa-reference -fno-tree-vectorize -fno-tree-loop-distribute-patterns -Wno-unknown-pragmas -Wno-tsan -Wno-subobject-linkage -Wno-psabi
    # Lines for the reports; a Debug build is there to be stepped through.
    $<$<NOT:$<CONFIG:Debug>>:-O2> $<$<NOT:$<CONFIG:Debug>>:-g1> $<$<NOT:$<CONFIG:Debug>>:-DDECONV_SIMT_FLATTEN>)

# Each kernel's file by way of a C++ file of one line: the .cu files themselves belong to nvcc.
set(simt_kernels "")
foreach(kernel IN LISTS DECONV_KERNELS)
  get_filename_component(name "${kernel}" NAME_WE)
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/simt/${name}.cpp" @ONLY CONTENT
       "// Generated: the kernels of this file for the emulated device.\n#include \"@kernel@\"\n")
  list(APPEND simt_kernels "${PROJECT_BINARY_DIR}/simt/${name}.cpp")
endforeach()
add_library(deconv_kernels_simt STATIC EXCLUDE_FROM_ALL ${simt_kernels})
target_include_directories(deconv_kernels_simt PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/kernels")
target_link_libraries(deconv_kernels_simt PUBLIC deconv_simt)
target_compile_options(deconv_kernels_simt PRIVATE ${DECONV_SIMT_OPTIONS} -ffp-contract=fast -Wall -Wextra
                                                   $<$<BOOL:${DECONV_WERROR}>:-Werror>
                                                   $<$<BOOL:${DECONV_NATIVE}>:-march=native>)
target_compile_definitions(deconv_kernels_simt PRIVATE DECONV_HAS_SM90A)
# Whoever links it has the Cuda device.
target_compile_definitions(deconv_kernels_simt INTERFACE DECONV_WITH_CUDA)

# deconv_simt_program(<program> <file>...): C++ files with kernels of their own, on the emulated device.
function(deconv_simt_program program)
  add_executable(${program} ${ARGN})
  target_compile_options(${program} PRIVATE ${DECONV_SIMT_OPTIONS} -Wall -Wextra -Wpedantic
                                            $<$<BOOL:${DECONV_WERROR}>:-Werror>)
  target_include_directories(${program} PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/kernels"
                                                "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(${program} PRIVATE deconv_simt)
endfunction()
