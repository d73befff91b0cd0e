#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/ops/cuda/units.hpp"
#include "deconv/ops/operands.hpp"
#include "deconv/ops/unit.hpp"

// Single units of a layer's tensor, read and written by their places.
namespace deconv {

namespace detail {

/// Throws ShapeError unless the tensor has units (rank 2 or 4) and all of `units` are among them.
inline void check_units(std::string_view what, const Shape& shape, std::span<const Unit> units) {
  const bool planes = shape.rank() == 4;
  require<ShapeError>(planes || shape.rank() == 2, what, ": wants a tensor of rank 2 or 4, met ", shape);
  for (const Unit& unit : units)
    require<ShapeError>(unit.image >= 0 && unit.image < shape[0] && unit.map >= 0 && unit.map < shape[1] &&
                            unit.y >= 0 && unit.y < (planes ? shape[2] : 1) && unit.x >= 0 &&
                            unit.x < (planes ? shape[3] : 1),
                        what, ": image ", unit.image, ", map ", unit.map, " at ", unit.y, ",", unit.x,
                        " is not in a tensor of shape ", shape);
}

/// The offset of a unit in a tensor of rank 2 or 4.
template <class T, Device D>
[[nodiscard]] Index unit_offset(const TensorView<T, D>& view, const Unit& unit) {
  return view.rank() == 4 ? view.offset(unit.image, unit.map, unit.y, unit.x)
                          : unit.image * view[1] + unit.map;
}

template <class T, Device D>
[[nodiscard]] std::vector<Index> unit_offsets(const TensorView<T, D>& view, std::span<const Unit> units) {
  std::vector<Index> offsets;
  for (const Unit& unit : units) offsets.push_back(unit_offset(view, unit));
  return offsets;
}

}  // namespace detail

/// The values of units of a tensor N x C x H x W (either layout) or N x C, in their order. From a GPU it
/// waits for the stream. Throws ShapeError.
template <class T, Device D>
[[nodiscard]] std::vector<T> read_units(const Context<D>& context, TensorView<const T, D> src,
                                        std::span<const Unit> units) {
  detail::check_units("read_units", src.shape(), units);
  std::vector<T> values(units.size());
  if (units.empty()) return values;
  const auto offsets = detail::unit_offsets(src, units);
  if constexpr (std::same_as<D, Cpu>) {
    for (std::size_t i = 0; i < units.size(); ++i) values[i] = src.data()[offsets[i]];
  } else {
    auto gathered = context.template make<T>({static_cast<Index>(units.size())});
    cuda::read_elements<T>(context, src.data(), offsets, gathered.data());
    transfer<T>(context, gathered.view(), TensorView<T, Cpu>(values.data(), gathered.shape()));
  }
  return values;
}

/// The same into a tensor of one value a unit, which may stay on a GPU: nothing waits. Throws ShapeError.
template <class T, Device D>
void read_units(const Context<D>& context, std::type_identity_t<TensorView<const T, D>> src,
                std::span<const Unit> units, TensorView<T, D> dst) {
  detail::check_units("read_units", src.shape(), units);
  require<ShapeError>(static_cast<Index>(units.size()) == dst.count(), "read_units: ", units.size(),
                      " units and ", dst.count(), " values");
  const auto offsets = detail::unit_offsets(src, units);
  if constexpr (std::same_as<D, Cpu>)
    for (std::size_t i = 0; i < units.size(); ++i) dst.data()[i] = src.data()[offsets[i]];
  else
    cuda::read_elements<T>(context, src.data(), offsets, dst.data());
}

/// dst = 0 but for the given units, which take the given values; of two values for one unit the last. dst N x
/// C x H x W (either layout) or N x C. Throws ShapeError. Bytes: dst once.
template <class T, Device D>
void place_units(const Context<D>& context, std::span<const Unit> units, std::span<const T> values,
                 TensorView<T, D> dst) {
  detail::check_units("place_units", dst.shape(), units);
  require<ShapeError>(units.size() == values.size(), "place_units: ", units.size(), " units and ",
                      values.size(), " values");
  const auto offsets = detail::unit_offsets(dst, units);
  if constexpr (std::same_as<D, Cpu>) {
    std::fill(dst.begin(), dst.end(), T(0));
    for (std::size_t i = 0; i < units.size(); ++i) dst.data()[offsets[i]] = values[i];
  } else {
    if (dst.count() > 0) cuda::set_bytes(context.device(), context.stream(), dst.data(), 0, dst.bytes());
    cuda::write_elements<T>(context, offsets, values, dst.data());
  }
}

/// The same with the values in a tensor of the context's device, one a unit. The units must differ. Throws
/// ShapeError.
template <class T, Device D>
void place_units(const Context<D>& context, std::span<const Unit> units,
                 std::type_identity_t<TensorView<const T, D>> values, TensorView<T, D> dst) {
  detail::check_units("place_units", dst.shape(), units);
  require<ShapeError>(static_cast<Index>(units.size()) == values.count(), "place_units: ", units.size(),
                      " units and ", values.count(), " values");
  const auto offsets = detail::unit_offsets(dst, units);
  if constexpr (std::same_as<D, Cpu>) {
    place_units<T>(context, units, std::span<const T>(values.data(), units.size()), dst);
  } else {
    if (dst.count() > 0) cuda::set_bytes(context.device(), context.stream(), dst.data(), 0, dst.bytes());
    cuda::scatter_elements<T>(context, values.data(), offsets, dst.data());
  }
}

}  // namespace deconv
