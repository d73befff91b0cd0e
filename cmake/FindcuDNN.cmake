# Finds cuDNN for the benchmarks and tests; deconv itself never links it. Beside the usual places it looks into the
# CUDA Toolkit and into Python's packages (NVIDIA's own, which PyTorch brings along): DECONV_PYTHON names the
# interpreter that is asked (python3 by default). Defines the target cuDNN::cuDNN.
if(TARGET cuDNN::cuDNN)
  set(cuDNN_FOUND TRUE)
  return()
endif()
include("${CMAKE_CURRENT_LIST_DIR}/DeconvPythonNvidia.cmake")
deconv_python_nvidia(cudnn_folder cudnn)

find_path(CUDNN_INCLUDE_DIR cudnn.h
          HINTS ENV CUDNN_HOME "${cudnn_folder}" ${CUDAToolkit_INCLUDE_DIRS} PATH_SUFFIXES include
          DOC "Folder that holds cudnn.h")
# A Python package has no link without a version. Header and library are taken from one folder.
find_library(CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 libcudnn.so.8 NAMES_PER_DIR
             HINTS ENV CUDNN_HOME "${cudnn_folder}" ${CUDAToolkit_LIBRARY_DIR} PATH_SUFFIXES lib64 lib
             DOC "The cuDNN library")
mark_as_advanced(CUDNN_INCLUDE_DIR CUDNN_LIBRARY)

set(cuDNN_VERSION "")
if(CUDNN_INCLUDE_DIR AND EXISTS "${CUDNN_INCLUDE_DIR}/cudnn_version.h")
  foreach(part MAJOR MINOR PATCHLEVEL)
    file(STRINGS "${CUDNN_INCLUDE_DIR}/cudnn_version.h" line REGEX "define CUDNN_${part} +[0-9]+")
    string(REGEX MATCH "[0-9]+" number "${line}")
    list(APPEND cuDNN_VERSION "${number}")
  endforeach()
  string(REPLACE ";" "." cuDNN_VERSION "${cuDNN_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(cuDNN REQUIRED_VARS CUDNN_LIBRARY CUDNN_INCLUDE_DIR VERSION_VAR cuDNN_VERSION)

if(cuDNN_FOUND)
  add_library(cuDNN::cuDNN UNKNOWN IMPORTED)
  set_target_properties(cuDNN::cuDNN PROPERTIES IMPORTED_LOCATION "${CUDNN_LIBRARY}"
                                                INTERFACE_INCLUDE_DIRECTORIES "${CUDNN_INCLUDE_DIR}"
                                                INTERFACE_LINK_LIBRARIES CUDA::cudart_static)
endif()
