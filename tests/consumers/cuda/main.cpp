// Runs a network on the GPU where there is one, and says why not where there is none. Prints "ok" in either
// case.
#include <cmath>
#include <iostream>

#include "deconv/core/transfer.hpp"
#include "deconv/nn/graph_builder.hpp"
#include "deconv/nn/initialise.hpp"
#include "deconv/nn/network.hpp"

int main() {
  using namespace deconv;
  const auto model = [] {
    GraphBuilder net("x", {1, 3, 12, 12});
    net.add("conv", node::Conv2d{8, {Window2d::square(3)}});
    net.add("relu", node::Relu{});
    net.add("pool", node::MaxPool2d{{Window2d::square(2, 2)}});
    Model made{"small", std::move(net).finish(), {}};
    initialise(made, Initialisation::he, 1);
    return made;
  };
  const auto image = Tensor<float, Cpu>::filled({1, 3, 12, 12}, 1.0f);
  const Network<float, Cpu> here(model());
  const auto wanted = here.forward(Context<Cpu>(1), image).activation("pool");
  try {
    const Context<Cuda> gpu;
    const Network<float, Cuda> there(gpu, model());
    const auto trace = there.forward(gpu, to_device(gpu, image.view()));
    const auto met = to_host(gpu, trace.activation(gpu, "pool").view());
    for (Index i = 0; i < wanted.count(); ++i)
      if (!(std::abs(met.data()[i] - wanted.data()[i]) <= 1e-5f)) {
        std::cerr << "the GPU computes " << met.data()[i] << ", the host " << wanted.data()[i] << "\n";
        return 1;
      }
  } catch (const DeviceError& problem) {
    std::cout << "no GPU: " << problem.what() << "\n";
  }
  std::cout << "ok\n";
}
