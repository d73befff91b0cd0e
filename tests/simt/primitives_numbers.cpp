// Half precision numbers, and arithmetic on bits: each against its definition.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "deconv/core/dtype.hpp"
#include "primitives.cuh"
#include "support/catch.hpp"

using namespace primitives;

namespace {

__global__ void widen(float* halves, float* brains) {
  const unsigned bits = blockIdx.x * blockDim.x + threadIdx.x;
  halves[bits] = __half2float(__ushort_as_half(static_cast<unsigned short>(bits)));
  brains[bits] = __bfloat162float(__ushort_as_bfloat16(static_cast<unsigned short>(bits)));
}

__global__ void narrow(const float* in, unsigned short* halves, unsigned short* brains, unsigned* pairs) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  halves[i] = __half_as_ushort(__float2half_rn(in[i]));
  brains[i] = __bfloat16_as_ushort(__float2bfloat16_rn(in[i]));
  const __half2 pair = __floats2half2_rn(in[i], -in[i]);
  pairs[i] = __half_as_ushort(__low2half(pair)) | static_cast<unsigned>(__half_as_ushort(__high2half(pair)))
                                                      << 16;
}

__global__ void bit_functions(const unsigned* in, unsigned* out) {
  const unsigned i = threadIdx.x, count = blockDim.x, x = in[i], y = in[(i + 1) % count];
  out[i] = static_cast<unsigned>(__popc(x));
  out[count + i] = static_cast<unsigned>(__clz(static_cast<int>(x)));
  out[2 * count + i] = static_cast<unsigned>(__ffs(static_cast<int>(x)));
  out[3 * count + i] = __brev(x);
  out[4 * count + i] = __umulhi(x, y);
  out[5 * count + i] = static_cast<unsigned>(__mulhi(static_cast<int>(x), static_cast<int>(y)));
  out[6 * count + i] = __byte_perm(x, y, 0x6317);
  out[7 * count + i] = __funnelshift_l(x, y, 13);
  out[8 * count + i] = min(x, y);
  out[9 * count + i] = static_cast<unsigned>(max(static_cast<int>(x), static_cast<int>(y)));
  out[10 * count + i] = __float_as_uint(__uint_as_float(x & 0x3fffffffu));
}

}  // namespace

TEST_CASE("all numbers of 16 bits widen to what deconv's own types say") {
  constexpr std::size_t count = 65536;
  Array<float> halves(count), brains(count);
  run(widen, 256, 256, 0, static_cast<float*>(halves), static_cast<float*>(brains));
  const std::vector<float> got_halves = halves.host(), got_brains = brains.host();
  for (std::size_t bits = 0; bits < count; ++bits) {
    deconv::half half;
    half.bits = static_cast<std::uint16_t>(bits);
    deconv::bfloat16 brain;
    brain.bits = static_cast<std::uint16_t>(bits);
    const auto same = [](float a, float b) {
      return std::isnan(a) ? std::isnan(b)
                           : std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
    };
    INFO(bits);
    REQUIRE(same(static_cast<float>(half), got_halves[bits]));
    REQUIRE(same(static_cast<float>(brain), got_brains[bits]));
  }
}

TEST_CASE("floats narrow to the nearest number, ties to even") {
  std::vector<float> in;
  for (std::uint32_t exponent = 0; exponent < 256; ++exponent) {
    for (const std::uint32_t mantissa :
         {0u, 1u, 0xfffu, 0x1000u, 0x1001u, 0x2fffu, 0x3000u, 0x7fffu, 0x8000u, 0x8001u, 0x18000u, 0x400000u,
          0x555555u, 0x7fe000u, 0x7fefffu, 0x7fffffu}) {
      in.push_back(std::bit_cast<float>((exponent << 23) | mantissa));
    }
  }
  Array<float> source(in);
  Array<unsigned short> halves(in.size()), brains(in.size());
  Array<unsigned> pairs(in.size());
  run(narrow, static_cast<unsigned>(in.size() / 256), 256, 0, static_cast<float*>(source),
      static_cast<unsigned short*>(halves), static_cast<unsigned short*>(brains),
      static_cast<unsigned*>(pairs));
  const auto got_halves = halves.host(), got_brains = brains.host();
  const auto got_pairs = pairs.host();
  for (std::size_t i = 0; i < in.size(); ++i) {
    INFO(in[i]);
    if (std::isnan(in[i])) {
      REQUIRE((got_halves[i] & 0x7fffu) > 0x7c00u);
      REQUIRE((got_brains[i] & 0x7fffu) > 0x7f80u);
      continue;
    }
    REQUIRE(got_halves[i] == deconv::half(in[i]).bits);
    REQUIRE(got_brains[i] == deconv::bfloat16(in[i]).bits);
    REQUIRE(got_pairs[i] ==
            (deconv::half(in[i]).bits | static_cast<unsigned>(deconv::half(-in[i]).bits) << 16));
  }
}

TEST_CASE("functions on bits do what their names say") {
  std::vector<unsigned> in{0u,          1u,          0x80000000u, 0xffffffffu,
                           0x12345678u, 0xdeadbeefu, 0x00010000u, 0x7fffffffu};
  const std::size_t count = in.size();
  Array<unsigned> source(in), result(11 * count);
  run(bit_functions, 1, static_cast<unsigned>(count), 0, static_cast<unsigned*>(source),
      static_cast<unsigned*>(result));
  const std::vector<unsigned> out = result.host();
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned x = in[i], y = in[(i + 1) % count];
    const int sx = static_cast<int>(x), sy = static_cast<int>(y);
    unsigned ones = 0, reversed = 0, first = 0, leading = 32;
    for (unsigned bit = 0; bit < 32; ++bit) {
      if (!(x >> bit & 1u)) continue;
      ++ones;
      reversed |= 0x80000000u >> bit;
      if (first == 0) first = bit + 1;
      leading = 31 - bit;
    }
    INFO(x << " " << y);
    REQUIRE(out[i] == ones);
    REQUIRE(out[count + i] == leading);
    REQUIRE(out[2 * count + i] == first);
    REQUIRE(out[3 * count + i] == reversed);
    REQUIRE(out[4 * count + i] == static_cast<unsigned>(static_cast<std::uint64_t>(x) * y >> 32));
    REQUIRE(out[5 * count + i] == static_cast<unsigned>(static_cast<std::int64_t>(sx) * sy >> 32));
    // Bytes 7, 1, 3, 6 of the eight, from the lowest on.
    REQUIRE(out[6 * count + i] ==
            (y >> 24 | (x >> 8 & 0xffu) << 8 | (x >> 24) << 16 | (y >> 16 & 0xffu) << 24));
    REQUIRE(out[7 * count + i] == (y << 13 | x >> 19));
    REQUIRE(out[8 * count + i] == (x < y ? x : y));
    REQUIRE(out[9 * count + i] == static_cast<unsigned>(sx > sy ? sx : sy));
    REQUIRE(out[10 * count + i] == (x & 0x3fffffffu));
  }
}
