#!/usr/bin/env python3
"""One table of what bench_cuda measured, beside cuDNN, cuBLAS and PyTorch, and what became of the targets.

usage: cuda_compare.py FIGURES.json... [--torch TORCH.json] [--json FILE]

Prints Markdown. Targets: kernels that move memory reach 90 % of the copy bandwidth measured in the same run (below 64 MB:
of a copy as large); unpooling is
five times as quick as PyTorch's max_unpool2d; contrast normalisation 1.5 times as quick as cuDNN's; float32 convolutions
of ZFNet and VGG16 at batch 128 reach 0.8 of cuDNN's speed with multiply-adds (geometric mean over layers and passes).
cuDNN counts with its better layout."""
import argparse
import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
sys.dont_write_bytecode = True
from timing import table  # noqa: E402

# What the first target is about, at the largest batch. A layer that does not fill the card is held against a copy of as
# many bytes, since starting a kernel takes a noticeable part of the time.
MEMORY_BOUND = ("max_pool2d_switches", "unpool2d", "relu", "lrn", "softmax", "log_softmax", "sgd_update", "convert",
                "copy_layout")
LARGE = 64e6  # bytes


def geometric_mean(numbers):
    return math.exp(sum(map(math.log, numbers)) / len(numbers)) if numbers else None


def key(entry):
    return entry["op"], entry["layer"], entry["batch"], entry["dtype"]


def best(ways, word=""):
    """The quickest way whose name contains the word."""
    times = [way["median_ms"] for way in ways if "median_ms" in way and word in way["way"]]
    return min(times, default=None)


class Figures:
    def __init__(self, contents, torch):
        self.contents = contents
        self.all = [entry for content in contents for entry in content["figures"]]
        self.torch = {key(entry): entry.get("ways", []) for entry in torch["figures"]} if torch else {}
        self.measured = [entry for entry in self.all if "median_ms" in entry]

    def against(self, entry, whose, word=""):
        """How many times as quick as cuDNN (at its best layout) or PyTorch; None where it has nothing of the kind."""
        ways = entry.get("peers", []) if whose == "library" else self.torch.get(key(entry), [])
        theirs = best(ways, word)
        return theirs / entry["median_ms"] if theirs else None


def targets(figures):
    """(what, wanted, reached, over how many, verdict); nothing measured is no verdict."""
    largest = max((entry["batch"] for entry in figures.measured), default=0)
    at_largest = [entry for entry in figures.measured if entry["batch"] == largest and entry["dtype"] == "float32"]
    rows = []

    def row(what, wanted, numbers, reached):
        numbers = [number for number in numbers if number]
        if not numbers:
            rows.append({"what": what, "wanted": wanted, "reached": None, "over": 0, "verdict": "not measured"})
            return
        value = reached(numbers)
        if any(content.get("tiny") for content in figures.contents):
            rows.append({"what": what, "wanted": wanted, "reached": value, "over": len(numbers), "verdict": "tiny"})
            return
        rows.append({"what": what, "wanted": wanted, "reached": value, "over": len(numbers),
                     "verdict": "reached" if value >= wanted else "missed"})

    for family in MEMORY_BOUND:
        shares = [entry["share"] if entry["bytes"] >= LARGE else entry.get("copy_ms", 0) / entry["median_ms"]
                  for entry in at_largest if entry["op"].startswith(family)]
        row(f"{family}: share of copy bandwidth, geometric mean", 0.9, shares, geometric_mean)
        row(f"{family}: the same, least", 0.9, shares, min)
    row("unpool2d against PyTorch's max_unpool2d", 5.0,
        [figures.against(e, "torch", "max_unpool2d") for e in at_largest if e["op"].startswith("unpool2d")], geometric_mean)
    row("contrast normalisation across channels against cuDNN", 1.5,
        [figures.against(e, "library") for e in at_largest if e["op"].startswith("lrn_across")], geometric_mean)
    for network in ("zfnet/", "vgg16/"):
        row(f"float32 convolutions of {network[:-1]} at batch {largest} against cuDNN's multiply-adds", 0.8,
            [figures.against(e, "library") for e in at_largest
             if e["op"].startswith("conv2d") and e["layer"].startswith(network)], geometric_mean)
    return rows


