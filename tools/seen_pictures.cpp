#include "seen_pictures.hpp"

#include <algorithm>

namespace deconv::tool {

io::Image picture_from_input(const io::Preprocess& preprocess, TensorView<const float, Cpu> input) {
  const Index channels = input[0], height = input[1], width = input[2];
  io::Image picture(width, height, channels);
  const auto value_of = [](const std::vector<double>& values, Index c) {
    return values.size() == 1 ? values[0] : values[static_cast<std::size_t>(c)];
  };
  const auto& mean_image = preprocess.mean_image;
  const io::Box middle =
      mean_image ? io::centre_box(mean_image->shape()[2], mean_image->shape()[1], width, height) : io::Box{};
  const double scale = preprocess.scale != 0 ? preprocess.scale : 1;
  for (Index c = 0; c < channels; ++c) {
    const Index channel = preprocess.order == io::ChannelOrder::bgr ? channels - 1 - c : c;
    for (Index y = 0; y < height; ++y)
      for (Index x = 0; x < width; ++x) {
        const double mean =
            mean_image
                ? static_cast<double>(mean_image->data()[(c * mean_image->shape()[1] + middle.top + y) *
                                                             mean_image->shape()[2] +
                                                         middle.left + x])
                : value_of(preprocess.mean, c);
        const double value = static_cast<double>(input.data()[(c * height + y) * width + x]);
        const double byte = (value * value_of(preprocess.std, c) + mean) / scale;
        picture(y, x, channel) = static_cast<std::uint8_t>(std::clamp(byte, 0.0, 255.0) + 0.5);
      }
  }
  return picture;
}

void SeenPictures::keep(std::int64_t number, TensorView<const float, Cpu> input) {
  const auto size = static_cast<std::size_t>(input.count());
  if (bytes_ + size > most_bytes_ || kept_.contains(number)) return;
  kept_.emplace(number, picture_from_input(preprocess_, input));
  bytes_ += size;
}

void SeenPictures::drop(std::int64_t number) {
  const auto found = kept_.find(number);
  if (found == kept_.end()) return;
  bytes_ -= found->second.pixels().size();
  kept_.erase(found);
}

io::Image SeenPictures::get(std::int64_t number) const {
  const auto found = kept_.find(number);
  return found != kept_.end() ? found->second : preprocess_.view(set_.read(number));
}

}  // namespace deconv::tool
