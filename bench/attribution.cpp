// Attributions of ZFNet on the Cpu, as bench/compare.py runs them beside Captum: see bench/README.md.
// bench_attribution [--threads N] [--repeat N] prints one JSON object a line.

#include "deconv/analysis/attribution.hpp"
#include "deconv/nn/models/zfnet.hpp"
#include "job.hpp"

int main(int argc, char** argv) {
  using namespace deconv;
  const bench::Arguments arguments(argc, argv, default_threads());
  const Context<Cpu> context(arguments.threads);
  const Network<float, Cpu> network(models::zfnet());
  Tensor<float, Cpu> image({1, 3, 224, 224});
  fill_normal(image.view(), Random(1, 2), 0.0f, 50.0f);

  ClassActivationMapOptions map;
  map.classes = {7};
  bench::measure(
      {"gradcam_1", 0, 0,
       [&] { static_cast<void>(class_activation_maps<float>(network, context, image.view(), map)); }},
      arguments.repeat);

  AttributionOptions options;
  options.target.maps = {7};
  const auto job = [&](const char* name, AttributionMethod method) {
    bench::measure(
        {name, 0, 0,
         [&] { static_cast<void>(attribute<float>(network, context, image.view(), method, options)); }},
        arguments.repeat);
  };
  job("saliency_1", AttributionMethod::saliency);
  job("guided_backpropagation_1", AttributionMethod::guided);
  job("guided_gradcam_1", AttributionMethod::guided_gradcam);
  options.steps = options.samples = 16;
  job("integrated_gradients_16_steps", AttributionMethod::integrated_gradients);
}
