#pragma once
/// Caffe's layer parameters as nodes. Source: caffe.proto and the layers' documentation of BVLC Caffe.

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "deconv/io/text_format.hpp"
#include "deconv/nn/graph.hpp"

namespace deconv::io::detail {

/// One layer of a .prototxt, new or V1.
class CaffeLayer {
 public:
  explicit CaffeLayer(const TextMessage& message)
      : message_(message), name_(message.text("name", "")), type_(canonical(message.text("type", ""))) {
    for (const TextField& field : message.fields) {
      static constexpr std::array<std::string_view, 11> known = {
          "name",    "type",     "bottom", "top",          "param",      "include",
          "exclude", "blobs_lr", "phase",  "weight_decay", "loss_weight"};
      bool found =
          field.name.ends_with("_param") || field.name == "propagate_down" || field.name == "blob_share_mode";
      for (const std::string_view each : known) found = found || each == field.name;
      if (!found) fail_field(message, field, "unknown field of layer ", quoted(name_));
    }
    bottoms = message.texts("bottom");
    tops = message.texts("top");
  }

  std::vector<std::string> bottoms, tops;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// The type without capitals and underscores, which is one for new and V1 layers: "innerproduct".
  [[nodiscard]] const std::string& type() const noexcept { return type_; }
  [[nodiscard]] const TextMessage& param(const char* field) const { return message_.message(field); }
  [[nodiscard]] std::string where() const { return message(message_.name, ": layer ", quoted(name_)); }
  [[noreturn]] void fail(const auto&... parts) const { raise<FormatError>(where(), ": ", parts...); }
  [[nodiscard]] std::string type_in_file() const { return message_.text("type", ""); }

  /// Whether the layer belongs to the net that is used after training: phase TEST, level 0, no stages.
  [[nodiscard]] bool in_test_phase() const {
    const auto met = [](const TextMessage& rule) {
      rule.allow({"phase", "min_level", "max_level", "stage", "not_stage"});
      const std::string phase = rule.text("phase", "TEST");
      constexpr Index most = Index{1} << 31;
      return (phase == "TEST" || phase == "1") && rule.integer("min_level", 0, -most, most) <= 0 &&
             rule.integer("max_level", 0, -most, most) >= 0 && !rule.has("stage");
    };
    const auto include = message_.messages("include"), exclude = message_.messages("exclude");
    if (!include.empty() && !exclude.empty()) fail("include and exclude rules at once");
    if (!include.empty())
      return std::ranges::any_of(include, [&](const TextMessage* rule) { return met(*rule); });
    return std::ranges::none_of(exclude, [&](const TextMessage* rule) { return met(*rule); });
  }

 private:
  static std::string canonical(std::string_view type) {
    std::string result;
    for (const char c : type)
      if (c != '_') result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return result;
  }

