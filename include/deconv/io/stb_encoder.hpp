#pragma once
/// stb_image_write inside a namespace of ours, as io/stb_decoder.hpp does it for the decoder, whose reasons
/// hold here too. Only io/image.hpp includes this.

#include <cstdarg>
#include <cstdlib>
#include <cstring>

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#if defined(DECONV_WITH_ZLIB)
#include <zlib.h>
#endif

#pragma push_macro("INCLUDE_STB_IMAGE_WRITE_H")
#pragma push_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma push_macro("STB_IMAGE_WRITE_STATIC")
#pragma push_macro("STBIWDEF")
#pragma push_macro("STBIW_ASSERT")
#undef INCLUDE_STB_IMAGE_WRITE_H
#undef STB_IMAGE_WRITE_IMPLEMENTATION
#undef STB_IMAGE_WRITE_STATIC
#undef STBIWDEF
#undef STBIW_ASSERT
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#define STBIW_ASSERT(x) ((void)0)
#if defined(DECONV_WITH_ZLIB)
#define STBIW_ZLIB_COMPRESS deflate_quickly
#endif

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif

namespace deconv::io::stb_encoder {
#if defined(DECONV_WITH_ZLIB)
/// zlib at its quickest in place of stb's own compressor, which takes most of the time of a montage. The
/// result is malloc's, as stb expects; null when memory is out.
static unsigned char* deflate_quickly(unsigned char* data, int length, int* compressed_length,
                                      int /*quality*/) {
  uLongf bytes = compressBound(static_cast<uLong>(length));
  auto* result = static_cast<unsigned char*>(std::malloc(bytes));
  if (result == nullptr) return nullptr;
  if (compress2(result, &bytes, data, static_cast<uLong>(length), Z_BEST_SPEED) != Z_OK) {
    std::free(result);
    return nullptr;
  }
  *compressed_length = static_cast<int>(bytes);
  return result;
}
#endif
#if __has_include(<stb/stb_image_write.h>)
#include <stb/stb_image_write.h>
#elif __has_include(<stb_image_write.h>)
#include <stb_image_write.h>
#else
#error "deconv/io/image.hpp needs stb_image_write.h (Debian: libstb-dev)"
#endif
}  // namespace deconv::io::stb_encoder

#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#undef STBI_WRITE_NO_STDIO
#undef STBIW_ZLIB_COMPRESS
#pragma pop_macro("STBIW_ASSERT")
#pragma pop_macro("STBIWDEF")
#pragma pop_macro("STB_IMAGE_WRITE_STATIC")
#pragma pop_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma pop_macro("INCLUDE_STB_IMAGE_WRITE_H")
