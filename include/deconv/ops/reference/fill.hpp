#pragma once

#include "deconv/ops/fill.hpp"

namespace deconv::reference {

/// As deconv::fill.
template <class T>
void fill(TensorView<T, Cpu> dst, std::type_identity_t<T> value) {
  for (Index i = 0; i < dst.count(); ++i) dst.data()[i] = value;
}

}  // namespace deconv::reference
