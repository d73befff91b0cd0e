#include "max_unpool2d.cuh"

#include "common/launch.cuh"
#include "deconv/ops/cuda/max_unpool2d.hpp"

namespace deconv::cuda {
namespace {

constexpr unsigned threads = 256;

template <class Claim, class T>
void run(const Context<Cuda>& context, TensorView<const T, Cuda> src,
         TensorView<const std::int64_t, Cuda> indices, TensorView<T, Cuda> dst) {
  const Placement from(src.shape(), src.layout()), to(dst.shape(), dst.layout());
  auto claims = context.make<Claim>({dst.count()});
  set_bytes(context.device(), context.stream(), claims.data(), 0, claims.bytes());
  if (src.count() > 0)
    launch(context, &claim_places<Claim>, grid_for(src.count(), threads), threads, 0, from, to, src.count(),
           dst.count(), indices.data(), claims.data());
  launch(context, &take_claimed<T, Claim>, grid_for(dst.count(), threads), threads, 0, from, dst.count(),
         claims.data(), src.data(), dst.data());
}

}  // namespace

template <class T>
void max_unpool2d(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                  TensorView<const std::int64_t, Cuda> indices, TensorView<T, Cuda> dst) {
  if (dst.count() == 0) return;
  if (src.count() < Index{1} << 32)
    run<unsigned int>(context, src, indices, dst);
  else
    run<unsigned long long>(context, src, indices, dst);
}

template <class T>
void max_unpool2d_reverse(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                          TensorView<const std::int64_t, Cuda> indices, TensorView<T, Cuda> diff_src) {
  if (diff_src.count() == 0) return;
  launch(context, &take_indexed<T>, grid_for(diff_src.count(), threads), threads, 0,
         Placement(diff_dst.shape(), diff_dst.layout()), diff_src.count(), diff_dst.count(), indices.data(),
         diff_dst.data(), diff_src.data());
}

#define DECONV_INSTANCE(T)                                                                  \
  template void max_unpool2d<T>(const Context<Cuda>&, TensorView<const T, Cuda>,            \
                                TensorView<const std::int64_t, Cuda>, TensorView<T, Cuda>); \
  template void max_unpool2d_reverse<T>(const Context<Cuda>&, TensorView<const T, Cuda>,    \
                                        TensorView<const std::int64_t, Cuda>, TensorView<T, Cuda>);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
