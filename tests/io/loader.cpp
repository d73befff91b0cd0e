// Batches: the same whatever the number of threads, errors that reach the consumer, early ends, bounded
// memory.

#include "deconv/io/loader.hpp"

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "deconv/io/open_dataset.hpp"
#include "io/damage.hpp"
#include "support/catch.hpp"
#include "support/test_data.hpp"

namespace {

using namespace deconv;
using io::BatchLoader;
using io::Image;
using test::error_of;
using test::mentions;

// Pictures made on the spot: every value of picture i is i. Some are broken, some are slow.
class MadeDataset : public io::Dataset {
 public:
  explicit MadeDataset(Index size, std::vector<Index> broken = {}, bool sizes_differ = false)
      : size_(size), broken_(std::move(broken)), sizes_differ_(sizes_differ) {}
  Index size() const noexcept override { return size_; }
  const std::vector<std::string>& class_names() const noexcept override { return none_; }
  std::optional<Index> label(Index i) const override {
    return i % 7 == 6 ? std::nullopt : std::optional<Index>(i % 7);
  }
  std::string name(Index i) const override { return message("made#", i); }
  Image read(Index i) const override {
    ++reads_;
    if (i % 5 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));  // finishes out of order
    if (std::find(broken_.begin(), broken_.end(), i) != broken_.end())
      raise<FormatError>(name(i), ": broken");
    return Image(sizes_differ_ && i % 2 == 1 ? 5 : 4, 4, 3, static_cast<std::uint8_t>(i));
  }
  Index reads() const { return reads_; }

 private:
  Index size_;
  std::vector<Index> broken_;
  bool sizes_differ_;
  std::vector<std::string> none_;
  mutable std::atomic<Index> reads_{0};
};

io::Preprocess cropped() { return io::Preprocess{}.without_resize(3, 2); }

struct Seen {
  std::vector<Index> indices, labels, lengths;
  std::vector<float> values;
};
Seen run(BatchLoader& loader) {
  Seen seen;
  while (auto batch = loader.next()) {
    const Index count = batch->images[0];
    REQUIRE(count == static_cast<Index>(batch->indices.size()));
    REQUIRE(count == static_cast<Index>(batch->labels.size()));
    REQUIRE(batch->images.shape() == Shape{count, 3, 3, 2});
    seen.lengths.push_back(count);
    for (Index n = 0; n < count; ++n) {
      const auto i = static_cast<std::size_t>(n);
      for (Index k = 0; k < 18; ++k)
        REQUIRE(batch->images.data()[n * 18 + k] == static_cast<float>(batch->indices[i] % 256));
      seen.indices.push_back(batch->indices[i]);
      seen.labels.push_back(batch->labels[i]);
    }
  }
  CHECK(!loader.next());
  return seen;
}

}  // namespace

TEST_CASE("every picture comes once, in order, for any number of workers", "[io][loader]") {
  const MadeDataset set(53);
  for (const int workers : {1, 2, 3, 8})
    for (const Index batch : {1, 4, 16, 100}) {
      BatchLoader loader(set, cropped(), {.batch = batch, .workers = workers, .ahead = 1});
      CHECK(loader.total() == 53);
      const Seen seen = run(loader);
      REQUIRE(seen.indices.size() == 53);
      for (Index i = 0; i < 53; ++i) {
        REQUIRE(seen.indices[static_cast<std::size_t>(i)] == i);
        REQUIRE(seen.labels[static_cast<std::size_t>(i)] == (i % 7 == 6 ? -1 : i % 7));
      }
      CHECK(seen.lengths.front() == std::min<Index>(batch, 53));
      CHECK(loader.skipped() == 0);
    }
}

