"""Occlusion of ZFNet in PyTorch: Captum's, and what a careful user writes by hand."""

import torch

import peer_captum
from timing import Job
from zfnet import MACS_A_FORWARD, ShiftedSumNorm, make

SIZE, STRIDE, BATCH = 48, 16, 16
PLACES = [(y, x) for y in range(0, 224 - SIZE + 1, STRIDE) for x in range(0, 224 - SIZE + 1, STRIDE)]


def by_hand(network, image, batch, memory_format):
    """Every place's probability of the image's class: batches of copies with the patch set to zero."""
    network = network.to(memory_format=memory_format)

    def way():
        with torch.no_grad():
            target = network(image).argmax(1).item()
            found = []
            for first in range(0, len(PLACES), batch):
                places = PLACES[first:first + batch]
                images = image.expand(len(places), -1, -1, -1).contiguous(memory_format=memory_format)
                for one, (y, x) in zip(images, places):
                    one[:, y:y + SIZE, x:x + SIZE] = 0
                found.append(network(images).softmax(1)[:, target])
            return torch.cat(found)
    return way


def occlusion():
    torch.manual_seed(2)
    image = torch.randn(1, 3, 224, 224)
    plain = make()
    target = plain(image).argmax(1).item()
    captum = peer_captum.Occlusion(lambda x: plain(x).softmax(1))

    def with_captum():
        with torch.no_grad():
            return captum.attribute(image, sliding_window_shapes=(3, SIZE, SIZE), strides=(3, STRIDE, STRIDE),
                                    target=target, baselines=0, perturbations_per_eval=BATCH)
    last, packed = torch.channels_last, torch.contiguous_format
    ways = {"by hand": by_hand(plain, image, BATCH, packed)}
    for batch in (BATCH, 48, 144):
        ways[f"by hand, band norm, channels_last, {batch} a batch"] = by_hand(make(ShiftedSumNorm), image, batch, last)
    with torch.no_grad():
        example = image.expand(BATCH, -1, -1, -1).contiguous(memory_format=last)
        traced = torch.jit.trace(make(ShiftedSumNorm).to(memory_format=last), example)
        optimised = torch.jit.optimize_for_inference(torch.jit.freeze(traced))

    def jit():
        with torch.no_grad():
            found = []
            for first in range(0, len(PLACES), BATCH):
                images = image.expand(BATCH, -1, -1, -1).contiguous(memory_format=last)
                for one, (y, x) in zip(images, PLACES[first:first + BATCH]):
                    one[:, y:y + SIZE, x:x + SIZE] = 0
                found.append(optimised(images).softmax(1)[:, target])
            return torch.cat(found)
    ways["by hand, band norm, channels_last, jit optimised"] = jit
    expected = ways["by hand"]()
    for label, way in ways.items():
        error = ((way() - expected).norm() / expected.norm()).item()
        if not error <= 1e-3:
            raise SystemExit(f"occlusion, {label}: relative error {error} against the plain way")
    ways["captum, 16 a batch"] = with_captum
    return Job("occlusion_48_16", ways, flops=2 * MACS_A_FORWARD * len(PLACES))
