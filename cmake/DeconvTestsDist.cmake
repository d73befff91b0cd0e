# What test_dist wants beside its own files.
if(NOT TARGET test_dist)
  return()
endif()

# ---- NCCL: on the emulated device with a stand-in for its library --------------------------------------------------
if(DECONV_TEST_DEVICE STREQUAL "cuda" AND DECONV_WITH_NCCL)
  target_compile_definitions(test_dist PRIVATE DECONV_TEST_NCCL)
elseif(DECONV_TEST_DEVICE STREQUAL "simt" AND DECONV_WITH_SIMT)
  find_package(NCCL 2.14 MODULE QUIET)
  if(NCCL_FOUND)
    add_library(fake_nccl MODULE "${PROJECT_SOURCE_DIR}/tests/dist/emulated/fake_nccl.cpp")
    target_sources(test_dist PRIVATE "${PROJECT_SOURCE_DIR}/tests/dist/emulated/communicator.cpp")
    set_source_files_properties("${PROJECT_SOURCE_DIR}/tests/dist/emulated/communicator.cpp" PROPERTIES
      COMPILE_DEFINITIONS "DECONV_NCCL_LIBRARY=\"\"" INCLUDE_DIRECTORIES "${PROJECT_SOURCE_DIR}/kernels"
      COMPILE_OPTIONS -Wno-subobject-linkage)
    foreach(program fake_nccl test_dist)
      target_compile_features(${program} PRIVATE cxx_std_20)
      # Only nccl.h itself: other headers of its folder must not stand in for the emulated device's.
      file(COPY "${NCCL_INCLUDE_DIR}/nccl.h" DESTINATION "${PROJECT_BINARY_DIR}/nccl_header")
      target_include_directories(${program} SYSTEM PRIVATE "${PROJECT_BINARY_DIR}/nccl_header")
    endforeach()
    target_include_directories(fake_nccl PRIVATE $<TARGET_PROPERTY:deconv_simt,INTERFACE_INCLUDE_DIRECTORIES>)
    target_link_libraries(test_dist PRIVATE ${CMAKE_DL_LIBS})
    add_dependencies(test_dist fake_nccl)
    # The stand-in finds the emulated device in the program.
    set_target_properties(test_dist PROPERTIES ENABLE_EXPORTS ON)
    target_compile_definitions(test_dist PRIVATE DECONV_TEST_NCCL "DECONV_FAKE_NCCL=\"$<TARGET_FILE:fake_nccl>\"")
  endif()
endif()

# ---- MPI: the program whose processes tests/dist/mpi_run.cpp starts by mpirun and judges. Without MPI that file's
# tests say that they are skipped. ------------------------------------------------------------------------------------
if(NOT DECONV_WITH_MPI OR NOT MPIEXEC_EXECUTABLE)
  return()
endif()
file(GLOB mpi_ranks_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/dist/ranks/*.cpp")
add_executable(mpi_ranks ${mpi_ranks_sources})
set_target_properties(mpi_ranks PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
target_include_directories(mpi_ranks PRIVATE "${PROJECT_SOURCE_DIR}/tests")
target_compile_definitions(mpi_ranks PRIVATE "DECONV_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\"")
target_link_libraries(mpi_ranks PRIVATE deconv_program deconv_mpi)
add_dependencies(test_dist mpi_ranks)
target_compile_definitions(test_dist PRIVATE "DECONV_MPI_RANKS=\"$<TARGET_FILE:mpi_ranks>\""
                                             "DECONV_MPIEXEC=\"${MPIEXEC_EXECUTABLE}\"")
# They start several processes each; others beside them only slow them down.
set_tests_properties(dist.mpi_run dist.mpi_training PROPERTIES PROCESSORS 2)
