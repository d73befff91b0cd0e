// Adds the ranks up, with or without mpirun. Prints "ok" in every process.
#include <iostream>

#include "deconv/dist/mpi.hpp"

#if !defined(DECONV_WITH_MPI)
#error "deconv::mpi says that MPI is there"
#endif

int main() {
  using namespace deconv;
  dist::MpiSession session;
  dist::MpiCommunicator communicator(session);
  return dist::abort_on_exception(communicator, [&] {
    const Context<Cpu> context(1);
    auto ranks = Tensor<float, Cpu>::filled({1000}, static_cast<float>(communicator.rank() + 1));
    communicator.wait(context, communicator.begin_sum(context, ranks.data(), ranks.count()));
    const auto size = static_cast<float>(communicator.size());
    for (const float value : ranks.span())
      if (value != size * (size + 1) / 2) {
        std::cerr << "the sum is " << value << "\n";
        return 1;
      }
    std::cout << "ok\n";
    return 0;
  });
}
