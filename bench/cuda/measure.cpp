#include "measure.hpp"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>

#include "deconv/core/random.hpp"
#include "deconv/core/transfer.hpp"
#include "peers.hpp"

namespace deconv::bench {
namespace {

/// What a way's runs may take in all, and how many there are at most and least.
constexpr double budget_ms = 60;
constexpr int most_runs = 40, least_runs = 7, warm_ups = 3;

void check(cudaError_t error, const char* what) {
  require<DeviceError>(error == cudaSuccess, what, ": ", cudaGetErrorString(error));
}

template <class T>
std::vector<std::uint8_t> normal_bytes(Index count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  const Random random(1);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(random.normal(i));
  std::vector<std::uint8_t> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::vector<std::uint8_t> random_bytes(DType dtype, Index count) {
  if (dtype == DType::float32) return normal_bytes<float>(count);
  if (dtype == DType::float16) return normal_bytes<half>(count);
  if (dtype == DType::bfloat16) return normal_bytes<bfloat16>(count);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count) * size_of(dtype));
  const Random random(2);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(random.below(i, 256));
  return bytes;
}

}  // namespace

struct Room::Events {
  std::vector<cudaEvent_t> begin, end;
  Events() : begin(most_runs), end(most_runs) {
    for (auto* events : {&begin, &end})
      for (cudaEvent_t& event : *events) check(cudaEventCreate(&event), "making an event");
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events() {
    for (auto* events : {&begin, &end})
      for (const cudaEvent_t event : *events) cudaEventDestroy(event);
  }
};

Room::Room(bool tiny)
    : context_(0), card_(cuda::device_properties(0)), tiny_(tiny), events_(std::make_unique<Events>()) {
  const Index flush_bytes =
      tiny ? 4096 : std::max<Index>(4 * static_cast<Index>(card_.l2_cache), Index{64} << 20);
  flush_ = context_.make<float>({flush_bytes / 4});
  sums_ = context_.make<float>({read_all_sums});
  fill_random(DType::float32, flush_.data(), flush_.bytes());
}

Room::~Room() = default;

std::shared_ptr<void> Room::memory(std::size_t bytes) {
  const auto held = std::make_shared<Buffer<Cuda>>(context_.workspace()->take(bytes));
  return {held, held->data()};
}

std::shared_ptr<void> Room::random_memory(DType dtype, Index count) {
  const std::size_t bytes = static_cast<std::size_t>(count) * size_of(dtype);
  auto block = memory(bytes);
  fill_random(dtype, block.get(), bytes);
  return block;
}

void Room::fill_random(DType dtype, void* dst, std::size_t bytes) {
  auto found =
      std::find_if(patterns_.begin(), patterns_.end(), [&](const auto& p) { return p.first == dtype; });
  if (found == patterns_.end()) {
    // An odd number of elements, so that the pattern's repeats do not fall together with planes or rows.
    const auto host = random_bytes(dtype, tiny_ ? 1023 : (Index{1} << 22) - 1);
    auto pattern = context_.make<std::uint8_t>({static_cast<Index>(host.size())});
    cuda::copy_to_device(context_.device(), context_.stream(), pattern.data(), host.data(), host.size());
    context_.synchronise();
    patterns_.emplace_back(dtype, std::move(pattern));
    found = patterns_.end() - 1;
  }
  const Tensor<std::uint8_t, Cuda>& pattern = found->second;
  auto* bytes_there = static_cast<std::uint8_t*>(dst);
  for (std::size_t at = 0; at < bytes; at += pattern.bytes())
    cuda::copy_on_device(context_.device(), context_.stream(), bytes_there + at, pattern.data(),
                         std::min(pattern.bytes(), bytes - at));
}

void Room::empty_caches() { read_all(context_, flush_.data(), flush_.count(), sums_.data()); }

Figure Room::time(const Way& way) {
  Figure figure{way.name, 0, 0, 0, {}};
  const auto run = [&](int at) {
    // Reading also keeps the card busy while the host puts the next run on the stream.
    empty_caches();
    check(cudaEventRecord(events_->begin[static_cast<std::size_t>(at)],
                          reinterpret_cast<cudaStream_t>(context_.stream())),
          "recording an event");
    way.run();
    check(cudaEventRecord(events_->end[static_cast<std::size_t>(at)],
                          reinterpret_cast<cudaStream_t>(context_.stream())),
          "recording an event");
  };
  const auto taken = [&](int at) {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, events_->begin[static_cast<std::size_t>(at)],
                               events_->end[static_cast<std::size_t>(at)]),
          "reading events");
    return static_cast<double>(milliseconds);
  };
  try {
    for (int i = 0; i < (tiny_ ? 0 : warm_ups); ++i) run(0);
    run(0);
    context_.synchronise();
    figure.runs =
        tiny_ ? 1 : std::clamp(static_cast<int>(budget_ms / std::max(taken(0), 1e-3)), least_runs, most_runs);
    for (int i = 0; i < figure.runs; ++i) run(i);
    context_.synchronise();
    std::vector<double> samples;
    for (int i = 0; i < figure.runs; ++i) samples.push_back(taken(i));
    std::sort(samples.begin(), samples.end());
    figure.median_ms = samples[samples.size() / 2];
    figure.min_ms = samples.front();
  } catch (const std::exception& error) {
    figure.runs = 0;
    figure.note = error.what();
  }
  return figure;
}

