# The CUDA kernels: kernels/*.cu, built once as an object library. Without nvcc, or while there is no kernel,
# everything but the Cuda device builds.
file(GLOB DECONV_KERNELS CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/*.cu")
set(DECONV_WITH_CUDA OFF)

if(NOT DECONV_CUDA)
  message(STATUS "deconv: CUDA is skipped (DECONV_CUDA=OFF)")
elseif(NOT DECONV_KERNELS)
  message(STATUS "deconv: CUDA is skipped: there are no kernels yet")
else()
  # The language's own default is one old architecture, so ours must be set before it is enabled.
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
    set(CMAKE_CUDA_ARCHITECTURES "80-real;90a-real;100" CACHE STRING "CUDA architectures")
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    set(DECONV_WITH_CUDA ON)
    add_library(deconv_kernels OBJECT ${DECONV_KERNELS})
    set_target_properties(deconv_kernels PROPERTIES CUDA_SEPARABLE_COMPILATION OFF POSITION_INDEPENDENT_CODE ON)
    # As an option: CMake before 3.27 does not know nvcc's C++20.
    target_compile_options(deconv_kernels PRIVATE -std=c++20)
    target_include_directories(deconv_kernels PRIVATE "${PROJECT_SOURCE_DIR}/include"
                                                      "${PROJECT_SOURCE_DIR}/kernels")
    target_link_libraries(deconv_kernels PUBLIC CUDA::cudart_static)
  elseif(DECONV_CUDA STREQUAL "AUTO")
    message(STATUS "deconv: CUDA is skipped: no nvcc was found")
  else()
    message(FATAL_ERROR "DECONV_CUDA=${DECONV_CUDA} but no CUDA compiler was found; set CMAKE_CUDA_COMPILER")
  endif()
endif()
