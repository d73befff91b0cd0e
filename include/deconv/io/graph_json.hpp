#pragma once
/// A graph as JSON: what the model file stores beside the weights, and what people write by hand.
///
/// {"inputs":  [{"name": "data", "shape": [1, 3, 224, 224]}],
///  "nodes":   [{"name": "conv1", "kind": "conv2d", "inputs": ["data"], "outputs": ["conv1"],
///               "out_channels": 96, "kernel": [7, 7], "stride": [2, 2], "rounding": "ceil"}, ...],
///  "outputs": ["prob"],
///  "aliases": {"other name": "conv1"}}
///
/// `kind` is kind_of's word. Pairs are [y, x], padding is [top, left, bottom, right], and one number stands
/// for equal ones. Fields with a usual value may be left out (stride, dilation, padding, rounding, groups,
/// bias, ...), a node's outputs too when there is one that is named like the node. Unknown fields are errors.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "deconv/core/quoted.hpp"
#include "deconv/io/json.hpp"
#include "deconv/nn/graph.hpp"

namespace deconv::io {

namespace detail {

/// A float as the double with the fewest digits that reads back as the same float.
[[nodiscard]] inline double tidy(float value, const std::string& what) {
  require<ArgumentError>(std::isfinite(value), what, ": a finite number wanted, met ", value);
  std::array<char, 64> text{};
  const auto put = std::to_chars(text.data(), text.data() + text.size(), value);
  double result = 0;
  const auto got = std::from_chars(text.data(), put.ptr, result);
  const bool same = got.ec == std::errc() && static_cast<float>(result) == value;
  return same ? result : static_cast<double>(value);
}

/// Puts a node's fields into a JSON object.
class FieldWriter {
 public:
  FieldWriter(Json& object, std::string what) : object_(object), what_(std::move(what)) {}

  void integer(const char* field, const Index& value, Index, Index, bool) { object_[field] = value; }
  void integers(const char* field, const std::vector<Index>& values, Index, Index) {
    object_[field] = values;
  }
  void pair(const char* field, const Index& y, const Index& x, Index, bool) { object_[field] = {y, x}; }
  void sides(const char* field, const Index& top, const Index& left, const Index& bottom, const Index& right,
             Index) {
    object_[field] = {top, left, bottom, right};
  }
  void real(const char* field, const float& value) { object_[field] = tidy(value, what_ + ": " + field); }
  void truth(const char* field, const bool& value) { object_[field] = value; }
  template <class E, std::size_t N>
  void choice(const char* field, const E& value, const std::array<std::pair<const char*, E>, N>& words) {
    for (const auto& [word, meaning] : words)
      if (meaning == value) object_[field] = word;
  }

 private:
  Json& object_;
  std::string what_;
};

/// Takes a node's fields out of a JSON object and says at the end whether some were left.
class FieldReader {
 public:
  FieldReader(const Json& object, std::string what) : object_(object), what_(std::move(what)) {
    require<FormatError>(object.is_object(), what_, ": an object wanted, met ", json_excerpt(object));
  }

  /// The field, or nullptr. Throws FormatError when it is missing and `needed`.
  const Json* find(const char* field, bool needed) {
    taken_.insert(field);
    const auto found = object_.find(field);
    if (found != object_.end()) return &*found;
    require<FormatError>(!needed, what_, ": field ", field, " is missing");
    return nullptr;
  }
  void integer(const char* field, Index& value, Index low, Index high, bool needed) {
    if (const Json* json = find(field, needed)) value = json_integer(*json, place(field), low, high);
  }
  void integers(const char* field, std::vector<Index>& values, Index low, Index high) {
    const Json& list = *find(field, true);
    require<FormatError>(list.is_array() && list.size() <= Shape::max_rank, place(field), ": at most ",
                         Shape::max_rank, " whole numbers wanted, met ", json_excerpt(list));
    values.clear();
    for (const Json& value : list) values.push_back(json_integer(value, place(field), low, high));
  }
  void pair(const char* field, Index& y, Index& x, Index low, bool needed) {
    several<2>(field, {&y, &x}, low, extent_limit, needed);
  }
  void sides(const char* field, Index& top, Index& left, Index& bottom, Index& right, Index low) {
    several<4>(field, {&top, &left, &bottom, &right}, low, extent_limit, false);
  }
  void real(const char* field, float& value) {
    const Json* json = find(field, false);
    if (json == nullptr) return;
    value = static_cast<float>(json_number(*json, place(field)));
    require<FormatError>(std::isfinite(value), place(field), ": a number of float's range wanted, met ",
                         json_excerpt(*json));
  }
  void truth(const char* field, bool& value) {
    const Json* json = find(field, false);
    if (json == nullptr) return;
    require<FormatError>(json->is_boolean(), place(field), ": true or false wanted, met ",
                         json_excerpt(*json));
    value = json->get<bool>();
  }
  template <class E, std::size_t N>
  void choice(const char* field, E& value, const std::array<std::pair<const char*, E>, N>& words) {
    const Json* json = find(field, false);
    if (json == nullptr) return;
    std::string known;
    for (const auto& [word, meaning] : words) {
      if (*json == word) {
        value = meaning;
        return;
      }
      known += message(known.empty() ? "" : " or ", word);
    }
    raise<FormatError>(place(field), ": ", known, " wanted, met ", json_excerpt(*json));
  }
  [[nodiscard]] std::string text(const char* field) { return json_string(*find(field, true), place(field)); }
  [[nodiscard]] std::vector<std::string> texts(const char* field) {
    const Json& list = *find(field, true);
    require<FormatError>(list.is_array(), place(field), ": a list of names wanted, met ", json_excerpt(list));
    std::vector<std::string> result;
    for (const Json& value : list) result.push_back(json_string(value, place(field)));
    return result;
  }
  void finish() const {
    for (const auto& entry : object_.items())
      require<FormatError>(taken_.contains(entry.key()), what_, ": unknown field ", quoted(entry.key()));
  }
  [[nodiscard]] std::string place(const char* field) const { return what_ + ": " + field; }