double Room::copy_ms(double bytes) {
  const Index count = std::max<Index>(static_cast<Index>(bytes / 8) / 16 * 16, 16);
  auto src = random<float>({count}), dst = result<float>({count});
  const auto by_kernel =
      time({"copy by a kernel", [=, this] { copy_all(context_, src->data(), dst->data(), count); }});
  const auto by_cuda = time({"copy by CUDA", [=, this] {
                               cuda::copy_on_device(context_.device(), context_.stream(), dst->data(),
                                                    src->data(), src->bytes());
                             }});
  for (const Figure& figure : {by_kernel, by_cuda})
    require<DeviceError>(figure.runs > 0, figure.way, ": ", figure.note);
  return std::min(by_kernel.median_ms, by_cuda.median_ms);
}

double Room::nominal_flops(DType dtype, Maths maths) const {
  int kilohertz = 0;
  check(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, 0), "asking for the clock");
  const bool ampere = card_.major == 8 && card_.minor == 0;
  // Multiply-adds a clock and multiprocessor: of float32 units, and of tensor cores in half without sparsity
  // (TF32: half of that) by the vendor's tables; nothing for architectures that the kernels are not built
  // for.
  double units = ampere ? 64 : 128;
  if (dtype != DType::float32 || maths != Maths::float32) {
    units = ampere ? 1024 : card_.major == 9 ? 2048 : card_.major == 10 ? 4096 : 0;
    if (dtype == DType::float32) units /= 2;
  }
  return 2 * units * card_.multiprocessors * kilohertz * 1e3;
}

FlopRoof Room::flop_roof(DType dtype, Maths maths) {
  FlopRoof roof{nominal_flops(dtype, maths), "nominal: clock times units"};
  const Index edge = tiny_ ? 16 : 8192;
  for (const Way& way : product_peers(*this, dtype, maths, ProductPass::forward, edge, edge, edge)) {
    const Figure figure = time(way);
    if (figure.runs == 0) continue;
    const auto edges = static_cast<double>(edge);
    roof.per_s = 2 * edges * edges * edges / figure.median_ms * 1e3;
    roof.from = message("measured: ", way.name, ", ", edge, " x ", edge, " x ", edge);
  }
  return roof;
}

Roofs Room::roofs() {
  const double bytes = tiny_ ? 4096 : 4.0 * (1 << 30);
  const double copied = bytes / copy_ms(bytes) * 1e3;
  return {copied, flop_roof(DType::float32, Maths::float32), flop_roof(DType::float32, Maths::tf32),
          flop_roof(DType::bfloat16, Maths::float32)};
}

void Room::tidy() {
  context_.synchronise();
  context_.workspace()->release();
}

Family::Family(void (*add)(Jobs&)) { all().push_back(add); }

std::vector<void (*)(Jobs&)>& Family::all() {
  static std::vector<void (*)(Jobs&)> families;
  return families;
}

}  // namespace deconv::bench
