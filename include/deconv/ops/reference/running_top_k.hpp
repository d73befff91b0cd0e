#pragma once

#include <vector>

#include "deconv/ops/running_top_k.hpp"

namespace deconv::reference {

/// One hit as running_top_k() orders it.
template <class T>
struct PlainHit {
  T value;
  std::int64_t image;
  std::int32_t place;
};

/// Takes one hit into a map's list of at most `top`.
template <class T>
void take_in(std::vector<PlainHit<T>>& list, std::size_t top, const PlainHit<T>& hit) {
  auto at = list.begin();
  for (; at != list.end(); ++at) {
    const bool hit_nan = hit.value != hit.value, other_nan = at->value != at->value;
    if (other_nan ||
        (!hit_nan && (hit.value > at->value || (hit.value == at->value && hit.image < at->image))))
      break;
  }
  list.insert(at, hit);
  if (list.size() > top) list.pop_back();
}

}  // namespace deconv::reference
