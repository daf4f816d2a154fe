"""The cells of FlashRNN and of the repository of xLSTM, run by their own plain versions; what is built of CUDA is not read."""

from importlib.metadata import version

import torch
from flashrnn.flashrnn import FlashRNNConfig, flashrnn
from torch import nn
from vectors import TORCH, Case, Cut
from xlstm.blocks.slstm.cell import sLSTMCell, sLSTMCellConfig

N, D = 2, 3
FOUR = ("_i", "_f", "_z", "_o")
# Inputs, states, matrices and biases of each function, in the order of FlashRNN.
FUNCTIONS = {
    "elman": (1, "y", ("",), ("",)),
    "lstm": (4, "yc", FOUR, FOUR),
    "gru": (3, "y", ("_g", "_r", "_z"), ("_g", "_r", "_z", "_n")),
    "slstm": (4, "ycnm", FOUR, FOUR),
}


class Flash(nn.Module):
    """FlashRNN as its users call it, a step at a time: R [gates, heads, out, in], b [gates, heads, units]."""

    def __init__(self, function):
        super().__init__()
        _, self.names, matrices, biases = FUNCTIONS[function]
        # The type concerns other versions than the plain one, which takes that of the tensors.
        self.config = FlashRNNConfig(
            num_heads=N, head_dim=D, function=function, backend="vanilla", dtype="float32", batch_size=1
        )
        self.R = nn.Parameter(torch.empty(len(matrices), N, D, D))
        self.b = nn.Parameter(torch.empty(len(biases), N, D))

    def step(self, x, s):
        # States are [state, batch, time, head, unit].
        start = torch.stack([s[it] for it in self.names])[:, :, None]
        y, last = flashrnn(x["wx"][:, None], self.R, self.b, states=start, config=self.config)
        return {"y": y[0, :, 0]}, dict(zip(self.names, last[:, :, 0], strict=True))


def xlstm():
    """The cell of the repository of xLSTM, in its plain version."""
    config = sLSTMCellConfig(
        hidden_size=N * D, num_heads=N, backend="vanilla", dtype="float32", enable_automatic_mixed_precision=False
    )
    module = sLSTMCell(config).double()

    def step(x, s):
        flat = torch.stack([s[it].flatten(1) for it in "ycnm"])
        y, last = module(x["wx"].flatten(1)[:, None], flat)
        new = {name: it.unflatten(1, (N, D)) for name, it in zip("ycnm", last, strict=True)}
        return {"y": y[:, :, 0]}, new

    def matrix(k):
        return lambda it: it.unflatten(1, (4, D))[:, k]

    def bias(k):
        return lambda it: it.unflatten(0, (4, N, D))[k]

    params = {f"R{gate}": Cut("_recurrent_kernel_", matrix(k)) for k, gate in enumerate(FOUR)}
    params |= {f"b{gate}": Cut("_bias_", bias(k)) for k, gate in enumerate(FOUR)}
    stored = {
        "xlstm_vanilla": None,
        "xlstm": {
            "recurrent_kernel": lambda it: module._recurrent_kernel_int2ext(it["_recurrent_kernel_"]),
            "bias": lambda it: module._bias_int2ext(it["_bias_"]),
        },
    }
    return module, step, params, stored


def cases():
    sizes = {"N": N, "D": D}

    def part(k):
        return lambda it: it[k]

    for function, (inputs, names, matrices, biases) in FUNCTIONS.items():
        module, name = Flash(function), f"flashrnn_{function}"
        params = {f"R{gate}": Cut("R", part(k)) for k, gate in enumerate(matrices)}
        params |= {f"b{gate}": Cut("b", part(k)) for k, gate in enumerate(biases)}
        states, shape = {it: (N, D) for it in names}, {"wx": (inputs, N, D)}
        source = f"flashrnn {version('flashrnn')} flashrnn(function='{function}', backend='vanilla') on {TORCH}"
        # The quotient of the sLSTM is a state that starts at 0 where nothing is known of a sequence.
        for ending, start in (("", {}), ("_start", dict.fromkeys(names, 0.0))) if function == "slstm" else (("", {}),):
            yield Case(
                name + ending, name, source, module.step, module, params, states, shape, sizes, start=start,
                stored={"flashrnn": None},
            )

    module, step, params, stored = xlstm()
    states, shape = {it: (N, D) for it in "ycnm"}, {"wx": (4, N, D)}
    source = f"xlstm {version('xlstm')} sLSTMCell(backend='vanilla') on {TORCH}"
    # A normaliser that is given is positive, as any that has come about is.
    positive = {"n": lambda shape, rng: 0.5 + torch.rand(shape, generator=rng)}
    for ending, start in (("", {}), ("_start", dict.fromkeys("ycnm", 0.0))):
        yield Case(
            f"xlstm_slstm{ending}", "xlstm_slstm", source, step, module, params, states, shape, sizes, start=start,
            draw=positive, stored=stored,
        )
