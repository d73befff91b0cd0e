"""The jobs that PyTorch is measured at, each with the ways a user would do it."""

import torch
from torch import nn
from torch.nn import functional as F

import attribution
import occlusion
import projection
from timing import Job
from zfnet import MACS_A_FORWARD, ShiftedSumNorm, make

# ZFNet's pooled planes with 16 images: channels, side before the pool, side after it.
PLANES = {1: (96, 110, 55), 2: (256, 26, 13)}


def quiet(function):
    """The function under no_grad."""
    def run(*arguments):
        with torch.no_grad():
            return function(*arguments)
    return run


def forward(images):
    """Eager as it comes, then each step that PyTorch offers to speed it up."""
    torch.manual_seed(2)
    x = torch.randn(images, 3, 224, 224) * 50
    packed = x.contiguous(memory_format=torch.channels_last)
    plain = make()
    band = make(ShiftedSumNorm)
    band_packed = make(ShiftedSumNorm).to(memory_format=torch.channels_last)
    ways = {"as it comes": quiet(lambda: plain(x)),
            "band norm": quiet(lambda: band(x)),
            "band norm, channels_last": quiet(lambda: band_packed(packed))}
    with torch.no_grad():
        expected = plain(x)
        for label, network, example in (("jit optimised", plain, x), ("jit optimised, band norm", band, x),
                                        ("jit optimised, band norm, channels_last", band_packed, packed)):
            frozen = torch.jit.freeze(torch.jit.trace(network, example))
            optimised = torch.jit.optimize_for_inference(frozen)
            ways[label] = quiet(lambda optimised=optimised, example=example: optimised(example))
        for label, way in ways.items():
            error = ((way() - expected).norm() / expected.norm()).item()
            if not error <= 1e-4:
                raise SystemExit(f"forward, {label}: relative error {error} against eager PyTorch")
    return Job(f"forward_{images}", ways, flops=2 * MACS_A_FORWARD * images)


def project():
    torch.manual_seed(3)
    image = torch.randn(1, 3, 224, 224) * 50
    ways = projection.hand_written_ways(image)
    first = next(iter(ways.values()))()
    for label, way in ways.items():
        error = ((way() - first).norm() / first.norm()).item()
        if not error <= (0.3 if "channels_last" in label else 1e-4):
            raise SystemExit(f"projection, {label}: relative error {error} against conv_transpose2d")
    ways.update(projection.captum_ways(image))
    return Job("project_nine_conv5", ways)


def pool_bytes(which):
    """The least a pool with switches must move: floats in, floats out and a byte a switch; unpool the same way back."""
    channels, before, after = PLANES[which]
    return 16 * channels * (before * before * 4 + after * after * 5)


def planes(which):
    channels, before, _ = PLANES[which]
    torch.manual_seed(4)
    return torch.randn(16, channels, before, before)


def max_pool(which):
    x = planes(which)
    packed = x.contiguous(memory_format=torch.channels_last)
    ways = {"as it comes": quiet(lambda: F.max_pool2d(x, 3, 2, ceil_mode=True, return_indices=True)),
            "channels_last": quiet(lambda: F.max_pool2d(packed, 3, 2, ceil_mode=True, return_indices=True))}
    return Job(f"max_pool_switches_{which}", ways, bytes=pool_bytes(which))


def unpool(which):
    x = planes(which)
    pooled, switches = F.max_pool2d(x, 3, 2, ceil_mode=True, return_indices=True)
    size = x.shape[2:]
    packed = [tensor.contiguous(memory_format=torch.channels_last) for tensor in (pooled, switches)]
    ways = {"as it comes": quiet(lambda: F.max_unpool2d(pooled, switches, 3, 2, output_size=size)),
            "channels_last": quiet(lambda: F.max_unpool2d(*packed, 3, 2, output_size=size)),
            # The gradient of max-pooling adds where windows overlap, as the deconvnet's default here does.
            "pool's gradient": quiet(lambda: torch.ops.aten.max_pool2d_with_indices_backward(
                pooled, x, [3, 3], [2, 2], [0, 0], [1, 1], True, switches))}
    return Job(f"unpool_{which}", ways, bytes=pool_bytes(which))


