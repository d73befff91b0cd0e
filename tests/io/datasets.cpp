// The four kinds of data set: made by hand, damaged, and real.

#include <zlib.h>

#include <array>
#include <filesystem>
#include <string>

#include "deconv/io/open_dataset.hpp"
#include "io/damage.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"
#include "support/test_data.hpp"

namespace {

using namespace deconv;
using io::Image;
using test::error_of;
using test::mentions;

void put_picture(const std::filesystem::path& path, std::uint8_t value) {
  std::filesystem::create_directories(path.parent_path());
  io::write_png(path, Image(4, 3, 3, value));
}

io::Bytes zipped(const io::Bytes& bytes) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  io::Bytes out(deflateBound(&stream, static_cast<uLong>(bytes.size())) + 64);
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

io::Bytes idx_images(int count, int height, int width) {
  io::Bytes bytes{0, 0, 8, 3};
  for (const int extent : {count, height, width})
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<std::uint8_t>(extent >> shift));
  for (int i = 0; i < count * height * width; ++i) bytes.push_back(static_cast<std::uint8_t>(i));
  return bytes;
}
io::Bytes idx_labels(const io::Bytes& labels) {
  io::Bytes bytes{0, 0, 8, 1, 0, 0, 0};
  bytes.push_back(static_cast<std::uint8_t>(labels.size()));
  for (const std::uint8_t label : labels) bytes.push_back(label);
  return bytes;
}
io::Bytes cifar_records(const io::Bytes& labels) {
  io::Bytes bytes;
  for (const std::uint8_t label : labels) {
    bytes.push_back(label);
    for (int i = 0; i < 3072; ++i) bytes.push_back(static_cast<std::uint8_t>(i / 1024 * 100 + i % 97));
  }
  return bytes;
}

}  // namespace

TEST_CASE("a folder with one folder a class", "[io][dataset]") {
  const test::ScratchFolder scratch;
  const auto folder = scratch / "set";
  put_picture(folder / "beta" / "2.png", 20);
  put_picture(folder / "beta" / "1.PNG", 10);
  put_picture(folder / "alpha" / "deep" / "9.png", 90);
  put_picture(folder / "alpha" / ".hidden.png", 1);
  io::write_text(folder / "alpha" / "notes.txt", "no picture");
  std::filesystem::create_directories(folder / ".cache");
  const auto set = io::open_dataset(folder.string());
  REQUIRE(set->size() == 3);
  CHECK(set->class_names() == std::vector<std::string>{"alpha", "beta"});
  CHECK(set->name(0) == "alpha/deep/9.png");
  CHECK(set->name(1) == "beta/1.PNG");
  CHECK((set->label(0) == 0 && set->label(1) == 1 && set->label(2) == 1));
  CHECK(set->read(2) == Image(4, 3, 3, 20));
  CHECK_THROWS_AS(set->read(3), ArgumentError);
  CHECK_THROWS_AS(set->label(-1), ArgumentError);

  // A list of classes gives order and names: passed, inside, or beside the folder.
  io::write_text(scratch / "classes.txt", "gamma third kind\nbeta\tthe second\r\nalpha\n\n");
  for (const auto& text : {folder.string(), folder.string() + "/"}) {
    const auto ordered = io::open_dataset(text);
    CHECK(ordered->class_names() == std::vector<std::string>{"third kind", "the second", "alpha"});
    CHECK(ordered->name(0) == "beta/1.PNG");
    CHECK((ordered->label(0) == 1 && ordered->label(2) == 2));
  }
  io::write_text(folder / "classes.txt", "alpha A\nbeta B\n");
  CHECK(io::open_dataset(folder.string())->class_names() == std::vector<std::string>{"A", "B"});
  io::write_text(folder / "classes.txt", "someone else's list\n");
  CHECK(io::open_dataset(folder.string())->class_names() == std::vector<std::string>{"alpha", "beta"});
  CHECK(
      mentions(error_of([&] { return io::open_dataset(folder.string(), folder / "classes.txt"); }), "alpha"));
  io::write_text(folder / "classes.txt", "alpha A\nalpha B\n");
  CHECK(mentions(error_of([&] { return io::open_dataset(folder.string()); }), "twice"));
}

TEST_CASE("a folder of pictures without classes", "[io][dataset]") {
  const test::ScratchFolder folder;
  CHECK(mentions(error_of([&] { return io::open_dataset(folder.path().string()); }), "met none"));
  put_picture(folder / "b.png", 2);
  put_picture(folder / "a.png", 1);
  std::filesystem::create_directories(folder / "empty");
  const auto set = io::open_dataset(folder.path().string());
  REQUIRE(set->size() == 2);
  CHECK(set->name(0) == "a.png");
  CHECK(!set->label(0));
  CHECK(set->class_names().empty());
  io::write_text(folder / "a.png", "not a picture");
  CHECK(mentions(error_of([&] { static_cast<void>(set->read(0)); }), "a.png"));
}

