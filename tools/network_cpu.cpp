#include "network_cpu.hpp"

namespace deconv {

template class Network<float, Cpu>;
template class detail::ForwardRun<float, Cpu>;

}  // namespace deconv
