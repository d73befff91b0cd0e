#!/usr/bin/env python3
"""The counted roofline of every kernel on the layers of ZFNet, AlexNet and VGG16: the least time that the bytes and flops
of the ops' doc comments allow on a card of given rates. Nothing in it is measured.

usage: cuda_roofline.py COUNTED.json [--measured FIGURES.json...] [--bandwidth 4.8e12] [--flops 67e12] [--card NAME]

COUNTED.json is what bench_cuda --list --batch 128 --json writes (bench_cuda_emulated does the same without nvcc).
Kernels that --measured has figures of are left out."""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
sys.dont_write_bytecode = True
from timing import table  # noqa: E402

PAGE = """# Kernels that were not yet measured on hardware

**Counted, not measured.** For each op on each layer at batch {batch}, {dtype}: the bytes it must move and the flops it
must do, by the formulas in the ops' doc comments, and the least time that a card of the vendor's nominal rates could do
that in: {card}, {bandwidth:.1f} TB/s and {flops:.0f} TFLOP/s of float32 multiply-adds. The larger of the two times is the
bound. A copy never reaches the nominal bandwidth, nor a matrix product the nominal rate: `bench_cuda` measures both in the
same run and prints shares of those. `scripts/gpu_check` measures all of it; once it has, the figures take this page's
place.

Targets to be checked then: kernels that move memory reach 90 % of the measured copy bandwidth; unpooling is five times as
quick as PyTorch's max_unpool2d; contrast normalisation 1.5 times as quick as cuDNN's; float32 convolutions of ZFNet and
VGG16 at batch 128 reach 0.8 of cuDNN's speed with multiply-adds.

Written by `bench/cuda_roofline.py`; layers of equal geometry stand once, under the first one's name.

{sections}
"""


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ", 1)[1].replace("%", "%%"))
    parser.add_argument("counted", type=pathlib.Path)
    parser.add_argument("--measured", nargs="*", type=pathlib.Path, default=[])
    parser.add_argument("--bandwidth", type=float, default=4.8e12, help="bytes a second")
    parser.add_argument("--flops", type=float, default=67e12, help="a second")
    parser.add_argument("--card", default="NVIDIA H200")
    options = parser.parse_args()
    seen = {figure["op"] for path in options.measured for figure in json.loads(path.read_text())["figures"]
            if "median_ms" in figure}
    jobs = [job for job in json.loads(options.counted.read_text())["counted"] if job["op"] not in seen]
    if not jobs:
        raise SystemExit("every kernel was measured")
    summary, details = [], []
    for op in sorted({job["op"] for job in jobs}):
        mine = [job for job in jobs if job["op"] == op]
        rows = []
        for job in mine:
            by_bytes, by_flops = job["bytes"] / options.bandwidth, job["flops"] / options.flops
            rows.append([job["layer"], f"{job['bytes'] / 1e6:.1f}", f"{job['flops'] / 1e9:.1f}" if job["flops"] else "",
                         f"{job['flops'] / job['bytes']:.1f}" if job["flops"] else "",
                         "flops" if by_flops > by_bytes else "bytes", f"{max(by_bytes, by_flops) * 1e6:.1f}"])
        total = sum(max(job["bytes"] / options.bandwidth, job["flops"] / options.flops) for job in mine)
        bounds = sorted({row[4] for row in rows})
        summary.append([op, len(mine), f"{sum(job['bytes'] for job in mine) / 1e9:.2f}",
                        f"{sum(job['flops'] for job in mine) / 1e12:.2f}" if mine[0]["flops"] else "",
                        " and ".join(bounds), f"{total * 1e3:.3f}"])
        heading = ["layer", "MB", "GFLOP", "flop/byte", "bound", "least µs"]
        kept = range(6) if mine[0]["flops"] else (0, 1, 5)
        details += [f"### {op}", "", table([[row[i] for i in kept] for row in rows], [heading[i] for i in kept]), ""]
    sections = ["## All layers together", "", table(summary, ["op", "layers", "GB", "TFLOP", "bound by", "least ms"]), "",
                "## Layer by layer", "", *details]
    print(PAGE.format(batch=jobs[0]["batch"], dtype=jobs[0]["dtype"], card=options.card, bandwidth=options.bandwidth / 1e12,
                      flops=options.flops / 1e12, sections="\n".join(sections).rstrip()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
