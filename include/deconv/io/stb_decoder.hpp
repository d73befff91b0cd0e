#pragma once
/// stb_image inside a namespace of ours, with internal linkage, so that it collides neither with another copy
/// in the same program nor with an embedding project's own use of it in the same file, before or after this
/// one. Only io/image.hpp includes this.

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#if defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "deconv/core/error.hpp"

namespace deconv::io::detail {

/// The largest single block that the decoder may ask for on this thread. A compressed file of a few kilobytes
/// can unpack to gigabytes; the caller knows from the header what the picture needs.
inline thread_local std::size_t decoder_block_limit = 0;

/// Zeroed, so that what a damaged picture leaves out is the same in every run.
inline void* decoder_allocate(std::size_t bytes) {
  return bytes > decoder_block_limit ? nullptr : std::calloc(bytes, 1);
}
inline void* decoder_reallocate(void* block, std::size_t bytes) {
  return bytes > decoder_block_limit ? nullptr : std::realloc(block, bytes);
}
[[noreturn]] inline void decoder_inconsistent() {
  raise<FormatError>("the picture's data contradict themselves");
}

}  // namespace deconv::io::detail

#pragma push_macro("STBI_INCLUDE_STB_IMAGE_H")
#pragma push_macro("STBIDEF")
#pragma push_macro("STBI_ASSERT")
#pragma push_macro("STBI_MALLOC")
#pragma push_macro("STBI_REALLOC")
#pragma push_macro("STBI_REALLOC_SIZED")
#pragma push_macro("STBI_FREE")
#pragma push_macro("STBI_MAX_DIMENSIONS")
#pragma push_macro("STB_IMAGE_IMPLEMENTATION")
#pragma push_macro("STB_IMAGE_STATIC")
#undef STBI_INCLUDE_STB_IMAGE_H
#undef STBIDEF
#undef STBI_ASSERT
#undef STBI_MALLOC
#undef STBI_REALLOC
#undef STBI_REALLOC_SIZED
#undef STBI_FREE
#undef STBI_MAX_DIMENSIONS
#undef STB_IMAGE_IMPLEMENTATION
#undef STB_IMAGE_STATIC
// A macro of the implementation that has a function's name and would garble a second copy.
#undef stbi__err
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS (1 << 24)
#define STBI_ASSERT(x) ((x) ? (void)0 : ::deconv::io::detail::decoder_inconsistent())
#define STBI_MALLOC(bytes) ::deconv::io::detail::decoder_allocate(bytes)
#define STBI_REALLOC(block, bytes) ::deconv::io::detail::decoder_reallocate(block, bytes)
#define STBI_FREE(block) ::std::free(block)

// stb declares these extern "C", which would give this copy's and another's the same symbol in one file.
#define stbi__unpremultiply_on_load_thread deconv_stbi__unpremultiply_on_load_thread
#define stbi_convert_iphone_png_to_rgb deconv_stbi_convert_iphone_png_to_rgb
#define stbi_convert_iphone_png_to_rgb_thread deconv_stbi_convert_iphone_png_to_rgb_thread
#define stbi_convert_wchar_to_utf8 deconv_stbi_convert_wchar_to_utf8
#define stbi_failure_reason deconv_stbi_failure_reason
#define stbi_hdr_to_ldr_gamma deconv_stbi_hdr_to_ldr_gamma
#define stbi_hdr_to_ldr_scale deconv_stbi_hdr_to_ldr_scale
#define stbi_image_free deconv_stbi_image_free
#define stbi_info_from_callbacks deconv_stbi_info_from_callbacks
#define stbi_info_from_memory deconv_stbi_info_from_memory
#define stbi_is_16_bit_from_callbacks deconv_stbi_is_16_bit_from_callbacks
#define stbi_is_16_bit_from_memory deconv_stbi_is_16_bit_from_memory
#define stbi_is_hdr_from_callbacks deconv_stbi_is_hdr_from_callbacks
#define stbi_is_hdr_from_memory deconv_stbi_is_hdr_from_memory
#define stbi_ldr_to_hdr_gamma deconv_stbi_ldr_to_hdr_gamma
#define stbi_ldr_to_hdr_scale deconv_stbi_ldr_to_hdr_scale
#define stbi_load_16_from_callbacks deconv_stbi_load_16_from_callbacks
#define stbi_load_16_from_memory deconv_stbi_load_16_from_memory
#define stbi_load_from_callbacks deconv_stbi_load_from_callbacks
#define stbi_load_from_memory deconv_stbi_load_from_memory
#define stbi_set_flip_vertically_on_load deconv_stbi_set_flip_vertically_on_load
#define stbi_set_flip_vertically_on_load_thread deconv_stbi_set_flip_vertically_on_load_thread
#define stbi_set_unpremultiply_on_load deconv_stbi_set_unpremultiply_on_load
#define stbi_set_unpremultiply_on_load_thread deconv_stbi_set_unpremultiply_on_load_thread
#define stbi_zlib_decode_buffer deconv_stbi_zlib_decode_buffer
#define stbi_zlib_decode_malloc deconv_stbi_zlib_decode_malloc
#define stbi_zlib_decode_malloc_guesssize deconv_stbi_zlib_decode_malloc_guesssize
#define stbi_zlib_decode_malloc_guesssize_headerflag deconv_stbi_zlib_decode_malloc_guesssize_headerflag
#define stbi_zlib_decode_noheader_buffer deconv_stbi_zlib_decode_noheader_buffer
#define stbi_zlib_decode_noheader_malloc deconv_stbi_zlib_decode_noheader_malloc

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif
#if defined(__clang__)
// Damaged pictures make its integer transforms overflow: wrong pixels, nothing worse.
#pragma clang attribute push(__attribute__((no_sanitize("undefined"))), apply_to = function)
#endif

