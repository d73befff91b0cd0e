# Finds NCCL: its header to compile with, and the library where it is there. deconv loads the library at run time, so the
# header alone is enough. Beside the usual places it looks into the CUDA Toolkit and into Python's packages (NVIDIA's own,
# which PyTorch brings along). Defines the target NCCL::NCCL (headers) and NCCL_LIBRARY.
if(TARGET NCCL::NCCL)
  set(NCCL_FOUND TRUE)
  return()
endif()
include("${CMAKE_CURRENT_LIST_DIR}/DeconvPythonNvidia.cmake")
deconv_python_nvidia(nccl_folder nccl)

find_path(NCCL_INCLUDE_DIR nccl.h HINTS ENV NCCL_HOME ${CUDAToolkit_INCLUDE_DIRS} "${nccl_folder}" PATH_SUFFIXES include
          DOC "Folder that holds nccl.h")
find_library(NCCL_LIBRARY NAMES libnccl.so.2 nccl NAMES_PER_DIR
             HINTS ENV NCCL_HOME ${CUDAToolkit_LIBRARY_DIR} "${CUDAToolkit_TARGET_DIR}/lib" "${nccl_folder}"
             PATH_SUFFIXES lib64 lib DOC "The NCCL library, to be loaded where the system does not find it by itself")
mark_as_advanced(NCCL_INCLUDE_DIR NCCL_LIBRARY)

set(NCCL_VERSION "")
if(NCCL_INCLUDE_DIR)
  foreach(part MAJOR MINOR PATCH)
    file(STRINGS "${NCCL_INCLUDE_DIR}/nccl.h" line REGEX "^#define NCCL_${part} +[0-9]+")
    string(REGEX MATCH "[0-9]+" number "${line}")
    list(APPEND NCCL_VERSION "${number}")
  endforeach()
  string(REPLACE ";" "." NCCL_VERSION "${NCCL_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NCCL REQUIRED_VARS NCCL_INCLUDE_DIR VERSION_VAR NCCL_VERSION)

if(NCCL_FOUND)
  add_library(NCCL::NCCL INTERFACE IMPORTED)
  set_target_properties(NCCL::NCCL PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${NCCL_INCLUDE_DIR}")
endif()
