"""Gated cells, most without a second state."""

import torch
import torchrecurrent
from torch import nn, sigmoid, tanh
from vectors import (
    DIRECT,
    TORCHRECURRENT,
    Case,
    Cut,
    H,
    I,
    blocks,
    module_step,
    same,
    turned,
    whole,
)

STACKED = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "d": "bias_hh"}


def stacked(*gates):
    """Gates and candidates, stacked in this order in all four tensors; our params are `W_gate` and so on."""
    every = {}
    for ours, foreign in STACKED.items():
        every |= blocks(foreign, " ".join(f"{ours}_{it}" for it in gates))
    return every


def stacks(**tensors):
    """Foreign tensors and the names of their blocks along the first axis."""
    every = {}
    for foreign, ours in tensors.items():
        every |= blocks(foreign, ours)
    return every


def numbers(names):
    """Trained numbers that are stored as vectors or matrices with one element; called the same there."""
    return {name: Cut(name, lambda it: it.reshape(())) for name in names.split()}


def apart_step(module, states, output):
    """The step of a cell of torchrecurrent whose output is none of its states."""

    def step(x, s):
        given = tuple(s[it] for it in states)
        y, new = module(x["x"], given if len(given) > 1 else given[0])
        new = new if isinstance(new, tuple) else (new,)
        return {output: y}, dict(zip(states, new, strict=True))

    return step


class HardSigmoid(nn.Module):
    """PyTorch's hard sigmoid with an exact derivative: its own has a slope of 1/6 in single precision, also in float64."""

    def forward(self, v):
        return torch.clamp(v + 3, 0, 6) / 6


def exact(module):
    """Gives a cell the exact hard sigmoid; says whether it had PyTorch's."""
    found = [name for name, it in module.named_children() if isinstance(it, nn.Hardsigmoid)]
    for name in found:
        setattr(module, name, HardSigmoid())
    return bool(found)


def case(name, cell, params, states=("h",), note=None, hypers=None, spec=None, output=None, same_sizes=False, **options):
    """A cell of torchrecurrent, built with `options`. `states` are names, or shapes by name; `output` is the name of an
    output that is no state, where there is one."""
    module = getattr(torchrecurrent, cell)(H if same_sizes else I, H, **options)
    if exact(module):
        precise = "the derivative of the hard sigmoid is exact; PyTorch's own has a slope of 1/6 in single precision"
        note = f"{note}; {precise}" if note else precise
    names = list(states)
    shapes = states if isinstance(states, dict) else {it: (H,) for it in states}
    step = apart_step(module, names, output) if output else module_step(module, names, names[0])
    sizes = {"sizes": {"H": H}, "inputs": {"x": (H,)}} if same_sizes else {}
    return Case(
        name,
        spec or name,
        f"{TORCHRECURRENT} {cell}",
        step,
        module,
        params,
        shapes,
        hypers=hypers or {},
        note=note,
        stored={"torchrecurrent": None},
        **sizes,
    )


def activations(name, cell, params, hypers, **options):
    """The same cell with other activations than its defaults: our hypers, and what the source calls them."""
    return case(f"{name}_activations", cell, params, hypers=hypers, spec=name, **options)


class EdgeMl(nn.Module):
    """FastGRNN as the authors' code has it: matrices are [in, out], everything else has an axis of one element more. With
    ranks, each matrix is a product of two."""

    def __init__(self, ranks=None):
        super().__init__()
        self.factors = ["W", "U"]
        if ranks is None:
            self.W = nn.Parameter(torch.empty(I, H))
            self.U = nn.Parameter(torch.empty(H, H))
        else:
            self.factors = ["W1", "W2", "U1", "U2"]
            for name, width, rank in zip("WU", [I, H], ranks, strict=True):
                setattr(self, f"{name}1", nn.Parameter(torch.empty(width, rank)))
                setattr(self, f"{name}2", nn.Parameter(torch.empty(rank, H)))
        self.bias_gate = nn.Parameter(torch.empty(1, H))
        self.bias_update = nn.Parameter(torch.empty(1, H))
        self.zeta = nn.Parameter(torch.empty(1, 1))
        self.nu = nn.Parameter(torch.empty(1, 1))

    def step(self, x, s):
        mapped = {"W": x["x"], "U": s["h"]}
        for name in self.factors:
            mapped[name[0]] = torch.matmul(mapped[name[0]], getattr(self, name))
        both = mapped["W"] + mapped["U"]
        z = sigmoid(both + self.bias_gate)
        candidate = tanh(both + self.bias_update)
        h = z * s["h"] + (sigmoid(self.zeta) * (1.0 - z) + sigmoid(self.nu)) * candidate
        return {"h": h}, {"h": h}


