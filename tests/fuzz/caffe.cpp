// Caffe's binary files: whatever the bytes, weights that fit this network, a mean image, or an Error.
#include <cstdlib>

#include "deconv/io/caffe.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 16) return 0;
  using namespace deconv;
  static const char* const net =
      "input: 'data' input_dim: 1 input_dim: 2 input_dim: 5 input_dim: 5"
      " layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv'"
      "   convolution_param { num_output: 2 kernel_size: 3 group: 2 } }"
      " layer { name: 'bn' type: 'BatchNorm' bottom: 'conv' top: 'conv' }"
      " layer { name: 'sc' type: 'Scale' bottom: 'conv' top: 'conv' scale_param { bias_term: true } }"
      " layer { name: 'fc' type: 'InnerProduct' bottom: 'conv' top: 'fc'"
      "   inner_product_param { num_output: 3 transpose: true } }";
  try {
    const io::CaffeWeights weights({data, data + size}, "fuzz.caffemodel");
    const Model model = io::read_caffe(net, "net.prototxt", &weights);
    check_weights(model);
  } catch (const Error&) {
  }
  try {
    const io::CaffeBlob blob({reinterpret_cast<const char*>(data), size}, "fuzz.binaryproto");
    // Every number takes four bytes of the file.
    if (blob.read().bytes() > size) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