TEST_CASE("pictures in an order of the caller's", "[io][loader]") {
  const MadeDataset set(20);
  BatchLoader loader(set, cropped(), {.batch = 3, .indices = std::vector<Index>{7, 7, 19, 0, 3}});
  CHECK(run(loader).indices == std::vector<Index>{7, 7, 19, 0, 3});
  BatchLoader none(set, cropped(), {.indices = std::vector<Index>{}});
  CHECK(!none.next());
  CHECK_THROWS_AS(BatchLoader(set, cropped(), {.indices = std::vector<Index>{20}}), ArgumentError);
  CHECK_THROWS_AS(BatchLoader(set, cropped(), {.batch = 0}), ArgumentError);
  CHECK_THROWS_AS(BatchLoader(set, cropped(), {.workers = 0}), ArgumentError);
  CHECK_THROWS_AS(BatchLoader(set, cropped(), {.ahead = 0}), ArgumentError);
}

TEST_CASE("a broken picture's error reaches the consumer, the first in order", "[io][loader]") {
  const MadeDataset set(40, {17, 18, 30});
  for (const int workers : {1, 4}) {
    BatchLoader loader(set, cropped(), {.batch = 8, .workers = workers});
    CHECK(loader.next());
    CHECK(loader.next());
    CHECK(mentions(error_of([&] { static_cast<void>(loader.next()); }), "made#17"));
    CHECK(!loader.next());
  }
  // A picture that does not fit the preprocessing is named too.
  BatchLoader large(set, io::Preprocess{}.without_resize(9, 9), {.batch = 8});
  CHECK(mentions(error_of([&] { static_cast<void>(large.next()); }), "made#0: a crop of 9x9"));
}

TEST_CASE("broken pictures are left out and counted", "[io][loader]") {
  const MadeDataset set(24, {0, 5, 8, 9, 10, 11, 23});
  for (const int workers : {1, 3}) {
    std::vector<std::string> warnings;
    BatchLoader loader(
        set, cropped(),
        {.batch = 4, .workers = workers, .skip_broken = true, .warn = [&](const std::string& text) {
           warnings.push_back(text);
         }});
    const Seen seen = run(loader);
    CHECK(seen.indices == std::vector<Index>{1, 2, 3, 4, 6, 7, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22});
    CHECK(seen.lengths == std::vector<Index>{3, 3, 4, 4, 3});
    CHECK(loader.skipped() == 7);
    REQUIRE(warnings.size() == 7);
    CHECK(mentions(warnings[1], "made#5"));
  }
  const MadeDataset hopeless(3, {0, 1, 2});
  BatchLoader loader(hopeless, cropped(), {.batch = 2, .skip_broken = true});
  CHECK(!loader.next());
  CHECK(loader.skipped() == 3);
}

TEST_CASE("leaving early joins the workers, and they do not run far ahead", "[io][loader]") {
  const MadeDataset set(100000);
  { BatchLoader unused(set, cropped(), {.batch = 4, .workers = 4}); }
  const Index before = set.reads();
  CHECK(before <= 3 * 4 + 4);
  {
    BatchLoader loader(set, cropped(), {.batch = 4, .workers = 4, .ahead = 2});
    CHECK(loader.next());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    // One batch taken, three slots.
    CHECK(set.reads() - before <= 4 * 4);
  }
}

TEST_CASE("pictures of different sizes", "[io][loader]") {
  const MadeDataset same(6);
  io::Preprocess as_it_comes;
  BatchLoader loader(same, as_it_comes, {.batch = 4});
  const auto batch = loader.next();
  REQUIRE(batch);
  CHECK(batch->images.shape() == Shape{4, 3, 4, 4});
  CHECK(batch->images.data()[48] == 1.0f);

  const MadeDataset mixed(6, {}, true);
  BatchLoader one(mixed, as_it_comes, {.batch = 1});
  CHECK(one.next()->images.shape() == Shape{1, 3, 4, 4});
  CHECK(one.next()->images.shape() == Shape{1, 3, 4, 5});
  BatchLoader two(mixed, as_it_comes, {.batch = 2});
  CHECK(mentions(error_of([&] { static_cast<void>(two.next()); }), "made#1: an input of [3,4,4] wanted"));
}

