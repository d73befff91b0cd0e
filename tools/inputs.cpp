#include "inputs.hpp"

#include <algorithm>
#include <utility>

#include "deconv/io/npy.hpp"
#include "deconv/viz/stretch.hpp"

namespace deconv::tool {

namespace {

/// An input as a picture for people, whatever its values: stretched from the smallest to the largest.
io::Image picture_of(TensorView<const float, Cpu> image, io::ChannelOrder order) {
  const Shape plane{image[1], image[2], image[3]};
  const auto planes = image.reshaped(plane);
  if (plane[0] == 1 || plane[0] == 3) return viz::stretched(planes, viz::full_range(planes.span()), order);
  auto mean = Tensor<float, Cpu>::filled({1, plane[1], plane[2]}, 0.0f);
  for (Index c = 0; c < plane[0]; ++c)
    for (Index i = 0; i < mean.count(); ++i)
      mean.data()[i] += planes.data()[c * mean.count() + i] / static_cast<float>(plane[0]);
  return viz::stretched(mean, viz::full_range(mean.span()));
}

Inputs from_array(const CommonOptions& options, const LoadedModel& model) {
  Inputs inputs;
  inputs.batch = io::read_npy<float>(options.input);
  const Shape& shape = inputs.batch.shape();
  require<ShapeError>(shape.rank() >= 1 && shape.count() > 0, options.input,
                      ": an array N,C,H,W wanted, met shape ", shape);
  for (Index n = 0; n < shape[0]; ++n) {
    inputs.names.push_back(shape[0] == 1 ? options.input : message(options.input, " [", n, "]"));
    inputs.seen.push_back(
        shape.rank() == 4 ? picture_of(inputs.batch.view().slice(n, 1), model.channel_order()) : io::Image());
  }
  return inputs;
}

Inputs from_pictures(const CommonOptions& options, const LoadedModel& model) {
  const io::Preprocess& preprocess = model.preprocess_for_pictures(options);
  Inputs inputs;
  for (const std::string& path : options.images) {
    const io::Image picture = io::read_image(path);
    try {
      inputs.seen.push_back(preprocess.view(picture));
    } catch (const ShapeError& problem) {
      raise<ShapeError>(path, ": ", problem.what());
    }
    inputs.names.push_back(path);
    const io::Image& first = inputs.seen.front();
    const io::Image& last = inputs.seen.back();
    require<ShapeError>(first.width() == last.width() && first.height() == last.height(), path, ": ",
                        last.width(), "x", last.height(), " pixels, the pictures before it have ",
                        first.width(), "x", first.height(), "; --input-size makes them equal");
  }
  const io::Image& first = inputs.seen.front();
  const Shape one{preprocess.channels(), first.height(), first.width()};
  inputs.batch = Tensor<float, Cpu>({static_cast<Index>(inputs.seen.size()), one[0], one[1], one[2]});
  for (std::size_t n = 0; n < inputs.seen.size(); ++n)
    preprocess.normalise(inputs.seen[n], {inputs.batch.data() + static_cast<Index>(n) * one.count(), one});
  return inputs;
}

}  // namespace

Inputs load_inputs(const CommonOptions& options, const LoadedModel& model) {
  require<UsageError>(!options.images.empty() || !options.input.empty(),
                      "--image FILE... or --input FILE.npy wanted");
  require<UsageError>(options.input.empty() || (options.resize.empty() && options.input_size.empty()),
                      options.resize.empty() ? "--input-size" : "--resize",
                      " belongs to pictures; --input is used as it is");
  return options.input.empty() ? from_pictures(options, model) : from_array(options, model);
}

}  // namespace deconv::tool
