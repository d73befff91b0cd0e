// Kernels that are wrong on purpose: barriers with phases, bulk loads and stores.

#include "reports_bulk.hpp"
#include "common/bulk_copy.cuh"
#include "common/shared_memory.cuh"

using namespace simt;
using namespace simt::test;
using namespace deconv::cuda;

namespace {

constexpr const char* this_file = "reports_bulk.cpp";
unsigned line_of(const std::string& remark) { return line_in(__FILE__, remark); }

// What is wrong with a kernel.
enum Wrong {
  nothing,
  not_set_up,
  set_up_twice,
  no_block_barrier,
  not_published,
  no_arrivals,
  barrier_in_global_memory,
  odd_barrier,
  odd_parity,
  too_many_arrivals,
  too_many_bytes,
  ordinary_read_of_barrier,
  ordinary_write_to_barrier,
  load_over_barrier,
  odd_destination,
  beyond_shared_memory,
  written_before_load,
  written_and_published_before_load,
  written_during_load,
  second_load,
  read_by_starter,
  nobody_waits,
  one_waits_for_all,
  one_waits_and_tells,
  no_map,
  other_mode,
  // of a store
  not_shown,
  shown_too_late,
  no_barrier_before_store,
  written_during_store,
  written_after_the_wait,
  not_closed,
  not_waited_for,
  older_group_waited_for,
  unwritten_source,
  odd_source,
};

__global__ void one_load(float* out, const __grid_constant__ TensorMap map, Wrong wrong, void* anywhere) {
  float* const memory = dynamic_shared<float>();
  __shared__ Mbarrier words[3];
  __shared__ __align__(128) float small[32];
  Mbarrier* const barrier =
      wrong == odd_barrier ? reinterpret_cast<Mbarrier*>(reinterpret_cast<char*>(words) + 4) : words;
  const bool first = threadIdx.x == 0;
  if (first) {
    if (wrong == barrier_in_global_memory)
      mbarrier_init(static_cast<Mbarrier*>(anywhere), 1);                           // sets up elsewhere
    if (wrong != not_set_up) mbarrier_init(barrier, wrong == no_arrivals ? 0 : 1);  // sets up
    if (wrong == set_up_twice) mbarrier_init(barrier, 1);                           // sets up again
    if (wrong != not_published) publish_mbarriers();
  }
  if (wrong == written_before_load || wrong == written_and_published_before_load)
    memory[threadIdx.x] = 1;  // writes before the load
  if (wrong == written_and_published_before_load) publish_to_bulk();
  if (wrong != no_block_barrier) __syncthreads();
  if (first) {
    if (wrong == ordinary_read_of_barrier) out[0] = static_cast<float>(words[0]);  // reads the barrier
    if (wrong == ordinary_write_to_barrier) words[0] = 7;                          // writes to the barrier
    if (wrong == too_many_bytes) mbarrier_arrive_expecting(barrier, 1u << 20);     // announces too much
    mbarrier_arrive_expecting(barrier, panel_bytes);                               // announces
    if (wrong == too_many_arrivals) mbarrier_arrive(barrier);                      // arrives again
    void* to = memory;
    if (wrong == odd_destination) to = memory + 4;
    if (wrong == beyond_shared_memory) to = memory + 32;
    if (wrong == load_over_barrier) to = small;
    const TensorMap* which = wrong == no_map ? static_cast<const TensorMap*>(anywhere) : &map;
    if (wrong == other_mode) {
      bulk_load_im2col(to, which, barrier, 0, 0, 0, 0, 0, 0);  // loads pixels
    } else {
      bulk_load(to, which, barrier, 0, 0);  // loads
    }
    if (wrong == second_load) bulk_load(to, which, barrier, 0, 0);  // loads again
    if (wrong == read_by_starter) out[0] = memory[0];               // reads at once
  }
  if (wrong == written_during_load && threadIdx.x == 1) memory[700] = 1;  // writes during the load
  if (wrong == nobody_waits) return;
  if (wrong == one_waits_for_all || wrong == one_waits_and_tells) {
    if (first) mbarrier_wait(barrier, 0);
    if (wrong == one_waits_and_tells) __syncthreads();
  } else {
    mbarrier_wait(barrier, wrong == odd_parity ? 2 : 0);  // waits
  }
  out[threadIdx.x] = memory[threadIdx.x];  // reads
}

__global__ void one_column(float* out, const __grid_constant__ TensorMap map, int w, int h,
                           std::uint16_t offset) {
  float* const memory = dynamic_shared<float>();
  __shared__ Mbarrier barrier;
  if (threadIdx.x == 0) {
    mbarrier_init(&barrier, 1);
    publish_mbarriers();
    mbarrier_arrive_expecting(&barrier, 512);
    bulk_load_im2col(memory, &map, &barrier, 0, w, h, 0, offset, 0);  // loads a column
  }
  __syncthreads();
  mbarrier_wait(&barrier, 0);
  out[threadIdx.x] = memory[threadIdx.x];
}

__global__ void one_store(const __grid_constant__ TensorMap map, Wrong wrong) {
  float* const memory = dynamic_shared<float>();
  for (unsigned i = threadIdx.x; i < 1024; i += 64) {
    if (wrong != unwritten_source || i != 1000) memory[i] = 1;  // fills
  }
  if (wrong != not_shown && wrong != shown_too_late) publish_to_bulk();
  if (wrong != no_barrier_before_store) __syncthreads();
  if (wrong == shown_too_late) publish_to_bulk();
  const auto* const source = memory + (wrong == odd_source ? 4 : 0);
  if (threadIdx.x == 0) {
    if (wrong == older_group_waited_for) {
      bulk_store(&map, source, 0, 32);
      close_bulk_group();
    }
    bulk_store(&map, source, 0, 0);  // stores
    if (wrong != not_closed) close_bulk_group();
    if (wrong == older_group_waited_for) wait_for_bulk_reads<1>();
    if (wrong == written_after_the_wait) wait_for_bulk_reads<0>();
  }
  __syncthreads();
  if (wrong == written_during_store || wrong == written_after_the_wait || wrong == older_group_waited_for) {
    if (threadIdx.x == 33) memory[500] = 2;  // overwrites
  }
  __syncthreads();
  if (threadIdx.x == 0 && wrong != not_waited_for) wait_for_bulk_groups<0>();
}

std::optional<Violation> load_by(const Tensor& tensor, Wrong wrong) {
  return report_of(one_load, 1, 64, panel_bytes, tensor.out.get(), tensor.map(), wrong,
                   static_cast<void*>(tensor.data.get()));
}

void check_load(const Tensor& tensor, Wrong wrong, Mistake mistake, const char* remark, const char* words) {
  CAPTURE(static_cast<int>(wrong));
  const auto report = load_by(tensor, wrong);
  check_report(report, mistake, "one_load", this_file, line_of(remark));
  CHECK_THAT(report->what(), Contains(words));
}

}  // namespace

