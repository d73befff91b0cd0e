"""Nine conv5 units of one image projected to pixels: the forward pass is part of the job."""

import torch
from torch.nn import functional as F

from zfnet import PassThroughNorm, ShiftedSumNorm, make


def strongest_units(activations, count=9):
    """The strongest position of each of the `count` strongest maps: (map, row, column), as Captum's targets."""
    _, channels, height, width = activations.shape
    best, at = activations[0].reshape(channels, height * width).max(1)
    maps = best.topk(count).indices.tolist()
    return [(c, at[c].item() // width, at[c].item() % width) for c in maps]


def captum_ways(image):
    """Captum's Deconvolution: nine calls and one batch of nine, with PyTorch's normalisation and with one that passes
    the signal through."""
    from peer_captum import Deconvolution

    ways = {}
    for label, norm in (("", None), (", pass-through norm", PassThroughNorm)):
        features = make(norm, classes=None).features
        with torch.no_grad():
            units = strongest_units(features(image))
        method = Deconvolution(features)

        def nine_calls(method=method, units=units):
            return torch.cat([method.attribute(image.clone(), target=unit) for unit in units])

        def one_batch(method=method, units=units):
            return method.attribute(image.repeat(9, 1, 1, 1), target=units)

        ways[f"captum nine calls{label}"] = nine_calls
        ways[f"captum batch of nine{label}"] = one_batch
    return ways


def transpose(x, weight, stride, src_size, padding=0):
    """PyTorch's conv_transpose2d, cropped to the input's size (conv1's overhang)."""
    y = F.conv_transpose2d(x, weight, stride=stride, padding=padding)
    return y[:, :, :src_size, :src_size]


def backward_data(x, weight, stride, src_size, padding=0):
    """The same map through the convolution's own gradient, which PyTorch hands to oneDNN's backward-data."""
    size = max(src_size, (x.shape[2] - 1) * stride + weight.shape[2] - 2 * padding)
    shape = (x.shape[0], weight.shape[1], size, size)
    source = x.new_empty(1).expand(shape)
    y = torch.ops.aten.convolution_backward(x, source, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0],
                                            1, [True, False, False])[0]
    return y[:, :, :src_size, :src_size]


def phase_filter(weight):
    """conv1's 7x7 stride-2 filter as four 4x4 filters, one for each phase of the pixel grid: (4 * 3) x 96 x 4 x 4."""
    maps, channels, _, _ = weight.shape
    phases = weight.new_zeros(channels, 2, 2, maps, 4, 4)
    for a in range(2):
        for b in range(2):
            taps = weight[:, :, a::2, b::2].permute(1, 0, 2, 3).flip(2, 3)  # channels x maps x (4 or 3) x (4 or 3)
            # Output pixel 2q + a reads positions q - 3 .. q; a phase of three taps lacks the oldest.
            phases[:, a, b, :, 4 - taps.shape[2]:, 4 - taps.shape[3]:] = taps
    return phases.reshape(channels * 4, maps, 4, 4)


def by_phases(x, phases, src_size):
    """conv1's transpose as a stride-1 convolution to 12 maps and a pixel shuffle: no multiplying by inserted zeros."""
    return F.pixel_shuffle(F.conv2d(x, phases, padding=3), 2)[:, :, :src_size, :src_size]


class HandWritten:
    """A careful PyTorch user's deconvnet: max_pool2d with indices, max_unpool2d, relu and transposed filters."""

    def __init__(self, step, last, memory_format=torch.contiguous_format):
        self.features = make(ShiftedSumNorm, classes=None).features.to(memory_format=memory_format)
        self.convs = [layer for layer in self.features if isinstance(layer, torch.nn.Conv2d)]
        self.norms = [layer for layer in self.features if isinstance(layer, ShiftedSumNorm)]
        self.step = step
        self.last = last
        self.memory_format = memory_format
        self.phases = phase_filter(self.convs[0].weight.detach()).contiguous(memory_format=memory_format)

    def forward(self, x):
        c1, c2, c3, c4, c5 = self.convs
        x = F.relu_(c1(F.pad(x, (0, 1, 0, 1))))
        self.plane1 = x.shape[2:]
        x, self.switches1 = F.max_pool2d(x, 3, 2, ceil_mode=True, return_indices=True)
        x = F.relu_(c2(self.norms[0](x)))
        self.plane2 = x.shape[2:]
        x, self.switches2 = F.max_pool2d(x, 3, 2, ceil_mode=True, return_indices=True)
        return F.relu_(c5(F.relu_(c4(F.relu_(c3(self.norms[1](x)))))))

    def unpool(self, x, switches, plane):
        nine = switches.expand(x.shape[0], -1, -1, -1)
        return F.max_unpool2d(x, nine, 3, 2, output_size=plane)

    @torch.no_grad()
    def project(self, image):
        x = self.forward(image.contiguous(memory_format=self.memory_format))
        units = strongest_units(x)
        signal = x.new_zeros(len(units), *x.shape[1:]).contiguous(memory_format=self.memory_format)
        for i, (c, row, column) in enumerate(units):
            signal[i, c, row, column] = x[0, c, row, column]
        for conv in self.convs[:1:-1]:
            signal = self.step(F.relu_(signal), conv.weight, 1, 13, 1)
        signal = F.relu_(self.unpool(signal, self.switches2, self.plane2))
        signal = self.step(signal, self.convs[1].weight, 2, 55)
        signal = F.relu_(self.unpool(signal, self.switches1, self.plane1))
        if self.last == "phases":
            return by_phases(signal, self.phases, 224)
        return self.step(signal, self.convs[0].weight, 2, 224)


def hand_written_ways(image):
    """Every sensible pairing of step, last step and layout. In channels_last, max_unpool2d's threads race where windows
    overlap, so those results vary a little from run to run."""
    ways = {}
    for layout, memory_format in (("", torch.contiguous_format), (", channels_last", torch.channels_last)):
        for name, step, last in (("conv_transpose2d", transpose, "step"), ("backward-data", backward_data, "step"),
                                 ("conv_transpose2d + phases", transpose, "phases"),
                                 ("backward-data + phases", backward_data, "phases")):
            pass_ = HandWritten(step, last, memory_format)
            ways[f"hand-written {name}{layout}"] = lambda pass_=pass_: pass_.project(image)
    return ways
