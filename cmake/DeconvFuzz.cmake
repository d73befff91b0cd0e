# tests/fuzz/*.cpp each define LLVMFuzzerTestOneInput. With DECONV_BUILD_FUZZ and clang they are linked to
# libFuzzer; otherwise to a plain driver that replays files and mutates them. The tests replay the seeds.
file(GLOB fuzz_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fuzz/*.cpp")
list(FILTER fuzz_sources EXCLUDE REGEX "/replay_main\\.cpp$")
if(NOT fuzz_sources)
  return()
endif()

set(with_libfuzzer OFF)
if(DECONV_BUILD_FUZZ AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  set(with_libfuzzer ON)
else()
  add_library(deconv_fuzz_replay OBJECT "${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cpp")
  target_link_libraries(deconv_fuzz_replay PRIVATE deconv_options)
endif()

foreach(source IN LISTS fuzz_sources)
  get_filename_component(name "${source}" NAME_WE)
  string(REGEX REPLACE "^fuzz_" "" name "${name}")
  add_executable(fuzz_${name} "${source}")
  set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
  target_include_directories(fuzz_${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_compile_definitions(fuzz_${name} PRIVATE "DECONV_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\"")
  # Not the networks that were compiled once: they were compiled without the sanitizers.
  target_link_libraries(fuzz_${name} PRIVATE deconv_options)
  if(with_libfuzzer)
    target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer,address,undefined)
  else()
    target_compile_options(fuzz_${name} PRIVATE -O1)  # readers: the compiler's time is worth more than theirs
    target_link_libraries(fuzz_${name} PRIVATE deconv_fuzz_replay)
  endif()
  if(DECONV_BUILD_TESTS AND NOT with_libfuzzer)
    # Seeds, and whatever once broke a reader, are replayed by every test run, with a few mutations of each.
    add_test(NAME fuzz.${name} COMMAND fuzz_${name} -runs=500 -seed=1
                                       "${PROJECT_SOURCE_DIR}/tests/fuzz/seeds/${name}")
    set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 300)
  endif()
endforeach()
