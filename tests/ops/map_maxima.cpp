// The strongest unit of each map, and the strongest so far.
#include "deconv/ops/map_maxima.hpp"

#include <numeric>

#include "deconv/ops/reference/map_maxima.hpp"
#include "deconv/ops/reference/running_top_k.hpp"
#include "deconv/ops/running_top_k.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

/// Values of few kinds, so that maxima tie; `special` strews NaN, infinities and zeros of both signs.
template <class T>
Tensor<T, Cpu> activations(const Shape& shape, bool special, std::uint64_t seed) {
  Tensor<T, Cpu> made(shape);
  const Random random(seed);
  for (Index i = 0; i < made.count(); ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    float value = static_cast<float>(random.below(at, 40)) - 30;
    if (special) {
      const auto kind = random.below(at + (std::uint64_t{1} << 40), 6);
      if (kind < 3) value = std::nanf("");
      if (kind == 3) value = -std::numeric_limits<float>::infinity();
      if (kind == 4) value = i % 2 == 0 ? 0.0f : -0.0f;
    }
    made.data()[i] = static_cast<T>(value);
  }
  return made;
}

template <class T>
void check_maxima(const Shape& shape, const std::vector<Index>& maps, bool special) {
  const auto src = activations<T>(shape, special, 5);
  Tensor<double, Cpu> same(shape);
  for (Index i = 0; i < src.count(); ++i) same.data()[i] = number(src.data()[i]);
  const Shape result{shape[0], static_cast<Index>(maps.size())};
  Tensor<double, Cpu> wanted(result);
  Tensor<std::int32_t, Cpu> wanted_places(result);
  reference::map_maxima<double>(same, maps, wanted.view(), wanted_places.view());
  const auto check = [&](const auto& context, Layout layout) {
    using D = DeviceOf<decltype(context)>;
    const auto there = to_device(context, in_layout<T>(src, layout).view());
    auto values = context.template make<T>(result);
    auto places = context.template make<std::int32_t>(result);
    map_maxima(context, there, maps, values.view(), places.view());
    const auto met = to_host(context, values.view());
    const auto met_places = to_host(context, places.view());
    Index wrong = 0;
    for (Index i = 0; i < met.count(); ++i) {
      const double a = number(met.data()[i]), b = wanted.data()[i];
      wrong += (std::isnan(b) ? !std::isnan(a) : a != b || std::signbit(a) != std::signbit(b)) ||
               met_places.data()[i] != wanted_places.data()[i];
    }
    INFO(D::name << ' ' << name_of(dtype_of<T>) << ' ' << shape << ' ' << name_of(layout) << ", "
                 << maps.size() << " maps" << (special ? ", special values" : ""));
    CHECK(wrong == 0);
  };
  each_device([&](const auto& context) {
    if constexpr (std::same_as<DeviceOf<decltype(context)>, Cuda> || sizeof(T) >= 4) {
      if constexpr (std::same_as<DeviceOf<decltype(context)>, Cpu> || sizeof(T) <= 4)
        for (const Layout layout : {Layout::nchw, Layout::nhwc}) check(context, layout);
    }
  });
}

std::vector<Index> all_maps(Index channels) {
  std::vector<Index> maps(static_cast<std::size_t>(channels));
  std::iota(maps.begin(), maps.end(), 0);
  return maps;
}

TEST_CASE("the strongest unit of a map: first of equals, NaN last") {
  for (const bool special : {false, true})
    for (const auto& [shape, maps] :
         std::vector<std::pair<Shape, std::vector<Index>>>{{{2, 5, 6, 7}, all_maps(5)},
                                                           {{1, 1, 1, 1}, {0}},
                                                           {{3, 70, 1, 1}, all_maps(70)},
                                                           {{1, 3, 2, 1}, {2, 0, 2}},
                                                           {{2, 40, 13, 13}, {39, 3, 7, 7, 12}},
                                                           {{1, 2, 33, 40}, all_maps(2)},
                                                           {{1, 3, 70, 61}, {1, 2}},
                                                           {{2, 4, 5, 5}, {}},
                                                           {{0, 4, 5, 5}, all_maps(4)}}) {
      check_maxima<float>(shape, maps, special);
      check_maxima<double>(shape, maps, special);
      check_maxima<half>(shape, maps, special);
      check_maxima<bfloat16>(shape, maps, special);
    }
  // More maps than one launch takes.
  check_maxima<float>({2, 530, 2, 3}, all_maps(530), false);
  check_maxima<float>({2, 530, 1, 1}, all_maps(530), true);
}

TEST_CASE("a map that holds nothing but NaN gives its last unit") {
  each_device([](const auto& context) {
    for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
      const auto src = Tensor<float, Cpu>::filled({1, 2, 40, 50}, std::nanf(""), layout);
      const auto there = to_device(context, src.view());
      auto values = context.template make<float>({1, 2});
      auto places = context.template make<std::int32_t>({1, 2});
      map_maxima(context, there, std::vector<Index>{0, 1}, values.view(), places.view());
      CHECK(std::isnan(to_host(context, values.view()).data()[1]));
      CHECK(to_host(context, places.view()).data()[0] == 1999);
    }
  });
}

