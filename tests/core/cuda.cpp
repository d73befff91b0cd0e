// The Cuda device's memory, transfers and streams, and what it says when something is missing.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "deconv/core/random.hpp"
#include "deconv/core/recorded_work.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/core/upload_queue.hpp"
#include "support/any_stream_order.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"
#if __has_include("simt/emulator.hpp")
#include "simt/emulator.hpp"
#define DECONV_EMULATED
#endif

using namespace deconv;

#if !defined(DECONV_TEST_CUDA)

TEST_CASE("the Cuda device") { WARN("this build has no Cuda device, not even an emulated one"); }

#else

TEST_CASE("tensors survive the way to the device and back, in either layout") {
  if (!test::cuda_context()) return;
  const Context<Cuda>& gpu = *test::cuda_context();
  for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
    Tensor<float, Cpu> there({2, 3, 4, 5}, layout);
    fill_normal<float>(there, Random(3), 0, 1);
    const auto device = to_device(gpu, there.view());
    CHECK(device.layout() == layout);
    const auto back = to_host(gpu, device.view());
    CHECK(back.layout() == layout);
    CHECK(std::equal(back.begin(), back.end(), there.begin()));
  }
  const Tensor<float, Cpu> none({0, 3});
  CHECK(to_host(gpu, to_device(gpu, none.view()).view()).count() == 0);
}

TEST_CASE("a transfer names what does not fit") {
  if (!test::cuda_context()) return;
  const Context<Cuda>& gpu = *test::cuda_context();
  const Tensor<float, Cpu> src({2, 3});
  auto dst = gpu.make<float>({3, 2});
  CHECK_THROWS_AS(transfer<float>(gpu, src.view(), dst.view()), ShapeError);
}

TEST_CASE("a device that is not there is refused by number") {
  if (!test::cuda_context()) return;
  CHECK_THROWS_AS(Context<Cuda>(cuda::device_count()), DeviceError);
  CHECK_THROWS_AS(Context<Cuda>(-1), DeviceError);
}

TEST_CASE("a workspace lends a block again, and gives all of them back") {
  if (!test::cuda_context()) return;
  const Context<Cuda> gpu(0);
  const void* first = nullptr;
  {
    const auto tensor = gpu.make<float>({1000});
    first = tensor.data();
    CHECK(gpu.workspace()->bytes_in_use() >= 4000);
  }
  CHECK(gpu.workspace()->bytes_in_use() == 0);
  const auto again = gpu.make<float>({1000});
  CHECK(static_cast<const void*>(again.data()) == first);
}

namespace {

void check_uploads() {
  const Context<Cuda> gpu(0);
  UploadQueue<float> queue(gpu);
  std::vector<Tensor<float, Cpu>> wanted;
  std::vector<Tensor<float, Cuda>> met;
  const auto start = [&](const Shape& shape, Layout layout) {
    Tensor<float, Cpu> src(shape, layout);
    fill_normal<float>(src, Random(wanted.size()), 0, 1);
    wanted.push_back(src.clone());
    queue.start(src.view());
    std::fill(src.begin(), src.end(), -1.0f);
  };
  const auto finish = [&] {
    const auto there = queue.take();
    met.push_back(gpu.make<float>(there.shape(), there.layout()));
    if (there.count() > 0)
      cuda::copy_on_device(gpu.device(), gpu.stream(), met.back().data(), there.data(), there.bytes());
    queue.finish();
  };
  CHECK_THROWS_AS(queue.take(), ArgumentError);
  CHECK_THROWS_AS(queue.finish(), ArgumentError);
  start({2, 3, 4, 5}, Layout::nhwc);
  for (const Shape& shape : {Shape{1, 3, 2, 2}, Shape{4, 3, 4, 5}, Shape{3, 7, 5, 5}, Shape{0, 3, 4, 5},
                             Shape{3, 7, 5, 5}, Shape{1, 1, 1, 1}}) {
    start(shape, Layout::nchw);
    CHECK(queue.size() == 2);
    CHECK_THROWS_AS(queue.start(wanted.back().view()), ArgumentError);
    finish();
  }
  finish();
  CHECK(queue.size() == 0);
  REQUIRE(met.size() == wanted.size());
  for (std::size_t i = 0; i < met.size(); ++i) {
    INFO(i);
    const auto back = to_host(gpu, met[i].view());
    REQUIRE(back.shape() == wanted[i].shape());
    CHECK(back.layout() == wanted[i].layout());
    CHECK(std::equal(back.begin(), back.end(), wanted[i].begin()));
  }
}

}  // namespace

