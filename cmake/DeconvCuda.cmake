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
  # NVIDIA's packages do not put nvcc on the path.
  if(NOT DEFINED CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    find_program(DECONV_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES bin)
    mark_as_advanced(DECONV_NVCC)
    if(DECONV_NVCC)
      set(CMAKE_CUDA_COMPILER "${DECONV_NVCC}")
    endif()
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    set(DECONV_WITH_CUDA ON)
    # An object library first: compiled once, for the archive and for whoever wants the objects themselves.
    add_library(deconv_kernels OBJECT ${DECONV_KERNELS})
    set_target_properties(deconv_kernels PROPERTIES CUDA_SEPARABLE_COMPILATION OFF POSITION_INDEPENDENT_CODE ON)
    # As an option: CMake before 3.27 does not know nvcc's C++20.
    target_compile_options(deconv_kernels PRIVATE -std=c++20 --expt-relaxed-constexpr -Xcompiler=-Wall,-Wextra
                                                  $<$<BOOL:${DECONV_WERROR}>:-Werror=all-warnings>)
    target_include_directories(deconv_kernels PRIVATE "${PROJECT_SOURCE_DIR}/include"
                                                      "${PROJECT_SOURCE_DIR}/kernels")
    # Kernels of compute capability 9.0a are launched where they were compiled.
    if("${CMAKE_CUDA_ARCHITECTURES}" MATCHES "90a")
      target_compile_definitions(deconv_kernels PRIVATE DECONV_HAS_SM90A)
    endif()
    add_library(deconv_cuda STATIC $<TARGET_OBJECTS:deconv_kernels>)
    add_library(deconv::cuda ALIAS deconv_cuda)
    set_target_properties(deconv_cuda PROPERTIES EXPORT_NAME cuda LINKER_LANGUAGE CXX)
    target_link_libraries(deconv_cuda PUBLIC deconv CUDA::cudart_static)
    target_compile_definitions(deconv_cuda INTERFACE DECONV_WITH_CUDA)
    if(NOT PROJECT_IS_TOP_LEVEL)
      # Inside another project: compiled for those who link deconv::cuda.
      set_target_properties(deconv_kernels deconv_cuda PROPERTIES EXCLUDE_FROM_ALL ON)
    endif()
  elseif(DECONV_CUDA STREQUAL "AUTO")
    message(STATUS "deconv: CUDA is skipped: no nvcc was found")
  else()
    message(FATAL_ERROR "DECONV_CUDA=${DECONV_CUDA} but no CUDA compiler was found; set CMAKE_CUDA_COMPILER")
  endif()
endif()
