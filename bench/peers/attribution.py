"""Attributions of one image by Captum, on every ZFNet that a careful user might hand it."""

import torch

from timing import Job
from zfnet import PassThroughNorm, make


def networks(trainable_norm):
    """Name, network in evaluation mode, image."""
    torch.manual_seed(7)
    image = torch.randn(1, 3, 224, 224) * 50
    packed = image.contiguous(memory_format=torch.channels_last)
    return [("captum", make(), image),
            ("captum, channels_last", make().to(memory_format=torch.channels_last), packed),
            ("captum, band norm", make(trainable_norm), image),
            ("captum, band norm, channels_last", make(trainable_norm).to(memory_format=torch.channels_last), packed),
            ("captum, pass-through norm", make(PassThroughNorm), image)]


def checked(name, ways, tolerance):
    """The ways as a job, each agreeing with the first; the pass-through norm computes something else."""
    first = next(iter(ways.values()))()
    for label, way in ways.items():
        error = ((way() - first).norm() / first.norm()).item()
        if "pass-through" not in label and not error <= tolerance:
            raise SystemExit(f"{name}, {label}: relative error {error} against the first way")
    return Job(name, ways)


def gradcam(trainable_norm):
    """LayerGradCam at the last rectifier before the classifier, with its own final rectifier."""
    from peer_captum import LayerGradCam

    ways = {}
    for label, network, image in networks(trainable_norm):
        if "pass-through" in label:
            continue  # the map's reverse pass goes through no normalisation
        method = LayerGradCam(network, network.features[-1])
        ways[label] = lambda method=method, image=image: method.attribute(image, target=7, relu_attributions=True)
    return checked("gradcam_1", ways, 1e-3)


def guided(trainable_norm):
    from peer_captum import GuidedBackprop

    ways = {}
    for label, network, image in networks(trainable_norm):
        method = GuidedBackprop(network)
        ways[label] = lambda method=method, image=image: method.attribute(image.clone(), target=7)
    # A pooling window whose two largest values differ by rounding alone switches.
    return checked("guided_backpropagation_1", ways, 0.3)


def saliency(trainable_norm):
    from peer_captum import Saliency

    ways = {}
    for label, network, image in networks(trainable_norm):
        if "pass-through" in label:
            continue  # that is not the gradient
        method = Saliency(network)
        ways[label] = lambda method=method, image=image: method.attribute(image.clone(), target=7)
    return checked("saliency_1", ways, 0.3)
