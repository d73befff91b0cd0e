#pragma once

// CUDA's vector types with CUDA's alignments: an access through a wrongly aligned pointer is reported.

// NOLINTBEGIN
#define SIMT_VECTOR_TYPES(T, name, align1, align2, align3, align4)              \
  struct alignas(align1) name##1 {                                              \
    T x;                                                                        \
  };                                                                            \
  struct alignas(align2) name##2 {                                              \
    T x, y;                                                                     \
  };                                                                            \
  struct alignas(align3) name##3 {                                              \
    T x, y, z;                                                                  \
  };                                                                            \
  struct alignas(align4) name##4 {                                              \
    T x, y, z, w;                                                               \
  };                                                                            \
  constexpr name##1 make_##name##1(T x) { return name##1 {x}; }                 \
  constexpr name##2 make_##name##2(T x, T y) { return name##2 {x, y}; }         \
  constexpr name##3 make_##name##3(T x, T y, T z) { return name##3 {x, y, z}; } \
  constexpr name##4 make_##name##4(T x, T y, T z, T w) { return name##4 {x, y, z, w}; }

SIMT_VECTOR_TYPES(signed char, char, 1, 2, 1, 4)
SIMT_VECTOR_TYPES(unsigned char, uchar, 1, 2, 1, 4)
SIMT_VECTOR_TYPES(short, short, 2, 4, 2, 8)
SIMT_VECTOR_TYPES(unsigned short, ushort, 2, 4, 2, 8)
SIMT_VECTOR_TYPES(int, int, 4, 8, 4, 16)
SIMT_VECTOR_TYPES(unsigned, uint, 4, 8, 4, 16)
SIMT_VECTOR_TYPES(long long, longlong, 8, 16, 8, 16)
SIMT_VECTOR_TYPES(unsigned long long, ulonglong, 8, 16, 8, 16)
SIMT_VECTOR_TYPES(float, float, 4, 8, 4, 16)
SIMT_VECTOR_TYPES(double, double, 8, 16, 8, 16)
#undef SIMT_VECTOR_TYPES
// NOLINTEND

/// Extents of a grid or block.
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return uint3{x, y, z}; }
};