namespace deconv::io::stb_decoder {
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#elif __has_include(<stb_image.h>)
#include <stb_image.h>
#else
#error "deconv/io/image.hpp needs stb_image.h (Debian: libstb-dev)"
#endif
}  // namespace deconv::io::stb_decoder

#if defined(__clang__)
#pragma clang attribute pop
#endif
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace deconv::io::detail {

inline int decoder_info(const std::uint8_t* bytes, int length, int* width, int* height, int* channels) {
  return stb_decoder::stbi_info_from_memory(bytes, length, width, height, channels);
}
/// Pixels for std::free, or null.
inline std::uint8_t* decoder_load(const std::uint8_t* bytes, int length, int* width, int* height,
                                  int* channels, int wanted) {
  return stb_decoder::stbi_load_from_memory(bytes, length, width, height, channels, wanted);
}
inline const char* decoder_reason() { return stb_decoder::stbi_failure_reason(); }

}  // namespace deconv::io::detail

// What the implementation derives from the choices above must not reach an embedding project's own inclusion.
#undef stbi__unpremultiply_on_load_thread
#undef stbi_convert_iphone_png_to_rgb
#undef stbi_convert_iphone_png_to_rgb_thread
#undef stbi_convert_wchar_to_utf8
#undef stbi_failure_reason
#undef stbi_hdr_to_ldr_gamma
#undef stbi_hdr_to_ldr_scale
#undef stbi_image_free
#undef stbi_info_from_callbacks
#undef stbi_info_from_memory
#undef stbi_is_16_bit_from_callbacks
#undef stbi_is_16_bit_from_memory
#undef stbi_is_hdr_from_callbacks
#undef stbi_is_hdr_from_memory
#undef stbi_ldr_to_hdr_gamma
#undef stbi_ldr_to_hdr_scale
#undef stbi_load_16_from_callbacks
#undef stbi_load_16_from_memory
#undef stbi_load_from_callbacks
#undef stbi_load_from_memory
#undef stbi_set_flip_vertically_on_load
#undef stbi_set_flip_vertically_on_load_thread
#undef stbi_set_unpremultiply_on_load
#undef stbi_set_unpremultiply_on_load_thread
#undef stbi_zlib_decode_buffer
#undef stbi_zlib_decode_malloc
#undef stbi_zlib_decode_malloc_guesssize
#undef stbi_zlib_decode_malloc_guesssize_headerflag
#undef stbi_zlib_decode_noheader_buffer
#undef stbi_zlib_decode_noheader_malloc
#undef stbi__err
#undef STBI_ONLY_JPEG
#undef STBI_ONLY_PNG
#undef STBI_ONLY_BMP
#undef STBI_NO_STDIO
#undef STBI_NO_LINEAR
#undef STBI_NO_HDR
#undef STBI_NO_GIF
#undef STBI_NO_PIC
#undef STBI_NO_PNM
#undef STBI_NO_PSD
#undef STBI_NO_TGA
#undef STBI_NO_ZLIB
#pragma pop_macro("STB_IMAGE_STATIC")
#pragma pop_macro("STB_IMAGE_IMPLEMENTATION")
#pragma pop_macro("STBI_MAX_DIMENSIONS")
#pragma pop_macro("STBI_FREE")
#pragma pop_macro("STBI_REALLOC_SIZED")
#pragma pop_macro("STBI_REALLOC")
#pragma pop_macro("STBI_MALLOC")
#pragma pop_macro("STBI_ASSERT")
#pragma pop_macro("STBIDEF")
#pragma pop_macro("STBI_INCLUDE_STB_IMAGE_H")
