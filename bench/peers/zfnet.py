"""ZFNet of the paper in PyTorch: 224 x 224, padding 0 with ceil rounding in conv1, conv2 and all pools, contrast
normalisation after the pool. Random weights."""

import torch
from torch import nn
from torch.nn import functional as F

MACS_A_FORWARD = (96 * 110 * 110 * 3 * 49 + 256 * 26 * 26 * 96 * 25 + 384 * 169 * 256 * 9 + 384 * 169 * 384 * 9
                  + 256 * 169 * 384 * 9 + 9216 * 4096 + 4096 * 4096 + 4096 * 1000)


class ShiftedSumNorm(nn.Module):
    """Contrast normalisation across channels (k 2, n 5, alpha 1e-4 divided by n, beta 0.75), the window's sum taken as
    a 1x1 convolution with a band matrix and the power as two roots: what PyTorch does quickest."""

    def __init__(self, channels):
        super().__init__()
        distance = (torch.arange(channels)[:, None] - torch.arange(channels)[None, :]).abs()
        self.register_buffer("band", ((distance <= 2).float() * (1e-4 / 5))[:, :, None, None].contiguous())
        self.register_buffer("k", torch.full((channels,), 2.0))

    def forward(self, x):
        root = F.conv2d(x * x, self.band, self.k).rsqrt_()
        return x * root.sqrt().mul_(root)


class PassThroughNorm(nn.Module):
    """Contrast normalisation whose reverse pass hands the signal on unchanged, as the paper's deconvnet does."""

    class Rule(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, band, k):
            root = F.conv2d(x * x, band, k).rsqrt_()
            return x * root.sqrt().mul_(root)

        @staticmethod
        def backward(ctx, signal):
            return signal, None, None

    def __init__(self, channels):
        super().__init__()
        self.terms = ShiftedSumNorm(channels)

    def forward(self, x):
        return PassThroughNorm.Rule.apply(x, self.terms.band, self.terms.k)


class ZFNet(nn.Module):
    """norm makes a normalisation layer from a channel count; PyTorch's own by default. With no classes the network ends
    at conv5."""

    def __init__(self, norm=None, classes=1000):
        super().__init__()
        norm = norm or (lambda channels: nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0))
        pool = lambda: nn.MaxPool2d(3, 2, ceil_mode=True)  # noqa: E731
        self.features = nn.Sequential(
            # conv1's ceil rounding: its last window hangs over by one pixel at the right and the bottom.
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.Conv2d(3, 96, 7, 2), nn.ReLU(), pool(), norm(96),
            nn.Conv2d(96, 256, 5, 2), nn.ReLU(), pool(), norm(256),
            nn.Conv2d(256, 384, 3, 1, 1), nn.ReLU(),
            nn.Conv2d(384, 384, 3, 1, 1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU())
        self.classifier = nn.Sequential(
            pool(), nn.Flatten(), nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Dropout(), nn.Linear(4096, classes)) if classes else nn.Identity()
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                # Kaiming's scale keeps every layer alive: a net of dead units would skip no work but hide mistakes.
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x):
        return self.classifier(self.features(x))


def make(norm=None, classes=1000):
    """A ZFNet in evaluation mode, with the same weights whatever the normalisation layers are."""
    torch.manual_seed(1)
    return ZFNet(norm, classes).eval()
