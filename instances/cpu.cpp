// The networks of the Cpu device, compiled once for all of our programs. Header-only users need nothing of
// this; a project with many files that run networks can do the same: define DECONV_COMPILED and compile one
// file like this one.

#define DECONV_INSTANCES

#include "deconv/analysis/features.hpp"
#include "deconv/analysis/projection.hpp"
#include "deconv/nn/network.hpp"
#include "deconv/nn/reverse.hpp"

namespace deconv {

template class Network<float, Cpu>;
template class Network<double, Cpu>;

#define DECONV_INSTANCE_OF(T)                                                                                \
  template Tensor<T, Cpu> reverse<T, Cpu>(const Network<T, Cpu>&, const Context<Cpu>&, const Trace<T, Cpu>&, \
                                          const std::string&, TensorView<const T, Cpu>, const std::string&,  \
                                          const ReverseOptions&);                                            \
  template std::vector<Projection<T>> project<T, Cpu>(                                                       \
      const Network<T, Cpu>&, const Context<Cpu>&, const std::string&, std::span<const TracedUnit<T, Cpu>>,  \
      const ProjectionOptions&);                                                                             \
  template void features<T, Cpu>(const Network<T, Cpu>&, const Context<Cpu>&, std::vector<MapSelection>,     \
                                 const ImageStream<T>&, const std::function<void(Feature<T>)>&,              \
                                 const FeatureOptions&);
DECONV_INSTANCE_OF(float)
DECONV_INSTANCE_OF(double)
#undef DECONV_INSTANCE_OF

}  // namespace deconv
