#pragma once

// Atomic operations on global and shared memory. Blocks on other cores see them; races count them as ordered.

#include <cstdint>

// NOLINTBEGIN
#define SIMT_ATOMIC(T)               \
  T atomicAdd(T* address, T value);  \
  T atomicExch(T* address, T value); \
  T atomicCAS(T* address, T compare, T value);
#define SIMT_ATOMIC_INTEGER(T)      \
  T atomicSub(T* address, T value); \
  T atomicMin(T* address, T value); \
  T atomicMax(T* address, T value); \
  T atomicAnd(T* address, T value); \
  T atomicOr(T* address, T value);  \
  T atomicXor(T* address, T value);

SIMT_ATOMIC(int)
SIMT_ATOMIC(unsigned)
SIMT_ATOMIC(unsigned long long)
SIMT_ATOMIC_INTEGER(int)
SIMT_ATOMIC_INTEGER(unsigned)
SIMT_ATOMIC_INTEGER(unsigned long long)
float atomicAdd(float* address, float value);
float atomicExch(float* address, float value);
double atomicAdd(double* address, double value);
long long atomicMin(long long* address, long long value);
long long atomicMax(long long* address, long long value);
unsigned short atomicCAS(unsigned short* address, unsigned short compare, unsigned short value);
unsigned atomicInc(unsigned* address, unsigned limit);
unsigned atomicDec(unsigned* address, unsigned limit);
#undef SIMT_ATOMIC
#undef SIMT_ATOMIC_INTEGER
// NOLINTEND