TEST_CASE("a list file", "[io][dataset]") {
  const test::ScratchFolder folder;
  put_picture(folder / "in" / "my picture 1.png", 1);
  io::write_text(folder / "list.txt", "# remark\n\nin/my picture 1.png 3\r\n  in/other.png\t0  \n");
  const auto set = io::open_dataset((folder / "list.txt").string());
  REQUIRE(set->size() == 2);
  CHECK(set->name(0) == "in/my picture 1.png");
  CHECK((set->label(0) == 3 && set->label(1) == 0));
  CHECK(set->read(0).width() == 4);
  CHECK(mentions(error_of([&] { static_cast<void>(set->read(1)); }), "other.png"));

  io::write_text(folder / "names.txt", "a\nb\nc\nd\n");
  CHECK(io::open_dataset((folder / "list.txt").string(), folder / "names.txt")->class_names().size() == 4);
  io::write_text(folder / "names.txt", "a\nb\nc\n");
  CHECK(mentions(
      error_of([&] { return io::open_dataset((folder / "list.txt").string(), folder / "names.txt"); }),
      "label 3"));

  io::write_text(folder / "bare.txt", "x.png\nwith blank.png\n");
  const auto bare = io::open_dataset((folder / "bare.txt").string());
  CHECK((bare->size() == 2 && !bare->label(1) && bare->name(1) == "with blank.png"));
  const auto problem = [&](const std::string& text) {
    io::write_text(folder / "bad.txt", text);
    return error_of([&] { return io::open_dataset((folder / "bad.txt").string()); });
  };
  CHECK(mentions(problem(""), "empty"));
  CHECK(mentions(problem("# only remarks\n"), "empty"));
  CHECK(mentions(problem("a.png 1\nb.png\n"), "line 2"));
  CHECK(mentions(problem("a.png 1\nb.png -1\n"), "line 2"));

  // Several classes a picture.
  CHECK((!set->multi_label() && set->labels(0) == std::vector<Index>{3} && bare->labels(0).empty()));
  io::write_text(folder / "several.txt", "a.png 3,0,11\nb.png 2\n");
  const auto several = io::open_dataset((folder / "several.txt").string());
  CHECK(several->multi_label());
  CHECK(several->labels(0) == std::vector<Index>{3, 0, 11});
  CHECK((several->label(0) == 3 && several->name(0) == "a.png"));
  CHECK(several->labels(1) == std::vector<Index>{2});
  CHECK(mentions(
      error_of([&] { return io::open_dataset((folder / "several.txt").string(), folder / "names.txt"); }),
      "label 3 of a.png"));
  CHECK(mentions(problem("a.png 1\nb.png 4,4\n"), "line 2: the label 4 stands there twice"));
  CHECK(mentions(problem("a.png 1\nb.png 4,\n"), "line 2"));
  CHECK(mentions(problem("a.png 1\nb.png ,4\n"), "line 2"));
  CHECK(mentions(problem("a.png 1\nb.png 99999999999\n"), "line 2"));
  CHECK(mentions(problem(std::string("\0\1\2", 3)), "no text"));
  CHECK(mentions(problem(std::string(10000, 'x')), "10000 bytes"));
  CHECK(mentions(error_of([&] { return io::open_dataset((folder / "in" / "my picture 1.png").string()); }),
                 "this is a picture"));
  CHECK(mentions(error_of([&] { return io::open_dataset((folder / "absent.txt").string()); }), "absent.txt"));
  CHECK_THROWS_AS(io::open_dataset(""), ArgumentError);
}

TEST_CASE("IDX files", "[io][dataset]") {
  const test::ScratchFolder folder;
  const std::string spec = "idx:" + folder.path().string();
  CHECK(mentions(error_of([&] { return io::open_dataset(spec); }), "met neither"));
  io::write_file(folder / "train-images-idx3-ubyte", idx_images(3, 2, 5));
  io::write_file(folder / "train-labels-idx1-ubyte", idx_labels({4, 0, 2}));
  CHECK(mentions(error_of([&] { return io::open_dataset(spec + ":test"); }), "t10k-images"));
  io::write_file(folder / "t10k-images-idx3-ubyte.gz", zipped(idx_images(2, 2, 5)));
  io::write_file(folder / "t10k-labels-idx1-ubyte.gz", zipped(idx_labels({1, 6})));

  const auto train = io::open_dataset(spec + ":train");
  REQUIRE(train->size() == 3);
  CHECK(train->class_names().size() == 5);
  CHECK(train->label(0) == 4);
  CHECK(train->name(2) == "train-images-idx3-ubyte#2");
  const Image picture = train->read(1);
  CHECK((picture.width() == 5 && picture.height() == 2 && picture.channels() == 3));
  CHECK((picture(1, 2, 0) == 17 && picture(1, 2, 1) == 17 && picture(1, 2, 2) == 17));
  const auto test_part = io::open_dataset(spec + ":test");
  CHECK((test_part->size() == 2 && test_part->label(1) == 6));
  const auto both = io::open_dataset(spec);
  CHECK((both->size() == 5 && both->label(2) == 2 && both->label(4) == 6 && both->class_names().size() == 7));

  io::write_file(folder / "train-labels-idx1-ubyte", idx_labels({4, 0}));
  CHECK(mentions(error_of([&] { return io::open_dataset(spec); }), "labels of the 3 images"));
  std::filesystem::remove(folder / "train-labels-idx1-ubyte");
  CHECK(!io::open_dataset(spec + ":train")->label(0));
}

