#!/usr/bin/env python3
"""One table of what bench_cuda measured, beside cuDNN, cuBLAS and PyTorch, and what became of the targets.

usage: cuda_compare.py FIGURES.json... [--torch TORCH.json...] [--json FILE]

Prints Markdown. The targets stand in TARGETS below; bench/README.md says what each is held against. Geometric means over
layers; cuDNN counts with its better layout unless the target says nhwc."""
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
    # Nobody else has 3xTF32: it is held against float32 without tensor cores.
    maths = entry.get("maths", "")
    return entry["op"], entry["layer"], entry["batch"], entry["dtype"], "float32" if maths == "3xtf32" else maths


def numbers_of(entry):
    """How an entry's numbers are multiplied: float32, tf32, 3xtf32, float16 or bfloat16."""
    return entry.get("maths", entry["dtype"])


def best(ways, word=""):
    """The quickest way whose name contains the word. Other ways of ours are nobody's rivals."""
    times = [way["median_ms"] for way in ways
             if "median_ms" in way and word in way["way"] and not way["way"].startswith("ours")]
    return min(times, default=None)


class Figures:
    def __init__(self, contents, torch):
        self.contents = contents
        # Of a job that was measured in several runs the last one counts.
        self.all = list({(*key(entry), numbers_of(entry)): entry for content in contents
                         for entry in content["figures"]}.values())
        self.torch = {key(entry): entry.get("ways", []) for content in torch for entry in content["figures"]}
        self.measured = [entry for entry in self.all if "median_ms" in entry]

    def against(self, entry, whose, word="", own=""):
        """How many times as quick as cuDNN (at its best layout) or PyTorch; None where it has nothing of the kind. `own` names
        another way of ours than the first."""
        ways = entry.get("peers", []) if whose == "library" else self.torch.get(key(entry), [])
        theirs = best(ways, word)
        ours = entry["median_ms"]
        if own:
            ours = next((way["median_ms"] for way in entry.get("peers", []) if way["way"] == own and "median_ms" in way), None)
        return theirs / ours if theirs and ours else None


def of(op, numbers=None, networks=("zfnet", "vgg16"), when=lambda entry: True):
    """Picks entries: ops that begin with one of `op`, numbers, networks, and a test of the layer."""
    ops = (op,) if isinstance(op, str) else op
    return lambda entry: (entry["op"].startswith(ops) and (numbers is None or numbers_of(entry) == numbers) and
                          entry["layer"].startswith(networks) and when(entry))


def three_by_three(entry):
    return entry["kernel"] == [3, 3] and entry["stride"] == [1, 1] and entry["src"][1] > 3


def first_layer(entry):
    return entry["src"][1] == 3


def strided(entry):
    return max(entry["stride"]) > 1 and entry["src"][1] > 3


class Target:
    """A ratio that is wanted. `whose`: library (cuDNN, cuBLAS), torch, or copy for a share of the copy bandwidth; `word` is
    part of the rival's name, `own` another way of ours than the first; without `any_batch` only the largest batch measured
    counts."""

    def __init__(self, what, wanted, pick, whose="library", word="", reached=geometric_mean, any_batch=False, own=""):
        self.what, self.wanted, self.pick, self.whose, self.word, self.own = what, wanted, pick, whose, word, own
        self.reached, self.any_batch = reached, any_batch


FORWARD_AND_DATA = ("conv2d_forward", "conv2d_reverse_data")
MODES = ("bfloat16", "tf32")
TARGETS = [
    *(Target(f"3x3 stride 1, forward and backward-data, {mode}, against cuDNN nhwc", 1.0,
             of(FORWARD_AND_DATA, mode, when=three_by_three), word="nhwc") for mode in MODES),
    *(Target(f"the same with mma.sync alone, {mode}", 0.6, of(FORWARD_AND_DATA, mode, when=three_by_three), word="nhwc",
             own="ours, mma.sync alone") for mode in MODES),
    *(Target(f"first layers, forward and backward-data, {mode}, against cuDNN", 1.3,
             of(FORWARD_AND_DATA, mode, ("zfnet", "alexnet", "vgg16"), first_layer)) for mode in MODES),
    *(Target(f"strided backward-data, {mode}, against cuDNN", 1.3,
             of("conv2d_reverse_data", mode, ("zfnet", "alexnet", "vgg16"), strided)) for mode in MODES),
    Target("3x3 stride 1 in 3xTF32, forward and backward-data, against cuDNN's multiply-adds", 1.5,
           of(FORWARD_AND_DATA, "3xtf32", when=three_by_three)),
    *(Target(f"float32 convolutions of {network}, all passes, against cuDNN's multiply-adds", 1.0,
             of(("conv2d_forward", "conv2d_reverse"), "float32", network)) for network in ("zfnet", "vgg16")),
    *(Target(f"convolution 1, rectifier, pool and switches, {mode}, against cuDNN's three calls", 2.5,
             of("conv2d_pool_switches", mode, "zfnet/conv1"), word="three calls") for mode in MODES),
    *(Target(f"unpooling, rectifier and transposed filters, {mode}, against unpooling and cuDNN", 2.5,
             of("unpool_conv2d_reverse_data", mode), word="our unpooling") for mode in MODES),
    *(Target(f"backward-weights, {mode}, against cuDNN's best deterministic algorithm", 1.0,
             of("conv2d_reverse_weights", mode)) for mode in (*MODES, "float32")),
    Target("ZFNet forward, bfloat16, against PyTorch with CUDA graphs, channels last", 1.3,
           of("job_forward", "bfloat16", "zfnet"), "torch", "channels_last, CUDA graph"),
    Target("nine units of one image projected by ZFNet, against Captum", 10.0, of("job_projection", "float32", "zfnet"),
           "torch", "Captum", any_batch=True),
    *(Target(f"{family}: share of copy bandwidth, {name}", 0.9, of(family, "float32", ""), "copy", reached=reached)
      for family in MEMORY_BOUND for name, reached in (("geometric mean", geometric_mean), ("least", min))),
    Target("unpool2d against PyTorch's max_unpool2d", 5.0, of("unpool2d", "float32", ""), "torch", "max_unpool2d"),
    Target("contrast normalisation across channels against cuDNN", 1.5, of("lrn_across", "float32", "")),
]


