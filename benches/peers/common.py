"""What the scripts of this folder share: rnnc from outside, weights, the comparison, medians."""

import json
import os
import platform
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHAPES = [(1, 128, 128, 256), (32, 128, 256, 100), (64, 512, 512, 50), (16, 1024, 1024, 25)]

# How far results may be apart, relative to the norm, before anything is timed.
BOUND = 1e-4


def need(*modules):
    """Imports modules, or says what is missing and ends; nothing is installed."""
    found = []
    for name in modules:
        try:
            found.append(__import__(name))
        except ImportError as error:
            sys.exit(f"missing: {name} ({error}); this script installs nothing, pip can")
    return found


def binary():
    path = os.environ.get("RNNC", os.path.join(ROOT, "target", "release", "rnnc"))
    if not os.path.exists(path):
        sys.exit(f"missing: {path}; `cargo build --release` makes it, or set RNNC")
    return path


def rnnc(*args):
    done = subprocess.run([binary(), "--quiet", *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"rnnc {' '.join(map(str, args))}\n{done.stderr}")
    return done.stdout


def sets(sizes):
    return [word for name, size in sizes.items() for word in ("--set", f"{name}={size}")]


def write_tensors(path, tensors):
    """A .safetensors file of float32 arrays."""
    header, body, at = {}, [], 0
    for name, array in tensors.items():
        data = array.astype("<f4").tobytes()
        header[name] = {
            "dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + len(data)],
        }
        body.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(body))


def read_tensors(path):
    import numpy as np

    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        body = file.read()
    header.pop("__metadata__", None)
    types = {"F32": "<f4", "F64": "<f8"}
    return {
        name: np.frombuffer(body[slice(*it["data_offsets"])], types[it["dtype"]]).reshape(it["shape"])
        for name, it in header.items()
    }


def apart(a, b):
    import numpy as np

    if a.shape != b.shape:
        return float("inf")
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(a), 1e-6))


def ours(spec, sizes, layout, weights, x, upstream):
    """The output and the gradient of the input that the fast engine of rnnc gives."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: os.path.join(folder, name)
        write_tensors(at("p.safetensors"), weights)
        np.save(at("x.npy"), x)
        np.save(at("up.npy"), upstream)
        given = [spec, *sets(sizes), "--params", at("p.safetensors"), "--layout", layout,
                 "--input", at("x.npy"), "--engine", "fast"]
        output = json.loads(rnnc("compile", spec, "--json"))["outputs"][0]["name"]
        rnnc("run", *given, "-o", at("y.npy"))
        rnnc("grad", *given, "--upstream", f"{output}={at('up.npy')}", "-o", at("g.safetensors"))
        name = json.loads(rnnc("compile", spec, "--json"))["inputs"][0]["name"]
        return np.load(at("y.npy")), read_tensors(at("g.safetensors"))[f"input.{name}"]


def bench(spec, sizes, batch, steps, threads):
    return json.loads(rnnc("bench", spec, *sets(sizes), "--batch", batch, "--steps", steps,
                           "--threads", threads, "--repeats", 3, "--json"))


def clock(work):
    """Milliseconds of three calls, one after the other."""
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        work()
        times.append((time.perf_counter() - begin) * 1e3)
    return times


def interleaved(works, measure_ours, rounds):
    """Everybody has a turn in every round; medians over all calls, and over the rounds of rnnc."""
    for work in works.values():
        work()
    theirs = {name: [] for name in works}
    reports = []
    for _ in range(rounds):
        reports.append(measure_ours())
        for name, work in works.items():
            theirs[name] += clock(work)
    mine = {
        key: statistics.median(report[key] for report in reports)
        for key in ("inference_ms", "training_ms", "step_us", "peak_gflops", "roofline_share")
    }
    return {name: statistics.median(all) for name, all in theirs.items()}, mine, reports[0]


def machine():
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            lines = [it for it in file if it.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip()
    except (OSError, IndexError):
        pass
    return f"{model}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"


def title(versions, threads, rounds):
    print(f"{time.strftime('%Y-%m-%d')}; {machine()}; {versions}; {threads} thread(s); "
          f"{rounds} interleaved rounds, medians\n")
    print("| cell | B, I, H, T | work | peer ms | rnnc ms | peer / rnnc |")
    print("|---|---|---|---:|---:|---:|", flush=True)


def row(cell, shape, work, peer, own):
    shape = ", ".join(map(str, shape))
    print(f"| {cell} | {shape} | {work} | {peer:.2f} | {own:.2f} | {peer / own:.2f} |", flush=True)


def same(cell, pairs):
    """Says by how much results are apart; whether they are near enough."""
    worst = max(apart(a, b) for a, b in pairs)
    if not worst <= BOUND:
        print(f"| {cell} | results differ by {worst:.1e}: not timed | | | | |", flush=True)
    return worst <= BOUND


def arguments(description, cells):
    import argparse

    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=1, help="of both (default 1)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shape", action="append", help="B,I,H,T; may be repeated")
    parser.add_argument("cells", nargs="*", help=f"of {', '.join(cells)}")
    args = parser.parse_args()
    args.shapes = [tuple(map(int, it.split(","))) for it in args.shape or []] or SHAPES
    args.cells = args.cells or list(cells)
    unknown = [it for it in args.cells if it not in cells]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(cells)}")
    # The engine of rnnc uses one thread so far; a peer with more would be another race.
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    os.environ["MKL_NUM_THREADS"] = str(args.threads)
    return args