TEST_CASE("barriers with phases want to be set up, shown and left alone") {
  const Tensor tensor;
  CHECK_FALSE(load_by(tensor, nothing));
  const auto missing = load_by(tensor, not_set_up);
  REQUIRE(missing);
  check_report(missing, Mistake::misused_barrier, "one_load", this_file,
               line_of(missing->thread.x == 0 ? "announces" : "waits"));
  CHECK_THAT(missing->what(), Contains("a barrier that nobody has set up"));
  check_load(tensor, set_up_twice, Mistake::misused_barrier, "sets up again",
             "sets up a barrier that is in use");
  check_load(tensor, not_published, Mistake::unpublished, "loads", "publish_mbarriers()");
  check_load(tensor, no_arrivals, Mistake::misused_barrier, "sets up", "0 arrivals");
  check_load(tensor, barrier_in_global_memory, Mistake::out_of_bounds, "sets up elsewhere",
             "which is not shared memory");
  check_load(tensor, odd_barrier, Mistake::misaligned, "sets up", "not aligned to 8 bytes");
  check_load(tensor, odd_parity, Mistake::misused_barrier, "waits", "parity 2");
  check_load(tensor, too_many_arrivals, Mistake::misused_barrier, "arrives again",
             "it lacks 0 of 1 arrival and 4096");
  check_load(tensor, too_many_bytes, Mistake::misused_barrier, "announces too much", "2^20");
  check_load(tensor, ordinary_read_of_barrier, Mistake::misused_barrier, "reads the barrier",
             "which only the functions of barriers may touch");
  check_load(tensor, ordinary_write_to_barrier, Mistake::misused_barrier, "writes to the barrier",
             "which only the functions of barriers may touch");
  const auto early = load_by(tensor, no_block_barrier);
  REQUIRE(early);
  INFO(early->what());
  CHECK((early->mistake == Mistake::race || early->mistake == Mistake::misused_barrier));
  CHECK(early->line == line_of("waits"));
}

TEST_CASE("bulk loads are checked at both ends") {
  const Tensor tensor;
  check_load(tensor, odd_destination, Mistake::misaligned, "loads", "not aligned to 128 bytes");
  check_load(tensor, beyond_shared_memory, Mistake::out_of_bounds, "loads",
             "4096 bytes of dynamic shared memory");
  const auto over = load_by(tensor, load_over_barrier);
  REQUIRE(over);
  CHECK((over->mistake == Mistake::out_of_bounds || over->mistake == Mistake::misused_barrier));
  CHECK(over->line == line_of("loads"));
  check_load(tensor, no_map, Mistake::unfit_map, "loads", "128 bytes that are no map");
  check_load(tensor, other_mode, Mistake::unfit_map, "loads pixels", "was given a tiled one of rank 2");

  float* freed = nullptr;
  REQUIRE(cudaMalloc(&freed, 8192) == cudaSuccess);
  TiledShape shape = tensor.shape();
  shape.base = freed;
  const TensorMap stale = make_tiled_map(shape);
  REQUIRE(cudaFree(freed) == cudaSuccess);
  const auto report =
      report_of(one_load, 1, 64, panel_bytes, tensor.out.get(), stale, nothing, static_cast<void*>(nullptr));
  check_report(report, Mistake::out_of_bounds, "one_load", this_file, line_of("loads"));
  CHECK_THAT(report->what(), Contains("freed memory"));
}

