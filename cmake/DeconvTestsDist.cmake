# The program whose processes tests/dist/mpi_run.cpp starts by mpirun and judges. Without MPI that file's tests say
# that they are skipped.
if(NOT TARGET test_dist OR NOT DECONV_WITH_MPI OR NOT MPIEXEC_EXECUTABLE)
  return()
endif()
file(GLOB mpi_ranks_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/dist/ranks/*.cpp")
add_executable(mpi_ranks ${mpi_ranks_sources})
set_target_properties(mpi_ranks PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
target_include_directories(mpi_ranks PRIVATE "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(mpi_ranks PRIVATE deconv_program deconv_mpi)
add_dependencies(test_dist mpi_ranks)
target_compile_definitions(test_dist PRIVATE "DECONV_MPI_RANKS=\"$<TARGET_FILE:mpi_ranks>\""
                                             "DECONV_MPIEXEC=\"${MPIEXEC_EXECUTABLE}\"")
# They start several processes each; others beside them only slow them down.
set_tests_properties(dist.mpi_run PROPERTIES PROCESSORS 2)
