#pragma once
/// Writes small .caffemodel files for tests, in each of the forms that real ones come in.

#include <protozero/pbf_writer.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "deconv/io/file.hpp"

namespace deconv::test {

/// How an array's extents and numbers are written.
enum class BlobForm { modern, legacy, unpacked, doubles };

inline std::string caffe_blob(const std::vector<std::int64_t>& extents, const std::vector<float>& values,
                              BlobForm form = BlobForm::modern) {
  std::string bytes;
  protozero::pbf_writer blob(bytes);
  if (form == BlobForm::legacy) {
    std::vector<std::int64_t> four(4 - extents.size(), 1);
    four.insert(four.end(), extents.begin(), extents.end());
    for (std::uint32_t i = 0; i < 4; ++i) blob.add_int32(i + 1, static_cast<std::int32_t>(four[i]));
  } else {
    std::string shape;
    protozero::pbf_writer(shape).add_packed_int64(1, extents.begin(), extents.end());
    blob.add_message(7, shape);
  }
  if (form == BlobForm::unpacked) {
    for (const float value : values) blob.add_float(5, value);
  } else if (form == BlobForm::doubles) {
    const std::vector<double> wide(values.begin(), values.end());
    blob.add_packed_double(8, wide.begin(), wide.end());
  } else {
    blob.add_packed_float(5, values.begin(), values.end());
  }
  return bytes;
}

using CaffeLayers = std::vector<std::pair<std::string, std::vector<std::string>>>;

/// A NetParameter with layers of the new or of the V1 kind.
inline io::Bytes caffemodel(const CaffeLayers& layers, bool v1 = false) {
  std::string bytes;
  protozero::pbf_writer net(bytes);
  net.add_string(1, "net");
  for (const auto& [name, blobs] : layers) {
    std::string text;
    protozero::pbf_writer layer(text);
    layer.add_string(v1 ? 4 : 1, name);
    for (const std::string& blob : blobs) layer.add_message(v1 ? 6 : 7, blob);
    net.add_message(v1 ? 2 : 100, text);
  }
  return {bytes.begin(), bytes.end()};
}

/// 0, 1, 2, ... times `step`.
inline std::vector<float> ramp(std::size_t count, float step = 1.0f) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = step * static_cast<float>(i);
  return values;
}

}  // namespace deconv::test
