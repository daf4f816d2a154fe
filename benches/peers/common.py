"""What the scripts of this folder share: the command line, the comparison of results, the race, the table."""

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time

import rnnc

SHAPES = [(1, 128, 128, 256), (32, 128, 256, 100), (64, 512, 512, 50), (16, 1024, 1024, 25)]
MIDDLE = [SHAPES[1]]

# How far results may be apart, relative to the norm, before anything is timed.
BOUND = 1e-4

# What `rnnc bench --json` calls a work, and how much of a millisecond its unit is.
KEYS = {
    "inference": ("inference_ms", 1.0),
    "training": ("training_ms", 1.0),
    "one step a call": ("step_us", 1e-3),
}


def need(*modules):
    """Imports modules, or says what is missing and ends; nothing is installed."""
    found = []
    for name in modules:
        try:
            found.append(__import__(name))
        except ImportError as error:
            sys.exit(f"missing: {name} ({error}); this script installs nothing, pip can")
    return found


def arguments(description, cells, shapes=SHAPES, extra=None):
    """Reads the command line and limits this process, and with it all that it starts, to as many processors as threads.
    To be called before numpy and the like are imported, because they look at the environment only then."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=1, help="of both sides (default 1)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shape", action="append", help="B,I,H,T; may be repeated")
    parser.add_argument("--json", metavar="FILE", help="appends each row as a line of JSON")
    if extra:
        extra(parser)
    parser.add_argument("cells", nargs="*", help=f"of {', '.join(cells)}")
    args = parser.parse_args()
    args.shapes = [tuple(map(int, it.split(","))) for it in args.shape or []] or shapes
    args.cells = args.cells or list(cells)
    unknown = [it for it in args.cells if it not in cells]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(cells)}")
    for name in ("OMP", "MKL", "OPENBLAS", "RAYON"):
        os.environ[f"{name}_NUM_THREADS"] = str(args.threads)
    rnnc.binary()
    pin(args.threads)
    return args


def pin(threads):
    """Binds this process to so many processors, each of a core of its own where there are enough."""
    if not hasattr(os, "sched_setaffinity"):
        print("note: this system binds no process to processors", file=sys.stderr)
        return
    cores = {}
    for it in sorted(os.sched_getaffinity(0)):
        try:
            with open(f"/sys/devices/system/cpu/cpu{it}/topology/thread_siblings_list") as file:
                core = file.read()
        except OSError:
            core = it
        cores.setdefault(core, []).append(it)
    layers = sorted((rank, it) for core in cores.values() for rank, it in enumerate(core))
    if len(layers) < threads:
        sys.exit(f"{threads} threads, but {len(layers)} processor(s)")
    os.sched_setaffinity(0, {it for _, it in layers[:threads]})


def apart(a, b):
    """By how much arrays differ relative to the norm, whatever axes of length 1 they have."""
    import numpy as np

    a, b = np.squeeze(np.asarray(a)), np.squeeze(np.asarray(b))
    if a.shape != b.shape:
        return math.inf
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(a), 1e-6))


def reason(error):
    """An exception in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def clock(work):
    """Milliseconds of three calls or more, after one that only warms up."""
    work()
    times = []
    while len(times) < 3 or (sum(times) < 10 and len(times) < 50):
        begin = time.perf_counter()
        work()
        times.append((time.perf_counter() - begin) * 1e3)
    return times


def or_one_thread(torch, threads, works):
    """Work that is too small for several threads is fastest with one, which PyTorch has to be told."""
    def limited(work):
        def run():
            torch.set_num_threads(1)
            try:
                return work()
            finally:
                torch.set_num_threads(threads)
        return run

    for ways in works.values() if threads > 1 else []:
        ways |= {f"{name}, one thread": limited(work) for name, work in ways.items()}
    return works


class Race:
    """One peer and rnnc in turns, and the table of it."""

    def __init__(self, peer, versions, args):
        self.peer, self.args, self.rows = peer, args, []
        print(f"{time.strftime('%Y-%m-%d')}; {machine()}; {versions}; {args.threads} thread(s); "
              f"{args.rounds} interleaved rounds, medians\n")
        self.keep({"about": versions})
        print("| cell | B, I, H, T | work | peer | peer ms | rnnc ms | peer / rnnc |")
        print("|---|---|---|---|---:|---:|---:|", flush=True)

    def keep(self, row):
        if self.args.json:
            row = {"peer": self.peer, "threads": self.args.threads} | row
            with open(self.args.json, "a") as file:
                file.write(json.dumps(row) + "\n")

    def skip(self, cell, shape, why):
        why = " ".join(str(why).split())[:150]
        print(f"| {cell} | {', '.join(map(str, shape))} | not timed: {why} | | | | |", flush=True)
        self.keep({"cell": cell, "shape": shape, "skipped": why})

    def attempt(self, cell, shape, what):
        """One cell that cannot be measured stops no other."""
        try:
            what()
        except Exception as error:
            self.skip(cell, shape, reason(error))

    def same(self, cell, shape, theirs, own):
        """Whether results are near enough to be timed; says it if not."""
        common = [it for it in theirs if it in own]
        worst = max(common, key=lambda it: apart(theirs[it], own[it]))
        far = apart(theirs[worst], own[worst])
        if not all(apart(theirs[it], own[it]) <= BOUND for it in common):
            self.skip(cell, shape, f"results differ by {far:.1e} in {worst}")
            return False
        return True

    def measure(self, cell, spec, sizes, shape, works, turn=clock, per=1):
        """`works` are the ways in which the peer can do each work, `per` times in a call; the best way counts. Everybody
        has a turn in every round."""
        batch, _, _, steps = shape
        times = {(work, way): [] for work, ways in works.items() for way in ways}
        reports = []
        for _ in range(self.args.rounds):
            reports.append(rnnc.bench(spec, sizes, batch, steps, self.args.threads))
            for (work, way), all in times.items():
                all += turn(works[work][way])
        if reports[0]["threads"] != self.args.threads and len(self.rows) == 0:
            print(f"note: rnnc used {reports[0]['threads']} thread(s)", file=sys.stderr)
        for work, ways in works.items():
            best = min(ways, key=lambda way: statistics.median(times[work, way]))
            key, unit = KEYS[work]
            self.row(cell, shape, work, best, statistics.median(times[work, best]) / per,
                     statistics.median(it[key] for it in reports) * unit)

    def row(self, cell, shape, work, way, peer, own):
        text = ", ".join(map(str, shape))
        print(f"| {cell} | {text} | {work} | {way} | {peer:.3f} | {own:.3f} | {peer / own:.2f} |", flush=True)
        self.rows.append((cell, shape, work, peer / own))
        self.keep({"cell": cell, "shape": shape, "work": work, "way": way, "peer_ms": peer, "rnnc_ms": own})

    def end(self, by_cell=True):
        """The mean over shapes, and the worst of them."""
        groups = {}
        for cell, shape, work, ratio in self.rows:
            groups.setdefault((cell if by_cell else "all cells", work), []).append((ratio, cell, shape))
        print("\n| cell | work | threads | geometric mean | worst | where |\n|---|---|---:|---:|---:|---|")
        for (cell, work), all in groups.items():
            worst, where, shape = min(all)
            where = ", ".join(map(str, shape if by_cell else [where]))
            mean = statistics.geometric_mean(it[0] for it in all)
            print(f"| {cell} | {work} | {self.args.threads} | {mean:.2f} | {worst:.2f} | {where} |")


def machine():
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            lines = [it for it in file if it.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip()
    except (OSError, IndexError):
        pass
    return f"{model}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