  const TextMessage& message_;
  std::string name_, type_;
};

inline constexpr Index caffe_limit = Index{1} << 30;

struct SpatialPair {
  Index y = 0, x = 0;
};

/// A pair given once for both axes, twice (y, x), or as _h and _w.
[[nodiscard]] inline SpatialPair spatial_pair(const CaffeLayer& layer, const TextMessage& param,
                                              const char* both, const std::string& stem, Index otherwise,
                                              Index low) {
  const std::string h = stem + "_h", w = stem + "_w";
  const std::vector<Index> values = param.integers(both, low, caffe_limit);
  if (param.has(h) || param.has(w)) {
    if (!values.empty()) layer.fail(both, " and ", h, " or ", w, " at once");
    if (otherwise < low && !(param.has(h) && param.has(w)))
      layer.fail(h, " and ", w, " wanted, one is missing");
    return {param.integer(h, otherwise, low, caffe_limit), param.integer(w, otherwise, low, caffe_limit)};
  }
  if (values.empty()) {
    if (otherwise < low) layer.fail(both, " is missing");
    return {otherwise, otherwise};
  }
  if (values.size() > 2) layer.fail(both, ": one or two numbers wanted, met ", values.size());
  return {values.front(), values.back()};
}

/// Kernel, stride and padding. `rounding` differs: Caffe rounds down for convolutions, up for pools.
[[nodiscard]] inline Window2d caffe_window(const CaffeLayer& layer, const TextMessage& param,
                                           Rounding rounding) {
  const SpatialPair kernel = spatial_pair(layer, param, "kernel_size", "kernel", 0, 1);
  const SpatialPair stride = spatial_pair(layer, param, "stride", "stride", 1, 1);
  const SpatialPair pad = spatial_pair(layer, param, "pad", "pad", 0, 0);
  const std::vector<Index> dilation = param.integers("dilation", 1, caffe_limit);
  if (dilation.size() > 2) layer.fail("dilation: one or two numbers wanted, met ", dilation.size());
  Window2d window{kernel.y, kernel.x, stride.y, stride.x, 1, 1, {pad.y, pad.x, pad.y, pad.x}, rounding};
  if (!dilation.empty()) window.dilation_y = dilation.front(), window.dilation_x = dilation.back();
  return window;
}

/// The place of an enumeration's word (or number) among `words`.
[[nodiscard]] inline std::size_t caffe_choice(const CaffeLayer& layer, const TextMessage& param,
                                              const char* field,
                                              std::initializer_list<std::string_view> words,
                                              std::size_t otherwise) {
  if (!param.has(field)) return otherwise;
  const std::string met = param.text(field, "");
  std::string known;
  std::size_t place = 0;
  for (const std::string_view word : words) {
    if (met == word || met == std::to_string(place)) return place;
    known += message(known.empty() ? "" : ", ", word);
    ++place;
  }
  layer.fail(field, ": one of ", known, " wanted, met ", quoted(met));
}

inline void want_axis(const CaffeLayer& layer, const TextMessage& param, Index wanted) {
  const Index axis = param.integer("axis", wanted, -8, 8);
  if (axis != wanted) layer.fail("axis ", wanted, " is supported, met ", axis);
}

[[nodiscard]] inline node::Params caffe_convolution(const CaffeLayer& layer, bool transposed) {
  const TextMessage& param = layer.param("convolution_param");
  param.allow({"num_output", "bias_term", "pad", "kernel_size", "stride", "dilation", "pad_h", "pad_w",
               "kernel_h", "kernel_w", "stride_h", "stride_w", "group", "weight_filler", "bias_filler",
               "engine", "axis", "force_nd_im2col"});
  want_axis(layer, param, 1);
  if (!param.has("num_output")) layer.fail("num_output is missing");
  const Index outputs = param.integer("num_output", 0, 1, caffe_limit);
  const Index groups = param.integer("group", 1, 1, caffe_limit);
  const bool bias = param.truth("bias_term", true);
  const Window2d window = caffe_window(layer, param, Rounding::floor);
  if (transposed) return node::Conv2dTranspose{outputs, {window, groups, 0, 0}, bias};
  return node::Conv2d{outputs, {window, groups}, bias};
}

[[nodiscard]] inline node::Params caffe_pooling(const CaffeLayer& layer) {
  const TextMessage& param = layer.param("pooling_param");
  param.allow({"pool", "pad", "pad_h", "pad_w", "kernel_size", "kernel_h", "kernel_w", "stride", "stride_h",
               "stride_w", "engine", "global_pooling", "round_mode"});
  const std::size_t method = caffe_choice(layer, param, "pool", {"MAX", "AVE", "STOCHASTIC"}, 0);
  if (method == 2) layer.fail("pool STOCHASTIC is not supported");
  if (param.truth("global_pooling", false)) {
    if (param.has("kernel_size") || param.has("kernel_h") || param.has("kernel_w"))
      layer.fail("global_pooling and a kernel size at once");
    const SpatialPair stride = spatial_pair(layer, param, "stride", "stride", 1, 1);
    const SpatialPair pad = spatial_pair(layer, param, "pad", "pad", 0, 0);
    if (stride.y != 1 || stride.x != 1 || pad.y != 0 || pad.x != 0)
      layer.fail("global_pooling with a stride or padding");
    return method == 0 ? node::Params(node::GlobalMaxPool{}) : node::Params(node::GlobalAveragePool{});
  }
  const bool floor = caffe_choice(layer, param, "round_mode", {"CEIL", "FLOOR"}, 0) == 1;
  const Window2d window = caffe_window(layer, param, floor ? Rounding::floor : Rounding::ceil);
  if (window.padding.top >= window.kernel_y || window.padding.left >= window.kernel_x)
    layer.fail("padding must be smaller than the kernel, met ", window);
  if (method == 0) return node::MaxPool2d{{window}, false};
  return node::AveragePool2d{{window, true}};
}

[[nodiscard]] inline node::Params caffe_lrn(const CaffeLayer& layer) {
  const TextMessage& param = layer.param("lrn_param");
  param.allow({"local_size", "alpha", "beta", "norm_region", "k", "engine"});
  const bool within =
      caffe_choice(layer, param, "norm_region", {"ACROSS_CHANNELS", "WITHIN_CHANNEL"}, 0) == 1;
  LrnParams lrn;
  lrn.region = within ? LrnRegion::within_channel : LrnRegion::across_channels;
  lrn.convention = AlphaConvention::per_region;
  lrn.size = param.integer("local_size", 5, 1, caffe_limit);
  if (lrn.size % 2 == 0) layer.fail("local_size must be odd, met ", lrn.size);
  lrn.alpha = param.real("alpha", 1.0f);
  lrn.beta = param.real("beta", 0.75f);
  // Within a channel Caffe divides by (1 + ...)^beta whatever k says.
  lrn.k = within ? 1.0f : param.real("k", 1.0f);
  return node::Lrn{lrn};
}

[[nodiscard]] inline node::Params caffe_inner_product(const CaffeLayer& layer) {
  const TextMessage& param = layer.param("inner_product_param");
  param.allow({"num_output", "bias_term", "weight_filler", "bias_filler", "axis", "transpose"});
  want_axis(layer, param, 1);
  if (!param.has("num_output")) layer.fail("num_output is missing");
  return node::Linear{param.integer("num_output", 0, 1, caffe_limit), param.truth("bias_term", true)};
}

[[nodiscard]] inline node::Params caffe_relu(const CaffeLayer& layer) {
  const TextMessage& param = layer.param("relu_param");
  param.allow({"negative_slope", "engine"});
  return node::Relu{param.real("negative_slope", 0.0f)};
}

[[nodiscard]] inline node::Params caffe_dropout(const CaffeLayer& layer) {
  const TextMessage& param = layer.param("dropout_param");
  param.allow({"dropout_ratio", "scale_train"});
  if (!param.truth("scale_train", true)) layer.fail("scale_train: true is supported, met false");
  return node::Dropout{param.real("dropout_ratio", 0.5f)};
}

[[nodiscard]] inline node::Params caffe_softmax(const CaffeLayer& layer) {
  const TextMessage& param = layer.param("softmax_param");
  param.allow({"axis", "engine"});
  return node::Softmax{param.integer("axis", 1, -8, 8)};
}

[[nodiscard]] inline node::Params caffe_concat(const CaffeLayer& layer) {
  const TextMessage& param = layer.param("concat_param");
  param.allow({"axis", "concat_dim"});
  if (param.has("axis") && param.has("concat_dim")) layer.fail("axis and concat_dim at once");
  return node::Concat{param.integer("axis", param.integer("concat_dim", 1, 0, 8), -8, 8)};
}

[[nodiscard]] inline node::Params caffe_eltwise(const CaffeLayer& layer) {
  const TextMessage& param = layer.param("eltwise_param");
  param.allow({"operation", "coeff", "stable_prod_grad"});
  if (caffe_choice(layer, param, "operation", {"PROD", "SUM", "MAX"}, 1) != 1)
    layer.fail("operation SUM is supported, met ", param.text("operation", ""));
  for (const float coefficient : param.reals("coeff"))
    if (coefficient != 1.0f) layer.fail("coeff 1 is supported, met ", coefficient);
  return node::Add{};
}

[[nodiscard]] inline node::Params caffe_flatten(const CaffeLayer& layer) {
  const TextMessage& param = layer.param("flatten_param");
  param.allow({"axis", "end_axis"});
  if (param.integer("end_axis", -1, -8, 8) != -1) layer.fail("end_axis -1 is supported");
  return node::Flatten{param.integer("axis", 1, -8, 8)};
}

/// A first extent that repeats the net's nominal batch size means any batch.
[[nodiscard]] inline node::Params caffe_reshape(const CaffeLayer& layer, Index nominal_batch) {
  const TextMessage& param = layer.param("reshape_param");
  param.allow({"shape", "axis", "num_axes"});
  want_axis(layer, param, 0);
  if (param.integer("num_axes", -1, -1, 8) != -1) layer.fail("num_axes -1 is supported");
  param.message("shape").allow({"dim"});
  node::Reshape reshape{param.message("shape").integers("dim", -1, caffe_limit)};
  if (reshape.extents.empty()) layer.fail("a shape is wanted");
  if (reshape.extents.front() == nominal_batch) reshape.extents.front() = 0;
  return reshape;
}

[[nodiscard]] inline node::Params caffe_batch_norm(const CaffeLayer& layer) {
  const TextMessage& param = layer.param("batch_norm_param");
  param.allow({"use_global_stats", "moving_average_fraction", "eps"});
  if (!param.truth("use_global_stats", true)) layer.fail("use_global_stats: true is supported, met false");
  return node::BatchNorm{param.real("eps", 1e-5f)};
}

}  // namespace deconv::io::detail
