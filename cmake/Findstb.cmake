# Finds the stb headers, which come without a package file. Debian puts them in <prefix>/include/stb, others in
# <prefix>/include; deconv includes <stb_image.h>. Defines the target stb::stb.
find_path(STB_INCLUDE_DIR stb_image.h PATH_SUFFIXES stb DOC "Folder that holds stb_image.h")
mark_as_advanced(STB_INCLUDE_DIR)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(stb REQUIRED_VARS STB_INCLUDE_DIR)

if(stb_FOUND AND NOT TARGET stb::stb)
  add_library(stb::stb INTERFACE IMPORTED GLOBAL)
  set_target_properties(stb::stb PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${STB_INCLUDE_DIR}")
endif()
