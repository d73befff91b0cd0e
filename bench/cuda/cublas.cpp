// cuBLAS's products: pedantic float32, which is multiply-adds without tensor cores, or in TF32, half or
// bfloat16 on tensor cores.
#include <cublas_v2.h>

#include "peers.hpp"

namespace deconv::bench {
namespace {

void check(cublasStatus_t status, const char* what) {
  require<DeviceError>(status == CUBLAS_STATUS_SUCCESS, what, ": ", cublasGetStatusString(status));
}

/// Whether floats may not be rounded before they are multiplied.
bool pedantic(DType dtype, Maths maths) { return dtype == DType::float32 && maths != Maths::tf32; }

std::shared_ptr<cublasContext> make_handle(const Room& room, bool exact) {
  cublasHandle_t handle = nullptr;
  check(cublasCreate(&handle), "starting cuBLAS");
  std::shared_ptr<cublasContext> held(handle, [](cublasHandle_t h) { cublasDestroy(h); });
  check(cublasSetStream(handle, reinterpret_cast<cudaStream_t>(room.context().stream())),
        "choosing a stream");
  check(cublasSetMathMode(handle, exact ? CUBLAS_PEDANTIC_MATH : CUBLAS_DEFAULT_MATH),
        "choosing the maths mode");
  return held;
}

cudaDataType type_of(DType dtype) {
  return dtype == DType::float16 ? CUDA_R_16F : dtype == DType::bfloat16 ? CUDA_R_16BF : CUDA_R_32F;
}

}  // namespace

std::string cublas_version() {
  int version = 0;
  return cublasGetProperty(MAJOR_VERSION, &version) == CUBLAS_STATUS_SUCCESS ? message("cuBLAS ", version)
                                                                             : "cuBLAS";
}

Ways product_peers(Room& room, DType dtype, Maths maths, ProductPass pass, Index images, Index features,
                   Index outputs) {
  const bool exact = pedantic(dtype, maths);
  const auto handle = make_handle(room, exact);
  const cublasComputeType_t compute = exact                     ? CUBLAS_COMPUTE_32F_PEDANTIC
                                      : dtype == DType::float32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                : CUBLAS_COMPUTE_32F;
  const auto x = room.random_memory(dtype, images * features),
             w = room.random_memory(dtype, outputs * features),
             y = room.random_memory(dtype, images * outputs);
  const int n = static_cast<int>(images), f = static_cast<int>(features), o = static_cast<int>(outputs);
  // Row-major operands are cuBLAS's column-major ones transposed, so every product is taken from behind.
  const auto product = [=](cublasOperation_t op_a, cublasOperation_t op_b, int rows, int columns, int inner,
                           const void* a, int a_row, const void* b, int b_row, void* c) {
    const float one = 1, zero = 0;
    const cudaDataType type = type_of(dtype);
    check(cublasGemmEx(handle.get(), op_a, op_b, rows, columns, inner, &one, a, type, a_row, b, type, b_row,
                       &zero, c, type, rows, compute, CUBLAS_GEMM_DEFAULT),
          "cublasGemmEx");
  };
  return {{"cuBLAS", [=] {
             if (pass == ProductPass::forward)
               product(CUBLAS_OP_T, CUBLAS_OP_N, o, n, f, w.get(), f, x.get(), f, y.get());
             else if (pass == ProductPass::reverse_data)
               product(CUBLAS_OP_N, CUBLAS_OP_N, f, n, o, w.get(), f, y.get(), o, x.get());
             else
               product(CUBLAS_OP_N, CUBLAS_OP_T, f, o, n, x.get(), f, y.get(), o, w.get());
           }}};
}

}  // namespace deconv::bench