def to_pixels(images):
    torch.manual_seed(5)
    x = torch.randn(images, 96, 110, 110)
    packed = x.contiguous(memory_format=torch.channels_last)
    weight = torch.randn(96, 3, 7, 7)
    weight_packed = weight.contiguous(memory_format=torch.channels_last)
    phases = projection.phase_filter(weight)
    phases_packed = phases.contiguous(memory_format=torch.channels_last)
    ways = {"as it comes": quiet(lambda: projection.transpose(x, weight, 2, 224)),
            "channels_last": quiet(lambda: projection.transpose(packed, weight_packed, 2, 224)),
            "backward-data": quiet(lambda: projection.backward_data(x, weight, 2, 224)),
            "backward-data, channels_last": quiet(lambda: projection.backward_data(packed, weight_packed, 2, 224)),
            "phases": quiet(lambda: projection.by_phases(x, phases, 224)),
            "phases, channels_last": quiet(lambda: projection.by_phases(packed, phases_packed, 224))}
    expected = ways["as it comes"]()
    for label, way in ways.items():
        error = ((way() - expected).norm() / expected.norm()).item()
        if not error <= 1e-4:
            raise SystemExit(f"step to pixels, {label}: relative error {error} against conv_transpose2d")
    return Job(f"deconv1_to_pixels_{images}", ways, flops=2 * images * 96 * 110 * 110 * 3 * 49)


def train_step(name, images, example, networks, flops):
    """Forward in training mode, backward, SGD with momentum and decay; one network a way, with its input."""
    torch.manual_seed(6)
    labels = torch.arange(images) % 10
    ways = {}
    for label, (network, x) in networks(example).items():
        network.train()
        optimiser = torch.optim.SGD(network.parameters(), 1e-4, momentum=0.9, weight_decay=5e-4)

        def way(network=network, x=x, optimiser=optimiser):
            optimiser.zero_grad(set_to_none=True)
            F.cross_entropy(network(x), labels).backward()
            optimiser.step()
        ways[label] = way
    return Job(name, ways, flops=flops)


class TrainableNorm(ShiftedSumNorm):
    """The same without the steps in place, whose operands the gradient wants."""

    def forward(self, x):
        root = F.conv2d(x * x, self.band, self.k).rsqrt()
        return x * (root.sqrt() * root)


def train_zfnet():
    def networks(x):
        packed = x.contiguous(memory_format=torch.channels_last)
        return {"as it comes": (make(), x),
                "channels_last": (make().to(memory_format=torch.channels_last), packed),
                "band norm": (make(TrainableNorm), x),
                "band norm, channels_last": (make(TrainableNorm).to(memory_format=torch.channels_last), packed)}
    macs = 3 * MACS_A_FORWARD - 96 * 110 * 110 * 3 * 49
    return train_step("train_step_zfnet_16", 16, torch.randn(16, 3, 224, 224), networks, 2 * 16 * macs)


def train_lenet32():
    def network():
        return nn.Sequential(nn.Conv2d(1, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5), nn.ReLU(),
                             nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 10))

    def networks(x):
        return {"as it comes": (network(), x),
                "channels_last": (network().to(memory_format=torch.channels_last),
                                  x.contiguous(memory_format=torch.channels_last))}
    conv1 = 32 * 24 * 24 * 25
    macs = 3 * (conv1 + 64 * 8 * 8 * 32 * 25 + 1024 * 256 + 2560) - conv1
    return train_step("train_step_lenet32_128", 128, torch.randn(128, 1, 28, 28), networks, 2 * 128 * macs)


def copy(which):
    x = planes(which)
    y = torch.empty_like(x).copy_(x)
    return Job("copy" if which == 1 else f"copy_{which}", {"as it comes": quiet(lambda: y.copy_(x))},
               bytes=2 * 4 * x.numel())


MAKERS = {
    "occlusion_48_16": occlusion.occlusion,
    "train_step_lenet32_128": train_lenet32,
    "train_step_zfnet_16": train_zfnet,
    "copy": lambda: copy(1),
    "copy_2": lambda: copy(2),
    "forward_16": lambda: forward(16),
    "forward_1": lambda: forward(1),
    "project_nine_conv5": project,
    "gradcam_1": lambda: attribution.gradcam(TrainableNorm),
    "saliency_1": lambda: attribution.saliency(TrainableNorm),
    "guided_backpropagation_1": lambda: attribution.guided(TrainableNorm),
    "max_pool_switches_1": lambda: max_pool(1),
    "max_pool_switches_2": lambda: max_pool(2),
    "unpool_1": lambda: unpool(1),
    "unpool_2": lambda: unpool(2),
    "deconv1_to_pixels_1": lambda: to_pixels(1),
    "deconv1_to_pixels_9": lambda: to_pixels(9),
    "deconv1_to_pixels_16": lambda: to_pixels(16),
}
