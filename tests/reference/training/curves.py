"""Writes `stored/curves.json`: losses and norms of gradients, update after update, as PyTorch trains the models of `curves.rnn`.

    pip install torch==2.11.0
    python tests/reference/training/curves.py

Params, series and arrays follow from their names' places by whole numbers (`fill`), so both sides make the same without storing
them. Models in float64 are trained for 50 updates, in float32 for 200; `cells` of nn.LSTM and nn.GRU have two biases, as ours.
"""

import json
import math
import pathlib

import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.nn.utils.rnn import pack_padded_sequence

TEXT = (
    "the unexamined program is not worth running. a loop that never ends has no result, and a result that nobody reads "
    "needs no loop. what a state carries from step to step is all that it will ever know of what came before; so choose "
    "well what it keeps. errors flow the other way: from the last step to the first, each time a little weaker, unless a "
    "gate was open when the value passed. then nothing is lost on the way back, and far causes find their late effects."
)


def fill(number, *shape):
    """Values of -0.5 .. 0.5 that look random."""
    count = math.prod(shape)
    values = [((i + 1) * 7919 + (number + 1) * 104729) * (i + 3) % 2003 / 2003 - 0.5 for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def lstm_names(layer):
    return [f"{layer}.{kind}_{gate}" for kind in "WUbd" for gate in "ifgo"]


def gru_names(layer):
    gates = [f"{kind}_{gate}" for kind in "WU" for gate in "rzn"] + ["b_r", "b_z", "b_n", "d_r", "d_z", "c_n"]
    return [f"{layer}.{it}" for it in gates]


class Model(nn.Module):
    def take(self, shapes):
        """Draws the params of our names; gives them by name."""
        self.shapes = shapes
        return {name: fill(k, *shape) * SCALE for k, (name, shape) in enumerate(shapes.items())}

    def load(self, rnn, drawn, layers):
        for number, (layer, names) in enumerate(layers):
            named = [drawn[it] for it in names(layer)]
            each = len(named) // 4
            parts = [torch.cat(named[k * each : (k + 1) * each]) for k in range(4)]
            for to, part in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), parts):
                getattr(rnn, f"{to}_l{number}").data = part


SCALE = 0.8


def recurrent(names, layer, inputs, units):
    sizes = {"W": (units, inputs), "U": (units, units)}
    return {name: sizes.get(name.split(".")[1][0], (units,)) for name in names(layer)}


class Chars(Model):
    """Two LSTM layers, truncated back-propagation over streams."""

    def __init__(self, size):
        super().__init__()
        E, H = 6, 9
        drawn = self.take(
            {"T": (size, E)} | recurrent(lstm_names, "a", E, H) | recurrent(lstm_names, "b", H, H) | {"P": (size, H), "q": (size,)}
        )
        self.embed = nn.Embedding(size, E)
        self.rnn = nn.LSTM(E, H, 2)
        self.out = nn.Linear(H, size)
        self.double()
        self.embed.weight.data, self.out.weight.data, self.out.bias.data = drawn["T"], drawn["P"], drawn["q"]
        self.load(self.rnn, drawn, (("a", lstm_names), ("b", lstm_names)))

    def forward(self, tokens, state):
        h, state = self.rnn(self.embed(tokens), state)
        return self.out(h), state


class Classifier(Model):
    """A GRU over ragged sequences, the loss at their last steps."""

    def __init__(self):
        super().__init__()
        D, H, K = 3, 7, 4
        drawn = self.take(recurrent(gru_names, "g", D, H) | {"P": (K, H), "q": (K,)})
        self.rnn = nn.GRU(D, H)
        self.out = nn.Linear(H, K)
        self.double()
        self.out.weight.data, self.out.bias.data = drawn["P"], drawn["q"]
        self.load(self.rnn, drawn, (("g", gru_names),))

    def forward(self, x, lengths):
        _, h = self.rnn(pack_padded_sequence(x, lengths, enforce_sorted=False))
        return self.out(h[0])


class Forecaster(Model):
    """A GRU that reads two inputs and the value before."""

    def __init__(self):
        super().__init__()
        H = 6
        drawn = self.take(recurrent(gru_names, "g", 3, H) | {"P": (1, H), "q": (1,)})
        self.rnn = nn.GRU(3, H)
        self.out = nn.Linear(H, 1)
        self.double()
        self.out.weight.data, self.out.bias.data = drawn["P"], drawn["q"]
        self.load(self.rnn, drawn, (("g", gru_names),))

    def forward(self, x, before, own):
        if not own:
            return self.out(self.rnn(torch.cat([x, before], 2))[0])
        y, h, outputs = before[:1], None, []
        for step in x:
            out, h = self.rnn(torch.cat([step[None], y], 2), h)
            y = self.out(out)
            outputs.append(y)
        return torch.cat(outputs)


