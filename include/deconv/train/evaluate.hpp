#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/core/transfer.hpp"
#include "deconv/io/crops.hpp"
#include "deconv/io/dataset.hpp"
#include "deconv/io/loader.hpp"
#include "deconv/nn/network.hpp"
#include "deconv/nn/score_tensor.hpp"
#include "deconv/ops/convert.hpp"
#include "deconv/train/class_scores.hpp"
#include "deconv/train/sampler.hpp"

// Error and loss over a data set, of one network or of several together.
namespace deconv::train {

/// Counts over the pictures of a data set, or of a part of it: those of the parts add up to those of the
/// whole.
struct Evaluation {
  Index images = 0;      ///< Pictures that were judged.
  Index wrong_top1 = 0;  ///< Those whose class is not the most probable one.
  Index wrong_top5 = 0;  ///< Those whose class is not among the EvaluateOptions::top most probable ones.
  double loss_sum = 0;   ///< The negative natural logarithm of the probability of the class, summed.
  Index skipped = 0;     ///< Broken pictures left out.

  Evaluation& operator+=(const Evaluation& other) noexcept {
    images += other.images;
    wrong_top1 += other.wrong_top1;
    wrong_top5 += other.wrong_top5;
    loss_sum += other.loss_sum;
    skipped += other.skipped;
    return *this;
  }
  /// Shares of the pictures, 0 to 1, and their mean loss; NaN without pictures.
  [[nodiscard]] double top1_error() const noexcept { return share(static_cast<double>(wrong_top1)); }
  [[nodiscard]] double top5_error() const noexcept { return share(static_cast<double>(wrong_top5)); }
  [[nodiscard]] double mean_loss() const noexcept { return share(loss_sum); }

 private:
  [[nodiscard]] double share(double sum) const noexcept {
    return images > 0 ? sum / static_cast<double>(images) : std::numeric_limits<double>::quiet_NaN();
  }
};

/// How a data set is evaluated.
struct EvaluateOptions {
  Index crops = 1;  ///< 1: the preprocessing's own crop; 10: io::ten_crops, whose probabilities are averaged.
  Index top = 5;    ///< What wrong_top5 counts: classes that a guess may name.
  Index batch = 16;          ///< Inputs that go through a network together, at most (at least one picture's).
  int workers = 2;           ///< Threads that read, decode and preprocess; 1 to 256.
  bool skip_broken = false;  ///< Leave broken pictures out, and count them, instead of throwing.
  Index rank = 0, ranks = 1;  ///< Which part of the pictures: shard_of(all, rank, ranks).
  /// Which pictures; all of them where absent.
  std::optional<std::vector<Index>> indices = std::nullopt;
  /// Called with the message of each picture left out, in order.
  std::function<void(const std::string&)> warn = nullptr;
  /// Called with the number of pictures judged since the last call; may throw to stop.
  std::function<void(Index)> advance = nullptr;
};

/// A network as evaluation sees it: how pictures become its inputs, and what it says of them.
struct Scorer {
  io::Preprocess preprocess;
  /// Inputs [N, C, H, W] to scores before softmax (or log-probabilities), N x classes.
  std::function<Tensor<float, Cpu>(TensorView<const float, Cpu> inputs)> scores;
};

namespace detail {

template <class B, class A>
[[nodiscard]] Tensor<B, Cpu> converted(TensorView<A, Cpu> src) {
  Tensor<B, Cpu> dst(src.shape(), src.layout());
  convert(Context<Cpu>(1), src, dst.view());
  return dst;
}

}  // namespace detail

/// A network on a device as a Scorer. It refers to both, which must outlive it. Throws ArgumentError when the
/// network computes no scores. Inputs and scores cross over to the device and back for each batch.
template <class T, Device D>
[[nodiscard]] Scorer scorer_of(const Network<T, D>& network, const Context<D>& context,
                               io::Preprocess preprocess) {
  const std::string name = score_tensor(network.topology());
  ForwardOptions options = ForwardOptions::only({name});
  options.up_to = name;
  const auto run = [&network, &context, name, options](TensorView<const T, Cpu> src) {
    if constexpr (std::same_as<D, Cpu>) {
      return network.forward(context, src, options).activation(context, name);
    } else {
      const auto trace = network.forward(context, to_device(context, src), options);
      return to_host(context, trace.activation(context, name).view());
    }
  };
  return {std::move(preprocess), [run](TensorView<const float, Cpu> inputs) {
            if constexpr (std::same_as<T, float>)
              return run(inputs);
            else
              return detail::converted<float>(run(detail::converted<T>(inputs)).view());
          }};
}

/// What each of several networks, and all of them together, get right.
struct EnsembleEvaluation {
  std::vector<Evaluation> each;  ///< In the order of the networks.
  Evaluation together;           ///< Of the mean of their probabilities.
};

namespace detail {

/// Whether two preprocessings make the same inputs.
[[nodiscard]] inline bool same_inputs(const io::Preprocess& a, const io::Preprocess& b) {
  const bool means = a.mean_image == b.mean_image ||
                     (a.mean_image && b.mean_image && a.mean_image->shape() == b.mean_image->shape() &&
                      std::equal(a.mean_image->begin(), a.mean_image->end(), b.mean_image->begin()));
  return means && a.resize == b.resize && a.size == b.size && a.frame == b.frame && a.crop == b.crop &&
         a.order == b.order && a.scale == b.scale && a.mean == b.mean && a.std == b.std;
}

/// The inputs that several networks want of each picture: each kind is made once, and those of one picture
/// stand together in the loader's batch.
class InputKinds {
 public:
  InputKinds(const std::vector<Scorer>& scorers, Index crops) : crops_(crops) {
    for (const Scorer& scorer : scorers) {
      const auto known = std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& kind) {
        return same_inputs(kind.preprocess, scorer.preprocess);
      });
      of_.push_back(static_cast<std::size_t>(known - kinds_.begin()));
      if (known != kinds_.end()) continue;
      scorer.preprocess.check();
      const std::optional<Shape> shape = scorer.preprocess.output_shape();
      require<ArgumentError>(crops == 1 || (shape && scorer.preprocess.crop),
                             "ten crops want a preprocessing with a crop");
      require<ArgumentError>(shape.has_value() || scorers.size() == 1,
                             "several networks want inputs of one size each: preprocessings with a crop, a "
                             "frame or an exact size");
      const Shape one = shape.value_or(Shape{scorer.preprocess.channels(), 0, 0});
      kinds_.push_back({scorer.preprocess, {crops * one[0], one[1], one[2]}, total_});
      total_ += crops * one.count();
    }
  }