def targets(figures):
    """What was wanted and met, over how many, and the verdict; nothing measured is no verdict."""
    largest = max((entry["batch"] for entry in figures.measured), default=0)
    rows = []
    for target in TARGETS:
        entries = [e for e in figures.measured if target.pick(e) and (target.any_batch or e["batch"] == largest)]
        if target.whose == "copy":
            met = [e["share"] if e["bytes"] >= LARGE else e.get("copy_ms", 0) / e["median_ms"] for e in entries]
        else:
            met = [figures.against(e, target.whose, target.word, target.own) for e in entries]
        met = [value for value in met if value]
        row = {"what": target.what, "wanted": target.wanted, "reached": None, "over": len(met), "verdict": "not measured"}
        if met:
            row["reached"] = target.reached(met)
            tiny = any(content.get("tiny") for content in figures.contents)
            row["verdict"] = "tiny" if tiny else "reached" if row["reached"] >= target.wanted else "missed"
        rows.append(row)
    return rows


def number(value, form="{:.2f}"):
    return "" if value is None else form.format(value)


def page(figures, rows):
    lines = []
    for content in figures.contents:
        roofs = "; ".join(f"{what} {content[name + '_per_s'] / 1e12:.1f} TFLOP/s ({content[name + '_from']})"
                          for what, name in (("float32 multiply-adds", "flops"), ("TF32", "tf32_flops"),
                                             ("half and bfloat16", "half_flops")) if name + "_per_s" in content)
        lines += [f"- {content['card']}: copy {content['copy_bytes_per_s'] / 1e9:.0f} GB/s; {roofs}; {content['cudnn']}; "
                  f"{content['cublas']}"]
        if content.get("tiny"):
            lines += ["- **tiny layers: these figures say nothing about speed**"]
    lines += ["", "## Targets", "", table([[r["what"], f"{r['wanted']:g}", number(r["reached"]), r["over"], r["verdict"]]
                                           for r in rows], ["what", "wanted", "met", "layers", ""]), ""]
    failed = [entry for entry in figures.all if "note" in entry]
    if failed:
        lines += ["## Not measured", ""]
        lines += [f"- {e['op']} {e['layer']} x{e['batch']} {numbers_of(e)}: {e['note']}" for e in failed[:60]] + [""]
    lines += ["## Kernels, by op, element type and batch", "",
              "Geometric means over layers; a ratio above 1 means that deconv is quicker. The share is of what bounds the "
              "layer: the copy bandwidth, or multiplications of its kind (3xTF32: a third of TF32's), both as measured.", ""]
    groups = {}
    for entry in figures.measured:
        groups.setdefault((entry["op"], numbers_of(entry), entry["batch"]), []).append(entry)
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
    body = [[e["op"].removeprefix("conv2d_"), e["layer"], e["batch"], numbers_of(e), f"{e['median_ms']:.4f}",
             f"{e['flops'] / e['median_ms'] / 1e9:.2f}", f"{100 * e['share']:.0f} %",
             number(figures.against(e, "library", "nhwc")), number(figures.against(e, "library", "nchw")),
             number(figures.against(e, "torch"))]
            for e in figures.measured if e["op"].startswith("conv2d")]
    lines += [table(body, ["pass", "layer", "batch", "type", "ms", "TFLOP/s", "share", "x cuDNN nhwc", "x cuDNN nchw",
                           "x PyTorch's best"])]
    jobs = [e for e in figures.measured if e["op"].startswith("job_")]
    if jobs:
        lines += ["", "## Whole jobs", "", "Each a recorded CUDA graph; the best of PyTorch's ways, its graph with channels "
                  "last, and Captum.", ""]
        body = [[e["op"].removeprefix("job_"), e["layer"], e["batch"], numbers_of(e), f"{e['median_ms']:.4f}",
                 number(figures.against(e, "torch")), number(figures.against(e, "torch", "channels_last, CUDA graph")),
                 number(figures.against(e, "torch", "Captum"))] for e in jobs]
        lines += [table(body, ["job", "network", "batch", "type", "ms", "x PyTorch's best", "x its graph", "x Captum"])]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ", 1)[1].replace("%", "%%"))
    parser.add_argument("figures", nargs="+", type=pathlib.Path)
    parser.add_argument("--torch", nargs="*", type=pathlib.Path, default=[])
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    figures = Figures([json.loads(path.read_text()) for path in options.figures],
                      [json.loads(path.read_text()) for path in options.torch])
    rows = targets(figures)
    print(page(figures, rows))
    if options.json:
        options.json.write_text(json.dumps({"targets": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