TEST_CASE("columns of pixels begin in their map's box and have offsets that the device can say") {
  const Tensor tensor;
  Im2colShape shape;  // 12 x 32 pixels of 32 channels, walked over in steps of two
  shape.base = tensor.data.get();
  shape.channels = shape.width = 32;
  shape.height = 12;
  shape.images = 1;
  shape.pixel_stride = 128;
  shape.row_stride = shape.image_stride = 4096;
  shape.lower_w = shape.lower_h = -1;
  shape.upper_w = -3;
  shape.upper_h = 2;
  shape.step_w = shape.step_h = 2;
  shape.channels_per_pixel = 32;
  shape.pixels = 4;
  const auto of = [&](int w, int h, std::uint16_t offset) {
    return report_of(one_column, 1, 64, 512, tensor.out.get(), make_im2col_map(shape), w, h, offset);
  };
  CHECK_FALSE(of(-1, -1, 0));
  CHECK_FALSE(of(28, 13, 255));
  for (const auto& report : {of(-2, 0, 0), of(29, 0, 0), of(0, -2, 0), of(0, 14, 0)}) {
    check_report(report, Mistake::unfit_map, "one_column", this_file, line_of("loads a column"));
    CHECK_THAT(report->what(), Contains("does not lie in its map's box"));
  }
  const auto far = of(0, 0, 256);
  check_report(far, Mistake::unfit_map, "one_column", this_file, line_of("loads a column"));
  CHECK_THAT(far->what(), Contains("an offset of 256"));
}

TEST_CASE("what a bulk load brings is there for who has waited, and for who has met them") {
  const Tensor tensor;
  check_load(tensor, read_by_starter, Mistake::race, "reads at once",
             "a bulk load to it has not been waited for");
  check_load(tensor, second_load, Mistake::race, "loads again", "a bulk load to it has not been waited for");
  for (std::uint64_t order = 0; order < 6; ++order) {
    set_seed(order);
    const auto report = load_by(tensor, one_waits_for_all);
    REQUIRE(report);
    // Others may come to it before the load has even begun.
    CHECK((report->mistake == Mistake::race || report->mistake == Mistake::unwritten_shared));
    CHECK((report->line == line_of("reads") || report->line == line_of("loads")));
  }
  set_seed(1);
  CHECK_FALSE(load_by(tensor, one_waits_and_tells));
  check_load(tensor, nobody_waits, Mistake::unfinished_copy, "loads", "nobody has waited for");
  check_load(tensor, written_before_load, Mistake::unpublished, "loads", "publish_to_bulk()");
  CHECK_FALSE(load_by(tensor, written_and_published_before_load));
  for (std::uint64_t order = 0; order < 6; ++order) {
    set_seed(order);
    const auto report = load_by(tensor, written_during_load);
    REQUIRE(report);
    check_report(report, Mistake::race, "one_load", this_file,
                 report->line == line_of("loads") ? report->line : line_of("writes during the load"));
  }
  set_seed(1);
}

TEST_CASE("bulk stores read what was shown to them, until they have been waited for") {
  const Tensor tensor;
  const auto of = [&](Wrong wrong) {
    return report_of(one_store, 1, 64, panel_bytes + 16, tensor.map(), wrong);
  };
  const auto check = [&](Wrong wrong, Mistake mistake, const char* remark, const char* words) {
    CAPTURE(static_cast<int>(wrong));
    const auto report = of(wrong);
    check_report(report, mistake, "one_store", this_file, line_of(remark));
    CHECK_THAT(report->what(), Contains(words));
  };
  CHECK_FALSE(of(nothing));
  CHECK_FALSE(of(written_after_the_wait));
  check(not_shown, Mistake::unpublished, "stores", "publish_to_bulk()");
  check(written_during_store, Mistake::race, "overwrites",
        "a bulk store that reads it has not been waited for");
  check(older_group_waited_for, Mistake::race, "overwrites",
        "a bulk store that reads it has not been waited for");
  check(not_closed, Mistake::unfinished_copy, "stores", "without having waited for its bulk stores");
  check(not_waited_for, Mistake::unfinished_copy, "stores", "without having waited for its bulk stores");
  check(unwritten_source, Mistake::unwritten_shared, "stores", "nothing of this block has written it");
  check(odd_source, Mistake::misaligned, "stores", "not aligned to 128 bytes");
  for (std::uint64_t order = 0; order < 6; ++order) {
    set_seed(order);
    const auto late = of(shown_too_late);
    check_report(late, Mistake::unpublished, "one_store", this_file, line_of("stores"));
    const auto race = of(no_barrier_before_store);
    REQUIRE(race);
    CHECK((race->mistake == Mistake::race || race->mistake == Mistake::unwritten_shared));
    CHECK((race->line == line_of("stores") || race->line == line_of("fills")));
  }
  set_seed(1);
}
