#include "feature_stream.hpp"

#include <algorithm>
#include <utility>

#include "timing.hpp"

namespace deconv::tool {

FeatureStream::FeatureStream(const CommonOptions& options, const LoadedModel& model, const io::Dataset& set,
                             std::string title)
    : options_(options),
      model_(model),
      set_(set),
      title_(std::move(title)),
      preprocess_(model.preprocess_for_pictures(options)),
      progress_(std::in_place, title_, "images", set.size(), options.quiet),
      loader_(set, preprocess_, loading()) {
  stream_.next = [this]() -> const ImageBatch<float>* {
    tell_once();
    before_last_ = std::exchange(batch_, loader_.next());
    if (!batch_) {
      // The activations of whole batches go back to the system before projections want memory of their own.
      model_.engine->release_memory();
      return nullptr;
    }
    current_.images = batch_->images.view();
    current_.numbers.assign(batch_->indices.begin(), batch_->indices.end());
    images_ += static_cast<Index>(current_.numbers.size());
    return &current_;
  };
  stream_.again = [this](std::int64_t number) {
    Tensor<float, Cpu> input = preprocess_.apply(set_.read(number));
    const Shape shape = input.shape();
    return std::move(input).reshaped({1, shape[0], shape[1], shape[2]});
  };
}

/// Says what all will take once enough was done to tell, unless it is little. The first batch also makes what
/// later ones find made, so it does not count. What is held of images for projections comes later: at most
/// what FeatureOptions allows by default.
void FeatureStream::tell_once() {
  using Clock = std::chrono::steady_clock;
  if (told_ || images_ == 0) return;
  if (!begin_) {
    begin_ = Clock::now();
    first_ = images_;
    return;
  }
  constexpr double enough = 0.3, little = 2;
  const double seconds = std::chrono::duration<double>(Clock::now() - *begin_).count();
  if (seconds < enough) return;
  told_ = true;
  const double all = seconds * static_cast<double>(set_.size()) / static_cast<double>(images_ - first_);
  const FeatureOptions defaults;
  if (all > little) progress_->tell(all, peak_memory_bytes() + defaults.state_bytes + defaults.result_bytes);
}

io::LoaderOptions FeatureStream::loading() {
  io::LoaderOptions loading;
  loading.batch = options_.batch;
  loading.workers = options_.threads;
  loading.skip_broken = options_.skip_broken;
  loading.warn = [this](const std::string& text) { progress_->warn(text); };
  return loading;
}

std::function<void(std::string_view, std::int64_t, std::int64_t)> FeatureStream::progress() {
  return [this](std::string_view phase, std::int64_t done, std::int64_t total) {
    if (phase == "projections" && !projecting_) {
      projecting_ = true;
      before_ = 0;
      progress_.emplace(title_, "projections", total, options_.quiet);
    }
    progress_->advance(done - before_);
    before_ = done;
  };
}

TensorView<const float, Cpu> FeatureStream::current(std::int64_t number) const {
  for (const auto* batch : {&batch_, &before_last_}) {
    if (!batch->has_value()) continue;
    const std::vector<Index>& numbers = (*batch)->indices;
    const auto place = std::find(numbers.begin(), numbers.end(), number);
    if (place == numbers.end()) continue;
    const Shape& shape = (*batch)->images.shape();
    const Shape one{shape[1], shape[2], shape[3]};
    return {(*batch)->images.data() + (place - numbers.begin()) * one.count(), one};
  }
  raise<ArgumentError>("image ", number, " is not in the last two batches");
}

void FeatureStream::require_images() const {
  require<ArgumentError>(images_ > 0, options_.data, ": a picture that can be read wanted, met none");
}

}  // namespace deconv::tool
