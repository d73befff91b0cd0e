#pragma once
// IEEE binary16 as CUDA has it: stored in 16 bits, computed in float and rounded after each operation.

#include <bit>
#include <cstdint>

#include "simt/vector_types.hpp"

// NOLINTBEGIN
struct __half_raw {
  unsigned short x;
};

namespace simt {

/// To nearest even, with subnormals; too large becomes infinity.
inline unsigned short half_bits(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u, rest = bits & 0x7fffffffu;
  if (rest > 0x7f800000u) return static_cast<unsigned short>(0x7fffu);
  const int exponent = static_cast<int>(rest >> 23) - 127;
  if (exponent > 15) return static_cast<unsigned short>(sign | 0x7c00u);
  if (exponent < -25) return static_cast<unsigned short>(sign);
  // The significand as an integer, and how many of its bits do not fit.
  const std::uint32_t significand = (rest & 0x7fffffu) | 0x800000u;
  const int drop = exponent >= -14 ? 13 : 13 + (-14 - exponent);
  std::uint32_t kept = significand >> drop;
  const std::uint32_t lost = significand & ((1u << drop) - 1u), middle = 1u << (drop - 1);
  if (lost > middle || (lost == middle && (kept & 1u))) ++kept;
  // A carry runs into the exponent by itself.
  const std::uint32_t result =
      exponent >= -14 ? (static_cast<std::uint32_t>(exponent + 14) << 10) + kept : kept;
  return static_cast<unsigned short>(sign | result);
}

inline float half_value(unsigned short bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 31u, mantissa = bits & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  const float magnitude = exponent == 0 ? static_cast<float>(mantissa) * 0x1p-24f
                                        : std::bit_cast<float>(((exponent + 112u) << 23) | (mantissa << 13));
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
}

}  // namespace simt

struct alignas(2) __half {
  unsigned short bits_;

  __half() = default;
  __half(float value) : bits_(simt::half_bits(value)) {}
  __half(const __half_raw& raw) : bits_(raw.x) {}
  operator float() const { return simt::half_value(bits_); }
  operator __half_raw() const { return {bits_}; }
};
struct alignas(4) __half2 {
  __half x, y;

  __half2() = default;
  __half2(__half a, __half b) : x(a), y(b) {}
};
using half = __half;
using half2 = __half2;

inline __half __float2half(float x) { return __half(x); }
inline __half __float2half_rn(float x) { return __half(x); }
inline float __half2float(__half x) { return static_cast<float>(x); }
inline __half __ushort_as_half(unsigned short bits) { return __half(__half_raw{bits}); }
inline unsigned short __half_as_ushort(__half x) { return x.bits_; }
inline __half __short_as_half(short bits) { return __half(__half_raw{static_cast<unsigned short>(bits)}); }
inline short __half_as_short(__half x) { return static_cast<short>(x.bits_); }
inline __half2 __float22half2_rn(float2 v) { return {__half(v.x), __half(v.y)}; }
inline __half2 __floats2half2_rn(float a, float b) { return {__half(a), __half(b)}; }
inline __half2 __float2half2_rn(float a) { return {__half(a), __half(a)}; }
inline float2 __half22float2(__half2 v) { return {static_cast<float>(v.x), static_cast<float>(v.y)}; }
inline __half2 __halves2half2(__half a, __half b) { return {a, b}; }
inline __half2 __half2half2(__half a) { return {a, a}; }
inline __half __low2half(__half2 v) { return v.x; }
inline __half __high2half(__half2 v) { return v.y; }
inline float __low2float(__half2 v) { return static_cast<float>(v.x); }
inline float __high2float(__half2 v) { return static_cast<float>(v.y); }
inline __half __hadd(__half a, __half b) { return __half(static_cast<float>(a) + static_cast<float>(b)); }
inline __half __hsub(__half a, __half b) { return __half(static_cast<float>(a) - static_cast<float>(b)); }
inline __half __hmul(__half a, __half b) { return __half(static_cast<float>(a) * static_cast<float>(b)); }
inline __half __hmax(__half a, __half b) { return static_cast<float>(a) < static_cast<float>(b) ? b : a; }
inline __half __hmin(__half a, __half b) { return static_cast<float>(b) < static_cast<float>(a) ? b : a; }
inline __half2 __hadd2(__half2 a, __half2 b) { return {__hadd(a.x, b.x), __hadd(a.y, b.y)}; }
inline __half2 __hmul2(__half2 a, __half2 b) { return {__hmul(a.x, b.x), __hmul(a.y, b.y)}; }
// NOLINTEND