 private:
  static constexpr Index extent_limit = deconv::detail::extent_limit;

  template <std::size_t N>
  void several(const char* field, const std::array<Index*, N>& values, Index low, Index high, bool needed) {
    const Json* json = find(field, needed);
    if (json == nullptr) return;
    const bool one = !json->is_array();
    require<FormatError>(one || json->size() == N, place(field), ": one or ", N,
                         " whole numbers wanted, met ", json_excerpt(*json));
    for (std::size_t i = 0; i < N; ++i)
      *values[i] = json_integer(one ? *json : (*json)[i], place(field), low, high);
  }

  const Json& object_;
  std::string what_;
  std::set<std::string, std::less<>> taken_;
};

/// The one list of every kind's fields, for writing (Node fields are const then) and reading alike.
template <class Fields>
class FieldList {
 public:
  explicit FieldList(Fields& fields) : fields_(fields) {}

  void operator()(auto& p) const requires requires { p.params.groups; }
  {
    fields_.integer("out_channels", p.out_channels, 1, limit, true);
    window(p.params.window);
    fields_.integer("groups", p.params.groups, 1, limit, false);
    if constexpr (requires { p.params.extra_y; })
      fields_.pair("extra", p.params.extra_y, p.params.extra_x, 0, false);
    fields_.truth("bias", p.bias);
  }
  void operator()(auto& p) const requires requires { p.column_major; }
  {
    window(p.params.window);
    fields_.truth("column_major", p.column_major);
  }
  void operator()(auto& p) const requires requires { p.params.count_padding; }
  {
    window(p.params.window);
    fields_.truth("count_padding", p.params.count_padding);
  }
  void operator()(auto& p) const requires requires { p.window; }
  {
    window(p.window);
    fields_.pair("size", p.height, p.width, 0, false);
  }
  void operator()(auto& p) const requires requires { p.negative_slope; }
  { fields_.real("negative_slope", p.negative_slope); }
  void operator()(auto& p) const requires requires { p.params.region; }
  {
    static constexpr std::array<std::pair<const char*, LrnRegion>, 2> regions{
        {{"across_channels", LrnRegion::across_channels}, {"within_channel", LrnRegion::within_channel}}};
    static constexpr std::array<std::pair<const char*, AlphaConvention>, 2> conventions{
        {{"per_region", AlphaConvention::per_region}, {"plain", AlphaConvention::plain}}};
    fields_.choice("region", p.params.region, regions);
    fields_.choice("alpha_convention", p.params.convention, conventions);
    fields_.integer("size", p.params.size, 1, limit, true);
    fields_.real("alpha", p.params.alpha);
    fields_.real("beta", p.params.beta);
    fields_.real("k", p.params.k);
  }
  void operator()(auto& p) const requires requires { p.out_features; }
  {
    fields_.integer("out_features", p.out_features, 1, limit, true);
    fields_.truth("bias", p.bias);
  }
  void operator()(auto& p) const requires requires { p.axis; }
  {
    constexpr Index rank = static_cast<Index>(Shape::max_rank);
    fields_.integer("axis", p.axis, -rank, rank, false);
  }
  void operator()(auto& p) const requires requires { p.ratio; }
  { fields_.real("ratio", p.ratio); }
  void operator()(auto& p) const requires requires { p.epsilon; }
  { fields_.real("epsilon", p.epsilon); }
  void operator()(auto& p) const requires requires { p.extents; }
  { fields_.integers("extents", p.extents, -1, limit); }
  void operator()(auto& p) const requires requires { p.params.value; }
  {
    fields_.sides("padding", p.params.top, p.params.left, p.params.bottom, p.params.right, -limit);
    fields_.real("value", p.params.value);
  }
  void operator()(const node::Custom&) const {
    raise<FormatError>("a layer of a program's own (kind custom) cannot stand in a file");
  }
  void operator()(auto& p) const requires std::is_empty_v<std::remove_reference_t<decltype(p)>> {}

 private:
  static constexpr Index limit = deconv::detail::extent_limit;