  /// A loader of these inputs.
  void open(std::optional<io::BatchLoader>& loader, const io::Dataset& set, io::LoaderOptions options) const {
    if (kinds_.size() == 1 && crops_ == 1) {
      loader.emplace(set, kinds_[0].preprocess, std::move(options));
      return;
    }
    const Shape input = kinds_.size() == 1 ? kinds_[0].shape : Shape{1, 1, total_};
    loader.emplace(
        set, input,
        [this](const io::Image& image, Index, Index, TensorView<float, Cpu> dst) {
          for (const Kind& kind : kinds_) {
            const TensorView<float, Cpu> place(dst.data() + kind.offset, kind.shape);
            if (crops_ == 1)
              kind.preprocess.apply(image, place);
            else
              io::ten_crops(kind.preprocess, image, place);
          }
        },
        std::move(options));
  }

  /// The inputs of network m out of a batch, [N x crops, C, H, W]; `room` holds them where they had to be
  /// gathered.
  [[nodiscard]] TensorView<const float, Cpu> inputs(std::size_t m, const Tensor<float, Cpu>& images,
                                                    std::vector<Tensor<float, Cpu>>& room) const {
    const Index count = images.shape()[0];
    const Kind& kind = kinds_[of_[m]];
    if (kinds_.size() == 1)
      return images.view().reshaped(
          {count * crops_, images.shape()[1] / crops_, images.shape()[2], images.shape()[3]});
    room.resize(kinds_.size());
    Tensor<float, Cpu>& gathered = room[of_[m]];
    const Shape wanted{count * crops_, kind.shape[0] / crops_, kind.shape[1], kind.shape[2]};
    if (gathered.shape() != wanted) {
      gathered = Tensor<float, Cpu>(wanted);
      for (Index n = 0; n < count; ++n)
        std::copy_n(images.data() + n * total_ + kind.offset, kind.shape.count(),
                    gathered.data() + n * kind.shape.count());
    }
    return gathered.view();
  }

 private:
  struct Kind {
    io::Preprocess preprocess;
    Shape shape;  ///< [crops x C, H, W]
    Index offset = 0;
  };

  Index crops_;
  std::vector<Kind> kinds_;
  std::vector<std::size_t> of_;  ///< Which kind each network takes.
  Index total_ = 0;              ///< Values of all kinds for one picture.
};

/// Counts the rows of one batch, whose classes are `labels`.
inline void count_rows(const Tensor<double, Cpu>& rows, const std::vector<Index>& labels, Index top,
                       const std::function<double(Index n)>& loss, Evaluation& evaluation) {
  const Index classes = rows.shape()[1];
  for (Index n = 0; n < rows.shape()[0]; ++n) {
    const std::span<const double> row(rows.data() + n * classes, static_cast<std::size_t>(classes));
    const Index rank = rank_of(row, labels[static_cast<std::size_t>(n)]);
    ++evaluation.images;
    evaluation.wrong_top1 += rank >= 1;
    evaluation.wrong_top5 += rank >= top;
    evaluation.loss_sum += loss(n);
  }
}

/// What a probability's class costs; a probability of 0 as much as the smallest that there is.
[[nodiscard]] inline double loss_of(double probability) {
  return -std::log(std::max(probability, std::numeric_limits<double>::min()));
}

}  // namespace detail