class Janet(nn.Module):
    """The paper's equations, with one linear map of input and state for both gates."""

    def __init__(self, beta):
        super().__init__()
        self.linear = nn.Linear(I + H, 2 * H)
        self.beta = beta

    def step(self, x, s):
        f, c = self.linear(torch.cat([x["x"], s["h"]], 1)).chunk(2, 1)
        h = sigmoid(f) * s["h"] + (1 - sigmoid(f - self.beta)) * tanh(c)
        return {"h": h}, {"h": h}


def columns(tensor, widths, names, height):
    """A matrix of `height` rows per block and of columns that are cut by width; `names` row by row."""

    def part(k, i):
        first = sum(widths[:i])
        return lambda it: it[k * height : (k + 1) * height, first : first + widths[i]]

    each = [(k, i, name) for k, row in enumerate(names) for i, name in enumerate(row.split())]
    return {name: Cut(tensor, part(k, i)) for k, i, name in each}


class Mut(nn.Module):
    """The paper's first and second unit in row form. Input and state have one size."""

    def __init__(self, which):
        super().__init__()
        self.which = which
        # Input to z, and to r (first unit) or the candidate (second).
        self.x_map = nn.Parameter(torch.empty(H, 2 * H))
        self.h_map = nn.Parameter(torch.empty(H, (2 if which == 1 else 3) * H))
        self.bias = nn.Parameter(torch.empty(3 * H))

    def step(self, x, s):
        x, h = x["x"], s["h"]
        bz, br, bh = self.bias.chunk(3)
        first, second = (x @ self.x_map).chunk(2, 1)
        maps = self.h_map.chunk(2 if self.which == 1 else 3, 1)
        if self.which == 1:
            z = sigmoid(first + bz)
            r = sigmoid(second + h @ maps[0] + br)
            candidate = tanh((r * h) @ maps[1] + tanh(x) + bh)
        else:
            z = sigmoid(first + h @ maps[0] + bz)
            r = sigmoid(x + h @ maps[1] + br)
            candidate = tanh((r * h) @ maps[2] + second + bh)
        new = candidate * z + h * (1 - z)
        return {"h": new}, {"h": new}


class Scrn(nn.Module):
    """The paper's equations in row form; the two maps of the context and those of the output are one matrix each."""

    K, O = 4, 6

    def __init__(self, alpha):
        super().__init__()
        self.alpha = alpha
        self.input = nn.Parameter(torch.empty(I, H + self.K))
        self.hidden = nn.Parameter(torch.empty(self.K + H, H))
        self.output = nn.Parameter(torch.empty(H + self.K, self.O))

    def step(self, x, s):
        ax, bx = (x["x"] @ self.input).split([H, self.K], 1)
        context = (1 - self.alpha) * bx + self.alpha * s["s"]
        hidden = sigmoid(torch.cat([context, s["h"]], 1) @ self.hidden + ax)
        y = torch.softmax(torch.cat([hidden, context], 1) @ self.output, 1)
        return {"y": y}, {"s": context, "h": hidden}

    @classmethod
    def params(cls):
        return {
            "A": Cut("input", lambda it: it[:, :H].t()),
            "B": Cut("input", lambda it: it[:, H:].t()),
            "P": Cut("hidden", lambda it: it[: cls.K].t()),
            "R": Cut("hidden", lambda it: it[cls.K :].t()),
            "U": Cut("output", lambda it: it[:H].t()),
            "V": Cut("output", lambda it: it[H:].t()),
        }


