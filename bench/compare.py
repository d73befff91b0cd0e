#!/usr/bin/env python3
"""deconv's benchmark programs and their peers in turns, in one run on one machine, and the ratios between them.

Every round starts each of our programs and each of the peers' processes once, so that a busy neighbour hits both sides;
the samples of all rounds are pooled before the medians are taken. Prints a Markdown table; --record writes it down with
the date, the machine and the command, beside a JSON file of all figures. See bench/README.md."""

import argparse
import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "bench" / "peers"))
from timing import rate, table  # noqa: E402
import zfnet_peers  # noqa: E402

AS_IT_COMES = ("PyTorch as it comes", lambda e: e["way"] == "as it comes" and e["allocator"] == "glibc")
BEST = ("PyTorch's best", lambda e: True)
CAPTUM = ("Captum", lambda e: e["way"].startswith("captum") and "pass-through" not in e["way"])
CAPTUM_EASED = ("Captum, our norm in it", lambda e: "pass-through" in e["way"])
UNPOOL_PASS = ("hand-written pass", lambda e: e["way"].startswith("hand-written") and "phases" not in e["way"])
PHASES_PASS = ("hand-written, phases", lambda e: e["way"].startswith("hand-written") and "phases" in e["way"])
BY_HAND = ("written by hand", lambda e: e["way"].startswith("by hand"))
TRANSPOSE = ("PyTorch's transpose", lambda e: "phases" not in e["way"])
PHASES = ("PyTorch, phases by hand", lambda e: "phases" in e["way"])

# (job, which peer, how many times its speed is wanted; None: shown for the reader, nothing is promised)
RIVALS = [
    ("forward_16", AS_IT_COMES, 2.0), ("forward_16", BEST, 1.1),
    ("forward_1", AS_IT_COMES, None), ("forward_1", BEST, 2.0),
    ("train_step_zfnet_16", AS_IT_COMES, 2.0), ("train_step_zfnet_16", BEST, 1.3),
    ("train_step_lenet32_128", BEST, 1.3),
    ("project_nine_conv5", CAPTUM, 8.0), ("project_nine_conv5", CAPTUM_EASED, None),
    ("project_nine_conv5", UNPOOL_PASS, 4.0), ("project_nine_conv5", PHASES_PASS, None),
    ("gradcam_1", CAPTUM, 2.0), ("saliency_1", CAPTUM, None),
    ("guided_backpropagation_1", CAPTUM, 2.0), ("guided_backpropagation_1", CAPTUM_EASED, None),
]
RIVALS += [("occlusion_48_16", CAPTUM, 6.0), ("occlusion_48_16", BY_HAND, 3.0)]
RIVALS += [(f"deconv1_to_pixels_{n}", rival, None) for n in (1, 9, 16) for rival in (TRANSPOSE, PHASES)]
MEMORY_JOBS = ["max_pool_switches_1", "max_pool_switches_2", "unpool_1", "unpool_2"]
RIVALS += [(job, rival, None) for job in MEMORY_JOBS for rival in (AS_IT_COMES, BEST)]
SHARE_OF_COPY = 0.6
OUR_PROGRAMS = [f"build/release/bench/bench_{name}" for name in ("zfnet", "training", "attribution", "occlusion")]


def parse(text, program):
    """Our programs' figures: a JSON list of objects, or one object a line."""
    text = text.strip()
    try:
        figures = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
        for entry in figures:
            entry["name"], entry["median_ms"], entry["min_ms"]  # the three that every figure needs
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{program}: wanted a JSON list of figures with name, median_ms and min_ms, met {error!r}")
    return figures


def pool(into, figures, side):
    """Adds one round's figures to those of the rounds before, keyed by job and way."""
    for entry in figures:
        key = (entry["name"], entry.get("way", "ours"), entry.get("allocator", ""))
        kept = into.setdefault(key, {"side": side, "name": key[0], "way": key[1], "allocator": key[2],
                                     "flops": entry.get("flops", 0), "bytes": entry.get("bytes", 0), "samples_ms": [],
                                     "min_ms": entry["min_ms"]})
        kept["samples_ms"] += entry.get("samples_ms") or [entry["median_ms"]]
        kept["min_ms"] = min(kept["min_ms"], entry["min_ms"])
        kept["median_ms"] = statistics.median(kept["samples_ms"])