def number(value, form="{:.2f}"):
    return "" if value is None else form.format(value)


def page(figures, rows):
    lines = []
    for content in figures.contents:
        lines += [f"- {content['card']}: copy {content['copy_bytes_per_s'] / 1e9:.0f} GB/s, float32 multiply-adds "
                  f"{content['flops_per_s'] / 1e12:.1f} TFLOP/s ({content['flops_from']}); {content['cudnn']}; "
                  f"{content['cublas']}"]
        if content.get("tiny"):
            lines += ["- **tiny layers: these figures say nothing about speed**"]
    lines += ["", "## Targets", "", table([[r["what"], f"{r['wanted']:g}", number(r["reached"]), r["over"], r["verdict"]]
                                           for r in rows], ["what", "wanted", "met", "layers", ""]), ""]
    failed = [entry for entry in figures.all if "note" in entry]
    if failed:
        lines += ["## Not measured", ""]
        lines += [f"- {e['op']} {e['layer']} x{e['batch']} {e['dtype']}: {e['note']}" for e in failed[:60]] + [""]
    lines += ["## Kernels, by op, element type and batch", "",
              "Geometric means over layers; a ratio above 1 means that deconv is quicker. The share is of what bounds the "
              "layer: the copy bandwidth or float32 multiply-adds, both as measured.", ""]
    groups = {}
    for entry in figures.measured:
        groups.setdefault((entry["op"], entry["dtype"], entry["batch"]), []).append(entry)
    body = []
    for (op, dtype, batch), entries in sorted(groups.items()):
        mean = lambda numbers: geometric_mean([n for n in numbers if n])
        shares = [e["share"] for e in entries]
        body.append([op, dtype, batch, len(entries), f"{mean(e['median_ms'] for e in entries):.4f}",
                     f"{100 * mean(shares):.0f} %", f"{100 * min(shares):.0f} %",
                     number(mean(e.get("copy_ms", 0) / e["median_ms"] for e in entries)),
                     number(mean(figures.against(e, "library", "nhwc") for e in entries)),
                     number(mean(figures.against(e, "library") for e in entries)),
                     number(mean(figures.against(e, "torch") for e in entries))])
    lines += [table(body, ["op", "type", "batch", "layers", "ms", "share", "least", "x copy as large", "x cuDNN nhwc",
                           "x library's best", "x PyTorch's best"]), ""]
    lines += ["## Convolutions, layer by layer", ""]
    body = [[e["op"].removeprefix("conv2d_"), e["layer"], e["batch"], e["dtype"], f"{e['median_ms']:.4f}",
             f"{e['flops'] / e['median_ms'] / 1e9:.2f}", f"{100 * e['share']:.0f} %",
             number(figures.against(e, "library", "nhwc")), number(figures.against(e, "library", "nchw")),
             number(figures.against(e, "torch"))]
            for e in figures.measured if e["op"].startswith("conv2d")]
    lines += [table(body, ["pass", "layer", "batch", "type", "ms", "TFLOP/s", "share", "x cuDNN nhwc", "x cuDNN nchw",
                           "x PyTorch's best"])]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ", 1)[1].replace("%", "%%"))
    parser.add_argument("figures", nargs="+", type=pathlib.Path)
    parser.add_argument("--torch", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    figures = Figures([json.loads(path.read_text()) for path in options.figures],
                      json.loads(options.torch.read_text()) if options.torch else None)
    rows = targets(figures)
    print(page(figures, rows))
    if options.json:
        options.json.write_text(json.dumps({"targets": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
