"""Timing of rival ways to do one job, and the figures they are written down in."""

import gc
import statistics
import time


class Job:
    """One job and the ways to do it. `ways` maps a way's name to a function without arguments; `flops` and `bytes`
    count what the job needs by the same formula for everybody, not what one way happens to move."""

    def __init__(self, name, ways, flops=0, bytes=0):
        self.name = name
        self.ways = ways
        self.flops = flops
        self.bytes = bytes


def measure(job, runs, warmups=3):
    """Runs every way `runs` times, in turns, so that a neighbour's noise hits all of them; returns one figure a way."""
    samples = {way: [] for way in job.ways}
    for _ in range(warmups):
        for function in job.ways.values():
            function()
    gc.collect()
    gc.disable()
    try:
        for _ in range(runs):
            for way, function in job.ways.items():
                start = time.perf_counter()
                result = function()
                samples[way].append((time.perf_counter() - start) * 1e3)
                del result
    finally:
        gc.enable()
    return [figure(job.name, way, job.flops, job.bytes, taken) for way, taken in samples.items()]


def figure(name, way, flops, bytes, samples_ms):
    """The record of one way: times in milliseconds, flops and bytes of one run."""
    return {
        "name": name,
        "way": way,
        "median_ms": round(statistics.median(samples_ms), 4),
        "min_ms": round(min(samples_ms), 4),
        "flops": flops,
        "bytes": bytes,
        "samples_ms": [round(sample, 4) for sample in samples_ms],
    }


def rate(entry):
    """A figure's rate in readable form: GFLOP/s where flops are counted, else GB/s, else nothing."""
    if entry.get("flops"):
        return f"{entry['flops'] / entry['median_ms'] / 1e6:.1f} GFLOP/s"
    if entry.get("bytes"):
        return f"{entry['bytes'] / entry['median_ms'] / 1e6:.1f} GB/s"
    return ""


def table(rows, heading):
    """Rows of strings as a Markdown table with aligned columns."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [heading] + rows) for i in range(len(heading))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in [heading] + rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