def direct(name, module, params, **rest):
    return Case(name, rest.pop("spec", name), DIRECT, module.step, module, params, {"h": (H,)}, **rest)


def papers():
    """Forms of the papers that torchrecurrent departs from."""
    edgeml = numbers("zeta nu") | {"b_z": Cut("bias_gate", lambda it: it[0]), "b_n": Cut("bias_update", lambda it: it[0])}
    yield direct("fastgrnn", EdgeMl(), turned("W", "W") | turned("U", "U") | edgeml, stored={"edgeml": None})
    low = turned("W1", "W_1") | turned("W2", "W_2") | turned("U1", "U_1") | turned("U2", "U_2") | edgeml
    sizes = {"I": I, "H": H, "P": 2, "Q": 4}
    yield direct("fastgrnn_low_rank", EdgeMl([2, 4]), low, sizes=sizes, stored={"edgeml": None})

    janet = columns("linear.weight", [I, H], ["W_f U_f", "W_c U_c"], H) | blocks("linear.bias", "b_f b_c")
    yield direct("janet", Janet(1.0), janet)
    yield direct("janet_hypers", Janet(0.375), janet, spec="janet", hypers={"beta": 0.375})

    alike = {"sizes": {"H": H}, "inputs": {"x": (H,)}}
    biases = blocks("bias", "b_z b_r b_n")
    yield direct("mut1", Mut(1), turned("x_map", "W_z W_r") | turned("h_map", "U_r U_n") | biases, **alike)
    yield direct("mut2", Mut(2), turned("x_map", "W_z W_n") | turned("h_map", "U_z U_r U_n") | biases, **alike)

    sizes = {"I": I, "H": H, "K": Scrn.K, "O": Scrn.O}
    for name, alpha, hypers in [("scrn", 0.95, {}), ("scrn_hypers", 0.625, {"alpha": 0.625})]:
        module = Scrn(alpha)
        states = {"s": (Scrn.K,), "h": (H,)}
        yield Case(
            name, "scrn", DIRECT, module.step, module, Scrn.params(), states, sizes=sizes, hypers=hypers
        )


def torchrecurrent_janet():
    """The source carries the state twice."""
    note = "the source carries the state twice, as h and c; both got the same start here, and its gradient is their sum"
    janet = case("janet_torchrecurrent", "JANETCell", stacked("f", "c") | same("beta"), note=note)

    def step(x, s):
        h = janet.tensors(x["x"], (s["h"], s["h"]))[0]
        return {"h": h}, {"h": h}

    janet.step = step
    return janet


