"""The operators of ONNX, written down with the tensors as they store them and compared with ONNX Runtime before anything is
written."""

import torch
from runtimes import same_in_onnx
from torch import nn, sigmoid, tanh
from torch.nn.functional import elu, leaky_relu, relu, softplus, softsign
from vectors import DIRECT, Case, Cut, H, I

# The activations by ONNX's names, with its defaults, and ours.
ACTIVATIONS = {
    "Sigmoid": (sigmoid, "sigmoid"),
    "Tanh": (tanh, "tanh"),
    "Relu": (relu, "relu"),
    "LeakyRelu": (leaky_relu, "leaky_relu"),
    "Elu": (elu, "elu"),
    "Softsign": (softsign, "softsign"),
    "Softplus": (softplus, "softplus"),
    "HardSigmoid": (lambda v: torch.clamp(0.2 * v + 0.5, 0, 1), "hard_sigmoid(slope = 0.2)"),
}


class Operator(nn.Module):
    """One direction of an operator with the attributes of its node."""

    GATES, DEFAULTS, HYPERS, STATES = "", (), (), ("h",)

    def __init__(self, **attributes):
        super().__init__()
        rows = len(self.GATES) * H
        self.W = nn.Parameter(torch.empty(1, rows, I))
        self.R = nn.Parameter(torch.empty(1, rows, H))
        self.B = nn.Parameter(torch.empty(1, 2 * rows))
        self.attributes = attributes
        names = attributes.get("activations", self.DEFAULTS)
        self.f, self.g, self.h = [ACTIVATIONS[it][0] for it in (*names, *self.DEFAULTS[-1:] * (3 - len(names)))]

    def clipped(self, v):
        clip = self.attributes.get("clip")
        return v if clip is None else torch.clamp(v, -clip, clip)

    def hypers(self):
        """The attributes in the terms of our spec."""
        hypers = {name: it for name, it in self.attributes.items() if name != "activations"}
        names = self.attributes.get("activations", ())
        return hypers | {hyper: ACTIVATIONS[it][1] for hyper, it in zip(self.HYPERS, names, strict=False)}


class Rnn(Operator):
    GATES, DEFAULTS, HYPERS = "n", ("Tanh",), ("act",)

    def step(self, x, s):
        w_b, r_b = self.B[0].chunk(2)
        h = self.f(self.clipped(x["x"] @ self.W[0].t() + s["h"] @ self.R[0].t() + w_b + r_b))
        return {"h": h}, {"h": h}


class Gru(Operator):
    GATES, DEFAULTS, HYPERS = "zrn", ("Sigmoid", "Tanh"), ("gate_act", "act")

    def step(self, x, s):
        w_z, w_r, w_h = self.W[0].chunk(3)
        r_z, r_r, r_h = self.R[0].chunk(3)
        w_bz, w_br, w_bh, r_bz, r_br, r_bh = self.B[0].chunk(6)
        z = self.f(self.clipped(x["x"] @ w_z.t() + s["h"] @ r_z.t() + w_bz + r_bz))
        r = self.f(self.clipped(x["x"] @ w_r.t() + s["h"] @ r_r.t() + w_br + r_br))
        if self.attributes.get("linear_before_reset", 0) == 0:
            past = (r * s["h"]) @ r_h.t() + r_bh
        else:
            past = r * (s["h"] @ r_h.t() + r_bh)
        h = self.g(self.clipped(x["x"] @ w_h.t() + past + w_bh))
        h = (1 - z) * h + z * s["h"]
        return {"h": h}, {"h": h}


class Lstm(Operator):
    GATES, DEFAULTS, HYPERS = "iofg", ("Sigmoid", "Tanh", "Tanh"), ("gate_act", "act", "out_act")
    STATES = ("h", "c")

    def __init__(self, **attributes):
        super().__init__(**attributes)
        self.P = nn.Parameter(torch.empty(1, 3 * H))

    def step(self, x, s):
        sums = x["x"] @ self.W[0].t() + s["h"] @ self.R[0].t() + sum(self.B[0].chunk(2))
        i, o, f, c = sums.chunk(4, 1)
        p_i, p_o, p_f = self.P[0].chunk(3)
        i = self.f(self.clipped(i + p_i * s["c"]))
        f = 1 - i if self.attributes.get("input_forget") else self.f(self.clipped(f + p_f * s["c"]))
        new = f * s["c"] + i * self.g(self.clipped(c))
        o = self.f(self.clipped(o + p_o * new))
        h = o * self.h(new)
        return {"h": h}, {"h": h, "c": new}


def cut(tensor, names):
    """The blocks of a tensor that has an axis of directions in front."""

    def part(k):
        return lambda it: it[0].chunk(len(names))[k]

    return {name: Cut(tensor, part(k)) for k, name in enumerate(names)}


def gates(letter, order):
    return [letter if order == "n" else f"{letter}_{it}" for it in order]


def case(name, spec, cls, **attributes):
    """An operator with attributes, and ONNX Runtime's word that it is that operator."""
    module = cls(**attributes)
    order = cls.GATES
    second = ["d_z", "d_r", "c_n"] if cls is Gru else gates("d", order)
    params = cut("W", gates("W", order)) | cut("R", gates("U", order)) | cut("B", gates("b", order) + second)
    if cls is Lstm:
        params |= cut("P", ["p_i", "p_o", "p_f"])

    def check(case, x, states, outputs, upstream):
        same_in_onnx(case, cls.__name__.upper(), x, states, outputs, **attributes)

    states = {it: (H,) for it in cls.STATES}
    return Case(
        name, spec, DIRECT, module.step, module, params, states, hypers=module.hypers(), stored={"onnx": None}, check=check
    )


def cases():
    yield case("onnx_rnn", "onnx_rnn", Rnn)
    yield case("onnx_rnn_attributes", "onnx_rnn", Rnn, activations=["Softsign"], clip=0.7)
    yield case("onnx_gru", "onnx_gru", Gru)
    yield case("onnx_gru_linear_before_reset", "onnx_gru", Gru, linear_before_reset=1)
    yield case("onnx_gru_attributes", "onnx_gru", Gru, activations=["HardSigmoid", "Elu"], clip=0.6)
    yield case("onnx_lstm", "onnx_lstm", Lstm)
    yield case("onnx_lstm_attributes", "onnx_lstm", Lstm, activations=["HardSigmoid", "LeakyRelu", "Softsign"], clip=0.8)
    yield case("onnx_lstm_coupled", "onnx_lstm", Lstm, input_forget=1)
