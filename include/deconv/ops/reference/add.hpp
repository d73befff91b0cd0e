#pragma once

#include "deconv/ops/add.hpp"

namespace deconv::reference {

/// As deconv::add_forward.
template <class T>
void add_forward(Sources<T, Cpu> sources, TensorView<T, Cpu> dst) {
  for (Index i = 0; i < dst.count(); ++i) {
    T sum = sources[0].data()[i];
    for (std::size_t s = 1; s < sources.size(); ++s) sum += sources[s].data()[i];
    dst.data()[i] = sum;
  }
}

/// As deconv::accumulate.
template <class T>
void accumulate(Source<T, Cpu> src, TensorView<T, Cpu> dst) {
  for (Index i = 0; i < dst.count(); ++i) dst.data()[i] += src.data()[i];
}

}  // namespace deconv::reference