TEST_CASE("the memory of a dropped batch is used again", "[io][loader]") {
  const MadeDataset set(64);
  BatchLoader loader(set, cropped(), {.batch = 4, .workers = 2, .ahead = 1});
  std::vector<const float*> places;
  while (auto batch = loader.next()) places.push_back(batch->images.data());
  REQUIRE(places.size() == 16);
  std::sort(places.begin(), places.end());
  CHECK(std::unique(places.begin(), places.end()) - places.begin() <= 4);
}

TEST_CASE("real photographs in batches", "[io][loader]") {
  DECONV_TEST_DATA_OR_SKIP(list, "images/imagenet_samples/labels.txt");
  const auto set = io::open_dataset(list.string());
  const auto preprocess = *io::built_in_preprocess("imagenet-torch");
  BatchLoader two(*set, preprocess, {.batch = 16, .workers = 2}),
      one(*set, preprocess, {.batch = 16, .workers = 1});
  Index count = 0;
  while (auto batch = two.next()) {
    const auto same = one.next();
    REQUIRE(same);
    CHECK(std::equal(batch->images.begin(), batch->images.end(), same->images.begin(), same->images.end()));
    CHECK(batch->labels == same->labels);
    const auto alone = preprocess.apply(set->read(count));
    CHECK(std::equal(alone.begin(), alone.end(), batch->images.begin()));
    count += batch->images[0];
  }
  CHECK(count == 50);
}

TEST_CASE("batches by plan, inputs by the caller's own function", "[io][loader]") {
  const MadeDataset set(20, {13});
  const std::vector<std::vector<Index>> wanted{{3, 4}, {}, {7, 7, 19}, {13}, {0}};
  for (const int workers : {1, 2, 5}) {
    io::LoaderOptions options;
    options.workers = workers;
    options.skip_broken = true;
    options.plan = [&](Index b) {
      return b < 5 ? std::optional(wanted[static_cast<std::size_t>(b)]) : std::nullopt;
    };
    BatchLoader loader(
        set, Shape{1, 1, 2},
        [](const Image& image, Index batch, Index index, TensorView<float, Cpu> dst) {
          dst.data()[0] = static_cast<float>(100 * batch + image(0, 0, 0));
          dst.data()[1] = static_cast<float>(index);
        },
        options);
    for (Index b = 0; b < 5; ++b) {
      const auto batch = loader.next();
      REQUIRE(batch);
      const auto& indices = wanted[static_cast<std::size_t>(b)];
      const Index count = b == 3 ? 0 : static_cast<Index>(indices.size());
      REQUIRE(batch->images.shape() == Shape{count, 1, 1, 2});
      for (Index n = 0; n < count; ++n) {
        const Index index = indices[static_cast<std::size_t>(n)];
        CHECK(batch->images.data()[2 * n] == static_cast<float>(100 * b + index));
        CHECK(batch->images.data()[2 * n + 1] == static_cast<float>(index));
      }
    }
    CHECK(!loader.next());
    CHECK(!loader.next());
    CHECK(loader.skipped() == 1);
  }
  // What a plan throws, or asks for in vain, reaches the consumer.
  io::LoaderOptions options;
  options.plan = [](Index b) {
    if (b == 2) raise<IoError>("no more");
    return std::optional(std::vector<Index>{b});
  };
  BatchLoader failing(set, cropped(), options);
  CHECK(mentions(error_of([&] {
                   for (int b = 0; b < 3; ++b) static_cast<void>(failing.next());
                 }),
                 "no more"));
  CHECK(!failing.next());
  options.plan = [](Index) { return std::optional(std::vector<Index>{20}); };
  BatchLoader beyond(set, cropped(), options);
  CHECK(mentions(error_of([&] { static_cast<void>(beyond.next()); }), "picture 20 of a data set of 20"));
  options.indices = std::vector<Index>{1};
  CHECK_THROWS_AS(BatchLoader(set, cropped(), options), ArgumentError);
}
