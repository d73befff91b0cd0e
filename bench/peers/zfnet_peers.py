#!/usr/bin/python3
"""PyTorch and Captum at ZFNet's jobs: JSON on stdout, a table on stderr. See bench/README.md."""

import argparse
import glob
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Debian's python3-torch belongs to the system's Python, which need not be the first on PATH.
PYTHON = os.environ.get("DECONV_PEERS_PYTHON", "/usr/bin/python3")
JOBS = ("copy", "copy_2", "forward_16", "forward_1", "project_nine_conv5", "max_pool_switches_1", "max_pool_switches_2",
        "unpool_1", "unpool_2", "deconv1_to_pixels_1", "deconv1_to_pixels_9", "deconv1_to_pixels_16", "train_step_lenet32_128",
        "train_step_zfnet_16", "gradcam_1", "saliency_1", "guided_backpropagation_1",
        "occlusion_48_16")


def allocators():
    """Environments by name. Half of eager PyTorch's time is page faults of fresh buffers, so how freed memory is kept
    decides its best figures: glibc told never to map nor trim, the same on huge pages, and jemalloc told not to purge."""
    found = {
        "glibc": {},
        "glibc kept": {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184"},
        "glibc kept, huge pages": {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184"
                                                     ":glibc.malloc.top_pad=268435456:glibc.malloc.hugetlb=1"},
    }
    for library in sorted(glob.glob("/usr/lib/*/libjemalloc.so.2")):
        found["jemalloc"] = {"LD_PRELOAD": library,
                             "MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always,metadata_thp:auto"}
    return found


def work(names, runs):
    """This process's part: the jobs under the environment that it was started with."""
    import torch

    from jobs import MAKERS
    from timing import measure

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    figures = []
    for name in names:
        figures += measure(MAKERS[name](), runs)
    return figures


def start(arguments, environment, threads):
    """A fresh Python process that finds the peers; its stdout. A malloc is chosen when a process starts."""
    path = os.pathsep.join([str(ROOT / "build" / "peers"), str(HERE)])
    settings = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": str(threads),
                "OPENBLAS_NUM_THREADS": str(threads), **environment}
    done = subprocess.run([PYTHON, *arguments], env=settings, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"the peers ended with status {done.returncode} (bench/peers/setup installs what they need)")
    return done.stdout


def versions():
    """One line that names the peers' versions."""
    script = ("import importlib.metadata, re, torch; "
              "onednn = re.search(r'MKL-DNN v([0-9.]+)', torch.__config__.show())[1]; "
              "captum = importlib.metadata.version('captum'); "
              "print(f'PyTorch {torch.__version__} (oneDNN {onednn}), Captum {captum}')")
    return start(["-c", script], {}, 1).strip()


def spawn(allocator, names, runs, threads):
    """The jobs in a fresh process under one allocator."""
    out = start([str(HERE / "zfnet_peers.py"), "--worker", "--runs", str(runs), "--threads", str(threads), "--jobs",
                 ",".join(names)], allocators()[allocator], threads)
    figures = json.loads(out)
    for entry in figures:
        entry["allocator"] = allocator
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="timed runs of each way (default 9)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--jobs", default=",".join(JOBS), help="names, comma between")
    parser.add_argument("--allocators", default=";".join(allocators()), help="names, semicolon between")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.jobs.split(",")
    for name in names:
        if name not in JOBS:
            parser.error(f"no job is called {name}; there are {', '.join(JOBS)}")
    if options.worker:
        json.dump(work(names, options.runs), sys.stdout)
        return

    from timing import rate, table
    figures = []
    for allocator in options.allocators.split(";"):
        if allocator not in allocators():
            parser.error(f"no allocator is called {allocator}; there are {'; '.join(allocators())}")
        figures += spawn(allocator, names, options.runs, options.threads)
    figures.sort(key=lambda entry: (names.index(entry["name"]), entry["median_ms"]))
    rows = [[e["name"], e["way"], e["allocator"], f"{e['median_ms']:.2f}", f"{e['min_ms']:.2f}", rate(e)] for e in figures]
    print(table(rows, ["job", "way", "allocator", "median ms", "min ms", "rate"]), file=sys.stderr)
    json.dump(figures, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
