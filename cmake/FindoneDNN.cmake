# Finds oneDNN. Its own package file on Debian insists on OpenCL's headers, which a CPU program does not need, so
# the header and the library are looked for directly. Defines the target DNNL::dnnl.
if(TARGET DNNL::dnnl)
  set(oneDNN_FOUND TRUE)
  return()
endif()

find_path(ONEDNN_INCLUDE_DIR oneapi/dnnl/dnnl.hpp DOC "Folder that holds oneapi/dnnl/dnnl.hpp")
find_library(ONEDNN_LIBRARY dnnl DOC "The oneDNN library")
mark_as_advanced(ONEDNN_INCLUDE_DIR ONEDNN_LIBRARY)

set(oneDNN_VERSION "")
if(ONEDNN_INCLUDE_DIR)
  foreach(part MAJOR MINOR PATCH)
    file(STRINGS "${ONEDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h" line REGEX "define DNNL_VERSION_${part} +[0-9]+")
    string(REGEX MATCH "[0-9]+" number "${line}")
    list(APPEND oneDNN_VERSION "${number}")
  endforeach()
  string(REPLACE ";" "." oneDNN_VERSION "${oneDNN_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(oneDNN REQUIRED_VARS ONEDNN_LIBRARY ONEDNN_INCLUDE_DIR VERSION_VAR oneDNN_VERSION)

if(oneDNN_FOUND)
  add_library(DNNL::dnnl UNKNOWN IMPORTED GLOBAL)
  set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION "${ONEDNN_LIBRARY}"
                                              INTERFACE_INCLUDE_DIRECTORIES "${ONEDNN_INCLUDE_DIR}")
endif()