def run_ours(command, threads):
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    try:
        done = subprocess.run(shlex.split(command), env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    except OSError as error:
        raise SystemExit(f"{command}: {error.strerror}; build the benchmarks first or name them with --ours")
    if done.returncode != 0:
        raise SystemExit(f"{command} ended with status {done.returncode}")
    return parse(done.stdout, command)


def verdict(by_medians, by_minima, wanted):
    """On a busy machine medians flatter whoever suffers less from neighbours, so the minima must agree."""
    if wanted is None:
        return "", ""
    words = {(True, True): "reached", (True, False): "by medians only", (False, True): "by minima only",
             (False, False): "missed"}
    return f"{wanted:g}", words[by_medians >= wanted, by_minima >= wanted]


def compare(ours, peers):
    """Rows of the ratio table, and their data."""
    mine = {entry["name"]: entry for entry in ours}
    rows, data = [], []
    for job, (label, chosen), wanted in RIVALS:
        rivals = [entry for entry in peers if entry["name"] == job and chosen(entry)]
        if not rivals:
            continue
        rival = min(rivals, key=lambda entry: entry["median_ms"])
        their_least = min(entry["min_ms"] for entry in rivals)  # perhaps another way's
        theirs = f"{rival['median_ms']:.2f} ({their_least:.2f})"
        which = f"{label}: {rival['way']}, {rival['allocator']}"
        if job not in mine:
            rows.append([job, "not measured", which, theirs, "", "", "", ""])
            continue
        us = mine[job]
        ratio = rival["median_ms"] / us["median_ms"]
        least = their_least / us["min_ms"]
        wanted_text, reached = verdict(ratio, least, wanted)
        rows.append([job, f"{us['median_ms']:.2f} ({us['min_ms']:.2f})", which, theirs, f"{ratio:.2f}", f"{least:.2f}",
                     wanted_text, reached])
        data.append({"job": job, "rival": which, "ratio": round(ratio, 3), "ratio_of_minima": round(least, 3),
                     "wanted": wanted, "verdict": reached})
    return rows, data


def shares(ours, peers):
    """What each memory-bound job reaches of the machine's copy, which is the best copy that either side measured."""
    copies = [entry for entry in ours + peers if entry["name"] == "copy"]
    if not copies:
        return None, [], []
    roof = max(entry["bytes"] / entry["median_ms"] / 1e6 for entry in copies)
    roof_of_minima = max(entry["bytes"] / entry["min_ms"] / 1e6 for entry in copies)
    rows, data = [], []
    for side, figures in (("deconv", ours), ("PyTorch", peers)):
        for job in MEMORY_JOBS:
            found = [entry for entry in figures if entry["name"] == job and entry["bytes"]]
            if not found:
                continue
            entry = min(found, key=lambda each: each["median_ms"])
            reached = entry["bytes"] / entry["median_ms"] / 1e6
            share = reached / roof
            least = entry["bytes"] / entry["min_ms"] / 1e6 / roof_of_minima
            wanted, word = verdict(share, least, SHARE_OF_COPY if side == "deconv" else None)
            way = side if side == "deconv" else f"{side}: {entry['way']}, {entry['allocator']}"
            rows.append([job, way, f"{reached:.1f}", f"{share:.2f}", f"{least:.2f}", wanted, word])
            data.append({"job": job, "side": way, "gb_per_s": round(reached, 2), "share_of_copy": round(share, 3),
                         "share_of_minima": round(least, 3), "verdict": word})
    return roof, rows, data


def machine():
    """The machine in words, without its name."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {system}"


def revision():
    def git(*arguments):
        return subprocess.run(["git", "-C", str(ROOT), *arguments], stdout=subprocess.PIPE, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "include", "bench")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with uncommitted changes" if changed else "")


def report(options, ours, peers, load):
    """The record: its Markdown text and its data."""
    command = " ".join(["bench/compare.py"] + [shlex.quote(word.replace(f"{ROOT}/", "")) for word in sys.argv[1:]])
    about = {"date": datetime.date.today().isoformat(), "machine": machine(), "load_before": load,
             "threads": options.threads, "rounds": options.rounds, "revision": revision(),
             "peers": "left out" if options.no_peers else zfnet_peers.versions(), "command": command}
    rows, ratios = compare(ours, peers)
    roof, share_rows, share_data = shares(ours, peers)
    text = ["# ZFNet on the CPU, deconv and its peers", ""]
    text += [f"- {key.replace('_', ' ')}: {f'`{value}`' if key == 'command' else value}" for key, value in about.items()]
    text += ["", "Times are medians in milliseconds, the least of any way in brackets; a ratio above 1 means that deconv "
                 "is quicker.", ""]
    if load > 0.25 * options.threads:
        text += [f"The machine was busy when this began (load {load}): trust the minima before the medians.", ""]
    text += [table(rows, ["job", "deconv", "peer", "its time", "ratio", "of minima", "wanted", ""]), ""]
    if roof:
        text += [f"Share of the machine's copy bandwidth, {roof:.1f} GB/s (bytes read and written; a job's bytes are the "
                 "least it must move, a switch counted as one byte for everybody):", ""]
        text += [table(share_rows, ["job", "who", "GB/s", "share", "of minima", "wanted", ""]), ""]
        cached = [e["bytes"] / e["median_ms"] / 1e6 for e in ours + peers if e["name"] == "copy_2"]
        if cached:
            text += [f"The second plane set fits in a large last-level cache, where a copy reaches {max(cached):.1f} GB/s.",
                     ""]
    figures = sorted(ours + peers, key=lambda e: (e["name"], e["median_ms"]))
    text += ["All figures:", ""]
    text += [table([[e["name"], e["side"] if e["side"] == "deconv" and e["way"] == "ours" else e["way"], e["allocator"],
                     f"{e['median_ms']:.2f}", f"{e['min_ms']:.2f}", len(e["samples_ms"]), rate(e)] for e in figures],
                   ["job", "way", "allocator", "median ms", "min ms", "samples", "rate"]), ""]
    data = {"about": about, "ratios": ratios, "copy_gb_per_s": roof, "shares": share_data,
            "figures": [{key: value for key, value in e.items() if key != "samples_ms"} for e in figures]}
    return "\n".join(text), data


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", action="append", help="a benchmark program of ours with its arguments; may be repeated "
                                                        "(default bench_zfnet and its neighbours)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all programs in turn (default 3)")
    parser.add_argument("--runs", type=int, default=3, help="the peers' timed runs in a round (default 3)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--jobs", default=",".join(zfnet_peers.JOBS), help="the peers' jobs, comma between")
    parser.add_argument("--allocators", default="glibc;glibc kept, huge pages", help="the peers', semicolon between")
    parser.add_argument("--no-ours", action="store_true", help="the peers alone")
    parser.add_argument("--no-peers", action="store_true", help="our programs alone")
    parser.add_argument("--record", type=Path, help="write this file (.md) and its .json twin, as in docs/benchmarks/")
    options = parser.parse_args()
    if options.rounds < 1 or options.runs < 1:
        parser.error("--rounds and --runs start at 1")
    load = round(os.getloadavg()[0], 2)
    pooled_ours, pooled_peers = {}, {}
    for turn in range(options.rounds):
        print(f"round {turn + 1} of {options.rounds}", file=sys.stderr, flush=True)
        if not options.no_ours:
            for command in options.ours or OUR_PROGRAMS:
                pool(pooled_ours, run_ours(command, options.threads), "deconv")
        if not options.no_peers:
            for allocator in options.allocators.split(";"):
                if allocator not in zfnet_peers.allocators():
                    parser.error(f"no allocator is called {allocator}; there are "
                                 f"{'; '.join(zfnet_peers.allocators())}")
                pool(pooled_peers, zfnet_peers.spawn(allocator, options.jobs.split(","), options.runs, options.threads),
                     "peer")
    text, data = report(options, list(pooled_ours.values()), list(pooled_peers.values()), load)
    print(text)
    if options.record:
        options.record.parent.mkdir(parents=True, exist_ok=True)
        options.record.with_suffix(".md").write_text(text)
        options.record.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n")
        print(f"written: {options.record.with_suffix('.md')} and its .json twin", file=sys.stderr)


if __name__ == "__main__":
    main()
