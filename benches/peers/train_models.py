"""The models that `train.py` trains, in PyTorch with the params that rnnc drew, and their batches."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

BATCH, BPTT = 32, 64

# Data: what rnnc is told, and the batches that follow from it, as a generator of losses.

def text(at, sizes):
    """As many streams as a batch has places, each going on from update to update."""
    letters = sorted(chr(it) for it in range(32, 32 + sizes["V"]))
    length = 40 * BPTT
    numbers = np.random.default_rng(1).zipf(1.3, BATCH * length + 1) % sizes["V"]
    numbers[: sizes["V"]] = np.arange(sizes["V"])
    with open(at("text.txt"), "w") as file:
        file.write("".join(letters[it] for it in numbers))
    rows = torch.tensor(numbers)

    def batches(model):
        streams = torch.stack([rows[b * length : (b + 1) * length + 1] for b in range(BATCH)], 1)
        while True:
            state = None
            for first in range(0, length, BPTT):
                tokens = streams[first : first + BPTT + 1]
                logits, state = model(tokens[:-1], state)
                state = detached(state)
                yield F.cross_entropy(logits.flatten(0, 1), tokens[1:].flatten())

    return ["--text", at("text.txt"), "--bptt", BPTT], batches


def detached(state):
    return state.detach() if torch.is_tensor(state) else type(state)(detached(it) for it in state)


def series(at, sizes):
    """Windows of a series; each but the first starts with the load before it."""
    draw = np.random.default_rng(2)
    weather = draw.normal(size=(8000, sizes["I"])).astype("f4")
    load = np.sin(np.arange(8000) / 7)[:, None].astype("f4")
    np.save(at("weather.npy"), weather)
    np.save(at("load.npy"), load)
    weather, load = torch.tensor(weather), torch.tensor(load)

    def batches(model):
        before = torch.cat([torch.zeros(1, 1), load])
        while True:
            for first in range(0, 8000 - BPTT + 1 - BATCH, BATCH):
                cut = lambda of: torch.stack([of[s : s + BPTT] for s in range(first, first + BATCH)], 1)
                yield F.mse_loss(model(torch.cat([cut(weather), cut(before)], 2)), cut(load))

    given = ["--input", f"weather={at('weather.npy')}", "--target", f"load={at('load.npy')}", "--window", BPTT]
    return given, batches


def ragged(at, sizes):
    """Sequences of 8 to 64 steps, the loss at their last."""
    count, draw = 960, np.random.default_rng(3)
    x = draw.normal(size=(BPTT, count, sizes["I"])).astype("f4")
    lengths, labels = draw.integers(8, BPTT + 1, count), draw.integers(0, sizes["C"], count)
    for name, array in (("x", x), ("label", labels), ("lengths", lengths)):
        np.save(at(f"{name}.npy"), array)
    x, lengths, labels = torch.tensor(x), torch.tensor(lengths), torch.tensor(labels)

    def batches(model):
        while True:
            for first in range(0, count, BATCH):
                own = slice(first, first + BATCH)
                yield F.cross_entropy(model(x[: lengths[own].max(), own], lengths[own]), labels[own])

    given = ["--input", f"x={at('x.npy')}", "--target", f"label={at('label.npy')}", "--lengths", at("lengths.npy")]
    return given, batches


DATA = {"lstm": text, "mgu": text, "slstm": text, "forecaster": series, "classifier": ragged}


GATES = {"lstm": ("WUbd", "ifgo"), "mgu": ("WUbd", "fn"), "slstm": ("WUb", "ifzo")}


def model(kind, sizes, params):
    given = {name: torch.tensor(np.array(it)) for name, it in params.items()}
    made = Chars(kind, sizes, given) if kind in GATES else Gru(kind, sizes, given)
    made.out.weight.data, made.out.bias.data = given["W"], given["b"]
    return made


class Chars(nn.Module):
    def __init__(self, kind, sizes, given):
        super().__init__()
        V, E, H = sizes["V"], sizes["E"], sizes["H"]
        self.embed, self.out = nn.Embedding(V, E), nn.Linear(H, V)
        self.embed.weight.data = given["T"]
        kinds, gates = GATES[kind]
        part = lambda layer, it: torch.cat([given[f"a[{layer}].{it}_{gate}"] for gate in gates])
        parts = [[part(layer, it) for it in kinds] for layer in range(2)]
        if kind == "lstm":
            self.rnn = nn.LSTM(E, H, 2)
            for layer, all in enumerate(parts):
                for to, it in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), all):
                    getattr(self.rnn, f"{to}_l{layer}").data = it
        else:
            self.rnn = Stack([LOOPS[kind](all) for all in parts])

    def forward(self, tokens, state):
        h, state = self.rnn(self.embed(tokens), state)
        return self.out(h), state


class Stack(nn.Module):
    """Layers whose steps are a loop in Python, the product with the input before it."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x, state):
        states = []
        for layer, start in zip(self.layers, state or [None, None]):
            x, end = layer(x, start)
            states.append(end)
        return x, tuple(states)


class Loop(nn.Module):
    def __init__(self, parts):
        super().__init__()
        w, u, *biases = parts
        self.w, self.u = nn.Parameter(w), nn.Parameter(u)
        self.biases = nn.ParameterList(biases)

    def forward(self, x, state):
        pre = F.linear(x, self.w, sum(self.biases))
        state = state or self.start(x.shape[1], self.u.shape[1])
        all = []
        for now in pre.unbind(0):
            state = self.step(now, *state)
            all.append(state[0])
        return torch.stack(all), state


class Mgu(Loop):
    def start(self, batch, units):
        return (torch.zeros(batch, units),)

    def step(self, now, h):
        gate, new = self.u.chunk(2)
        f, n = now.chunk(2, 1)
        f = torch.sigmoid(f + h @ gate.t())
        return (h + f * (torch.tanh(n + (f * h) @ new.t()) - h),)


class Slstm(Loop):
    def start(self, batch, units):
        zeros = torch.zeros(batch, units)
        return zeros, zeros, zeros, torch.full((batch, units), -torch.inf)

    def step(self, now, h, c, n, m):
        i, f, z, o = (now + h @ self.u.t()).chunk(4, 1)
        f = F.logsigmoid(f) + m
        m = torch.maximum(f, i)
        i, f = torch.exp(i - m), torch.exp(f - m)
        c, n = f * c + i * torch.tanh(z), f * n + i
        return torch.sigmoid(o) * (c / n), c, n, m


LOOPS = {"mgu": Mgu, "slstm": Slstm}


class Gru(nn.Module):
    """The forecaster and the classifier."""

    def __init__(self, kind, sizes, given):
        super().__init__()
        self.ends = kind == "classifier"
        inputs, units = sizes["I"] + (kind == "forecaster"), sizes["H"]
        self.rnn, self.out = nn.GRU(inputs, units), nn.Linear(units, sizes.get("C", 1))
        names = (("W_r", "W_z", "W_n"), ("U_r", "U_z", "U_n"), ("b_r", "b_z", "b_n"), ("d_r", "d_z", "c_n"))
        for to, all in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), names):
            getattr(self.rnn, f"{to}_l0").data = torch.cat([given[f"a.{it}"] for it in all])

    def forward(self, x, lengths=None):
        if not self.ends:
            return self.out(self.rnn(x)[0])
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        return self.out(self.rnn(packed)[1][0])
