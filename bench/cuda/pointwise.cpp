// Rectifiers and their three ways back, sums, batch normalisation, dropout, contrast normalisation, softmax.
// Bytes: every operand once.
#include <array>

#include "deconv/core/random.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/ops/add.hpp"
#include "deconv/ops/batch_norm.hpp"
#include "deconv/ops/dropout.hpp"
#include "deconv/ops/fill.hpp"
#include "deconv/ops/lrn.hpp"
#include "deconv/ops/one_vs_rest_loss.hpp"
#include "deconv/ops/relu.hpp"
#include "deconv/ops/softmax.hpp"
#include "deconv/ops/softmax_cross_entropy.hpp"
#include "layers.hpp"
#include "peers.hpp"

namespace deconv::bench {
namespace {

Layout layout_of(const Shape& shape) { return shape.rank() == 4 ? Layout::nhwc : Layout::nchw; }

/// Adds jobs on tensors of one shape; operands counts those that the op reads or writes once.
template <class T>
struct Adder {
  Jobs& jobs;
  std::string layer;
  Shape shape;
  void operator()(const char* op, double operands, std::function<Ways(Room&)> prepare,
                  double extra_bytes = 0) const {
    jobs.all.push_back({op,
                        layer,
                        shape[0],
                        dtype_of<T>,
                        operands * bytes_of<T>(shape.count()) + extra_bytes,
                        0,
                        {shape},
                        std::move(prepare)});
  }
};

template <class T>
void add_rectifiers(Jobs& jobs, const std::string& name, const Shape& shape) {
  const Adder<T> add{jobs, name, shape};
  const Layout layout = layout_of(shape);
  add("relu_forward", 2, [=](Room& room) {
    const auto x = room.random<T>(shape, layout), y = room.result<T>(shape, layout);
    return beside({"ours", [=, &room] { relu_forward<T, Cuda>(room.context(), *x, 0, y->view()); }},
                  relu_peers(room, dtype_of<T>, Pass::forward, shape));
  });
  constexpr std::array<std::pair<RectifierRule, const char*>, 3> rules = {
      {{RectifierRule::deconvnet, "relu_reverse_deconvnet"},
       {RectifierRule::guided, "relu_reverse_guided"},
       {RectifierRule::gradient, "relu_reverse_gradient"}}};
  for (const auto& [rule, op] : rules)
    add(op, rule == RectifierRule::deconvnet ? 2 : 3, [=, rule = rule](Room& room) {
      const auto dy = room.random<T>(shape, layout), x = room.random<T>(shape, layout),
                 dx = room.result<T>(shape, layout);
      // cuDNN's gradient also reads the rectified values.
      return beside(
          {"ours", [=, &room] { relu_reverse<T, Cuda>(room.context(), rule, *dy, *x, 0, dx->view()); }},
          rule == RectifierRule::gradient ? relu_peers(room, dtype_of<T>, Pass::reverse, shape) : Ways{});
    });
}

template <class T>
void add_sums(Jobs& jobs, const std::string& name, const Shape& shape) {
  const Adder<T> add{jobs, name, shape};
  add("add_forward", 3, [=](Room& room) {
    const auto a = room.random<T>(shape, Layout::nhwc), b = room.random<T>(shape, Layout::nhwc),
               c = room.result<T>(shape, Layout::nhwc);
    return beside({"ours",
                   [=, &room] {
                     const std::array<TensorView<const T, Cuda>, 2> sources = {a->view(), b->view()};
                     add_forward<T, Cuda>(room.context(), sources, c->view());
                   }},
                  add_peers(room, dtype_of<T>, shape));
  });
  add("accumulate", 3, [=](Room& room) {
    const auto a = room.random<T>(shape, Layout::nhwc), c = room.random<T>(shape, Layout::nhwc);
    return Ways{{"ours", [=, &room] { accumulate<T, Cuda>(room.context(), *a, c->view()); }}};
  });
  const Shape channels{shape[1]};
  add("batch_norm_forward", 2, [=](Room& room) {
    const auto x = room.random<T>(shape, Layout::nhwc), y = room.result<T>(shape, Layout::nhwc);
    const auto scale = room.random<T>(channels), bias = room.random<T>(channels),
               mean = room.random<T>(channels);
    const auto variance = room.random<T>(channels);  // negative ones make NaN, which takes no longer
    return beside({"ours",
                   [=, &room] {
                     batch_norm_forward<T, Cuda>(room.context(), *x, *scale, *bias, *mean, *variance, 4.0f,
                                                 y->view());
                   }},
                  batch_norm_peers(room, dtype_of<T>, shape));
  });
  add("batch_norm_reverse", 2, [=](Room& room) {
    const auto dy = room.random<T>(shape, Layout::nhwc), dx = room.result<T>(shape, Layout::nhwc);
    const auto scale = room.random<T>(channels), variance = room.random<T>(channels);
    return Ways{{"ours", [=, &room] {
                   batch_norm_reverse<T, Cuda>(room.context(), *dy, *scale, *variance, 4.0f, dx->view());
                 }}};
  });
  add("batch_norm_reverse_parameters", 2, [=](Room& room) {
    const auto x = room.random<T>(shape, Layout::nhwc), dy = room.random<T>(shape, Layout::nhwc);
    const auto mean = room.random<T>(channels), variance = room.random<T>(channels);
    const auto scale = room.result<T>(channels), bias = room.result<T>(channels);
    return Ways{{"ours", [=, &room] {
                   batch_norm_reverse_parameters<T, Cuda>(room.context(), *x, *dy, *mean, *variance, 4.0f,
                                                          scale->view(), bias->view());
                 }}};
  });
}

template <class T>
void add_dropout(Jobs& jobs, const std::string& name, const Shape& shape) {
  const Adder<T> add{jobs, name, shape};
  const Layout layout = layout_of(shape);
  const auto mask_bytes = static_cast<double>(shape.count());
  add(
      "dropout_forward", 2,
      [=](Room& room) {
        const auto x = room.random<T>(shape, layout), y = room.result<T>(shape, layout);
        const auto mask = room.result<std::uint8_t>(shape, layout);
        return beside({"ours",
                       [=, &room] {
                         dropout_forward<T, Cuda>(room.context(), *x, 0.5f, Random(1), 0, y->view(),
                                                  mask->view());
                       }},
                      dropout_peers(room, dtype_of<T>, Pass::forward, shape, 0.5f));
      },
      mask_bytes);
  add(
      "dropout_reverse", 2,
      [=](Room& room) {
        const auto x = room.random<T>(shape, layout), y = room.random<T>(shape, layout);
        const auto mask = room.result<std::uint8_t>(shape, layout);
        dropout_forward<T, Cuda>(room.context(), *x, 0.5f, Random(1), 0, y->view(), mask->view());
        return beside(
            {"ours",
             [=, &room] { dropout_reverse<T, Cuda>(room.context(), *y, mask->view(), 0.5f, x->view()); }},
            dropout_peers(room, dtype_of<T>, Pass::reverse, shape, 0.5f));
      },
      mask_bytes);
}

template <class T>
void add_lrn(Jobs& jobs, const std::string& name, const Shape& shape, const LrnParams& params) {
  const Adder<T> add{jobs, name, shape};
  const bool across = params.region == LrnRegion::across_channels;
  add(across ? "lrn_across_forward" : "lrn_within_forward", 2, [=](Room& room) {
    const auto x = room.random<T>(shape, Layout::nhwc), y = room.result<T>(shape, Layout::nhwc);
    return beside({"ours", [=, &room] { lrn_forward<T, Cuda>(room.context(), *x, params, y->view()); }},
                  lrn_peers(room, dtype_of<T>, Pass::forward, shape, params));
  });
  add(across ? "lrn_across_reverse" : "lrn_within_reverse", 3, [=](Room& room) {
    const auto x = room.random<T>(shape, Layout::nhwc), dy = room.random<T>(shape, Layout::nhwc),
               dx = room.result<T>(shape, Layout::nhwc);
    return beside({"ours", [=, &room] { lrn_reverse<T, Cuda>(room.context(), *x, *dy, params, dx->view()); }},
                  lrn_peers(room, dtype_of<T>, Pass::reverse, shape, params));
  });
}

template <class T>
void add_softmax(Jobs& jobs, const std::string& name, const Shape& shape) {
  const Adder<T> add{jobs, name, shape};
  for (const bool logarithm : {false, true}) {
    add(logarithm ? "log_softmax_forward" : "softmax_forward", 2, [=](Room& room) {
      const auto x = room.random<T>(shape), y = room.result<T>(shape);
      return beside({"ours",
                     [=, &room] {
                       if (logarithm)
                         log_softmax_forward<T, Cuda>(room.context(), *x, 1, y->view());
                       else
                         softmax_forward<T, Cuda>(room.context(), *x, 1, y->view());
                     }},
                    softmax_peers(room, dtype_of<T>, Pass::forward, logarithm, shape));
    });
    add(logarithm ? "log_softmax_reverse" : "softmax_reverse", 3, [=](Room& room) {
      const auto y = room.random<T>(shape), dy = room.random<T>(shape), dx = room.result<T>(shape);
      return beside({"ours",
                     [=, &room] {
                       if (logarithm)
                         log_softmax_reverse<T, Cuda>(room.context(), *y, *dy, 1, dx->view());
                       else
                         softmax_reverse<T, Cuda>(room.context(), *y, *dy, 1, dx->view());
                     }},
                    softmax_peers(room, dtype_of<T>, Pass::reverse, logarithm, shape));
    });
  }
}

template <class T>
void add_cross_entropy(Jobs& jobs, const std::string& name, const Shape& shape) {
  const Adder<T> add{jobs, name, shape};
  const Shape one_an_image{shape[0]};
  const auto labels_of = [=](Room& room) {
    Tensor<std::int64_t, Cpu> labels(one_an_image);
    for (Index n = 0; n < shape[0]; ++n) labels.data()[n] = n % shape[1];
    return std::make_shared<Tensor<std::int64_t, Cuda>>(to_device(room.context(), labels.view()));
  };
  add("softmax_cross_entropy_forward", 1, [=](Room& room) {
    const auto x = room.random<T>(shape), loss = room.result<T>(one_an_image);
    const auto labels = labels_of(room);
    return Ways{{"ours", [=, &room] {
                   softmax_cross_entropy_forward<T, Cuda>(room.context(), *x, *labels, loss->view());
                 }}};
  });
  add("softmax_cross_entropy_reverse", 2, [=](Room& room) {
    const auto x = room.random<T>(shape), diff_loss = room.random<T>(one_an_image),
               dx = room.result<T>(shape);
    const auto labels = labels_of(room);
    return Ways{{"ours", [=, &room] {
                   softmax_cross_entropy_reverse<T, Cuda>(room.context(), *x, *labels, *diff_loss,
                                                          dx->view());
                 }}};
  });
}

template <class T>
void add_one_vs_rest(Jobs& jobs, const std::string& name, const Shape& shape) {
  const Adder<T> add{jobs, name, shape};
  const Shape one_an_image{shape[0]};
  const auto targets_of = [=](Room& room) {
    auto targets = room.result<T>(shape);
    fill<T>(room.context(), targets->view(), T(0.0f));  // of no class
    return targets;
  };
  for (const OneVsRestLoss kind : {OneVsRestLoss::squared_hinge, OneVsRestLoss::sigmoid}) {
    const bool hinge = kind == OneVsRestLoss::squared_hinge;
    add(hinge ? "squared_hinge_forward" : "sigmoid_loss_forward", 2, [=](Room& room) {
      const auto x = room.random<T>(shape), loss = room.result<T>(one_an_image);
      const auto targets = targets_of(room);
      return Ways{{"ours", [=, &room] {
                     one_vs_rest_loss_forward<T, Cuda>(room.context(), kind, *x, *targets, loss->view());
                   }}};
    });
    add(hinge ? "squared_hinge_reverse" : "sigmoid_loss_reverse", 3, [=](Room& room) {
      const auto x = room.random<T>(shape), diff_loss = room.random<T>(one_an_image),
                 dx = room.result<T>(shape);
      const auto targets = targets_of(room);
      return Ways{{"ours", [=, &room] {
                     one_vs_rest_loss_reverse<T, Cuda>(room.context(), kind, *x, *targets, *diff_loss,
                                                       dx->view());
                   }}};
    });
  }
}

const Family family([](Jobs& jobs) {
  for (const auto& layer : rectifiers(jobs.tiny))
    jobs.each([&]<class T>(Index batch) { add_rectifiers<T>(jobs, layer.name, layer.src.with(0, batch)); });
  for (const auto& layer : normalisations(jobs.tiny))
    jobs.each([&]<class T>(Index batch) {
      add_lrn<T>(jobs, layer.name, layer.src.with(0, batch), layer.node.params);
      LrnParams within = layer.node.params;
      within.region = LrnRegion::within_channel;
      within.size = 3;
      add_lrn<T>(jobs, layer.name, layer.src.with(0, batch), within);
      add_sums<T>(jobs, layer.name, layer.src.with(0, batch));
    });
  for (const auto& layer : dropouts(jobs.tiny))
    jobs.each([&]<class T>(Index batch) { add_dropout<T>(jobs, layer.name, layer.src.with(0, batch)); });
  for (const auto& layer : softmaxes(jobs.tiny))
    jobs.each([&]<class T>(Index batch) {
      add_softmax<T>(jobs, layer.name, layer.src.with(0, batch));
      add_cross_entropy<T>(jobs, layer.name, layer.src.with(0, batch));
      add_one_vs_rest<T>(jobs, layer.name, layer.src.with(0, batch));
    });
});

}  // namespace
}  // namespace deconv::bench
