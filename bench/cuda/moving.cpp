// What only moves or converts memory: layouts, number types, concatenation, padding, filling, pictures on
// their way in, maxima of maps on their way out. Bytes: operands once.
#include <array>
#include <numeric>

#include "deconv/ops/concat.hpp"
#include "deconv/ops/convert.hpp"
#include "deconv/ops/copy_layout.hpp"
#include "deconv/ops/fill.hpp"
#include "deconv/ops/fill_patches.hpp"
#include "deconv/ops/image_to_planes.hpp"
#include "deconv/ops/map_maxima.hpp"
#include "deconv/ops/pad2d.hpp"
#include "deconv/ops/running_top_k.hpp"
#include "layers.hpp"
#include "peers.hpp"

namespace deconv::bench {
namespace {

template <class T>
void add_moves(Jobs& jobs, const std::string& name, const Shape& shape) {
  const auto add = [&](const char* op, double bytes, std::function<Ways(Room&)> prepare) {
    jobs.all.push_back({op, name, shape[0], dtype_of<T>, bytes, 0, {shape}, std::move(prepare)});
  };
  const double once = bytes_of<T>(shape.count());
  for (const Layout from : {Layout::nhwc, Layout::nchw}) {
    const Layout to = from == Layout::nhwc ? Layout::nchw : Layout::nhwc;
    add(from == Layout::nhwc ? "copy_layout_to_nchw" : "copy_layout_to_nhwc", 2 * once, [=](Room& room) {
      const auto x = room.random<T>(shape, from), y = room.result<T>(shape, to);
      return beside({"ours", [=, &room] { copy_layout<T, Cuda>(room.context(), *x, y->view()); }},
                    layout_peers(room, dtype_of<T>, shape, from));
    });
  }
  add("fill", once, [=](Room& room) {
    const auto y = room.result<T>(shape, Layout::nhwc);
    return Ways{{"ours", [=, &room] { fill<T, Cuda>(room.context(), y->view(), static_cast<T>(0.5f)); }},
                {"cudaMemset", [=, &room] {
                   cuda::set_bytes(room.context().device(), room.context().stream(), y->data(), 0,
                                   y->bytes());
                 }}};
  });
  // To and from float, whatever the element type; float itself goes to half.
  using Other = std::conditional_t<std::same_as<T, float>, half, float>;
  add("convert", once + bytes_of<Other>(shape.count()), [=](Room& room) {
    const auto x = room.random<T>(shape, Layout::nhwc);
    const auto y = room.result<Other>(shape, Layout::nhwc);
    return Ways{{"ours", [=, &room] { convert<T, Other, Cuda>(room.context(), x->view(), y->view()); }}};
  });
  const Shape halves = shape.with(1, shape[1] / 2), joined = shape.with(1, shape[1] / 2 * 2);
  add("concat_forward", 2 * bytes_of<T>(joined.count()), [=](Room& room) {
    const auto a = room.random<T>(halves, Layout::nhwc), b = room.random<T>(halves, Layout::nhwc),
               y = room.result<T>(joined, Layout::nhwc);
    return Ways{{"ours", [=, &room] {
                   const std::array<TensorView<const T, Cuda>, 2> sources = {a->view(), b->view()};
                   concat_forward<T, Cuda>(room.context(), sources, 1, y->view());
                 }}};
  });
  const Pad2dParams pad{1, 1, 1, 1, 0};
  const Shape padded = pad2d_output_shape(shape, pad);
  add("pad2d_forward", bytes_of<T>(shape.count() + padded.count()), [=](Room& room) {
    const auto x = room.random<T>(shape, Layout::nhwc), y = room.result<T>(padded, Layout::nhwc);
    return Ways{{"ours", [=, &room] { pad2d_forward<T, Cuda>(room.context(), *x, pad, y->view()); }}};
  });
  add("pad2d_reverse", bytes_of<T>(shape.count() + padded.count()), [=](Room& room) {
    const auto y = room.random<T>(padded, Layout::nhwc), x = room.result<T>(shape, Layout::nhwc);
    return Ways{{"ours", [=, &room] { pad2d_reverse<T, Cuda>(room.context(), *y, pad, x->view()); }}};
  });
  add("map_maxima", once, [=](Room& room) {
    const Shape found{shape[0], shape[1]};
    const auto x = room.random<T>(shape, Layout::nhwc), values = room.result<T>(found);
    const auto places = room.result<std::int32_t>(found);
    std::vector<Index> maps(static_cast<std::size_t>(shape[1]));
    std::iota(maps.begin(), maps.end(), Index{0});
    return Ways{{"ours", [=, &room] {
                   map_maxima<T, Cuda>(room.context(), *x, maps, values->view(), places->view());
                 }}};
  });
}

template <class T>
void add_pictures(Jobs& jobs, const std::string& name, const Shape& shape) {
  const double bytes = bytes_of<std::uint8_t>(shape.count()) + bytes_of<T>(shape.count());
  const PixelParams params{PixelOrder::reversed, 1, {103.9, 116.8, 123.7}, {1, 1, 1}, 0, 0};
  jobs.all.push_back({"image_to_planes", name, shape[0], dtype_of<T>, bytes, 0, {shape}, [=](Room& room) {
                        const auto x = room.random<std::uint8_t>(shape, Layout::nhwc);
                        const auto y = room.result<T>(shape, Layout::nhwc);
                        return Ways{{"ours", [=, &room] {
                                       image_to_planes<T, Cuda>(room.context(), *x, params, {}, y->view());
                                     }}};
                      }});
}

/// Occlusions of one image, and the strongest units of a batch taken into the strongest so far.
template <class T>
void add_studies(Jobs& jobs, const std::string& name, const Shape& shape) {
  jobs.all.push_back(
      {"fill_patches", name, shape[0], dtype_of<T>, bytes_of<T>(shape.count()), 0, {shape}, [=](Room& room) {
         const auto x = room.random<T>(shape.with(0, 1), Layout::nhwc), grey = room.random<T>({shape[1]}),
                    y = room.result<T>(shape, Layout::nhwc);
         const Index edge = std::max<Index>(shape[2] / 5, 1);
         const PatchGrid grid{shape[0], 1, 0, shape[3] / 4, 1, 1, edge, edge};
         return Ways{
             {"ours", [=, &room] { fill_patches<T, Cuda>(room.context(), *x, *grey, grid, 0, y->view()); }}};
       }});
  const Shape units{shape[0], 512};
  const double bytes = bytes_of<T>(units.count()) + bytes_of<std::int32_t>(units.count());
  jobs.all.push_back(
      {"running_top_k", name, shape[0], dtype_of<T>, bytes, 0, {shape}, [=](Room& room) {
         const auto values = room.random<T>(units);
         const auto places = room.random<std::int32_t>(units);
         const auto hits =
             std::make_shared<TopHits<T, Cuda>>(TopHits<T, Cuda>::make(room.context(), units[1], 9));
         std::vector<std::int64_t> images(static_cast<std::size_t>(units[0]));
         std::iota(images.begin(), images.end(), std::int64_t{0});
         return Ways{{"ours", [=, &room] {
                        hits->held = 0;  // as with the first batch of a data set
                        running_top_k<T, Cuda>(room.context(), *values, *places, images, *hits);
                      }}};
       }});
}

const Family family([](Jobs& jobs) {
  // A pool's input and output differ in size and evenness; every second of them is enough.
  const auto pools = max_pools(jobs.tiny);
  for (std::size_t i = 0; i < pools.size(); i += 2)
    jobs.each([&]<class T>(Index batch) { add_moves<T>(jobs, pools[i].name, pools[i].src.with(0, batch)); });
  for (const auto& layer : inputs(jobs.tiny))
    jobs.each([&]<class T>(Index batch) {
      add_pictures<T>(jobs, layer.name, layer.src.with(0, batch));
      add_studies<T>(jobs, layer.name, layer.src.with(0, batch));
    });
});

}  // namespace
}  // namespace deconv::bench