/// Errors and losses of several networks over a data set, each alone and all together (the mean of their
/// probabilities). Each picture is read once, and each kind of preprocessing is done once. Throws
/// ArgumentError for options out of range, a picture without a class or with one that a network does not
/// have, networks of different numbers of classes; what reading the first broken picture threw, unless broken
/// ones are skipped. The result does not depend on the number of threads.
[[nodiscard]] inline EnsembleEvaluation evaluate_ensemble(const io::Dataset& set,
                                                          const std::vector<Scorer>& scorers,
                                                          const EvaluateOptions& options = {}) {
  require<ArgumentError>(!scorers.empty(), "evaluation wants a network");
  require<ArgumentError>(options.crops == 1 || options.crops == 10, "evaluation: crops: 1 or 10 wanted, met ",
                         options.crops);
  require<ArgumentError>(options.top >= 1, "evaluation: top: 1 or more wanted, met ", options.top);
  require<ArgumentError>(options.batch >= 1, "evaluation: batch: 1 or more wanted, met ", options.batch);
  io::LoaderOptions loading;
  loading.batch = std::max<Index>(1, options.batch / options.crops);
  loading.workers = options.workers;
  loading.skip_broken = options.skip_broken;
  loading.warn = options.warn;
  const Index total = options.indices ? static_cast<Index>(options.indices->size()) : set.size();
  const Shard share = shard_of(total, options.rank, options.ranks);
  std::vector<Index> own(static_cast<std::size_t>(share.count()));
  for (Index i = 0; i < share.count(); ++i)
    own[static_cast<std::size_t>(i)] =
        options.indices ? (*options.indices)[static_cast<std::size_t>(share.begin + i)] : share.begin + i;
  loading.indices = std::move(own);

  const detail::InputKinds kinds(scorers, options.crops);
  std::optional<io::BatchLoader> loader;
  kinds.open(loader, set, std::move(loading));
  EnsembleEvaluation result;
  result.each.resize(scorers.size());
  Index done = 0;
  while (const std::optional<io::Batch> batch = loader->next()) {
    Tensor<double, Cpu> mean;
    std::vector<Tensor<float, Cpu>> room;
    for (std::size_t m = 0; m < scorers.size(); ++m) {
      const Tensor<float, Cpu> scores = scorers[m].scores(kinds.inputs(m, batch->images, room));
      const Tensor<double, Cpu> rows = mean_of_groups(probabilities_of(scores.view()), options.crops);
      const Index classes = rows.shape()[1];
      require<ShapeError>(rows.shape()[0] == static_cast<Index>(batch->labels.size()), "scores of ",
                          rows.shape()[0], " pictures for a batch of ", batch->labels.size());
      for (std::size_t n = 0; n < batch->labels.size(); ++n) {
        require<ArgumentError>(batch->labels[n] >= 0,
                               "the data set has no classes; an error rate wants them");
        require<ArgumentError>(batch->labels[n] < classes, set.name(batch->indices[n]), ": class ",
                               batch->labels[n], " of a network with ", classes, " classes");
      }
      // From the scores where that can be done: a probability may have vanished where its logarithm has not.
      detail::count_rows(
          rows, batch->labels, options.top,
          [&](Index n) {
            const Index label = batch->labels[static_cast<std::size_t>(n)];
            if (options.crops != 1) return detail::loss_of(rows.data()[n * classes + label]);
            const std::span<const float> row(scores.data() + n * classes, static_cast<std::size_t>(classes));
            return log_sum_exp(row) - static_cast<double>(row[static_cast<std::size_t>(label)]);
          },
          result.each[m]);
      if (m == 0) {
        mean = rows.clone();
        continue;
      }
      require<ArgumentError>(mean.shape() == rows.shape(),
                             "an ensemble wants networks of the same classes, "
                             "met one of ",
                             mean.shape()[1], " and one of ", classes);
      for (Index i = 0; i < mean.count(); ++i) mean.data()[i] += rows.data()[i];
    }
    const Index classes = mean.shape()[1];
    for (double& value : mean) value /= static_cast<double>(scorers.size());
    detail::count_rows(
        mean, batch->labels, options.top,
        [&](Index n) {
          return detail::loss_of(mean.data()[n * classes + batch->labels[static_cast<std::size_t>(n)]]);
        },
        result.together);
    const Index reached = result.together.images + loader->skipped();
    if (options.advance) options.advance(reached - done);
    done = reached;
  }
  result.together.skipped = loader->skipped();
  for (Evaluation& one : result.each) one.skipped = loader->skipped();
  if (scorers.size() == 1) result.together = result.each[0];
  return result;
}

/// Errors and loss of one network over a data set. Throws as evaluate_ensemble.
[[nodiscard]] inline Evaluation evaluate(const io::Dataset& set, const Scorer& scorer,
                                         const EvaluateOptions& options = {}) {
  return evaluate_ensemble(set, {scorer}, options).together;
}
template <class T, Device D>
[[nodiscard]] Evaluation evaluate(const Network<T, D>& network, const Context<D>& context,
                                  const io::Dataset& set, const io::Preprocess& preprocess,
                                  const EvaluateOptions& options = {}) {
  return evaluate(set, scorer_of(network, context, preprocess), options);
}

}  // namespace deconv::train