def cases():
    simple = whole(**STACKED)
    two_biases = whole(W="weight_ih", U="weight_hh", b="bias_ih", c="bias_hh")
    yield case("atr", "ATRCell", two_biases)
    cfn = stacks(weight_ih="W_f W_i W_n", weight_hh="U_f U_i", bias_ih="b_f b_i b_n", bias_hh="d_f d_i")
    yield case("cfn", "CFNCell", cfn)

    sgu = stacks(weight_ih="W_g W_z", weight_hh="U_g U_z", bias_ih="b_g b_z", bias_hh="c_g d_z")
    yield case("sgu", "SGUCell", sgu)
    hypers = {"act": "silu", "out_act": "gelu", "gate_act": "sigmoid"}
    options = {"nonlinearity": "silu", "output_nonlinearity": "gelu", "gate_nonlinearity": "sigmoid"}
    yield activations("sgu", "SGUCell", sgu, hypers, **options)
    dsgu = sgu | whole(V="weight_ho")
    yield case("dsgu", "DSGUCell", dsgu)
    hypers = {"act": "identity", "out_act": "softplus", "gate_act": "sigmoid"}
    options = {"nonlinearity": "identity", "output_nonlinearity": "softplus", "gate_nonlinearity": "sigmoid"}
    yield activations("dsgu", "DSGUCell", dsgu, hypers, **options)

    fastrnn = simple | numbers("alpha beta")
    yield case("fastrnn", "FastRNNCell", fastrnn)
    yield activations("fastrnn", "FastRNNCell", fastrnn, {"act": "leaky_relu"}, nonlinearity="leaky_relu")
    fastgrnn = whole(W="weight_ih", U="weight_hh") | stacks(bias_ih="b_z b_n", bias_hh="d_z d_n") | numbers("zeta nu")
    name = "fastgrnn_torchrecurrent"
    yield case(name, "FastGRNNCell", fastgrnn)
    yield activations(name, "FastGRNNCell", fastgrnn, {"act": "sigmoid"}, nonlinearity="sigmoid")

    intersection, cell = stacked("y", "h", "p", "q"), "IntersectionRNNCell"
    apart = {"output": "y", "same_sizes": True}
    yield case("intersection_rnn", cell, intersection, **apart)
    hypers = {"depth_act": "gelu", "act": "elu", "gate_act": "hard_sigmoid"}
    options = {"depth_nonlinearity": "gelu", "recurrent_nonlinearity": "elu", "gate_nonlinearity": "hard_sigmoid"}
    yield activations("intersection_rnn", cell, intersection, hypers, **options, **apart)

    yield torchrecurrent_janet()

    both = {"act": "elu", "gate_act": "hard_sigmoid"}
    options = {"nonlinearity": "elu", "gate_nonlinearity": "hard_sigmoid"}
    ligru = stacked("z", "n")
    yield case("ligru", "LiGRUCell", ligru)
    yield activations("ligru", "LiGRUCell", ligru, both, **options)
    lightru = stacks(weight_ih="W_n W_f", weight_hh="U_f", bias_ih="b_n b_f", bias_hh="d_f")
    yield case("lightru", "LightRUCell", lightru)
    mgu = stacked("f", "n")
    yield case("mgu", "MGUCell", mgu)
    yield activations("mgu", "MGUCell", mgu, both, **options)
    minimal = whole(W="weight_ih", U="weight_hh", V="weight_mm", b_n="bias_ih", b_u="bias_hh")
    yield case("minimal_rnn", "MinimalRNNCell", minimal)
    yield activations("minimal_rnn", "MinimalRNNCell", minimal, both, **options)

    miru1 = stacked("r", "n")
    yield case("miru1", "MiRU1Cell", miru1)
    hypers = {"lambda": 0.375, **both}
    yield activations("miru1", "MiRU1Cell", miru1, hypers, update_coefficient=0.375, **options)
    yield case("miru2", "MiRU2Cell", simple)
    hypers = {"lambda": 0.375, "theta": 1.25}
    options = {"update_coefficient": 0.375, "reset_coefficient": 1.25}
    yield case("miru2_hypers", "MiRU2Cell", simple, hypers=hypers, spec="miru2", **options)

    mut1 = stacks(weight_ih="W_z W_r W_n", weight_hh="U_r U_n", bias_ih="b_z b_r b_n", bias_hh="d_r c_n")
    yield case("mut1_torchrecurrent", "MUT1Cell", mut1)
    yield case("mut2_torchrecurrent", "MUT2Cell", stacked("z", "r", "n"))
    yield case("mut3", "MUT3Cell", stacked("z", "r", "n"))
    nbr = stacks(weight_ih="W_a W_c W_n", weight_hh="U_a U_c", bias_ih="b_a b_c b_n", bias_hh="d_a d_c")
    yield case("nbr", "NBRCell", nbr)
    ran = stacks(weight_ih="W_n W_i W_f", weight_hh="U_i U_f", bias_ih="b_i b_f", bias_hh="d_i d_f")
    yield case("ran", "RANCell", ran, ["h", "c"])

    scrn = stacks(weight_ih="W_c W_q", weight_hh="U_q U_h", weight_ch="V_q V_h")
    scrn |= stacks(bias_ih="b_c b_q", bias_hh="d_q d_h", bias_ch="e_q e_h") | same("alpha")
    yield case("scrn_torchrecurrent", "SCRNCell", scrn, ["h", "c"])
    yield case("sgrn", "SGRNCell", two_biases)
    star = stacks(weight_ih="W_z W_k", weight_hh="U_k", bias_ih="b_z b_k", bias_hh="d_k")
    yield case("star", "STARCell", star)
    yield case("ugrnn", "UGRNNCell", stacked("c", "g"))

    yield from papers()
