# deconv_python_nvidia(<variable> <names...>): the folder of the first of NVIDIA's Python packages that has that name
# (nvidia/cudnn; since CUDA 13 also nvidia/cu13 for all of the toolkit's), with include/ and lib/ inside; empty where
# there is none. DECONV_PYTHON names the interpreter whose packages are looked through.
include_guard(GLOBAL)
function(deconv_python_nvidia variable)
  set(${variable} "" PARENT_SCOPE)
  find_program(DECONV_PYTHON python3 DOC "Python whose packages may hold cuDNN and cuBLAS")
  mark_as_advanced(DECONV_PYTHON)
  if(NOT DECONV_PYTHON)
    return()
  endif()
  execute_process(COMMAND "${DECONV_PYTHON}" -c "import nvidia; print(';'.join(nvidia.__path__))"
                  OUTPUT_VARIABLE folders OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  foreach(folder IN LISTS folders)
    foreach(name IN LISTS ARGN)
      if(IS_DIRECTORY "${folder}/${name}")
        set(${variable} "${folder}/${name}" PARENT_SCOPE)
        return()
      endif()
    endforeach()
  endforeach()
endfunction()