TEST_CASE("damaged IDX and gzip data", "[io][dataset]") {
  const io::Bytes images = idx_images(2, 3, 4), labels = idx_labels({7, 1});
  const auto read = [&](const io::Bytes& bytes) {
    static_cast<void>(io::parse_idx(io::decompress(bytes, "images", 1 << 20), "images", labels, "labels"));
  };
  const auto read_labels = [&](const io::Bytes& bytes) {
    if (bytes.empty()) raise<FormatError>("no labels is allowed here, but not tested");
    static_cast<void>(io::parse_idx(images, "images", io::decompress(bytes, "labels", 1 << 20), "labels"));
  };
  read(images);
  read(zipped(images));
  test::require_cuts_refused(images, read);
  test::require_cuts_refused(zipped(images), read);
  test::require_cuts_refused(labels, read_labels);
  CHECK(test::count_changes_refused(images, read) >= 16 * 4);
  CHECK(test::count_changes_refused(zipped(images), read) > 100);
  CHECK(test::count_changes_refused(labels, read_labels) >= 8 * 4);
  // Two members after each other are one file; more than the limit is refused.
  io::Bytes twice = zipped({1, 2}), second = zipped({3});
  twice.insert(twice.end(), second.begin(), second.end());
  CHECK(io::decompress(twice, "twice", 10) == io::Bytes{1, 2, 3});
  CHECK(mentions(
      error_of([] { static_cast<void>(io::decompress(zipped(io::Bytes(5000, 0)), "bomb", 4999)); }), "bomb"));
  CHECK(io::decompress(zipped(io::Bytes(5000, 0)), "fits", 5000).size() == 5000);
}

TEST_CASE("CIFAR records", "[io][dataset]") {
  const test::ScratchFolder folder;
  io::write_file(folder / "a.bin", cifar_records({3, 9}));
  io::write_file(folder / "b.bin.gz", zipped(cifar_records({0})));
  const std::string a = (folder / "a.bin").string(), b = (folder / "b.bin.gz").string();
  for (const std::string& text : {"cifar:" + a + "," + b, "cifar:" + a + " " + b}) {
    const auto set = io::open_dataset(text);
    REQUIRE(set->size() == 3);
    CHECK((set->label(0) == 3 && set->label(1) == 9 && set->label(2) == 0));
    CHECK(set->name(2) == "b.bin.gz#0");
    CHECK(set->class_names()[3] == "cat");
    const Image image = set->read(2);
    CHECK((image.width() == 32 && image.height() == 32));
    for (Index c = 0; c < 3; ++c) CHECK(Index{image(1, 2, c)} == c * 100 + (c * 1024 + 34) % 97);
  }
  CHECK_THROWS_AS(io::open_dataset("cifar:"), ArgumentError);
  CHECK_THROWS_AS(io::open_dataset("cifar:" + a + ".absent"), IoError);
  const auto check = [](const io::Bytes& bytes) { io::check_cifar(bytes, "c"); };
  io::Bytes records = cifar_records({1});
  check(records);
  test::require_cuts_refused(records, check);
  records[0] = 10;
  CHECK(mentions(error_of([&] { check(records); }), "met 10"));
}

TEST_CASE("real data sets", "[io][dataset]") {
  DECONV_TEST_DATA_OR_SKIP(data, "images/imagenet_val/labels.txt");
  const auto val = io::open_dataset(data.string());
  REQUIRE(val->size() == 650);
  CHECK(val->label(0) == 472);
  CHECK(val->name(0) == "ILSVRC2012_val_00000347.JPEG");
  CHECK(val->read(649).width() == 227);
  DECONV_TEST_DATA_OR_SKIP(tiny, "tiny_imagenet_10/val");
  const auto classes = io::open_dataset(tiny.string());
  CHECK(classes->size() == 500);
  CHECK(classes->class_names().front() == "lifeboat");
  std::array<int, 10> of_class{};
  for (Index i = 0; i < 500; ++i) ++of_class[static_cast<std::size_t>(*classes->label(i))];
  CHECK(of_class == std::array<int, 10>{50, 50, 50, 50, 50, 50, 50, 50, 50, 50});
  CHECK(mentions(classes->name(0), "n03662601"));
  DECONV_TEST_DATA_OR_SKIP(records, "cifar10/test_2000.bin.gz");
  CHECK(io::open_dataset("cifar:" + records.string())->size() == 2000);
}

TEST_CASE("Fashion-MNIST as Debian installs it", "[io][dataset]") {
  const std::string folder = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(folder)) {
    WARN("skipped: " << folder << " is absent (Debian: dataset-fashion-mnist)");
    return;
  }
  const auto set = io::open_dataset("idx:" + folder + ":test");
  REQUIRE(set->size() == 10000);
  CHECK(set->label(0) == 9);
  CHECK((set->read(0).width() == 28 && set->class_names().size() == 10));
  CHECK(io::open_dataset("idx:" + folder + ":train")->size() == 60000);
}
