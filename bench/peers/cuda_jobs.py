"""Whole jobs of bench_cuda in PyTorch on a card: ZFNet, AlexNet and VGG16 forward, nine units projected, Grad-CAM, and
features over a data set. Each as a careful PyTorch user would have it: channels_last, one torch.cuda.CUDAGraph, and
beside that eager and contiguous; projections also by Captum where it is installed."""

import torch
from torch import nn
from torch.nn import functional as F

UNITS = 9
FEATURE_BATCHES = 4
FEATURE_MAPS = 16


class DeconvnetRelu(torch.autograd.Function):
    """A rectifier that passes a signal down rectified, as the paper's deconvnet does (Captum's Deconvolution sets the
    same rule by hooks)."""

    @staticmethod
    def forward(ctx, x):
        return F.relu(x)

    @staticmethod
    def backward(ctx, signal):
        return F.relu(signal)


class DeconvnetRectifier(nn.Module):
    def forward(self, x):
        return DeconvnetRelu.apply(x)


class Network(nn.Module):
    """`features` end in the deepest rectified convolution; `classifier` is the rest, to the logits."""

    def __init__(self, features, classifier, extent):
        super().__init__()
        self.features = features
        self.classifier = classifier
        self.extent = extent
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x):
        return self.classifier(self.features(x))


def head(inputs, pool):
    return nn.Sequential(pool, nn.Flatten(), nn.Linear(inputs, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096),
                         nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000))


def zfnet(rectifier=nn.ReLU):
    pool = lambda: nn.MaxPool2d(3, 2, ceil_mode=True)  # noqa: E731
    norm = lambda: nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)  # noqa: E731  # alpha is divided by 5 there
    return Network(nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)),  # conv1's ceil rounding
        nn.Conv2d(3, 96, 7, 2), rectifier(), pool(), norm(), nn.Conv2d(96, 256, 5, 2), rectifier(), pool(), norm(),
        nn.Conv2d(256, 384, 3, 1, 1), rectifier(), nn.Conv2d(384, 384, 3, 1, 1), rectifier(),
        nn.Conv2d(384, 256, 3, 1, 1), rectifier()), head(9216, pool()), 224)


def alexnet(rectifier=nn.ReLU):
    pool = lambda: nn.MaxPool2d(3, 2)  # noqa: E731
    norm = lambda: nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)  # noqa: E731
    return Network(nn.Sequential(
        nn.Conv2d(3, 96, 11, 4), rectifier(), norm(), pool(), nn.Conv2d(96, 256, 5, 1, 2, groups=2), rectifier(), norm(),
        pool(), nn.Conv2d(256, 384, 3, 1, 1), rectifier(), nn.Conv2d(384, 384, 3, 1, 1, groups=2), rectifier(),
        nn.Conv2d(384, 256, 3, 1, 1, groups=2), rectifier()), head(9216, pool()), 227)


def vgg16(rectifier=nn.ReLU):
    layers, channels = [], 3
    for maps, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += [nn.Conv2d(channels, maps, 3, 1, 1), rectifier()]
            channels = maps
        layers.append(nn.MaxPool2d(2, 2))
    return Network(nn.Sequential(*layers[:-1]), head(512 * 7 * 7, layers[-1]), 224)


NETWORKS = {"zfnet": zfnet, "alexnet": alexnet, "vgg16": vgg16}