TEST_CASE("rank 2 has units without planes") {
  each_device([](const auto& context) {
    const auto src = activations<float>({3, 37}, false, 2);
    const auto there = to_device(context, src.view());
    auto values = context.template make<float>({3, 2});
    auto places = context.template make<std::int32_t>({3, 2});
    map_maxima(context, there, std::vector<Index>{36, 4}, values.view(), places.view());
    const auto met = to_host(context, values.view());
    for (Index n = 0; n < 3; ++n) {
      CHECK(met.data()[2 * n] == src.data()[37 * n + 36]);
      CHECK(met.data()[2 * n + 1] == src.data()[37 * n + 4]);
      CHECK(to_host(context, places.view()).data()[2 * n] == 0);
    }
  });
}

TEST_CASE("map_maxima names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> src({2, 3, 4, 4}), values({2, 1}), empty({2, 3, 0, 4}), line({5});
  Tensor<std::int32_t, Cpu> places({2, 1}), other({2, 2});
  const auto run = [&](const auto& from, std::vector<Index> maps, auto& at) {
    map_maxima<float, Cpu>(context, from, maps, values.view(), at.view());
  };
  CHECK_NOTHROW(run(src, {2}, places));
  CHECK_THROWS_AS(run(src, {3}, places), ShapeError);
  CHECK_THROWS_AS(run(src, {-1}, places), ShapeError);
  CHECK_THROWS_AS(run(src, {0, 1}, places), ShapeError);
  CHECK_THROWS_AS(run(src, {0}, other), ShapeError);
  CHECK_THROWS_AS(run(empty, {0}, places), ShapeError);
  CHECK_THROWS_AS(run(line, {0}, places), ShapeError);
}

template <class T>
void check_running(Index maps, Index top, const std::vector<Index>& batches, bool special) {
  std::vector<std::vector<reference::PlainHit<double>>> wanted(static_cast<std::size_t>(maps));
  const auto each = [&](const auto& context) {
    using D = DeviceOf<decltype(context)>;
    for (auto& list : wanted) list.clear();
    auto hits = TopHits<T, D>::make(context, maps, top);
    const Random random(17);
    std::uint64_t seed = 1;
    for (const Index size : batches) {
      const auto values = activations<T>({size, maps}, special, seed++);
      Tensor<std::int32_t, Cpu> places({size, maps});
      std::vector<std::int64_t> images;
      for (Index n = 0; n < size; ++n)
        images.push_back(
            static_cast<std::int64_t>(random.below(seed * 1000 + static_cast<std::uint64_t>(n), 90)) +
            (std::int64_t{1} << 33));
      for (Index i = 0; i < places.count(); ++i) places.data()[i] = static_cast<std::int32_t>(i % 169);
      for (Index n = 0; n < size; ++n)
        for (Index m = 0; m < maps; ++m)
          reference::take_in<double>(wanted[static_cast<std::size_t>(m)], static_cast<std::size_t>(top),
                                     {number(values.data()[n * maps + m]),
                                      images[static_cast<std::size_t>(n)], places.data()[n * maps + m]});
      running_top_k(context, to_device(context, values.view()), to_device(context, places.view()), images,
                    hits);
    }
    const auto values = to_host(context, hits.values.view());
    const auto numbers = to_host(context, hits.images.view());
    const auto places = to_host(context, hits.places.view());
    INFO(D::name << ' ' << name_of(dtype_of<T>) << ", " << maps << " maps, top " << top);
    Index wrong = 0;
    for (Index m = 0; m < maps; ++m) {
      const auto& list = wanted[static_cast<std::size_t>(m)];
      CHECK(hits.held == static_cast<Index>(list.size()));
      for (std::size_t i = 0; i < list.size(); ++i) {
        const Index at = m * top + static_cast<Index>(i);
        const double met = number(values.data()[at]);
        wrong += (std::isnan(list[i].value) ? !std::isnan(met) : met != list[i].value) ||
                 numbers.data()[at] != list[i].image || places.data()[at] != list[i].place;
      }
    }
    CHECK(wrong == 0);
  };
  each_device([&](const auto& context) {
    if constexpr (std::same_as<DeviceOf<decltype(context)>, Cuda> || sizeof(T) == 4) each(context);
  });
}

TEST_CASE("the strongest so far agree with a list kept by hand") {
  for (const bool special : {false, true})
    for (const Index top : {1, 9, 50}) {
      check_running<float>(33, top, {7, 1, 0, 20, 5}, special);
      check_running<half>(5, top, {30}, special);
      check_running<bfloat16>(150, top, {4, 4}, special);
    }
  check_running<float>(3, 9, {800}, false);  // more images than one launch takes
}

TEST_CASE("running_top_k names what does not fit") {
  const Context<Cpu> context(1);
  auto hits = TopHits<float, Cpu>::make(context, 3, 2);
  Tensor<float, Cpu> values({2, 3});
  Tensor<std::int32_t, Cpu> places({2, 3}), other({2, 4});
  const std::vector<std::int64_t> two{1, 2}, three{1, 2, 3};
  CHECK_THROWS_AS(running_top_k(context, values, places, three, hits), ShapeError);
  CHECK_THROWS_AS(running_top_k(context, values, other, two, hits), ShapeError);
  CHECK_THROWS_AS((TopHits<float, Cpu>::make(context, 3, 0)), ArgumentError);
}

}  // namespace
}  // namespace deconv::test
