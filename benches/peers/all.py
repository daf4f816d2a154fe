"""Runs every script of this folder and writes one report in Markdown. What is missing is said and left out.

    python benches/peers/all.py -o report.md
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import common
import rnnc

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = ["pytorch", "torchrecurrent_cells", "onnx_runtime", "jax_scan", "rust_peers", "own_cells"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two rounds instead of five")
    parser.add_argument("--threads", type=int, action="append", help="may be repeated (default 1 and 2)")
    parser.add_argument("--shape", action="append", help="B,I,H,T instead of those of the scripts; may be repeated")
    parser.add_argument("--compile", action="store_true", help="tries torch.compile too, which takes long")
    parser.add_argument("-o", "--output", metavar="FILE", help="where the report goes; else to standard output")
    parser.add_argument("scripts", nargs="*", help=f"of {', '.join(SCRIPTS)}")
    args = parser.parse_args()
    rounds = 2 if args.quick else 5
    begin = f"{time.strftime('%Y-%m-%d %H:%M')}; {common.machine()}"
    rows, missing, own = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows")
        for script in args.scripts or SCRIPTS:
            for threads in args.threads or [1, 2]:
                words = ["--threads", str(threads), "--rounds", str(rounds), "--json", path]
                words += [word for shape in args.shape or [] for word in ("--shape", shape)]
                words += ["--compile"] if args.compile and script == "pytorch" else []
                print(f"\n# {script}, {threads} thread(s)", file=sys.stderr, flush=True)
                text, why = run(script, words)
                if why:
                    missing.append(f"{script}, {threads} thread(s): {why}")
                elif script == "own_cells":
                    own.append(text)
        if os.path.exists(path):
            with open(path) as file:
                rows = [json.loads(it) for it in file]
    text = report(begin, rounds, rows, missing, own)
    if args.output:
        with open(args.output, "w") as file:
            file.write(text)
    else:
        print(text)


def run(script, words):
    """What a script prints, shown as it comes, and why it ended if that was too early."""
    command = [sys.executable, os.path.join(HERE, f"{script}.py"), *words]
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as child:
            lines = []
            for line in child.stdout:
                lines.append(line)
                print(line, end="", file=sys.stderr, flush=True)
        errors.seek(0)
        says = errors.read()
    print(says, end="", file=sys.stderr)
    failed = (says.strip().splitlines() or [f"ended with {child.returncode}"])[-1] if child.returncode else None
    return "".join(lines), failed


def report(begin, rounds, rows, missing, own):
    out = [f"{begin} at the start and {os.getloadavg()[0]:.1f} at the end; {rnnc.call('--version').strip()}; "
           + "; ".join(dict.fromkeys(it["about"] for it in rows if "about" in it))
           + f". {rounds} interleaved rounds, medians; both sides bound to as many processors as threads.", ""]
    timed = [it for it in rows if "work" in it]
    if timed:
        out += ["| peer | cell | B, I, H, T | work | threads | peer's way | peer ms | rnnc ms | peer / rnnc |",
                "|---|---|---|---|---:|---|---:|---:|---:|"]
    for it in timed:
        out.append(f"| {it['peer']} | {it['cell']} | {shape(it)} | {it['work']} | {it['threads']} | {it['way']} "
                   f"| {it['peer_ms']:.3f} | {it['rnnc_ms']:.3f} | {it['peer_ms'] / it['rnnc_ms']:.2f} |")
    if timed:
        out += ["", "Means over shapes or, of torchrecurrent, over cells:", "",
                "| peer | cell | work | threads | geometric mean | worst | where |", "|---|---|---|---:|---:|---:|---|"]
    groups = {}
    for it in timed:
        cell = "all cells" if it["peer"] == "torchrecurrent" else it["cell"]
        groups.setdefault((it["peer"], cell, it["work"], it["threads"]), []).append(it)
    ratio = lambda it: it["peer_ms"] / it["rnnc_ms"]
    for (peer, cell, work, threads), all in groups.items():
        worst = min(all, key=ratio)
        where = worst["cell"] if cell == "all cells" else shape(worst)
        out.append(f"| {peer} | {cell} | {work} | {threads} | {statistics.geometric_mean(map(ratio, all)):.2f} "
                   f"| {ratio(worst):.2f} | {where} |")
    left = [f"{it['peer']}, {it['cell']}, {shape(it)}, {it['threads']} thread(s): {it['skipped']}"
            for it in rows if "skipped" in it] + missing
    if left:
        out += ["", "Not measured:", ""] + [f"* {it}" for it in left]
    for it in own:
        out += ["", "rnnc beside itself:", "", it.rstrip()]
    return "\n".join(out) + "\n"


def shape(row):
    return ", ".join(map(str, row["shape"]))


if __name__ == "__main__":
    main()