  void window(auto& w) const {
    static constexpr std::array<std::pair<const char*, Rounding>, 2> roundings{
        {{"floor", Rounding::floor}, {"ceil", Rounding::ceil}}};
    fields_.pair("kernel", w.kernel_y, w.kernel_x, 1, true);
    fields_.pair("stride", w.stride_y, w.stride_x, 1, false);
    fields_.pair("dilation", w.dilation_y, w.dilation_x, 1, false);
    fields_.sides("padding", w.padding.top, w.padding.left, w.padding.bottom, w.padding.right, 0);
    fields_.choice("rounding", w.rounding, roundings);
  }

  Fields& fields_;
};

/// A kind's parameters with their usual values. Throws FormatError when the word is unknown.
template <std::size_t I = 0>
[[nodiscard]] node::Params params_of_kind(const std::string& kind, const std::string& what) {
  if constexpr (I == std::variant_size_v<node::Params>) {
    raise<FormatError>(what, ": unknown kind ", quoted(kind));
  } else {
    node::Params params{std::in_place_index<I>};
    return kind_of(params) == kind ? params : params_of_kind<I + 1>(kind, what);
  }
}

[[nodiscard]] inline Node node_from_json(const Json& object, const std::string& document, std::size_t place) {
  require<FormatError>(object.is_object(), document, ": node ", place, ": an object wanted, met ",
                       json_excerpt(object));
  const auto named = object.find("name");
  const bool has_name = named != object.end() && named->is_string();
  FieldReader fields(object, has_name
                                 ? message(document, ": node ", quoted(named->get_ref<const std::string&>()))
                                 : message(document, ": node ", place));
  Node node;
  node.name = fields.text("name");
  node.params = params_of_kind(fields.text("kind"), fields.place("kind"));
  node.inputs = fields.texts("inputs");
  node.outputs = object.contains("outputs") ? fields.texts("outputs") : std::vector<std::string>{node.name};
  static_cast<void>(fields.find("outputs", false));
  std::visit(FieldList(fields), node.params);
  fields.finish();
  return node;
}

}  // namespace detail

/// The graph as JSON. Throws ArgumentError when a number of a node is not finite.
[[nodiscard]] inline Json graph_to_json(const Graph& graph) {
  Json inputs = Json::array(), nodes = Json::array();
  for (const GraphInput& input : graph.inputs) {
    const auto extents = input.shape.extents();
    inputs.push_back({{"name", input.name}, {"shape", std::vector<Index>(extents.begin(), extents.end())}});
  }
  for (const Node& node : graph.nodes) {
    Json object = {{"name", node.name},
                   {"kind", std::string(kind_of(node.params))},
                   {"inputs", node.inputs},
                   {"outputs", node.outputs}};
    detail::FieldWriter fields(object, deconv::detail::label_of(node));
    std::visit(detail::FieldList(fields), node.params);
    nodes.push_back(std::move(object));
  }
  Json document = {{"inputs", std::move(inputs)}, {"nodes", std::move(nodes)}, {"outputs", graph.outputs}};
  if (!graph.aliases.empty()) document["aliases"] = graph.aliases;
  return document;
}

/// The graph of such a document, sorted and checked. `document` is what messages call it. Throws FormatError,
/// naming the node and the field, for anything missing, unknown, of the wrong type or out of range, and as
/// sort_and_check.
[[nodiscard]] inline Graph graph_from_json(const Json& json, const std::string& document) {
  detail::FieldReader fields(json, document);
  Graph graph;
  const Json& inputs = *fields.find("inputs", true);
  require<FormatError>(inputs.is_array(), fields.place("inputs"), ": a list wanted, met ",
                       json_excerpt(inputs));
  for (const Json& object : inputs) {
    detail::FieldReader input(object, fields.place("inputs"));
    const std::string name = input.text("name");
    std::vector<Index> extents;
    input.integers("shape", extents, 0, deconv::detail::extent_limit);
    input.finish();
    try {
      graph.inputs.push_back({name, Shape(std::span<const Index>(extents))});
    } catch (const ShapeError& problem) {
      raise<FormatError>(document, ": input ", quoted(name), ": ", problem.what());
    }
  }
  const Json& nodes = *fields.find("nodes", true);
  require<FormatError>(nodes.is_array(), fields.place("nodes"), ": a list wanted, met ", json_excerpt(nodes));
  for (std::size_t i = 0; i < nodes.size(); ++i)
    graph.nodes.push_back(detail::node_from_json(nodes[i], document, i));
  graph.outputs = fields.texts("outputs");
  if (const Json* aliases = fields.find("aliases", false)) {
    require<FormatError>(aliases->is_object(), fields.place("aliases"), ": names by name wanted, met ",
                         json_excerpt(*aliases));
    for (const auto& [alias, target] : aliases->items())
      graph.aliases.emplace(alias, json_string(target, fields.place("aliases")));
  }
  fields.finish();
  try {
    sort_and_check(graph);
  } catch (const FormatError& problem) {
    raise<FormatError>(document, ": ", problem.what());
  }
  return graph;
}

/// The same from a document's text.
[[nodiscard]] inline Graph parse_graph(std::string_view text, const std::string& document) {
  return graph_from_json(parse_json(text, document), document);
}

}  // namespace deconv::io
