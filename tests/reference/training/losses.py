"""Writes `stored/losses.json`: each loss of PyTorch with its gradient, at points where it bends or is huge, too.

    pip install torch==2.11.0
    python tests/reference/training/losses.py

The model is y = w * x, in float64; the loss is the mean over steps and elements. Elements of the first step have a difference of 0
and of exactly `delta`, those of the second are far away.
"""

import json
import math
import pathlib

import torch
from torch.nn import functional as F

DELTA = 0.75


def fill(number, *shape):
    """Values of -0.5 .. 0.5 that look random."""
    count = math.prod(shape)
    values = [((i + 1) * 7919 + (number + 1) * 104729) * (i + 3) % 2003 / 2003 - 0.5 for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def arrays(name):
    # Multiples of 1/64, so that differences of 0 and of `delta` are so in float32, too.
    x, t = ((fill(k, 6, 2, 3) * 256).round() / 64 for k in (1, 2))
    w = torch.tensor([1.0, 0.5, -1.5], dtype=torch.float64)
    x[1] *= 100
    if name == "cross_entropy":
        return x, torch.tensor([[(3 * s + n) % 3 for n in range(2)] for s in range(6)]), w
    if name == "binary_cross_entropy":
        # Targets may be probabilities, 0 and 1.
        t = (t / 4 + 0.5).round(decimals=1).clamp(0, 1)
    else:
        t[0, 0], t[0, 1] = w * x[0, 0], w * x[0, 1] + torch.tensor([DELTA, -DELTA, 0.0], dtype=torch.float64)
    return x, t, w


LOSSES = {
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "huber": lambda y, t: F.huber_loss(y, t, delta=DELTA),
    "binary_cross_entropy": F.binary_cross_entropy_with_logits,
    "cross_entropy": lambda y, t: F.cross_entropy(y.flatten(0, 1), t.flatten()),
}


def main():
    cases = []
    for name, loss in LOSSES.items():
        x, t, w = arrays(name)
        w.requires_grad_()
        value = loss(w * x, t)
        value.backward()
        case = {"name": name, "delta": DELTA, "x": x.flatten().tolist(), "t": t.flatten().tolist(), "w": w.tolist()}
        cases.append(json.dumps(case | {"loss": value.item(), "gradient": w.grad.tolist()}))
    path = pathlib.Path(__file__).parent / "stored" / "losses.json"
    path.write_text('{"cases": [\n' + ",\n".join(cases) + "\n]}\n")


main()
