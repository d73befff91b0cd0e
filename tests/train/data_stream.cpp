// Training's batches: the same bytes for any number of threads, processes and restarts; broken pictures
// named.

#include "deconv/train/data_stream.hpp"

#include "deconv/io/atomic_file.hpp"
#include "deconv/io/image.hpp"
#include "deconv/io/open_dataset.hpp"
#include "io/damage.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"
#include "train/made_dataset.hpp"

namespace {

using namespace deconv;
using test::error_of;
using test::MadeDataset;
using test::mentions;
using train::Augmentation;
using train::Crops;
using train::DataStream;
using train::Sampler;
using train::StreamOptions;
using train::TrainingBatch;

io::Preprocess cropped() {
  io::Preprocess made;
  made.frame = io::Extent{8, 8};
  made.crop = io::Extent{6, 5};
  return made;
}

constexpr Augmentation varied{Crops::random, true, 1};

void require_same(const TrainingBatch& a, const TrainingBatch& b) {
  REQUIRE(a.pictures == b.pictures);
  REQUIRE(a.labels == b.labels);
  REQUIRE(a.label_sets == b.label_sets);
  REQUIRE(a.images.shape() == b.images.shape());
  REQUIRE(std::equal(a.images.begin(), a.images.end(), b.images.begin()));
  REQUIRE((a.epoch == b.epoch && a.step == b.step));
  REQUIRE((a.whole_batch == b.whole_batch && a.first_image == b.first_image));
}

TEST_CASE("a stream gives the sampler's batches for ever, whatever the number of threads",
          "[train][data_stream]") {
  const MadeDataset set(23, 9, 11);
  Sampler sampler(23, 5, 3);
  for (const int workers : {1, 2, 5})
    for (const Index ahead : {1, 3, 9}) {
      DataStream stream(set, cropped(), varied, sampler, {.workers = workers, .ahead = ahead});
      DataStream single(set, cropped(), varied, sampler, {.workers = 1});
      for (Index b = 0; b < 17; ++b) {
        const TrainingBatch batch = stream.next();
        REQUIRE((batch.epoch == b / 5 && batch.step == b % 5));
        REQUIRE(batch.pictures == sampler.batch(b / 5, b % 5));
        REQUIRE(batch.whole_batch == (b % 5 == 4 ? 3 : 5));
        REQUIRE(batch.first_image == 0);
        REQUIRE(batch.images.shape() == Shape{batch.whole_batch, 3, 6, 5});
        Tensor<float, Cpu> one({3, 6, 5});
        for (std::size_t n = 0; n < batch.pictures.size(); ++n) {
          REQUIRE(batch.labels[n] == batch.pictures[n] % 3);
          varied.apply(cropped(), set.read(batch.pictures[n]), 3, batch.epoch, batch.pictures[n], one);
          REQUIRE(std::equal(one.begin(), one.end(), batch.images.data() + static_cast<Index>(n) * 90));
        }
        require_same(batch, single.next());
      }
      CHECK(stream.waited_seconds() > 0);
      CHECK(stream.skipped() == 0);
    }
}

TEST_CASE("a stream goes on in the middle of an epoch", "[train][data_stream]") {
  const MadeDataset set(23, 9, 11);
  const Sampler sampler(23, 5, 3);
  for (const auto& [epoch, step] : {std::pair<Index, Index>{0, 3}, {1, 0}, {2, 4}}) {
    DataStream whole(set, cropped(), varied, sampler);
    for (Index b = 0; b < epoch * 5 + step; ++b) static_cast<void>(whole.next());
    DataStream rest(set, cropped(), varied, sampler, {.epoch = epoch, .step = step, .workers = 3});
    for (int b = 0; b < 8; ++b) require_same(whole.next(), rest.next());
  }
}

TEST_CASE("the processes' batches together are the batch of one", "[train][data_stream]") {
  const MadeDataset set(23, 9, 11);
  const Sampler sampler(23, 5, 3);
  for (const Index ranks : {2, 4, 7}) {  // of seven, some have nothing to do
    DataStream whole(set, cropped(), varied, sampler);
    std::vector<std::unique_ptr<DataStream>> streams;
    for (Index rank = 0; rank < ranks; ++rank)
      streams.push_back(std::make_unique<DataStream>(set, cropped(), varied, sampler,
                                                     StreamOptions{.rank = rank, .ranks = ranks}));
    for (int b = 0; b < 11; ++b) {
      const TrainingBatch all = whole.next();
      Index at = 0;
      for (const auto& stream : streams) {
        const TrainingBatch part = stream->next();
        const auto count = static_cast<Index>(part.pictures.size());
        REQUIRE(part.first_image == at);
        REQUIRE(part.whole_batch == all.whole_batch);
        REQUIRE((part.epoch == all.epoch && part.step == all.step));
        REQUIRE(part.images.shape() == Shape{count, 3, 6, 5});
        REQUIRE(std::equal(part.pictures.begin(), part.pictures.end(), all.pictures.begin() + at));
        REQUIRE(std::equal(part.images.begin(), part.images.end(), all.images.data() + at * 90));
        at += count;
      }
      REQUIRE(at == all.whole_batch);
    }
  }
}

TEST_CASE("a broken picture ends the stream with its name, or is counted", "[train][data_stream]") {
  const MadeDataset set(9, 9, 11, {4, 6});
  const Sampler sampler(9, 2, 1);
  DataStream strict(set, cropped(), {}, sampler);
  const std::string problem = error_of([&] {
    for (int b = 0; b < 5; ++b) static_cast<void>(strict.next());
  });
  CHECK((mentions(problem, "made#4: broken") || mentions(problem, "made#6: broken")));
  CHECK_THROWS_AS(strict.next(), ArgumentError);

  std::vector<std::string> warnings;
  DataStream lenient(set, cropped(), {}, sampler,
                     {.workers = 3, .skip_broken = true, .warn = [&](const std::string& text) {
                        warnings.push_back(text);
                      }});
  Index seen = 0, planned = 0;
  for (int b = 0; b < 10; ++b) {
    const TrainingBatch batch = lenient.next();
    REQUIRE((batch.epoch == b / 5 && batch.step == b % 5));
    REQUIRE(batch.images.shape()[0] == static_cast<Index>(batch.pictures.size()));
    for (const Index picture : batch.pictures) CHECK((picture != 4 && picture != 6));
    seen += batch.images.shape()[0];
    planned += batch.whole_batch;
  }
  CHECK(planned == 18);
  CHECK(seen == 14);
  CHECK(lenient.skipped() == 4);
  CHECK(warnings.size() == 4);

  // A batch of which nothing is left comes all the same, so that processes stay in step.
  const MadeDataset hopeless(2, 9, 11, {0, 1});
  DataStream nothing(hopeless, cropped(), {}, Sampler(2, 2, 1), {.skip_broken = true});
  CHECK(nothing.next().images.shape() == Shape{0, 3, 6, 5});
  CHECK(nothing.next().epoch == 1);
}

TEST_CASE("what does not fit is said before anything is read", "[train][data_stream]") {
  const MadeDataset set(9, 9, 11);
  const Sampler sampler(9, 2, 1);
  const auto made = [&](const StreamOptions& options) {
    return error_of([&] { DataStream(set, cropped(), {}, sampler, options); });
  };
  CHECK(mentions(made({.rank = 2, .ranks = 2}), "rank 2 of 2"));
  CHECK(mentions(made({.step = 5}), "an epoch has 5 steps"));
  CHECK(mentions(made({.epoch = -1}), "epoch -1"));
  CHECK(mentions(made({.workers = 0}), "workers"));
  CHECK(mentions(error_of([&] { DataStream(set, cropped(), {}, Sampler(8, 2, 1)); }), "met one of 8"));
  CHECK(mentions(error_of([&] { DataStream(set, io::Preprocess{}, {}, sampler); }), "inputs of one size"));
}

TEST_CASE("folders, lists with several classes, IDX and CIFAR in a stream", "[train][data_stream]") {
  const test::ScratchFolder folder;
  std::string list, several;
  const MadeDataset made(6, 32, 32);
  io::Bytes cifar, idx_images{0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 32, 0, 0, 0, 32};
  io::Bytes idx_labels{0, 0, 8, 1, 0, 0, 0, 6};
  for (Index i = 0; i < 6; ++i) {
    const std::string name = message("set/", "abc"[i % 3], "/", i, ".png");
    std::filesystem::create_directories((folder / name).parent_path());
    io::write_png(folder / name, made.read(i));
    list += message(name, ' ', i % 3, '\n');
    several += message(name, ' ', i % 3, i % 2 == 0 ? ",7" : "", '\n');
    cifar.push_back(static_cast<std::uint8_t>(i % 3));
    idx_labels.push_back(static_cast<std::uint8_t>(i % 3));
    for (Index c = 0; c < 3; ++c)
      for (Index p = 0; p < 1024; ++p) cifar.push_back(made.read(i)(p / 32, p % 32, c));
    for (Index p = 0; p < 1024; ++p) idx_images.push_back(made.read(i)(p / 32, p % 32, 0));
  }
  io::write_text(folder / "list.txt", list);
  io::write_text(folder / "several.txt", several);
  io::write_file(folder / "cifar.bin", cifar);
  io::write_file(folder / "train-images-idx3-ubyte", idx_images);
  io::write_file(folder / "train-labels-idx1-ubyte", idx_labels);

  io::Preprocess preprocess;
  preprocess.crop = io::Extent{32, 32};
  const Augmentation padded{Crops::random, true, 4};
  const auto run = [&](const std::string& what, const MadeDataset* source) {
    INFO(what);
    const auto set = io::open_dataset(what);
    DataStream stream(*set, preprocess, padded, Sampler(6, 4, 5));
    Tensor<float, Cpu> one({3, 32, 32});
    for (int b = 0; b < 5; ++b) {
      const TrainingBatch batch = stream.next();
      REQUIRE(batch.label_sets.empty() == !set->multi_label());
      for (std::size_t n = 0; n < batch.pictures.size(); ++n) {
        const Index picture = batch.pictures[n];
        REQUIRE(batch.labels[n] == *set->label(picture));
        if (set->multi_label()) REQUIRE(batch.label_sets[n] == set->labels(picture));
        const io::Image image = source == nullptr ? set->read(picture) : source->read(picture);
        padded.apply(preprocess, image, 5, batch.epoch, picture, one);
        REQUIRE(std::equal(one.begin(), one.end(), batch.images.data() + static_cast<Index>(n) * 3072));
      }
    }
  };
  run((folder / "set").string(), nullptr);
  run((folder / "list.txt").string(), &made);
  run((folder / "several.txt").string(), &made);
  run("cifar:" + (folder / "cifar.bin").string(), &made);
  run("idx:" + folder.path().string(), nullptr);
  const auto set = io::open_dataset((folder / "several.txt").string());
  CHECK(set->labels(2) == std::vector<Index>{2, 7});
  CHECK(set->labels(3) == std::vector<Index>{0});
  CHECK(set->label(2) == 2);
}

}  // namespace