TEST_CASE("uploads arrive in order, whatever their sizes, though their sources change at once") {
  if (!test::cuda_context()) return;
  test::in_any_stream_order(30, check_uploads);
}

TEST_CASE("recorded work runs again on what its input holds then") {
  if (!test::cuda_context()) return;
  const Context<Cuda> gpu(0);
  auto input = gpu.make<float>({100});
  cuda::set_bytes(gpu.device(), gpu.stream(), input.data(), 0, input.bytes());
  RecordedWork work(gpu, [&](const Context<Cuda>& own) {
    auto between = own.make<float>(input.shape()), result = own.make<float>(input.shape());
    cuda::copy_on_device(own.device(), own.stream(), between.data(), input.data(), input.bytes());
    cuda::copy_on_device(own.device(), own.stream(), result.data(), between.data(), input.bytes());
    return result;
  });
  for (const std::uint64_t seed : {1u, 2u}) {
    Tensor<float, Cpu> src({100});
    fill_normal<float>(src, Random(seed), 0, 1);
    transfer<float>(gpu, src.view(), input.view());
    // What the recording passed through belongs to it, though nobody holds it.
    const auto other = gpu.make<float>({100});
    const auto met = to_host(gpu, work.run().view());
    CHECK(std::equal(met.begin(), met.end(), src.begin()));
  }
}

TEST_CASE("a graph that was never recorded cannot be launched") {
  if (!test::cuda_context()) return;
  CHECK_THROWS_AS(cuda::Graph().launch(test::cuda_context()->stream()), ArgumentError);
}

#if defined(DECONV_EMULATED)

namespace {

/// The message of the DeviceError that `work` throws.
template <class Work>
std::string device_error(const Work& work) {
  try {
    work();
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "no error";
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

struct Pretended {
  explicit Pretended(simt::Fault fault) { simt::set_fault(fault); }
  ~Pretended() { simt::set_fault(simt::Fault::none); }
};

}  // namespace

TEST_CASE("without a driver, a card or kernels for the card a context says so") {
  {
    const Pretended fault(simt::Fault::no_driver);
    CHECK(says(device_error([] { Context<Cuda>(0); }), "no CUDA driver"));
  }
  {
    const Pretended fault(simt::Fault::no_device);
    CHECK(says(device_error([] { Context<Cuda>(0); }), "no CUDA device"));
  }
  {
    const Pretended fault(simt::Fault::old_architecture);
    const std::string text = device_error([] { Context<Cuda>(0); });
    CHECK(says(text, "not built for"));
    CHECK(says(text, "CMAKE_CUDA_ARCHITECTURES"));
  }
  CHECK_NOTHROW(Context<Cuda>(0));
}

TEST_CASE("when memory is out the kept blocks are given back first, then an error says how much was wanted") {
  const std::size_t before = simt::allocated_bytes();
  {
    const Context<Cuda> gpu(0);
    { const auto kept = gpu.make<std::uint8_t>({Index{40} << 20}); }
    const std::size_t held = simt::allocated_bytes();
    REQUIRE(held >= before + (std::size_t{40} << 20));
    simt::set_memory_limit(before + (std::size_t{64} << 20));
    {
      // Too much beside the kept block, enough without it.
      const auto large = gpu.make<std::uint8_t>({Index{50} << 20});
      const std::string text = device_error([&] { static_cast<void>(gpu.make<float>({Index{20} << 20})); });
      CHECK(says(text, "out of GPU memory"));
      CHECK(says(text, std::to_string(std::size_t{80} << 20)));
      // What was there is still there, and work goes on.
      auto small = gpu.make<std::uint8_t>({4});
      const auto four = Tensor<std::uint8_t, Cpu>::filled({4}, std::uint8_t{7});
      transfer<std::uint8_t>(gpu, four.view(), small.view());
      CHECK(to_host(gpu, small.view()).data()[3] == 7);
    }
    simt::set_memory_limit(std::size_t{16} << 30);
  }
  CHECK(simt::allocated_bytes() == before);
}

#endif
#endif
