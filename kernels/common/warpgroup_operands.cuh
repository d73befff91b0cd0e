#pragma once

// The long operand lists of warpgroup.cuh's inline assembly, put together from tens.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL

// NOLINTBEGIN: only the preprocessor can make them
// "%0, %1, ...": ten operands of which all digits but the last are given.
#define DECONV_TEN(t) \
  "%" #t "0, %" #t "1, %" #t "2, %" #t "3, %" #t "4, %" #t "5, %" #t "6, %" #t "7, %" #t "8, %" #t "9"
#define DECONV_NAMES_4 "%0, %1, %2, %3"
#define DECONV_NAMES_8 DECONV_NAMES_4 ", %4, %5, %6, %7"
#define DECONV_NAMES_16 DECONV_TEN() ", %10, %11, %12, %13, %14, %15"
#define DECONV_NAMES_30 DECONV_TEN() ", " DECONV_TEN(1) ", " DECONV_TEN(2)
#define DECONV_NAMES_32 DECONV_NAMES_30 ", %30, %31"
#define DECONV_NAMES_40 DECONV_NAMES_30 ", " DECONV_TEN(3)
#define DECONV_NAMES_48 DECONV_NAMES_40 ", %40, %41, %42, %43, %44, %45, %46, %47"
#define DECONV_NAMES_60 DECONV_NAMES_40 ", " DECONV_TEN(4) ", " DECONV_TEN(5)
#define DECONV_NAMES_64 DECONV_NAMES_60 ", %60, %61, %62, %63"
#define DECONV_NAMES_90 DECONV_NAMES_60 ", " DECONV_TEN(6) ", " DECONV_TEN(7) ", " DECONV_TEN(8)
#define DECONV_NAMES_96 DECONV_NAMES_90 ", %90, %91, %92, %93, %94, %95"
#define DECONV_NAMES_120 DECONV_NAMES_90 ", " DECONV_TEN(9) ", " DECONV_TEN(10) ", " DECONV_TEN(11)
#define DECONV_NAMES_128 DECONV_NAMES_120 ", %120, %121, %122, %123, %124, %125, %126, %127"

// The registers that these are, from d[i] on.
#define DECONV_REGISTERS_FROM_4(i) "+f"(d[i]), "+f"(d[(i) + 1]), "+f"(d[(i) + 2]), "+f"(d[(i) + 3])
#define DECONV_REGISTERS_FROM_8(i) DECONV_REGISTERS_FROM_4(i), DECONV_REGISTERS_FROM_4((i) + 4)
#define DECONV_REGISTERS_FROM_16(i) DECONV_REGISTERS_FROM_8(i), DECONV_REGISTERS_FROM_8((i) + 8)
#define DECONV_REGISTERS_FROM_32(i) DECONV_REGISTERS_FROM_16(i), DECONV_REGISTERS_FROM_16((i) + 16)
#define DECONV_REGISTERS_FROM_48(i) DECONV_REGISTERS_FROM_32(i), DECONV_REGISTERS_FROM_16((i) + 32)
#define DECONV_REGISTERS_FROM_64(i) DECONV_REGISTERS_FROM_32(i), DECONV_REGISTERS_FROM_32((i) + 32)
#define DECONV_REGISTERS_FROM_96(i) DECONV_REGISTERS_FROM_64(i), DECONV_REGISTERS_FROM_32((i) + 64)
#define DECONV_REGISTERS_FROM_128(i) DECONV_REGISTERS_FROM_64(i), DECONV_REGISTERS_FROM_64((i) + 64)

// One instruction: `count` accumulators, then the operands numbered %a and %b, for 16 bits also the two
// directions %ra and %ca. The predicate says that d is added to.
#define DECONV_GROUP_INSTRUCTION(columns, count, types, a_and_b, directions, ...)  \
  asm volatile(                                                                    \
      "{.reg .pred add; setp.eq.u32 add, 1, 1;\n"                                  \
      "wgmma.mma_async.sync.aligned.m64n" #columns types " {" DECONV_NAMES_##count \
      "}, " a_and_b ", add, 1, 1" directions ";}"                                  \
      : DECONV_REGISTERS_FROM_##count(0)                                           \
      : "l"(a.bits), "l"(b.bits)__VA_ARGS__);

#define DECONV_GROUP_PRODUCT(columns, count, a_at, b_at, rows_at, columns_at)                           \
  {                                                                                                     \
    if constexpr (is_tf32) {                                                                            \
      DECONV_GROUP_INSTRUCTION(columns, count, "k8.f32.tf32.tf32", "%" #a_at ", %" #b_at, "")           \
    } else if constexpr (is_half) {                                                                     \
      DECONV_GROUP_INSTRUCTION(columns, count, "k16.f32.f16.f16", "%" #a_at ", %" #b_at,                \
                               ", %" #rows_at ", %" #columns_at, , "n"(RowsAcross), "n"(ColumnsAcross)) \
    } else {                                                                                            \
      DECONV_GROUP_INSTRUCTION(columns, count, "k16.f32.bf16.bf16", "%" #a_at ", %" #b_at,              \
                               ", %" #rows_at ", %" #columns_at, , "n"(RowsAcross), "n"(ColumnsAcross)) \
    }                                                                                                   \
  }
// NOLINTEND

#endif
