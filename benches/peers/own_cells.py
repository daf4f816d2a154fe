"""rnnc beside itself: cells that need no product with the state beside a GRU; what an operation of any cell costs beside
one of an LSTM; and what twice the steps or sequences cost."""

import statistics
import time

import common
import rnnc

PARTS = ["light", "operations", "growth"]
# Their recurrence is elementwise or linear.
LIGHT = ["mingru", "minlstm", "sru", "sru_projected", "qrnn", "indrnn"]
GROWING = ["lstm", "gru", "mgu", "indrnn"]


def main():
    extra = lambda parser: parser.add_argument(
        "--cell", action="append", help="only these cells; may be repeated")
    args = common.arguments(__doc__, PARTS, extra=extra)
    print(f"{time.strftime('%Y-%m-%d')}; {common.machine()}; {args.threads} thread(s); training; "
          f"{args.rounds} interleaved rounds, medians")
    dims = {it["name"].removeprefix("std/"): set(it["dims"]) for it in rnnc.library()}
    wanted = lambda cells: [it for it in cells if not args.cell or it in args.cell]
    for part in args.cells:
        {"light": light, "operations": operations, "growth": growth}[part](args, dims, wanted)


def heading(*names):
    print("\n| " + " | ".join(names) + " |\n|" + "|".join(["---"] * len(names)) + "|", flush=True)


def line(*values):
    print("| " + " | ".join(f"{it:.2f}" if isinstance(it, float) else str(it) for it in values) + " |", flush=True)


def in_turns(args, runs):
    """Medians of the milliseconds of training, and the last report of each; a run is a cell, its I and H, and a shape."""
    times, reports = [[] for _ in runs], [None] * len(runs)
    for _ in range(args.rounds):
        for k, (cell, sizes, batch, steps) in enumerate(runs):
            reports[k] = rnnc.bench(f"std/{cell}", sizes, batch, steps, args.threads)
            times[k].append(reports[k]["training_ms"])
    return [statistics.median(it) for it in times], reports


def light(args, dims, wanted):
    heading("cell", "B, I, H, T", "GRU ms", "ms", "GRU / cell")
    for cell in wanted(LIGHT):
        ratios = []
        for batch, i, h, steps in args.shapes:
            i = i if "I" in dims[cell] else h
            gru, own = {"I": i, "H": h}, {"I": i, "H": h} if "I" in dims[cell] else {"H": h}
            try:
                (whole, ms), _ = in_turns(args, [("gru", gru, batch, steps), (cell, own, batch, steps)])
            except RuntimeError as error:
                line(cell, f"not timed: {common.reason(error)}", "", "", "")
                continue
            ratios.append(whole / ms)
            line(cell, f"{batch}, {i}, {h}, {steps}", whole, ms, whole / ms)
        if ratios:
            line(cell, "geometric mean", "", "", statistics.geometric_mean(ratios))


def operations(args, dims, wanted):
    """Products alone, and with everything elementwise, where an exponential counts as one operation."""
    batch, i, h, steps = args.shapes[0] if args.shape else common.MIDDLE[0]
    sizes = {"I": i, "H": h}
    rows, failed = [], []
    for cell in wanted(it for it in dims if dims[it] == {"I", "H"}):
        try:
            times, reports = in_turns(args, [("lstm", sizes, batch, steps), (cell, sizes, batch, steps)])
        except RuntimeError as error:
            failed.append((cell, common.reason(error)))
            continue
        products = [ms / it["flops"] for ms, it in zip(times, reports)]
        all = [ms / (it["flops"] + it["elementwise"]) for ms, it in zip(times, reports)]
        share = reports[1]["elementwise"] / (reports[1]["flops"] + reports[1]["elementwise"])
        rows.append((products[1] / products[0], all[1] / all[0], cell, times[1], reports[1], share))
    print(f"\nB = {batch}, I = {i}, H = {h}, T = {steps}; time per operation, as a multiple of that of the LSTM")
    heading("cell", "products alone", "with elementwise", "ms", "GFLOP in products", "elementwise")
    for products, all, cell, ms, report, share in sorted(rows, key=lambda it: it[:2]):
        line(cell, products, all, ms, report["flops"] / 1e9, f"{share:.1%}")
    if rows:
        means = [statistics.geometric_mean(it[k] for it in rows) for k in (0, 1)]
        line("geometric mean", *means, "", "", "")
    for cell, why in failed:
        line(cell, f"not timed: {why}", "", "", "", "")


def growth(args, dims, wanted):
    print("\nTwice the steps or sequences should take twice the time or less.")
    heading("cell", "B, I, H, T", "ms", "2 T", "2 B")
    for cell in wanted(GROWING):
        for batch, i, h, steps in args.shapes if args.shape else common.MIDDLE:
            sizes = {"I": i, "H": h}
            runs = [(cell, sizes, batch, steps), (cell, sizes, batch, 2 * steps), (cell, sizes, 2 * batch, steps)]
            (once, longer, wider), _ = in_turns(args, runs)
            line(cell, f"{batch}, {i}, {h}, {steps}", once, longer / once, wider / once)


if __name__ == "__main__":
    main()
