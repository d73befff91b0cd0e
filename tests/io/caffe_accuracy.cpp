// Real Caffe networks on real records: the accuracies that their authors' own runs gave.
#include <algorithm>
#include <cmath>
#include <iostream>

#include "catch.hpp"
#include "deconv/io/dataset_cifar.hpp"
#include "deconv/io/npy.hpp"
#include "deconv/io/read_model.hpp"
#include "deconv/nn/network.hpp"
#include "test_data.hpp"

using namespace deconv;

namespace {

/// The records as Caffe fed them: planes of 0..255 minus the training set's mean image.
struct Cifar {
  Tensor<float, Cpu> images;
  std::vector<Index> labels;
};

Cifar read_cifar(const std::filesystem::path& folder, io::ChannelOrder order) {
  const io::CifarDataset records({folder / "test_2000.bin.gz"});
  io::Preprocess preprocess;
  preprocess.order = order;
  preprocess.mean_image =
      std::make_shared<const Tensor<float, Cpu>>(io::read_npy<float>(folder / "train_mean_chw_rgb.npy"));
  Cifar cifar{Tensor<float, Cpu>({records.size(), 3, 32, 32}), {}};
  for (Index i = 0; i < records.size(); ++i) {
    const auto slot = cifar.images.view().slice(i, 1);
    preprocess.apply(records.read(i), slot.reshaped({3, 32, 32}));
    cifar.labels.push_back(records.label(i).value());
  }
  return cifar;
}

/// Per cent of the records whose largest output is the label's.
double accuracy(const std::filesystem::path& file, const Cifar& cifar) {
  const Network<float, Cpu> network(io::read_model(file).model);
  const Context<Cpu> context(2);
  constexpr Index batch = 100;
  Index right = 0;
  const Index count = cifar.images[0];
  for (Index first = 0; first < count; first += batch) {
    const Index images = std::min(batch, count - first);
    const auto trace =
        network.forward(context, cifar.images.view().slice(first, images), ForwardOptions::outputs_only());
    const Tensor<float, Cpu> prob = trace.activation(context, "prob");
    REQUIRE(prob.shape() == Shape{images, 10});
    for (Index i = 0; i < images; ++i) {
      const float* row = prob.data() + i * 10;
      right +=
          std::max_element(row, row + 10) - row == cifar.labels[static_cast<std::size_t>(first + i)] ? 1 : 0;
    }
  }
  return 100.0 * static_cast<double>(right) / static_cast<double>(count);
}

}  // namespace

TEST_CASE("Caffe's CIFAR-10 networks reach their known accuracies") {
  DECONV_TEST_DATA_OR_SKIP(models, "models/caffe");
  DECONV_TEST_DATA_OR_SKIP(folder, "cifar10");
  const Cifar cifar = read_cifar(folder, io::ChannelOrder::rgb);
  REQUIRE(cifar.images[0] == 2000);

  const double quick = accuracy(models / "cifar10_quick_iter_5000.caffemodel", cifar);
  std::cout << "cifar10_quick, 5000 iterations: " << quick << " %, known 73.5 %\n";
  CHECK(std::abs(quick - 73.5) <= 2.0);

  // One training run: iterations and published per cent; 0 where none was.
  const std::vector<std::pair<int, double>> known = {
      {10000, 72.1}, {20000, 75.6}, {30000, 0.0}, {40000, 76.3}, {50000, 0.0}, {60000, 77.0}, {70000, 79.4}};
  double before = 0.0, best = 0.0;
  for (const auto& [iterations, published] : known) {
    const double met = accuracy(models / message("cifar10_full_iter_", iterations, ".caffemodel"), cifar);
    std::cout << "cifar10_full, " << iterations << " iterations: " << met << " %";
    if (published > 0.0) std::cout << ", known " << published << " %";
    std::cout << '\n';
    // 2000 records tell a quarter of a point at best: the run as a whole climbs, neighbours may tie.
    CHECK(met > best - 0.25);
    best = std::max(best, met);
    if (published == 0.0) continue;
    CHECK(std::abs(met - published) <= 2.0);
    CHECK(met > before);
    before = met;
  }
}
