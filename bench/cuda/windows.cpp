// What projections of single units do beside the layers: windows cut from planes, pixels outside of them
// cleared, units placed and read. Nine units at a time, as a feature's. Bytes: what is written, and read
// where something is copied.
#include <span>
#include <vector>

#include "deconv/ops/units.hpp"
#include "deconv/ops/window_copy.hpp"
#include "layers.hpp"
#include "peers.hpp"

namespace deconv::bench {
namespace {

constexpr Index units = 9;

template <class T>
void add_windows(Jobs& jobs, const std::string& name, const Shape& plane) {
  const Index height = (plane[2] + 1) / 2, width = (plane[3] + 1) / 2;
  const Shape windows{units, plane[1], height, width};
  const auto add = [&](const char* op, double bytes, std::function<Ways(Room&)> prepare) {
    jobs.all.push_back({op, name, plane[0], dtype_of<T>, bytes, 0, {plane}, std::move(prepare)});
  };
  // A quarter of each window hangs over the plane's corner.
  const Index top = -(height / 2), left = -(width / 2);
  const double inside = static_cast<double>((height + top) * (width + left)) * static_cast<double>(units);
  const double written = static_cast<double>(windows.count());
  add("gather_windows", static_cast<double>(sizeof(T)) * (written + inside * static_cast<double>(plane[1])),
      [=](Room& room) {
        const auto x = room.random<T>(plane, Layout::nhwc), y = room.result<T>(windows, Layout::nhwc);
        std::vector<WindowPlace<TensorView<const T, Cuda>>> places;
        for (Index u = 0; u < units; ++u) places.push_back({x->view(), u % plane[0], top, left});
        // A launch for each window is what one for all of them replaces.
        return Ways{{"ours", [=, &room] { gather_windows<T, Cuda>(room.context(), places, y->view()); }},
                    {"one by one", [=, &room] {
                       for (std::size_t u = 0; u < places.size(); ++u)
                         gather_windows<T, Cuda>(room.context(), std::span(places).subspan(u, 1),
                                                 y->view().slice(static_cast<Index>(u), 1));
                     }}};
      });
  add("zero_outside", static_cast<double>(sizeof(T)) * (written - inside * static_cast<double>(plane[1])),
      [=](Room& room) {
        const auto y = room.random<T>(windows, Layout::nhwc);
        return Ways{{"ours", [=, &room] {
                       const std::vector<Index> tops(units, top), lefts(units, left);
                       zero_outside<T, Cuda>(room.context(), y->view(), tops, lefts, plane[2], plane[3]);
                     }}};
      });
  std::vector<Unit> places;
  for (Index u = 0; u < units; ++u) places.push_back({u, u % plane[1], height / 2, width / 2});
  add("place_units", bytes_of<T>(windows.count()), [=](Room& room) {
    const auto y = room.result<T>(windows, Layout::nhwc);
    return Ways{{"ours", [=, &room] {
                   const std::vector<T> values(units, static_cast<T>(1.0f));
                   place_units<T, Cuda>(room.context(), places, values, y->view());
                 }}};
  });
}

const Family family([](Jobs& jobs) {
  // The planes that projections pass: every second pool's input.
  const auto pools = max_pools(jobs.tiny);
  for (std::size_t i = 0; i < pools.size(); i += 2)
    jobs.each(
        [&]<class T>(Index batch) { add_windows<T>(jobs, pools[i].name, pools[i].src.with(0, batch)); });
});

}  // namespace
}  // namespace deconv::bench