def train(model, dtype, batches, make, updates, clip, schedule=None):
    model = model.to(dtype)
    optimizer = make(model.parameters())
    schedule = schedule and schedule(optimizer)
    losses, norms = [], []
    batches = batches(model, dtype)
    for _ in range(updates):
        optimizer.zero_grad()
        loss = next(batches)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        if schedule:
            schedule.step()
        losses.append(loss.item())
        norms.append(norm.item())
    return losses, norms


def char_batches(streams, bptt):
    vocabulary = sorted(set(TEXT))
    numbers = torch.tensor([vocabulary.index(it) for it in TEXT])
    length = (len(TEXT) - 1) // streams

    def of(model, dtype):
        while True:
            state = None
            for at in range(0, length, bptt):
                steps = min(bptt, length - at)
                rows = [numbers[b * length + at :][: steps + 1] for b in range(streams)]
                tokens = torch.stack(rows, 1)
                logits, state = model(tokens[:-1], state)
                state = tuple(it.detach() for it in state)
                yield cross_entropy(logits.flatten(0, 1), tokens[1:].flatten())

    return of


def class_batches(size):
    lengths = [4, 1, 7, 2, 0, 5, 9, 3, 3, 6, 1, 8, 2]
    x = fill(100, 9, len(lengths), 3) * 2
    labels = torch.tensor([(3 * n + 1) % 4 for n in range(len(lengths))])

    def of(model, dtype):
        while True:
            for at in range(0, len(lengths), size):
                places = [n for n in range(at, min(at + size, len(lengths))) if lengths[n]]
                yield cross_entropy(model(x[:, places].to(dtype), [lengths[n] for n in places]), labels[places])

    return of


def windows(rows, length, stride, size, own):
    weather, load = fill(200, rows, 2), fill(201, rows, 1) * 1.5
    starts = list(range(0, rows - 1 - length + 1, stride))

    def of(model, dtype):
        while True:
            for at in range(0, len(starts), size):
                chosen = starts[at : at + size]
                x = torch.stack([weather[s : s + length] for s in chosen], 1).to(dtype)
                before = torch.stack([load[s : s + length] for s in chosen], 1).to(dtype)
                after = torch.stack([load[s + 1 : s + 1 + length] for s in chosen], 1).to(dtype)
                yield mse_loss(model(x, before, own), after)

    return of


def main():
    of = torch.optim
    at = of.lr_scheduler
    adam = lambda it: of.Adam(it, lr=0.01)
    slow = lambda it: of.Adam(it, lr=0.003)
    vocabulary = len(set(TEXT))
    teacher, own = windows(61, 9, 4, 4, False), windows(61, 9, 4, 4, True)
    forecasts = {
        "sgd_step": (lambda it: of.SGD(it, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01), lambda it: at.StepLR(it, 7, 0.5)),
        "rmsprop_exponential": (
            lambda it: of.RMSprop(it, lr=0.01, alpha=0.9, centered=True, momentum=0.5),
            lambda it: at.ExponentialLR(it, 0.9),
        ),
        "adam_cosine": (lambda it: of.Adam(it, lr=0.02, weight_decay=0.05), lambda it: at.CosineAnnealingLR(it, 24, 0.001)),
        "adamw_constant": (lambda it: of.AdamW(it, lr=0.02, weight_decay=0.2), None),
    }
    cases = {
        "chars": (lambda: Chars(vocabulary), char_batches(3, 8), adam, None, 0.25, None),
        "classes": (Classifier, class_batches(5), slow, None, 1.0, None),
        "teacher": (Forecaster, teacher, adam, None, 1.0, None),
        "own": (Forecaster, own, adam, None, 1.0, None),
    }
    for name, (make, schedule) in forecasts.items():
        cases[name] = (Forecaster, teacher, make, schedule, 1.0, 24)
    lines = []
    for name, (model, batches, make, schedule, clip, updates) in cases.items():
        for dtype, label, usual in ((torch.float64, "f64", 50), (torch.float32, "f32", 200)):
            losses, norms = train(model(), dtype, batches, make, updates or usual, clip, schedule)
            # Single precision has nine digits; the first and last norms show where a difference begins.
            digits = 17 if label == "f64" else 9
            short = lambda values: [float(f"{it:.{digits}g}") for it in values]
            case = {"name": name, "dtype": label, "losses": short(losses), "norms": short(norms[:3] + norms[-1:])}
            lines.append(json.dumps(case))
    shapes = {kind.__name__: list(kind(*args).shapes.items()) for kind, args in ((Chars, (vocabulary,)), (Classifier, ()), (Forecaster, ()))}
    head = {"text": TEXT, "scale": SCALE, "params": shapes}
    path = pathlib.Path(__file__).parent / "stored" / "curves.json"
    path.write_text(json.dumps(head)[:-1] + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")


main()
