"""Writes the vectors of `both_ways/`: nn.RNN, nn.GRU and nn.LSTM of PyTorch in both directions, of one and two layers, on
sequences of several lengths through pack_padded_sequence, with outputs, final states and gradients, in float64.

    python tests/reference/bidirectional.py

The keys are those of README.md; `text` is the cell, which is none of the library.
"""

import zlib
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

T, B, I = 5, 4, 2
LENGTHS = [3, 5, 1, 4]
HERE = Path(__file__).parent

# Our spec, its cell, and the blocks of a weight, of the biases of the input and of the state, in the order of PyTorch.
KINDS = {
    "rnn": ("rnn", "Rnn", nn.RNN, "W", "U", "b", "d", ("h",)),
    "gru": ("gru", "Gru", nn.GRU, "W_r W_z W_n", "U_r U_z U_n", "b_r b_z b_n", "d_r d_z c_n", ("h",)),
    "lstm": ("lstm", "Lstm", nn.LSTM, "W_i W_f W_g W_o", "U_i U_f U_g U_o", "b_i b_f b_g b_o", "d_i d_f d_g d_o", ("h", "c")),
}


def text(spec, cell, layers):
    lines = [f"use std/{spec}", "cell Both {", "  dims I, H", "  input x: [I]"]
    value = "x"
    for k in range(layers):
        lines += [f"  layer f{k} = {cell}(x = {value}, H = H)", f"  layer b{k} = {cell}(x = {value}, H = H) backward"]
        value = f"concat(f{k}, b{k})"
    return "\n".join([*lines, f"  output y = {value}", "}"])


def dump(value, indent=0):
    """JSON with a line per tensor and 17 significant digits, which give every float64 back exactly."""
    pad = "  " * (indent + 1)
    if isinstance(value, dict):
        lines = [f'{pad}"{key}": {dump(it, indent + 1)}' for key, it in value.items() if it is not None]
        return "{\n" + ",\n".join(lines) + "\n" + "  " * indent + "}" if lines else "{}"
    if isinstance(value, torch.Tensor):
        data = ", ".join(f"{it:.17g}" for it in value.detach().flatten().tolist())
        return f'{{"shape": {list(value.shape)}, "data": [{data}]}}'
    if isinstance(value, str):
        value = value.replace("\n", "\\n")
        return f'"{value}"'
    return f"{value}"


def write(kind, layers):
    spec, cell, module, *blocks, states = KINDS[kind]
    name = f"{kind}_{layers}"
    H = 4 - layers
    torch.manual_seed(zlib.crc32(name.encode()))
    torch.set_default_dtype(torch.float64)
    net = module(I, H, num_layers=layers, bidirectional=True)
    x = torch.randn(T, B, I, requires_grad=True)
    starts = [(0.6 * torch.randn(2 * layers, B, H)).requires_grad_() for _ in states]
    packed = pack_padded_sequence(x, LENGTHS, enforce_sorted=False)
    y, last = net(packed, tuple(starts) if len(starts) > 1 else starts[0])
    y, _ = pad_packed_sequence(y, total_length=T)
    last = last if isinstance(last, tuple) else (last,)
    dy = torch.randn(T, B, 2 * H)
    dlast = [torch.randn(2 * layers, B, H) for _ in states]
    (sum((a * b).sum() for a, b in zip(last, dlast)) + (y * dy).sum()).backward()

    def cut(value):
        found = {}
        for k in range(layers):
            for layer, suffix in ((f"f{k}", f"_l{k}"), (f"b{k}", f"_l{k}_reverse")):
                for stored, names in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), blocks):
                    names = names.split()
                    parts = value(getattr(net, stored + suffix)).chunk(len(names))
                    found |= {f"{layer}.{own}": part for own, part in zip(names, parts)}
        return found

    def each(arrays):
        heads = [f"{way}{k}" for k in range(layers) for way in "fb"]
        return {f"{head}.{s}": array[at] for s, array in zip(states, arrays) for at, head in enumerate(heads)}

    case = {
        "source": f"torch {torch.__version__.split('+')[0]}, nn.{module.__name__}(bidirectional=True, num_layers={layers})",
        "spec": spec,
        "text": text(spec, cell, layers),
        "sizes": {"I": I, "H": H},
        "hypers": {},
        "lengths": LENGTHS,
        "inputs": {"x": x},
        "params": cut(lambda it: it),
        "stored": {"pytorch": {key: it for key, it in net.state_dict().items()}},
        "states": each(starts),
        "outputs": {"y": y},
        "final": each(last),
        "upstream": {"y": dy} | {f"state.{key}": it for key, it in each(dlast).items()},
        "gradients": {
            "params": cut(lambda it: it.grad),
            "inputs": {"x": x.grad},
            "states": each([it.grad for it in starts]),
        },
    }
    path = HERE / "both_ways" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(dump(case) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


for kind in KINDS:
    for layers in (1, 2):
        write(kind, layers)
