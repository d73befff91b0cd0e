#include "deconv/ops/units.hpp"

#include "support/each_device.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

std::vector<Unit> some_units(const Shape& shape) {
  std::vector<Unit> units;
  const bool planes = shape.rank() == 4;
  // More than a kernel takes at once, with repetitions.
  for (Index i = 0; i < 600; ++i)
    units.push_back(
        {i % shape[0], i * 7 % shape[1], planes ? i * 5 % shape[2] : 0, planes ? i * 3 % shape[3] : 0});
  return units;
}

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all{{2, 5, 7, 3}, {1, 1, 1, 1}, {3, 16, 4, 4}, {4, 37}};
  return all;
}

}  // namespace

TEST_CASE("units are placed, the last of several for one place stands, and everything else is zero") {
  for (const Shape& shape : shapes()) {
    const auto units = some_units(shape);
    const auto values = [&]<class T>(T) {
      std::vector<T> all;
      for (std::size_t i = 0; i < units.size(); ++i)
        all.push_back(static_cast<T>(static_cast<float>(i % 97 + 1)));
      return all;
    };
    check_op(declare_op(
                 message("place_units ", shape), {}, {{shape}}, tolerance::exact, OnIntegers::exact,
                 [&](const auto&, const auto& out) {
                   using T = typename std::decay_t<decltype(out[0])>::value_type;
                   std::fill(out[0].begin(), out[0].end(), T(0));
                   const auto all = values(T(0));
                   for (std::size_t i = 0; i < units.size(); ++i)
                     out[0].data()[detail::unit_offset(out[0], units[i])] = all[i];
                 },
                 [&](const auto& context, const auto&, const auto& out) {
                   using T = typename std::decay_t<decltype(out[0])>::value_type;
                   const auto all = values(T(0.0f));
                   place_units<T>(context, units, all, out[0]);
                 }),
             0.02);
  }
}

TEST_CASE("units are read in their order") {
  for (const Shape& shape : shapes()) {
    const auto units = some_units(shape);
    const auto to_tensor = [&](const auto& context, const auto& in, const auto& out) {
      using T = typename std::decay_t<decltype(out[0])>::value_type;
      using D = DeviceOf<decltype(context)>;
      const std::vector<T> read = read_units<T, D>(context, in[0], units);
      if constexpr (std::same_as<D, Cpu>)
        std::copy(read.begin(), read.end(), out[0].begin());
      else
        transfer<T>(context, TensorView<const T, Cpu>(read.data(), out[0].shape()), out[0]);
    };
    check_op(declare_op(
        message("read_units ", shape), {{shape}}, {{{static_cast<Index>(units.size())}}}, tolerance::exact,
        OnIntegers::exact,
        [&](const auto& in, const auto& out) {
          for (std::size_t i = 0; i < units.size(); ++i)
            out[0].data()[i] = in[0].data()[detail::unit_offset(in[0], units[i])];
        },
        to_tensor));
  }
}

TEST_CASE("units move from one tensor to another without a look at the host") {
  for (const Shape& shape : shapes()) {
    std::vector<Unit> units;  // each once: more than a kernel takes, where there are as many
    const bool planes = shape.rank() == 4;
    const Index height = planes ? shape[2] : 1, width = planes ? shape[3] : 1;
    for (Index i = 0; i<shape.count(); i += shape.count()> 300 ? 2 : 1) {
      const Index place = (i * 7 + 3) % shape.count();
      const Unit unit{place / (shape[1] * height * width), place / (height * width) % shape[1],
                      place / width % height, place % width};
      if (std::find(units.begin(), units.end(), unit) == units.end()) units.push_back(unit);
    }
    check_op(declare_op(
                 message("read_units and place_units ", shape), {{shape}}, {{shape}}, tolerance::exact,
                 OnIntegers::exact,
                 [&](const auto& in, const auto& out) {
                   using T = typename std::decay_t<decltype(out[0])>::value_type;
                   std::fill(out[0].begin(), out[0].end(), T(0));
                   for (const Unit& unit : units)
                     out[0].data()[detail::unit_offset(out[0], unit)] =
                         in[0].data()[detail::unit_offset(in[0], unit)];
                 },
                 [&](const auto& context, const auto& in, const auto& out) {
                   using T = typename std::decay_t<decltype(out[0])>::value_type;
                   using D = DeviceOf<decltype(context)>;
                   auto values = context.template make<T>({static_cast<Index>(units.size())});
                   read_units<T, D>(context, in[0], units, values.view());
                   place_units<T, D>(context, units, std::as_const(values).view(), out[0]);
                 }),
             0.1);
  }
}

TEST_CASE("units that a tensor does not have are named") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> tensor({1, 2, 3, 4}), vector({2});
  const std::vector<float> one{1.0f};
  for (const Unit& unit :
       {Unit{1, 0, 0, 0}, Unit{0, 2, 0, 0}, Unit{0, 0, 3, 0}, Unit{0, 0, 0, 4}, Unit{0, -1, 0, 0}}) {
    const std::vector<Unit> units{unit};
    CHECK_THROWS_AS(place_units<float>(context, units, one, tensor.view()), ShapeError);
    CHECK_THROWS_AS((read_units<float, Cpu>(context, tensor.view(), units)), ShapeError);
  }
  const std::vector<Unit> first{Unit{}};
  CHECK_THROWS_AS(place_units<float>(context, first, std::span<const float>(), tensor.view()), ShapeError);
  CHECK_THROWS_AS(place_units<float>(context, first, one, vector.view()), ShapeError);
}

}  // namespace deconv::test
