#!/usr/bin/env python3
"""The jobs of bench_cuda in PyTorch on the same card: same shapes, the same maths mode (tf32 where the job says so, plain
float32 for float32 and 3xtf32), caches emptied before every run, times by events. Both memory layouts are tried
(channels_last is the one that deconv computes in); indices for max_unpool2d come from max_pool2d, as users have them.
Whole networks (cuda_jobs.py) are also recorded as CUDA graphs.

usage: cuda_torch.py [--jobs FILE] [--bench PROGRAM] [--batch 128] [--dtype float32] [--maths float32]
                     [--ops WORD,WORD...] [--network NAME/,...] [--json FILE]

--jobs is the file of bench_cuda --list --json; without it the program is asked, which needs no card."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OPS = ["conv2d_forward", "conv2d_reverse_data", "conv2d_reverse_weights", "linear_forward", "max_pool2d_switches",
       "unpool2d_sum", "unpool2d_last", "max_unpool2d", "average_pool2d", "lrn_across_forward", "lrn_across_reverse", "relu_forward",
       "relu_reverse_gradient", "softmax_forward", "log_softmax_forward", "softmax_cross_entropy_forward",
       "batch_norm_forward", "add_forward", "dropout_forward", "copy_layout_to_nchw", "copy_layout_to_nhwc", "convert",
       "concat_forward", "pad2d_forward", "sgd_update"]
# Beside bench/peers also where bench/peers/setup puts Captum.
sys.path[:0] = [str(ROOT / "bench" / "peers"), str(ROOT / "build" / "peers")]
sys.dont_write_bytecode = True
JOB = "job_"  # what the ops of cuda_jobs.py begin with


def ways_of(job, torch, device="cuda"):
    """{name of a way: function without arguments} for one job; empty where PyTorch has nothing of the kind."""
    F = torch.nn.functional
    op, src = job["op"], job["src"]
    half_bytes = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    dtype = half_bytes[job["dtype"]]
    make = lambda *shape: torch.randn(*shape, device=device, dtype=dtype)
    formats = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
    ways = {}

    def planes(layout, *shape):
        return make(*shape).to(memory_format=formats[layout]) if len(shape) == 4 else make(*shape)

    for layout in formats if len(src) == 4 else ["contiguous"]:
        x = planes(layout, *src)
        if op.startswith("conv2d_"):
            kernel, stride, padding, groups = job["kernel"], job["stride"], job["padding"], job["groups"]
            if job["ceil"]:  # no overhanging windows here: the plane is made as large as they need
                windows = [-(-(src[2 + i] + 2 * padding[i] - kernel[i]) // stride[i]) + 1 for i in (0, 1)]
                x = planes(layout, *src[:2], *((windows[i] - 1) * stride[i] + kernel[i] - 2 * padding[i] for i in (0, 1)))
            w = planes(layout, job["maps"], src[1] // groups, *kernel)
            bias = make(job["maps"])
            forward = lambda x=x, w=w, bias=bias: F.conv2d(x, w, bias, stride, padding, 1, groups)
            if op == "conv2d_forward":
                ways[layout] = forward
            else:
                y = torch.randn_like(forward())
                mask = [op == "conv2d_reverse_data", op == "conv2d_reverse_weights", False]
                ways[layout] = lambda y=y, x=x, w=w: torch.ops.aten.convolution_backward(
                    y, x, w, None, stride, padding, [1, 1], False, [0, 0], groups, mask)
        elif op == "linear_forward":
            w, bias = make(job["maps"], src[1]), make(job["maps"])
            ways[layout] = lambda x=x: F.linear(x, w, bias)
        elif op in ("max_pool2d_switches", "unpool2d_sum", "unpool2d_last", "max_unpool2d", "average_pool2d"):
            kernel, stride, padding, ceil = job["kernel"], job["stride"], job["padding"], job["ceil"]
            pool = lambda x=x: F.max_pool2d(x, kernel, stride, padding, 1, ceil, return_indices=True)
            if op == "max_pool2d_switches":
                ways[layout] = pool
            elif op == "average_pool2d":
                ways[layout] = lambda x=x: F.avg_pool2d(x, kernel, stride, padding, ceil, False)
            else:
                y, indices = pool()
                size = list(x.shape[2:])
                ways[f"max_unpool2d, {layout}"] = lambda y=y, i=indices: F.max_unpool2d(y, i, kernel, stride, padding, size)
                if op == "unpool2d_sum":
                    ways[f"gradient of max_pool2d, {layout}"] = lambda x=x, y=y, i=indices: (
                        torch.ops.aten.max_pool2d_with_indices_backward(y, x, kernel, stride, padding, [1, 1], ceil, i))
        elif op == "lrn_across_forward":
            ways[layout] = lambda x=x: F.local_response_norm(x, 5, 1e-4, 0.75, 2.0)
        elif op == "lrn_across_reverse":
            ways[layout] = with_gradient(torch, lambda x: F.local_response_norm(x, 5, 1e-4, 0.75, 2.0), x)
        elif op == "relu_forward":
            ways[layout] = lambda x=x: F.relu(x)
        elif op == "relu_reverse_gradient":
            y = torch.randn_like(x)
            ways[layout] = lambda x=x, y=y: torch.ops.aten.threshold_backward(y, x, 0)
        elif op in ("softmax_forward", "log_softmax_forward"):
            function = F.softmax if op == "softmax_forward" else F.log_softmax
            ways[layout] = lambda x=x: function(x, 1)
        elif op == "softmax_cross_entropy_forward":
            labels = torch.arange(src[0], device=device) % src[1]
            ways[layout] = lambda x=x: F.cross_entropy(x, labels, reduction="none")
        elif op == "batch_norm_forward":
            mean, variance, scale, bias = (make(src[1]).float().abs() for _ in range(4))
            ways[layout] = lambda x=x: F.batch_norm(x, mean, variance, scale, bias, False, 0, 1e-5)
        elif op == "add_forward":
            y = torch.randn_like(x)
            ways[layout] = lambda x=x, y=y: x + y
        elif op == "dropout_forward":
            ways[layout] = lambda x=x: torch.ops.aten.native_dropout(x, 0.5, True)
        elif op in ("copy_layout_to_nchw", "copy_layout_to_nhwc"):
            if (layout == "channels_last") == (op == "copy_layout_to_nchw"):
                target = formats["contiguous" if layout == "channels_last" else "channels_last"]
                ways[layout] = lambda x=x, target=target: x.contiguous(memory_format=target)
        elif op == "convert":
            other = torch.float16 if dtype == torch.float32 else torch.float32
            ways[layout] = lambda x=x: x.to(other)
        elif op == "concat_forward":
            a, b = (planes(layout, src[0], src[1] // 2, *src[2:]) for _ in "ab")
            ways[layout] = lambda a=a, b=b: torch.cat((a, b), 1)
        elif op == "pad2d_forward":
            ways[layout] = lambda x=x: F.pad(x, (1, 1, 1, 1))
        elif op == "sgd_update" and layout == "contiguous":
            weights = torch.nn.Parameter(x)
            weights.grad = torch.randn_like(x)
            step = torch.optim.SGD([weights], lr=0.01, momentum=0.9, weight_decay=5e-4, fused=True)
            ways["fused"] = step.step
    return ways


def jobs_ways(job):
    from cuda_jobs import ways_of as whole  # imports torch
    return whole(job)


def with_gradient(torch, function, x):
    """The way back alone: the graph of the way there is kept."""
    x = x.detach().requires_grad_()
    y = function(x)
    signal = torch.randn_like(y)
    return lambda: torch.autograd.grad(y, x, signal, retain_graph=True)


def time_way(run, torch, flush, most=40, budget_ms=60.0):
    """(median, least) milliseconds of a run from emptied caches."""
    def one():
        flush.sum()  # reading it leaves nothing else in the caches, and nothing to be written back
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        result = run()
        end.record()
        return begin, end, result

    for _ in range(3):
        begin, end, _ = one()
    torch.cuda.synchronize()
    runs = max(7, min(most, int(budget_ms / max(begin.elapsed_time(end), 1e-3))))
    events = []
    for _ in range(runs):
        events.append(one()[:2])
    torch.cuda.synchronize()
    samples = [begin.elapsed_time(end) for begin, end in events]
    return statistics.median(samples), min(samples), runs


def jobs_of(options):
    if options.jobs:
        content = json.loads(options.jobs.read_text())
    else:
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            subprocess.run([str(options.bench), "--list", "--json", file.name, "--batch", options.batch, "--dtype",
                            options.dtype, "--maths", options.maths], check=True, stdout=subprocess.DEVNULL)
            content = json.loads(pathlib.Path(file.name).read_text())
    batches = {int(batch) for batch in options.batch.split(",")}
    words = options.ops.split(",") if options.ops else []
    networks = tuple(options.network.split(",")) if options.network else ""
    # Jobs of one image come with every list of batches.
    return [job for job in content["counted"]
            if (job["op"].startswith(JOB) or job["batch"] in batches and job["op"] in OPS) and
            (not words or any(word in job["op"] for word in words)) and job["layer"].startswith(networks)]


def choose_maths(job, torch):
    """TF32 where the job is in TF32; tensor cores for half and bfloat16 are PyTorch's own choice."""
    tf32 = job.get("maths") == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ", 1)[1].replace("%", "%%"))
    parser.add_argument("--jobs", type=pathlib.Path)
    parser.add_argument("--bench", type=pathlib.Path, default=ROOT / "build/gpu/bench/bench_cuda")
    parser.add_argument("--batch", default="128")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--maths", default="float32")
    parser.add_argument("--ops")
    parser.add_argument("--network", help="only layers and networks whose names begin so")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    jobs = jobs_of(options)
    import torch  # after the options, which are read on machines without it too
    if not torch.cuda.is_available():
        sys.exit("cuda_torch: PyTorch sees no card")
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(1)
    flush = torch.randn(64 << 20, device="cuda")  # 256 MB, several times any last-level cache
    content = {"torch": torch.__version__, "cudnn": torch.backends.cudnn.version(),
               "card": torch.cuda.get_device_name(), "figures": []}
    with torch.no_grad():
        for job in jobs:
            entry = {key: job[key] for key in ("op", "layer", "batch", "dtype", "maths") if key in job}
            try:
                choose_maths(job, torch)
                with torch.enable_grad() if job["op"] == "lrn_across_reverse" else torch.no_grad():
                    ways = jobs_ways(job) if job["op"].startswith(JOB) else ways_of(job, torch)
                    entry["ways"] = []
                    for name, run in ways.items():
                        try:
                            median, least, runs = time_way(run, torch, flush)
                            entry["ways"].append({"way": name, "median_ms": median, "min_ms": least, "runs": runs})
                        except Exception as error:  # this way cannot; others can
                            entry["ways"].append({"way": name, "note": str(error).splitlines()[0]})
                    ways = run = None
            except Exception as error:  # out of memory, or no such kernel: the others are still wanted
                entry["note"] = str(error).splitlines()[0]
            content["figures"].append(entry)
            best = min((way["median_ms"] for way in entry.get("ways", []) if "median_ms" in way), default=None)
            print(f"{entry['op']:32} {entry['layer']:24} x{entry['batch']:<4}",
                  f"{job.get('maths', job['dtype']):9}",
                  entry.get("note") or (f"{best:9.4f} ms" if best is not None else "nothing of the kind"), flush=True)
            torch.cuda.empty_cache()
            if options.json:
                unfinished = options.json.with_suffix(".part")  # whoever stops us finds a whole file
                unfinished.write_text(json.dumps(content, indent=1))
                unfinished.replace(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
