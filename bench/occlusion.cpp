// Occlusion of ZFNet at 224 on the Cpu, as bench/compare.py runs it: see bench/README.md. bench_occlusion
// [--threads N] [--repeat N] [--long 0|1] prints one JSON object a line; --long 1 adds the 2809 places of a
// patch of 16 pixels with stride 4 and the same by brute force, in turns.

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "deconv/analysis/occlusion.hpp"
#include "deconv/nn/models/zfnet.hpp"
#include "job.hpp"

int main(int argc, char** argv) {
  using namespace deconv;
  bool longer = false;
  std::vector<char*> others{argv[0]};
  for (int i = 1; i + 1 < argc; i += 2)
    if (std::strcmp(argv[i], "--long") == 0)
      longer = std::atoi(argv[i + 1]) != 0;
    else
      others.insert(others.end(), {argv[i], argv[i + 1]});
  const bench::Arguments arguments(static_cast<int>(others.size()), others.data(), default_threads());
  const Context<Cpu> context(arguments.threads);
  models::Options options;
  options.initialisation = Initialisation::he;
  const Network<float, Cpu> network(models::zfnet(options));
  Tensor<float, Cpu> image({1, 3, 224, 224});
  fill_normal(image.view(), Random(1, 2), 0.0f, 1.0f);

  const auto job = [&](const std::string& name, Index size, Index stride, bool windows, int repeat) {
    OcclusionOptions how;
    how.height = how.width = size;
    how.stride_y = how.stride_x = stride;
    // Both ways are counted by brute force's arithmetic, which is what the answer is worth.
    const double flops = 2 * occlusion_cost(network, image.shape(), how).brute_multiply_adds;
    bench::measure(
        {name, flops, 0,
         [&] {
           if (windows)
             static_cast<void>(occlude<float, Cpu>(network, context, image.view(), how));
           else
             static_cast<void>(occlude_by_brute_force<float, Cpu>(network, context, image.view(), how));
         }},
        repeat);
  };
  job("occlusion_48_16", 48, 16, true, arguments.repeat);
  job("occlusion_48_16_brute", 48, 16, false, std::min(arguments.repeat, 3));
  if (!longer) return 0;
  job("occlusion_16_4", 16, 4, true, std::min(arguments.repeat, 3));
  job("occlusion_16_4_brute", 16, 4, false, 1);
}
