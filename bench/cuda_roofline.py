#!/usr/bin/env python3
"""The counted roofline of every kernel on the layers of ZFNet, AlexNet and VGG16, and of whole jobs: the least time that the
bytes and flops of the ops' doc comments allow on a card of given rates. Nothing in it is measured.

usage: cuda_roofline.py COUNTED.json [--measured FIGURES.json...] [--bandwidth 4.8e12] [--flops 67e12] [--tf32 494e12]
                        [--half 989e12] [--card NAME]

COUNTED.json is what bench_cuda --list --batch 128,16,1 --dtype float32,bfloat16 --maths float32,tf32,3xtf32 --json writes
(bench_cuda_emulated does the same without nvcc). Of layers the largest batch is shown. Kernels that --measured has figures
of are left out."""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
sys.dont_write_bytecode = True
from timing import table  # noqa: E402

PAGE = """# Kernels that were not yet measured on hardware

**Counted, not measured.** For each op on each layer at batch {batch}: the bytes it must move and the flops it must do, by the
formulas in the ops' doc comments, and the least time that a card of the vendor's nominal rates (its data sheet, without
sparsity) could do that in: {card}, {bandwidth:.1f} TB/s, and in TFLOP/s {flops:.0f} of float32 multiply-adds, {tf32:.0f} of TF32,
{half:.0f} of half and bfloat16; 3xTF32 counts as a third of TF32. The larger of the two times is the bound. A copy never reaches
the nominal bandwidth, nor a matrix product the nominal rate: `bench_cuda` measures them in the same run and prints shares of
those. `scripts/gpu_check` measures all of it; once it has, the figures take this page's place.

The targets to be checked then are those of `bench/cuda_compare.py`, which prints a verdict for each.
{seen}
Written by `bench/cuda_roofline.py`; layers of equal geometry stand once, under the first one's name.

{sections}
"""
NOT_SEEN = """
No kernel has run on a card yet, neither its results nor its speed were seen there: `kernel-resources.md` lists them all. Those
that depend most on what only hardware can say are `correlate_warpgroup`, `correlate_weights_warpgroup`,
`correlate_and_pool_warpgroup` and `correlate_unpooled_warpgroup` (tensor copies, barriers with phases, wgmma; [how](../kernels/warpgroup.md)).
"""
NUMBERS = ("float32", "tf32", "3xtf32", "bfloat16")


def numbers_of(job):
    return job.get("maths", job["dtype"])


class Card:
    def __init__(self, options):
        self.bandwidth = options.bandwidth
        self.flops = {"float32": options.flops, "tf32": options.tf32, "3xtf32": options.tf32 / 3, "bfloat16": options.half,
                      "float16": options.half}

    def times(self, job):
        """Seconds by bytes and by flops."""
        return job["bytes"] / self.bandwidth, job["flops"] / self.flops[numbers_of(job)]

    def least(self, job):
        return max(self.times(job))


def in_every_batch(op):
    return op.startswith(("job_", "linear_"))


def matrix_tables(card, jobs, largest):
    """(summary rows, detail lines) of ops whose numbers matter: a row a layer, a column a kind of multiplication. The summary
    is of the largest batch alone."""
    summary, details = [], []
    for op in sorted({job["op"] for job in jobs}):
        by_batch = in_every_batch(op)
        rows, totals = [], {}
        layers = {}
        for job in jobs:
            if job["op"] == op:
                layers.setdefault((job["layer"], job["batch"]), {})[numbers_of(job)] = job
        for (layer, batch), kinds in layers.items():
            first = kinds.get("float32") or next(iter(kinds.values()))
            row = [layer, *([batch] if by_batch else []), f"{first['flops'] / 1e9:.1f}", f"{first['bytes'] / 1e6:.1f}"]
            for kind in NUMBERS:
                if kind not in kinds:
                    row.append("")
                    continue
                by_bytes, by_flops = card.times(kinds[kind])
                if batch == largest:
                    totals[kind] = totals.get(kind, 0) + max(by_bytes, by_flops)
                row.append(f"{max(by_bytes, by_flops) * 1e6:.1f} {'flops' if by_flops > by_bytes else 'bytes'}")
            rows.append(row)
        summed = [next(iter(kinds.values())) for (_, batch), kinds in layers.items() if batch == largest]
        summary.append([op, len(summed), f"{sum(job['flops'] for job in summed) / 1e12:.2f}",
                        *(f"{totals[kind] * 1e3:.3f}" if kind in totals else "" for kind in NUMBERS)])
        heading = ["network" if op.startswith("job_") else "layer", *(["batch"] if by_batch else []), "GFLOP", "MB in float32",
                   "float32", "TF32", "3xTF32", "half, bfloat16"]
        details += [f"### {op}", "", table(rows, heading), ""]
    return summary, details


