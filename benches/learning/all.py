"""What the models of the library learn: classic tasks with known best scores, and real data where a folder of it is given.

    cargo build --release
    python benches/learning/all.py -o /tmp/learned
    python benches/learning/all.py --only adding parity
    python benches/learning/all.py --data FOLDER --torch

RNNC names another binary. Every training is one command line, which is printed; all draws follow from --seed. It takes
about an hour on one core. README.md beside this file says what a folder of real data holds.
"""

import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TASKS = {}


def task(work):
    TASKS[work.__name__] = work
    return work


class Runs:
    """The folder in which commands run, and the table of what they gave."""

    def __init__(self, args):
        self.args = args
        self.binary = os.environ.get("RNNC", str(ROOT / "target" / "release" / "rnnc"))
        if not os.path.exists(self.binary):
            sys.exit(f"missing: {self.binary}; `cargo build --release` makes it, or set RNNC")
        self.folder = pathlib.Path(args.output or tempfile.mkdtemp(prefix="learned-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rows = []

    def rnnc(self, line, *more):
        print(f"$ rnnc {line} {' '.join(map(str, more))}".rstrip(), flush=True)
        begin = time.perf_counter()
        done = subprocess.run([self.binary, *line.split(), *map(str, more)], cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            says = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
            raise RuntimeError(says[-1])
        self.seconds = time.perf_counter() - begin
        return done.stdout

    def data(self, line, name):
        """Makes a task, unless an earlier call did; gives its known scores."""
        if not (self.folder / name).exists():
            self.rnnc(f"data {line} -o {name} -q")
        return json.loads((self.folder / name / "task.json").read_text())

    def train(self, line, name):
        """Trains, or goes on where an earlier call was stopped; gives the summary."""
        return json.loads(self.rnnc(f"train {line} --seed {self.args.seed} --threads {self.args.threads} -o {name} --resume -q --json"))

    def score(self, line):
        return json.loads(self.rnnc(f"eval {line} -q --json"))

    def row(self, what, model, figure, value, beside):
        print(f"  {what}, {model}: {figure} {value:.4g} ({beside})", flush=True)
        self.rows.append((what, model, figure, value, beside))
        (self.folder / "rows.json").write_text(json.dumps(self.rows, indent=1))

    def array(self, path):
        import numpy

        return numpy.load(self.folder / path)

    def series(self, path):
        import numpy

        return numpy.loadtxt(self.folder / path, delimiter=",", skiprows=1)


def minutes(summary):
    return f"{summary['updates']} updates, {summary['seconds'] / 60:.1f} min"


@task
def adding(it):
    known = it.data("adding --steps 100", "add")
    for cell in ("elman", "lstm", "gru"):
        done = it.train(f"std/adding_{cell} --data add --steps 6000 --lr 0.002", f"add_{cell}")
        mse = it.score(f"add_{cell} --checkpoint last")["metrics"]["mse"]
        it.row("adding, T = 100", f"adding_{cell}", "mse", mse, f"without memory {known['baseline']['mse']:.4f}; {minutes(done)}")


@task
def parity(it):
    it.data("parity --steps 20 --sequences 2000", "p20")
    it.data("parity --steps 200 --sequences 200 --valid 0 --seed 2", "p200")
    done = it.train("std/parity_lstm --data p20", "parity_lstm")
    it.row("parity, T = 20", "parity_lstm", "accuracy", it.score("parity_lstm")["metrics"]["accuracy"], minutes(done))
    it.row("parity, T = 200", "parity_lstm", "accuracy", it.score("parity_lstm --data p200")["metrics"]["accuracy"], "trained on 20 steps")


@task
def copy(it):
    for delay, length, steps in ((20, 5, 6000), (100, 10, 3000)):
        name = f"copy{delay}"
        known = it.data(f"copy --steps {delay} --length {length} --sequences 4000", name)
        done = it.train(f"std/copy_lstm --data {name} --steps {steps} --lr 0.003", f"{name}_lstm")
        nats = it.score(f"{name}_lstm")["metrics"]["nats"]
        it.row(f"copy, delay {delay}", "copy_lstm", "nats", nats, f"without memory {known['baseline']['nats']:.4f}; {minutes(done)}")


@task
def grammars(it):
    for name in ("anbn", "reber"):
        known = it.data(f"{name} --sequences 4000", name)
        size = 1 + int(max(it.array(f"{name}/input.token.npy").max(), it.array(f"{name}/target.next.npy").max()))
        done = it.train(f"std/next_symbol --data {name} --set V={size} --lr 0.005 --epochs 30", f"{name}_lstm")
        it.data(f"{name} --sequences 20000 --valid 0 --seed 1", f"{name}_fresh")
        score = it.score(f"{name}_lstm --data {name}_fresh")
        nats, best = score["metrics"]["nats"], known["best"]["nats"]
        it.row(name, "next_symbol", "nats", nats, f"entropy {best:.4f}, so {100 * (nats / best - 1):+.1f} %; {minutes(done)}")


@task
def markov(it):
    known = it.data("markov --steps 200000", "markov")
    done = it.train("std/char_lm --data markov --valid 0.1 --epochs 4 --lr 0.002", "markov_lm")
    nats, best = it.score("markov_lm")["metrics"]["nats"], known["best"]["nats"]
    it.row("markov", "char_lm", "nats", nats, f"entropy {best:.4f}, so {100 * (nats / best - 1):+.1f} %; {minutes(done)}")


def persistence(series, window, prime):
    """The squared error of the last known value, for all later steps of each window."""
    total, count = 0.0, 0
    for begin in range(0, len(series), window):
        part = series[begin : begin + window]
        if len(part) > prime:
            total += float(((part[prime:] - part[prime - 1]) ** 2).sum())
            count += len(part) - prime
    return total / count


@task
def free(it):
    it.data("mackey-glass", "mg")
    held = it.series("mg/series.csv")[-2000:]
    for mode in ("teacher", "scheduled --own-end 0.5", "own"):
        name = f"mg_{mode.split()[0]}"
        done = it.train(f"std/autoregressor --data mg --window 50 --valid 0.2 --epochs 40 --lr 0.003 --feedback {mode}", name)
        one = it.score(name)["metrics"]["mse"]
        own = it.score(f"{name} --feedback own --prime-steps 20")["metrics"]["mse"]
        step = float(((held[1:] - held[:-1]) ** 2).mean())
        it.row("mackey-glass, one step", f"autoregressor, {mode}", "mse", one, f"persistence {step:.5f}; {minutes(done)}")
        it.row("mackey-glass, 30 steps free", f"autoregressor, {mode}", "mse", own, f"persistence {persistence(held, 50, 20):.5f}")
    it.data("sine", "sine")
    waves = it.array("sine/valid/target.value.npy")[:, :, 0].T
    flat = sum(persistence(wave, 100, 20) for wave in waves) / len(waves)
    for mode in ("teacher", "own"):
        done = it.train(f"std/autoregressor --data sine --epochs 30 --lr 0.003 --feedback {mode}", f"sine_{mode}")
        own = it.score(f"sine_{mode} --feedback own --prime-steps 20")["metrics"]["mse"]
        it.row("sine, 80 steps free", f"autoregressor, {mode}", "mse", own, f"persistence {flat:.4f}; {minutes(done)}")


def source(it, name):
    path = pathlib.Path(it.args.data or "", name).resolve()
    if not it.args.data or not path.exists():
        raise RuntimeError(f"no {name}; --data FOLDER names a folder that has it")
    return path


@task
def shakespeare(it):
    text = source(it, "tinyshakespeare.txt")
    options = "--valid 0.1 --epochs 4 --lr 0.002 --batch 32 --bptt 64"
    done = it.train(f"std/char_lm --text {text} {options}", "shakespeare")
    bits = it.score("shakespeare")["metrics"]["bits"]
    speed = done["updates"] * 32 * 64 / done["seconds"]
    it.row("tinyshakespeare", "char_lm", "bits a character", bits, f"{speed:.0f} characters/s; {minutes(done)}")
    if it.args.torch:
        import torch_char_lm

        bits, speed, updates = torch_char_lm.train(text, epochs=4, threads=it.args.threads, seed=it.args.seed)
        it.row("tinyshakespeare", "PyTorch, same sizes", "bits a character", bits, f"{speed:.0f} characters/s; {updates} updates")


@task
def vowels(it):
    import numpy

    folder = source(it, "japanese_vowels")
    x, lengths, labels = (numpy.load(folder / f"{name}_train.npy") for name in ("x", "lengths", "labels"))
    for name, chosen in (("short", lengths <= 15), ("long", lengths > 15)):
        to = it.folder / f"vowels_{name}"
        to.mkdir(exist_ok=True)
        numpy.save(to / "input.x.npy", x[: lengths[chosen].max(), chosen])
        numpy.save(to / "target.label.npy", labels[chosen])
        numpy.save(to / "lengths.npy", lengths[chosen])
    done = it.train("std/classifier --data vowels_short --set C=9 --epochs 60 --lr 0.005 --batch 16", "vowels")
    for part, line in (("at most 15 steps, trained on", "vowels --part train"), ("more than 15 steps", "vowels --data vowels_long")):
        score = it.score(line)
        it.row(f"japanese vowels, {part}", "classifier", "accuracy", score["metrics"]["accuracy"], f"{score['sequences']} utterances; {minutes(done)}")


@task
def weather(it):
    import csv

    path = source(it, "seattle-weather.csv")
    done = it.train(
        f"std/forecaster --csv {path} --input weather=precipitation,temp_max,wind --target load=temp_min --ahead 1 "
        "--window 60 --valid 0.2 --epochs 40 --lr 0.003 --batch 16",
        "weather",
    )
    with open(path) as file:
        low = [float(row["temp_min"]) for row in csv.DictReader(file)]
    held = low[-round(0.2 * len(low)) :]
    flat = sum((b - a) ** 2 for a, b in zip(held, held[1:])) / (len(held) - 1)
    it.row("weather, temp_min of the next day", "forecaster", "mse", it.score("weather")["metrics"]["mse"], f"persistence {flat:.3f}; {minutes(done)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", metavar="DIR", help="keeps data and trainings there, and goes on where it was stopped")
    parser.add_argument("--only", nargs="*", choices=list(TASKS), help="some of the tasks")
    parser.add_argument("--data", metavar="FOLDER", help="real data; without it those tasks are left out")
    parser.add_argument("--torch", action="store_true", help="trains the character model with PyTorch, too")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    it = Runs(args)
    failed = []
    for name in args.only or TASKS:
        if name in ("shakespeare", "vowels", "weather") and not args.data and not args.only:
            continue
        try:
            TASKS[name](it)
        except Exception as error:  # one task that fails stops no other
            failed.append(f"{name}: {error}")
            print(f"  {name} failed: {error}", flush=True)
    print(f"\n{time.strftime('%Y-%m-%d')}, seed {args.seed}, {args.threads} thread(s)\n")
    print("| task | model | figure | value | beside |\n|---|---|---|---:|---|")
    for what, model, figure, value, beside in it.rows:
        print(f"| {what} | {model} | {figure} | {value:.4g} | {beside} |")
    if failed or any(not math.isfinite(row[3]) for row in it.rows):
        sys.exit("\n" + "\n".join(failed or ["a figure is not finite"]))


if __name__ == "__main__":
    main()
