// Extents that allow accesses of 16 bytes in memory that does not: the results must be those of aligned
// memory.
#include <array>

#include "deconv/ops/add.hpp"
#include "deconv/ops/batch_norm.hpp"
#include "deconv/ops/concat.hpp"
#include "deconv/ops/fill_patches.hpp"
#include "deconv/ops/pad2d.hpp"
#include "deconv/ops/window_copy.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

/// Runs op(context, in, out) in every place that two operands may begin, and compares.
template <class T, class Op>
void check_places(const char* name, const Shape& from, const Shape& to, const Op& op) {
  each_device([&](const auto& context) {
    using D = DeviceOf<decltype(context)>;
    if constexpr (std::same_as<D, Cuda> || sizeof(T) == 4) {
      for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
        const auto src = in_layout<T>(make_input<T>({from}, false, 3), layout);
        const auto before = in_layout<T>(make_input<T>({to}, false, 4), layout);
        std::vector<Tensor<T, Cpu>> met;
        for (const auto& [a, b] : std::array<std::array<Index, 2>, 4>{{{0, 0}, {1, 0}, {0, 1}, {3, 2}}}) {
          ShiftedTensor<T, D> in(context, src, a), out(context, before, b);
          op(context, in.view(), out.view());
          met.push_back(to_host(context, out.view()));
          INFO(name << ", " << D::name << ' ' << name_of(layout) << ' ' << name_of(dtype_of<T>)
                    << ", shifted by " << a << " and " << b);
          CHECK(std::memcmp(met.back().data(), met.front().data(), met.front().bytes()) == 0);
          CHECK(std::memcmp(met.back().data(), before.data(), before.bytes()) != 0);
        }
      }
    }
  });
}

template <class T>
void check_all_ops() {
  const Shape shape{2, 16, 8, 8}, twice{2, 32, 8, 8};
  check_places<T>("concat", shape, twice, [](const auto& context, const auto& in, const auto& out) {
    const TensorView<const T, DeviceOf<decltype(context)>> part = in;
    concat_forward(context, std::vector{part, part}, 1, out);
  });
  check_places<T>("concat_reverse", twice, shape, [](const auto& context, const auto& in, const auto& out) {
    concat_reverse(context, in, 1, 8, out);
  });
  check_places<T>("accumulate", shape, shape,
                  [](const auto& context, const auto& in, const auto& out) { accumulate(context, in, out); });
  check_places<T>("pad2d", shape, {2, 16, 24, 24}, [](const auto& context, const auto& in, const auto& out) {
    pad2d_forward(context, in, {8, 8, 8, 8, 0.5f}, out);
  });
  check_places<T>(
      "gather_windows", shape, {3, 16, 4, 8}, [](const auto& context, const auto& in, const auto& out) {
        using D = DeviceOf<decltype(context)>;
        gather_windows<T, D>(
            context,
            std::vector<WindowPlace<TensorView<const T, D>>>{{in, 1, 2, 0}, {in, 0, -1, -8}, {in, 1, 5, 8}},
            out);
      });
  check_places<T>("zero_outside", shape, shape, [](const auto& context, const auto&, const auto& out) {
    const std::vector<Index> tops{-2, 3}, lefts{1, 0};
    zero_outside(context, out, tops, lefts, 7, 7);
  });
  check_places<T>("batch_norm", shape, shape, [](const auto& context, const auto& in, const auto& out) {
    const auto values = to_device(context, make_input<T>({{16}, Fill::positive}, false, 9).view());
    batch_norm_forward(context, in, values, values, values, values, 1e-3f, out);
  });
  check_places<T>("fill_patches", shape.with(0, 1), {4, 16, 8, 8},
                  [](const auto& context, const auto& in, const auto& out) {
                    const auto values = to_device(context, make_input<T>({{16}}, false, 9).view());
                    fill_patches(context, in, values, {2, 2, 0, 0, 4, 4, 4, 4}, 0, out);
                  });
}

TEST_CASE("results do not depend on where memory begins") {
  check_all_ops<float>();
  check_all_ops<half>();
  check_all_ops<bfloat16>();
}

}  // namespace
}  // namespace deconv::test
