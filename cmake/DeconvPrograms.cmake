# Our own programs: tests, tool, examples, benchmarks, fuzz harnesses. Files are picked up by folder, so that a
# new one needs no edit here.

if(NOT (DECONV_BUILD_TESTS OR DECONV_BUILD_TOOLS OR DECONV_BUILD_EXAMPLES OR DECONV_BUILD_BENCH OR
        DECONV_BUILD_FUZZ))
  return()
endif()

if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(DECONV_CCACHE ccache)
  mark_as_advanced(DECONV_CCACHE)
  if(DECONV_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${DECONV_CCACHE}")
  endif()
endif()

# What every program of ours is compiled with. None of it reaches deconv::deconv.
add_library(deconv_options INTERFACE)
target_link_libraries(deconv_options INTERFACE deconv::deconv Threads::Threads)
target_compile_options(deconv_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion $<$<BOOL:${DECONV_WERROR}>:-Werror>
  $<$<BOOL:${DECONV_NATIVE}>:-march=native>
  # ISO mode keeps g++ from fusing a multiplication with its addition, which clang does by default.
  $<$<CXX_COMPILER_ID:GNU>:-ffp-contract=fast>
  # g++ 12 takes the deliberately undefined operands inside its own AVX-512 header for mistakes (GCC bug 105593).
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-uninitialized$<SEMICOLON>-Wno-maybe-uninitialized$<SEMICOLON>-Wno-restrict>)
set(CMAKE_CXX_EXTENSIONS OFF)

# The networks compiled once: every program would otherwise spend most of its compile time on them.
file(GLOB instance_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/instances/*.cpp")
add_library(deconv_instances STATIC EXCLUDE_FROM_ALL ${instance_sources})
target_link_libraries(deconv_instances PUBLIC deconv_options)
target_compile_definitions(deconv_instances INTERFACE DECONV_COMPILED)
add_library(deconv_program INTERFACE)
target_link_libraries(deconv_program INTERFACE deconv_instances)

# ---- the deconv program, at the root of the build folder ---------------------------------------------------------
if(DECONV_BUILD_TOOLS)
  file(GLOB_RECURSE tool_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/*.cpp")
  if(tool_sources)
    deconv_fetch_headers(CLI11 CLI11::CLI11
      "https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.3.2.tar.gz" "include" CONFIG)
    # Few files know the device, so that the rest serves a program with another one too (cmake/DeconvTests.cmake).
    file(GLOB DECONV_TOOL_ENGINE CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/engine*.cpp")
    list(REMOVE_ITEM tool_sources ${DECONV_TOOL_ENGINE})
    include(cmake/DeconvRecipes.cmake)
    add_library(deconv_tool_objects OBJECT ${tool_sources} "${DECONV_RECIPES_SOURCE}")
    target_include_directories(deconv_tool_objects PUBLIC "${PROJECT_SOURCE_DIR}/tools")
    target_compile_definitions(deconv_tool_objects PRIVATE "DECONV_VERSION=\"${PROJECT_VERSION}\"")
    target_link_libraries(deconv_tool_objects PUBLIC deconv_program CLI11::CLI11)
    # The interface library has the name, so the target needs another.
    add_executable(deconv_tool ${DECONV_TOOL_ENGINE})
    set_target_properties(deconv_tool PROPERTIES OUTPUT_NAME deconv
                                                 RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
    target_link_libraries(deconv_tool PRIVATE deconv_tool_objects)
    if(DECONV_WITH_CUDA)
      target_link_libraries(deconv_tool PRIVATE deconv_cuda)
    endif()
    if(TARGET deconv_mpi)
      target_link_libraries(deconv_tool PRIVATE deconv_mpi)
    endif()
  endif()
endif()

# ---- examples: one program a file; embed/ is a project of its own ----------------------------------------------
if(DECONV_BUILD_EXAMPLES)
  file(GLOB example_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.cpp")
  foreach(source IN LISTS example_sources)
    get_filename_component(name "${source}" NAME_WE)
    add_executable(example_${name} "${source}")
    set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name}
                                                     RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/examples")
    target_link_libraries(example_${name} PRIVATE deconv_program)
  endforeach()
endif()

# ---- benchmarks: one program a file ----------------------------------------------------------------------------
if(DECONV_BUILD_BENCH)
  file(GLOB bench_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.cpp")
  if(bench_sources)
    find_package(benchmark CONFIG QUIET)
    if(NOT TARGET benchmark::benchmark)
      set(BENCHMARK_ENABLE_TESTING OFF)
      set(BENCHMARK_ENABLE_INSTALL OFF)
      FetchContent_Declare(benchmark
        URL "https://github.com/google/benchmark/archive/refs/tags/v1.7.1.tar.gz")
      FetchContent_MakeAvailable(benchmark)
    endif()
  endif()
  foreach(source IN LISTS bench_sources)
    get_filename_component(name "${source}" NAME_WE)
    string(REGEX REPLACE "^bench_" "" name "${name}")
    add_executable(bench_${name} "${source}")
    set_target_properties(bench_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
    target_include_directories(bench_${name} PRIVATE "${PROJECT_SOURCE_DIR}/bench")
    target_link_libraries(bench_${name} PRIVATE deconv_program benchmark::benchmark)
  endforeach()
endif()

if(DECONV_BUILD_TESTS)
  include(cmake/DeconvSimt.cmake)
  include(cmake/DeconvTests.cmake)
  if(DECONV_TEST_DEVICE STREQUAL "cuda")
    include(cmake/DeconvTestsPeers.cmake)
  endif()
endif()
if(DECONV_BUILD_TESTS OR DECONV_BUILD_FUZZ)
  include(cmake/DeconvFuzz.cmake)
endif()
if(DECONV_BUILD_BENCH AND (DECONV_WITH_CUDA OR DECONV_WITH_SIMT))
  include(cmake/DeconvBenchCuda.cmake)
endif()