def plain_tables(card, jobs):
    """The same for ops that move memory, in float32."""
    summary, details = [], []
    for op in sorted({job["op"] for job in jobs}):
        mine = [job for job in jobs if job["op"] == op]
        flops = mine[0]["flops"]
        rows = []
        for job in mine:
            by_bytes, by_flops = card.times(job)
            rows.append([job["layer"], f"{job['bytes'] / 1e6:.1f}", f"{job['flops'] / 1e9:.1f}",
                         "flops" if by_flops > by_bytes else "bytes", f"{max(by_bytes, by_flops) * 1e6:.1f}"])
        heading = ["layer", "MB", "GFLOP", "bound", "least µs"]
        kept = range(5) if flops else (0, 1, 4)
        summary.append([op, len(mine), f"{sum(job['bytes'] for job in mine) / 1e9:.2f}",
                        f"{sum(map(card.least, mine)) * 1e3:.3f}"])
        details += [f"### {op}", "", table([[row[i] for i in kept] for row in rows], [heading[i] for i in kept]), ""]
    return summary, details


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ", 1)[1].replace("%", "%%"))
    parser.add_argument("counted", type=pathlib.Path)
    parser.add_argument("--measured", nargs="*", type=pathlib.Path, default=[])
    parser.add_argument("--bandwidth", type=float, default=4.8e12, help="bytes a second")
    parser.add_argument("--flops", type=float, default=67e12, help="float32 multiply-adds counted twice, a second")
    parser.add_argument("--tf32", type=float, default=494e12, help="the same in TF32 on tensor cores")
    parser.add_argument("--half", type=float, default=989e12, help="the same in half and bfloat16")
    parser.add_argument("--card", default="NVIDIA H200")
    options = parser.parse_args()
    seen = {(figure["op"], numbers_of(figure)) for path in options.measured
            for figure in json.loads(path.read_text())["figures"] if "median_ms" in figure}
    counted = [job for job in json.loads(options.counted.read_text())["counted"]
               if (job["op"], numbers_of(job)) not in seen]
    if not counted:
        raise SystemExit("every kernel was measured")
    card = Card(options)
    layers = [job for job in counted if not job["op"].startswith("job_")]
    largest = max((job["batch"] for job in layers), default=0)
    layers = [job for job in layers
              if job["batch"] == largest or job["op"].startswith("sgd_update") or in_every_batch(job["op"])]
    products = {job["op"] for job in layers if "maths" in job}
    sections = []
    summary, details = matrix_tables(card, [job for job in counted if job["op"].startswith("job_")], largest)
    if summary:
        sections += ["## Whole jobs", "", "Forward passes; nine units of one image projected on their receptive fields; "
                     "Grad-CAM of one image; features of four batches. Every layer's weights, input and output move once, "
                     "rectifiers work in place. Least times in µs, and what bounds them.", "", *details]
    summary, details = matrix_tables(card, [job for job in layers if job["op"] in products], largest)
    if summary:
        sections += ["## Products and convolutions, all layers together", "", "Least times in ms.", "",
                     table(summary, ["op", "layers", "TFLOP", "float32", "TF32", "3xTF32", "half, bfloat16"]), "",
                     "## Products and convolutions, layer by layer", "", "Least times in µs, and what bounds them.", "",
                     *details]
    plain = [job for job in layers if job["op"] not in products and job["dtype"] == "float32"]
    summary, details = plain_tables(card, plain)
    if summary:
        sections += ["## Kernels that move memory, all layers together", "",
                     "In float32; half and bfloat16 move half of it, but for switches and indices.", "",
                     table(summary, ["op", "layers", "GB", "least ms"]), "",
                     "## Kernels that move memory, layer by layer", "", *details]
    print(PAGE.format(batch=largest, card=options.card, bandwidth=options.bandwidth / 1e12, flops=options.flops / 1e12,
                      tf32=options.tf32 / 1e12, half=options.half / 1e12, seen="" if options.measured else NOT_SEEN, sections="\n".join(sections).rstrip()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
