"""Updates a second of whole trainings: `rnnc train` beside the same model, batches, Adam and clipping in PyTorch.

    python benches/peers/train.py --threads 1
    python benches/peers/train.py char_128 mgu_128

The params are rnnc's, and the losses of the first updates are compared before anything counts. The clock of rnnc is the one in
its log: from update to update, with batching, optimizer and log. That of PyTorch is around the same loop in Python."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import common
import rnnc

CLIP, RATE = 1.0, 1e-3

# The model, its sizes, how many updates a round has.
CASES = {
    "char_128": ("lstm", {"V": 65, "E": 64, "H": 128}, 24),
    "char_512": ("lstm", {"V": 65, "E": 64, "H": 512}, 6),
    "forecaster": ("forecaster", {"I": 4, "H": 128}, 60),
    "classifier": ("classifier", {"I": 12, "C": 9, "H": 128}, 60),
    "mgu_128": ("mgu", {"V": 65, "E": 64, "H": 128}, 16),
    "slstm_128": ("slstm", {"V": 65, "E": 64, "H": 128}, 16),
}
FRAMEWORK = ("char_128", "char_512", "forecaster", "classifier")

CHARS = """use std/{file}
model CharLm {{
  dims V, E, H
  target next: index[V]
  feedback c: index[V] = 0 teacher next
  param T: [V, E] init normal(0.5)
  layer a[2] = {cell}(x = T[prev c], H = H)
  param W: [V, H], b: [V]
  output logits = W @ a + b
  c = sample(logits)
  loss cross_entropy(logits, next)
}}
"""


def main():
    args = common.arguments(__doc__, CASES, shapes=[])
    _, torch = common.need("numpy", "torch")
    import train_models as models

    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    path = json.loads(rnnc.call("bench", "std/lstm", "--set", "I=8", "--set", "H=8", "--batch", 1, "--steps", 4,
                                "--threads", 1, "--repeats", 1, "--json"))["path"]
    print(f"{time.strftime('%Y-%m-%d')}; {common.machine()}; rnnc on {path}; PyTorch {torch.__version__}; "
          f"{args.threads} thread(s); {args.rounds} interleaved rounds, medians\n")
    print("| model | PyTorch's way | PyTorch, updates a second | rnnc | rnnc / PyTorch |\n|---|---|---:|---:|---:|", flush=True)
    ratios = {}
    for name in args.cells:
        with tempfile.TemporaryDirectory() as folder:
            ratio = measure(torch, models, name, folder, args)
        if ratio:
            ratios[name] = ratio
    for group, names in (("framework's layers", FRAMEWORK), ("own cells", set(CASES) - set(FRAMEWORK))):
        found = [ratios[it] for it in names if it in ratios]
        if found:
            print(f"\n{group}: geometric mean {statistics.geometric_mean(found):.2f}, least {min(found):.2f}")


def measure(torch, models, name, folder, args):
    kind, sizes, updates = CASES[name]
    at = lambda it: os.path.join(folder, it)
    spec = f"std/{kind}"
    if kind in models.GATES:
        spec = at("model.rnn")
        with open(spec, "w") as file:
            file.write(CHARS.format(file=kind, cell=kind.capitalize()))
    rnnc.call("init", spec, *rnnc.sets(sizes), "-o", at("p.safetensors"))
    params = rnnc.read_tensors(at("p.safetensors"))
    given, batches = models.DATA[kind](at, sizes)
    # The size of a vocabulary follows from the text.
    sets = rnnc.sets({dim: size for dim, size in sizes.items() if dim != "V"})

    def ours(count):
        """Losses, and seconds an update without the first three."""
        run = at("run")
        subprocess.run(["rm", "-rf", run], check=True)
        rnnc.call("train", spec, *sets, *given, "--params", at("p.safetensors"), "--batch", models.BATCH, "--no-shuffle", "--steps",
                  count, "--lr", RATE, "--clip", CLIP, "--threads", args.threads, "-o", run)
        with open(os.path.join(run, "metrics.jsonl")) as file:
            lines = [json.loads(it) for it in file]
        return [it["loss"] for it in lines], (lines[-1]["seconds"] - lines[2]["seconds"]) / (count - 3)

    def theirs(way):
        with way():
            model = models.model(kind, sizes, params)
            optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
            losses, feed, begin = [], batches(model), None
            for number in range(updates + 3):
                if number == 3:
                    begin = time.perf_counter()
                optimizer.zero_grad()
                loss = next(feed)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
                optimizer.step()
                losses.append(loss.item())
            return losses, (time.perf_counter() - begin) / updates

    ways = {"eager": contextlib.nullcontext}
    if kind == "lstm":
        ways["without oneDNN"] = lambda: torch.backends.mkldnn.flags(enabled=False)
    if args.threads > 1:
        ways |= {f"{way}, one thread": one_thread(torch, args.threads, make) for way, make in ways.items()}
    times = {way: [] for way in ways}
    own = []
    for number in range(args.rounds):
        losses, seconds = ours(updates + 3)
        own.append(seconds)
        for way, make in ways.items():
            found, seconds = theirs(make)
            times[way].append(seconds)
            far = max(abs(a - b) / abs(b) for a, b in zip(losses[:10], found))
            if not far <= 1e-4:
                print(f"| {name} | {way} | not timed: losses differ by {far:.1e} | | |", flush=True)
                return None
    best = min(times, key=lambda it: statistics.median(times[it]))
    peer, own = statistics.median(times[best]), statistics.median(own)
    print(f"| {name} | {best} | {1 / peer:.1f} | {1 / own:.1f} | {peer / own:.2f} |", flush=True)
    if args.json:
        row = {"model": name, "threads": args.threads, "way": best, "peer_s": peer, "rnnc_s": own}
        with open(args.json, "a") as file:
            file.write(json.dumps(row) + "\n")
    return peer / own


def one_thread(torch, threads, way):
    @contextlib.contextmanager
    def limited():
        torch.set_num_threads(1)
        try:
            with way():
                yield
        finally:
            torch.set_num_threads(threads)
    return limited


if __name__ == "__main__":
    main()
