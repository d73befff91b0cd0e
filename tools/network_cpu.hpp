#pragma once
/// The network type that the program runs, compiled once (network_cpu.cpp) instead of in every command.

#include "deconv/nn/network.hpp"

namespace deconv {

extern template class Network<float, Cpu>;
extern template class detail::ForwardRun<float, Cpu>;

}  // namespace deconv