def recorded(run, warm_ups=3):
    """The function as one CUDA graph: what it reads and writes keeps its place."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(warm_ups):
            run()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = run()

    def launch(graph=graph, kept=kept):
        graph.replay()
        return kept

    return launch


def recorded_at_first(run):
    """The same, recorded by the first call: what cannot be recorded fails there and not for the others."""
    launches = []

    def call():
        if not launches:
            launches.append(recorded(run))
        return launches[0]()

    return call


class Maker:
    """Networks and inputs on one device, in one number type and layout."""

    def __init__(self, name, dtype, layout, device):
        self.make_network = NETWORKS[name]
        self.dtype, self.device = dtype, device
        self.format = torch.channels_last if layout == "channels_last" else torch.contiguous_format

    def network(self, rectifier=nn.ReLU):
        torch.manual_seed(1)
        return self.make_network(rectifier).eval().to(self.device, self.dtype, memory_format=self.format)

    def images(self, network, count):
        x = torch.randn(count, 3, network.extent, network.extent, device=self.device, dtype=self.dtype)
        return x.contiguous(memory_format=self.format)


def forward(maker, batch):
    network = maker.network()
    x = maker.images(network, batch)

    @torch.no_grad()
    def run():
        return network(x).softmax(1)

    return {"": run}


def units_of(shape):
    """As bench_cuda takes them: given before, nobody searches."""
    return [(i * 7 % shape[1], i * 5 % shape[2], i * 3 % shape[3]) for i in range(UNITS)]


def projection(maker, _batch):
    network = maker.network(DeconvnetRectifier).features
    with torch.no_grad():
        x = maker.images(maker.network(), 1)
        units = units_of(network(x).shape)
    maps, rows, columns = (torch.tensor(axis, device=maker.device) for axis in zip(*units))
    each = torch.arange(UNITS, device=maker.device)

    @torch.enable_grad()
    def hooked():
        nine = x.expand(UNITS, -1, -1, -1).contiguous(memory_format=maker.format).requires_grad_()
        y = network(nine)
        picked = torch.zeros_like(y)
        picked[each, maps, rows, columns] = y.detach()[each, maps, rows, columns]
        return torch.autograd.grad(y, nine, picked)[0]

    return {"hand-written rectifier, batch of nine": hooked}


def captum_projection(maker):
    """Captum's Deconvolution, eager: its hooks look at values."""
    try:
        from peer_captum import Deconvolution
    except ImportError:
        return {}
    network = maker.network()
    features = network.features
    x = maker.images(network, 1)
    with torch.no_grad():
        units = units_of(features(x).shape)
    method = Deconvolution(features)

    @torch.enable_grad()
    def nine_calls():
        return torch.cat([method.attribute(x.clone(), target=unit) for unit in units])

    @torch.enable_grad()
    def one_batch():
        return method.attribute(x.repeat(UNITS, 1, 1, 1), target=units)

    return {"Captum, nine calls": nine_calls, "Captum, batch of nine": one_batch}


def gradcam(maker, _batch, class_index=7):
    network = maker.network()
    x = maker.images(network, 1)
    size = list(x.shape[2:])

    @torch.enable_grad()
    def run():
        with torch.no_grad():
            maps = network.features(x)
        maps = maps.detach().requires_grad_()
        score = network.classifier(maps)[:, class_index].sum()
        weights = torch.autograd.grad(score, maps)[0].mean((2, 3), keepdim=True)
        heat = F.relu((weights * maps.detach()).sum(1, keepdim=True))
        return F.interpolate(heat, size, mode="bilinear", align_corners=False)

    return {"": run}


def features(maker, batch, record):
    """Strongest activations of sixteen maps over four batches: copies from pinned memory on a stream of their own, the
    maxima's values and places back on the host after each batch."""
    network = maker.network().features
    there = [maker.images(maker.network(), batch) for _ in range(2)]
    pinned = [x.cpu().pin_memory() for x in there]
    source = torch.empty_like(there[0])
    copies = torch.cuda.Stream()

    @torch.no_grad()
    def passed():
        return network(source)[:, :FEATURE_MAPS].flatten(2).max(2)

    source.copy_(there[0])
    launch = recorded(passed) if record else passed

    @torch.no_grad()
    def run():
        best = None
        copied = [torch.cuda.Event() for _ in there]
        read = [torch.cuda.Event() for _ in there]
        copies.wait_stream(torch.cuda.current_stream())

        def upload(i):
            with torch.cuda.stream(copies):
                copies.wait_event(read[i % 2])
                there[i % 2].copy_(pinned[i % 2], non_blocking=True)
                copied[i % 2].record(copies)

        upload(0)
        for i in range(FEATURE_BATCHES):
            torch.cuda.current_stream().wait_event(copied[i % 2])
            source.copy_(there[i % 2])
            read[i % 2].record()
            values, places = launch()
            if i + 1 < FEATURE_BATCHES:
                upload(i + 1)
            best = values.cpu(), places.cpu()
        return best

    return {"": run}


def ways_of(job, device="cuda"):
    """{name of a way: function without arguments} for one job."""
    dtype = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[job["dtype"]]
    op, ways = job["op"], {}
    for layout in ("channels_last", "contiguous"):
        maker = Maker(job["layer"], dtype, layout, device)
        if op == "job_features":
            if layout == "channels_last":
                ways["channels_last, CUDA graph"] = features(maker, job["batch"], True)[""]
            ways[layout] = features(maker, job["batch"], False)[""]
            continue
        make = {"job_forward": forward, "job_projection": projection, "job_gradcam": gradcam}[op]
        for name, run in make(maker, job["batch"]).items():
            label = f"{name}, {layout}" if name else layout
            ways[label] = run
            if layout == "channels_last" and device == "cuda":
                ways[f"{label}, CUDA graph"] = recorded_at_first(run)
        if op == "job_projection" and layout == "channels_last":
            ways.update(captum_projection(maker))
    return ways
