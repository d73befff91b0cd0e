#!/usr/bin/env python3
"""Makes the seeds of the fuzz harnesses caffe, prototxt, graph_json and model_file, small networks of our own.

Needs nothing but Python. The files are kept in the repository, so nobody has to run it, except to change them.
"""
import json
import pathlib
import struct

SEEDS = pathlib.Path(__file__).resolve().parent / "seeds"


def seed(harness, name, data):
    folder = SEEDS / harness
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


# ---- protobuf, as much as is needed -------------------------------------------------------------------------


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def block(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def floats(count):
    return struct.pack(f"<{count}f", *[0.5 * i for i in range(count)])


def blob(extents, form):
    count = 1
    for extent in extents:
        count *= extent
    if form == "legacy":
        padded = [1] * (4 - len(extents)) + list(extents)
        return b"".join(number(i + 1, e) for i, e in enumerate(padded)) + block(5, floats(count))
    shape = block(7, block(1, b"".join(varint(e) for e in extents)))
    if form == "unpacked":
        return shape + b"".join(varint(5 << 3 | 5) + struct.pack("<f", i) for i in range(count))
    if form == "double":
        return shape + block(8, struct.pack(f"<{count}d", *range(count)))
    return shape + block(5, floats(count))


def caffemodel(form, v1):
    name, blobs, layers = (4, 6, 2) if v1 else (1, 7, 100)
    net = block(1, b"net")
    for layer, shapes in {"conv": [[2, 1, 3, 3], [2]], "bn": [[2], [2], [1]], "sc": [[2], [2]], "fc": [[18, 3], [3]]}.items():
        net += block(layers, block(name, layer.encode()) + b"".join(block(blobs, blob(s, form)) for s in shapes))
    return net


def make_caffe():
    seed("caffe", "modern", caffemodel("packed", False))
    seed("caffe", "v1", caffemodel("legacy", True))
    seed("caffe", "unpacked", caffemodel("unpacked", False))
    seed("caffe", "double", caffemodel("double", False))
    seed("caffe", "mean", blob([1, 3, 2, 2], "legacy"))


# ---- text ---------------------------------------------------------------------------------------------------

MODERN = """name: "small"  # a comment
layer { name: "data" type: "Input" top: "data" input_param { shape: { dim: 1 dim: 4 dim: 16 dim: 16 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 }
  convolution_param { num_output: 4 kernel_h: 3 kernel_w: 2 stride: 2 pad: 1 dilation: 2 group: 2 bias_term: false } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" batch_norm_param { eps: 1e-3 } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" relu_param { negative_slope: 0.1 } }
layer { name: "split" type: "Split" bottom: "conv" top: "a" top: "b" }
layer { name: "up" type: "Deconvolution" bottom: "a" top: "up" convolution_param { num_output: 2 kernel_size: [3, 2] } }
layer { name: "pool" type: "Pooling" bottom: "b" top: "pool" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "norm" type: "LRN" bottom: "pool" top: "norm" lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 } }
layer { name: "cat" type: "Concat" bottom: "norm" bottom: "pool" top: "cat" concat_param { axis: 1 } }
layer { name: "sum" type: "Eltwise" bottom: "cat" bottom: "cat" top: "sum" }
layer { name: "flat" type: "Flatten" bottom: "sum" top: "flat" }
layer { name: "shape" type: "Reshape" bottom: "flat" top: "shape" reshape_param { shape { dim: 0 dim: -1 } } }
layer { name: "fc" type: "InnerProduct" bottom: "shape" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "drop" type: "Dropout" bottom: "fc" top: "fc" include { phase: TEST } exclude: { } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""

V1 = """name: 'old'
input: 'data' input_dim: 2 input_dim: 1 input_dim: 12 input_dim: 12
layers < name: 'conv' type: CONVOLUTION bottom: 'data' top: 'conv' blobs_lr: 1 weight_decay: 0
  convolution_param < num_output: 2 kernel_size: 5 weight_filler < type: 'xavier' > > >
layers { name: 'relu' type: RELU bottom: 'conv' top: 'conv' }
layers { name: 'pool' type: POOLING bottom: 'conv' top: 'pool' pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layers { name: 'ip' type: INNER_PRODUCT bottom: 'pool' top: 'ip' inner_product_param { num_output: 3 } }
layers { name: 'loss' type: SOFTMAX_LOSS bottom: 'ip' bottom: 'label' include: { phase: TRAIN } }
"""

TRAINING = """layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 8 } data_param { batch_size: 2 } }
layer { name: "global" type: "Pooling" bottom: "data" top: "global" pooling_param { global_pooling: true } }
layer { name: "acc" type: "Accuracy" bottom: "global" bottom: "label" top: "acc" exclude { phase: TRAIN } }
"""


def make_prototxt():
    seed("prototxt", "modern", MODERN.replace(" exclude: { }", ""))
    seed("prototxt", "rules_at_once", MODERN)
    seed("prototxt", "v1", V1)
    seed("prototxt", "training", TRAINING)


# ---- JSON and the model file --------------------------------------------------------------------------------

GRAPH = {
    "inputs": [{"name": "x", "shape": [1, 2, 8, 8]}],
    "nodes": [
        {"name": "conv", "kind": "conv2d", "inputs": ["x"], "out_channels": 2, "kernel": [3, 3], "padding": [1, 0, 1, 0],
         "stride": 2, "rounding": "ceil", "groups": 2, "bias": True},
        {"name": "relu", "kind": "relu", "inputs": ["conv"], "negative_slope": 0.1},
        {"name": "norm", "kind": "lrn", "inputs": ["relu"], "region": "within_channel", "size": 3, "alpha": 5e-05},
        {"name": "pool", "kind": "max_pool2d", "inputs": ["norm"], "kernel": 2, "stride": 2, "outputs": ["pool", "where"]},
        {"name": "unpool", "kind": "max_unpool2d", "inputs": ["pool", "where"], "kernel": 2, "stride": 2},
        {"name": "up", "kind": "conv2d_transpose", "inputs": ["pool"], "out_channels": 2, "kernel": 2, "stride": 2,
         "extra": [0, 0]},
        {"name": "sum", "kind": "add", "inputs": ["unpool", "up"]},
        {"name": "cat", "kind": "concat", "inputs": ["sum", "sum"], "axis": 1},
        {"name": "bn", "kind": "batch_norm", "inputs": ["cat"], "epsilon": 1e-3},
        {"name": "pad", "kind": "pad2d", "inputs": ["bn"], "padding": [1, -1, 0, 0], "value": 0.5},
        {"name": "mean", "kind": "average_pool2d", "inputs": ["pad"], "kernel": 2, "count_padding": True},
        {"name": "shape", "kind": "reshape", "inputs": ["mean"], "extents": [0, -1]},
        {"name": "fc", "kind": "linear", "inputs": ["shape"], "out_features": 3},
        {"name": "prob", "kind": "softmax", "inputs": ["fc"], "axis": -1},
    ],
    "outputs": ["prob"],
    "aliases": {"features": "sum"},
}

SMALL = {
    "inputs": [{"name": "x", "shape": [1, 1, 2, 2]}],
    "nodes": [{"name": "fc", "kind": "linear", "inputs": ["x"], "out_features": 2}],
    "outputs": ["fc"],
}


def model_file(graph, tensors, **metadata):
    header = {"__metadata__": {"deconv_format": "1", "graph": json.dumps(graph), **metadata}}
    offset = 0
    for name, (dtype, width, shape) in tensors.items():
        count = 1
        for extent in shape:
            count *= extent
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + width * count]}
        offset += width * count
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(offset)


def make_json_and_model_files():
    seed("graph_json", "every_kind", json.dumps(GRAPH))
    seed("graph_json", "small", json.dumps(SMALL))
    weights = {"fc.weight": ("F32", 4, [2, 4]), "fc.bias": ("F32", 4, [2])}
    seed("model_file", "small", model_file(SMALL, weights))
    seed("model_file", "half", model_file(SMALL, {"fc.weight": ("F16", 2, [2, 4]), "fc.bias": ("BF16", 2, [2])}))
    seed("model_file", "whole", model_file(
        SMALL, {**weights, "preprocess.mean": ("F32", 4, [1, 2, 2]), "state/momentum": ("F64", 8, [1])}, name="small",
        class_names='["cat", "dog"]',
        preprocess='{"resize": "none", "channel_order": "grey", "mean": {"tensor": "preprocess.mean"}}'))


make_caffe()
make_prototxt()
make_json_and_model_files()
