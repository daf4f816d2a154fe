"""Gated cells without a second state."""

import torchrecurrent
from vectors import TORCHRECURRENT, Case, H, I, blocks, module_step, whole

STACKED = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "d": "bias_hh"}


def stacked(*gates):
    """Gates and candidates, stacked in this order in all four tensors; our params are `W_gate` and so on."""
    every = {}
    for ours, foreign in STACKED.items():
        every |= blocks(foreign, " ".join(f"{ours}_{it}" for it in gates))
    return every


def case(name, cell, params, states=("h",), note=None, hypers=None, spec=None, **options):
    """A cell of torchrecurrent, built with `options`."""
    module = getattr(torchrecurrent, cell)(I, H, **options)
    return Case(
        name,
        spec or name,
        f"{TORCHRECURRENT} {cell}",
        module_step(module, list(states)),
        module,
        params,
        {it: (H,) for it in states},
        hypers=hypers or {},
        note=note,
        stored={"torchrecurrent": None},
    )


def cases():
    yield case("mgu", "MGUCell", stacked("f", "n"))
    yield case("ugrnn", "UGRNNCell", stacked("c", "g"))

    # The source carries the state twice.
    note = "the source carries the state twice, as h and c; both got the same start here, and its gradient is their sum"
    janet = case("janet", "JANETCell", stacked("f", "c") | whole(beta="beta"), note=note)

    def step(x, s):
        h = janet.tensors(x["x"], (s["h"], s["h"]))[0]
        return {"h": h}, {"h": h}

    janet.step = step
    yield janet
