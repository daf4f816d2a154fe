"""Discretised differential equations, oscillators, and cells that know about time."""

import itertools
from importlib.metadata import version
from unittest import mock

import numpy
import snntorch
import torch
from cells.gated import STACKED, activations, case, stacked, stacks
from ncps.torch import CfCCell
from ncps.torch.ltc_cell import LTCCell
from ncps.wirings import FullyConnected
from norse.torch.functional import lif, lsnn
from torch import nn
from vectors import DIRECT, Case, Cut, H, I, bits, blocks, linear, same, uniform, whole

NCPS, NORSE, SNNTORCH = (f"{it} {version(it)}" for it in ("ncps", "norse", "snntorch"))


def torchrecurrent():
    """The cells of torchrecurrent."""
    simple = whole(**STACKED)
    name, cell = "antisymmetric_rnn", "AntisymmetricRNNCell"
    step, options = {"eps": 0.25, "gamma": 0.125}, {"epsilon": 0.25, "gamma": 0.125}
    yield case(name, cell, simple)
    yield case(f"{name}_hypers", cell, simple, hypers=step, spec=name, **options)
    yield activations(name, cell, simple, {"act": "gelu"}, nonlinearity="gelu")
    name, cell = "gated_antisymmetric_rnn", "GatedAntisymmetricRNNCell"
    gated = stacks(weight_ih="W_z W_n", weight_hh="U", bias_ih="b_z b_n", bias_hh="d_n")
    yield case(name, cell, gated)
    yield case(f"{name}_hypers", cell, gated, hypers=step, spec=name, **options)

    cornn = simple | whole(V="weight_ch", e="bias_ch")
    velocity = "our state z, the velocity, is the source's second state c"
    yield case("cornn", "coRNNCell", cornn, ["h", "z"], velocity)
    hypers = {"dt": 0.25, "gamma": 2.5, "epsilon": 1.75}
    yield case("cornn_hypers", "coRNNCell", cornn, ["h", "z"], velocity, hypers, "cornn", **hypers)

    name, note = "lem_torchrecurrent", "our states y and z are the source's h and c"
    lem = stacks(weight_ih="W_sy W_sz W_z W_y", weight_hh="U_sy U_sz U_z", weight_ch="V_y")
    lem |= stacks(bias_ih="b_sy b_sz b_z b_y", bias_hh="d_sy d_sz d_z", bias_ch="d_y")
    yield case(name, "LEMCell", lem, ["y", "z"], note)
    yield case(f"{name}_hypers", "LEMCell", lem, ["y", "z"], note, {"dt": 0.375}, name, dt=0.375)

    hypers = {"act": "elu", "gate_act": "hard_sigmoid"}
    options = {"nonlinearity": "elu", "gate_nonlinearity": "hard_sigmoid"}
    for suffix, delay, hypers, options in [("", 1, {}, {}), ("_hypers", 2, {"delay": 2, **hypers}, options)]:
        yield delayed(f"taugru{suffix}", delay, hypers, options)


def delayed(name, delay, hypers, options):
    """The cell that reads a state of `delay` steps before the old one; its own layer starts that past at 0, here it is
    given."""
    history = ["h"] + [f"h.{it}" for it in range(2, delay + 2)]
    tau = case(name, "tauGRUCell", stacked("u", "z", "g", "a"), history, None, hypers, "taugru", **options)

    def step(x, s):
        h = tau.tensors(x["x"], s["h"], s[history[-1]])
        return {"h": h}, dict(zip(history, [h, *(s[it] for it in history[:-1])], strict=True))

    tau.step = step
    return tau


def cases():
    yield from torchrecurrent()
    yield from oscillators()
    yield from lipschitz()
    yield from reservoirs()
    yield from spiking()
    yield from closed_form()
    yield from clocks()
    yield from solvers()
    yield liquid()
    yield from legendre()
    yield from orthogonal()


class Lem(nn.Module):
    """Long expressive memory with the stacked layers of its authors' code."""

    def __init__(self):
        super().__init__()
        self.inp2hid = nn.Linear(I, 4 * H)
        self.hid2hid = nn.Linear(H, 3 * H)
        self.transform_z = nn.Linear(H, H)
        self.dt = 1.0

    def step(self, x, s):
        y, z = s["y"], s["z"]
        in_1, in_2, in_z, in_y = self.inp2hid(x["x"]).chunk(4, 1)
        old_1, old_2, old_y = self.hid2hid(y).chunk(3, 1)
        outer, inner = self.dt * torch.sigmoid(in_1 + old_1), self.dt * torch.sigmoid(in_2 + old_2)
        z = (1.0 - inner) * z + inner * torch.tanh(in_y + old_y)
        y = (1.0 - outer) * y + outer * torch.tanh(self.transform_z(z) + in_z)
        return {"y": y}, {"y": y, "z": z}


class CoRnn(nn.Module):
    """Coupled oscillators: one layer on the joined input, velocities and positions."""

    def __init__(self, dt, gamma, epsilon):
        super().__init__()
        self.i2h = nn.Linear(I + 2 * H, H)
        self.dt, self.gamma, self.epsilon = dt, gamma, epsilon

    def step(self, x, s):
        h, z = s["h"], s["z"]
        force = torch.tanh(self.i2h(torch.cat((x["x"], z, h), 1)))
        z = z + self.dt * (force - self.gamma * h - self.epsilon * z)
        h = h + self.dt * z
        return {"h": h}, {"h": h, "z": z}


class ImplicitCoRnn(CoRnn):
    """The paper's second scheme: the damping takes the new velocity, found here by iterating the scheme's equation."""

    def step(self, x, s):
        h, z = s["h"], s["z"]
        force = torch.tanh(self.i2h(torch.cat((x["x"], z, h), 1)))
        new = z
        # Each round multiplies what is missing by dt * epsilon, 0.1 or less here.
        for _ in range(40):
            new = z + self.dt * (force - self.gamma * h - self.epsilon * new)
        h = h + self.dt * new
        return {"h": h}, {"h": h, "z": new}


def columns(tensor, names, widths):
    """Parts of a tensor along its last axis."""
    ends = list(itertools.accumulate(widths))

    def part(k):
        return lambda it: it[..., ends[k] - widths[k] : ends[k]]

    return {name: Cut(tensor, part(k)) for k, name in enumerate(names.split())}


def oscillators():
    lem = (
        blocks("inp2hid.weight", "W_sy W_sz W_y W_z")
        | blocks("inp2hid.bias", "b_sy b_sz b_y b_z")
        | blocks("hid2hid.weight", "U_sy U_sz U_z")
        | blocks("hid2hid.bias", "d_sy d_sz d_z")
        | linear("V_y d_y", "transform_z")
    )
    states, stored = {"y": (H,), "z": (H,)}, {"authors": None}
    module = Lem()
    yield Case("lem", "lem", DIRECT, module.step, module, lem, states, stored=stored)
    module = Lem()
    module.dt = 0.375
    hypers = {"dt": 0.375}
    yield Case("lem_hypers", "lem", DIRECT, module.step, module, lem, states, hypers=hypers, stored=stored)

    cornn = columns("i2h.weight", "W V U", (I, H, H)) | whole(b="i2h.bias")
    states = {"h": (H,), "z": (H,)}
    module = CoRnn(dt=0.076, gamma=0.4, epsilon=8.0)
    name = "cornn_reference"
    yield Case(name, name, DIRECT, module.step, module, cornn, states, stored=stored)
    name, module = "cornn_implicit", ImplicitCoRnn(dt=0.1, gamma=1.0, epsilon=1.0)
    yield Case(name, name, DIRECT, module.step, module, cornn, states, stored=stored)


class Lipschitz(nn.Module):
    """The Lipschitz recurrent network of its authors' code, rows times matrices; with a gate or without."""

    def __init__(self, gated, beta=0.8, gamma=0.01, eps=0.01, alpha=1.0):
        super().__init__()
        self.B, self.C = nn.Parameter(torch.empty(H, H)), nn.Parameter(torch.empty(H, H))
        self.E = nn.Linear(I, H)
        self.E_gate = nn.Linear(I, H) if gated else None
        self.beta, self.gamma, self.eps, self.alpha = beta, gamma, eps, alpha

    def stable(self, free):
        parts = self.beta * (free - free.t()) + (1 - self.beta) * (free + free.t())
        return parts - self.gamma * torch.eye(H, dtype=free.dtype)

    def step(self, x, s):
        h, z = s["h"], self.E(x["x"])
        linear, drive = self.alpha * torch.matmul(h, self.stable(self.B)), torch.matmul(h, self.stable(self.C))
        change = linear + torch.tanh(drive + z)
        if self.E_gate is not None:
            change = change * torch.sigmoid(drive + self.E_gate(x["x"]))
        h = h + self.eps * change
        return {"h": h}, {"h": h}


def lipschitz():
    flipped = {"M_A": Cut("B", torch.t), "M_W": Cut("C", torch.t)}
    plain = flipped | linear("E b", "E")
    for name, params, gated in [
        ("lipschitz_rnn", plain, False),
        ("lipschitz_rnn_gated", plain | linear("E_g b_g", "E_gate"), True),
    ]:
        hypers = {"beta": 0.625, "gamma": 0.25, "eps": 0.5, "alpha": 0.75}
        for suffix, given in [("", {}), ("_hypers", hypers)]:
            module = Lipschitz(gated, **given)
            yield Case(
                name + suffix, name, DIRECT, module.step, module, params, {"h": (H,)}, hypers=given,
                stored={"authors": None},
            )


def reservoirs():
    tensors = {
        "W": torch.empty(H, H), "Win": torch.empty(H, I), "bias": torch.empty(H, 1)
    }  # fmt: skip

    def step(x, s):
        # reservoirpy's form: columns, and the leak on the outside.
        r, u = s["h"].t(), x["x"].t()
        r = (1 - 0.25) * r + 0.25 * torch.tanh(tensors["W"] @ r + tensors["Win"] @ u + tensors["bias"])
        return {"h": r.t()}, {"h": r.t()}

    params = whole(U="W", W="Win") | {"b": Cut("bias", lambda it: it[:, 0])}
    name = "leaky_esn"
    yield Case(
        name, name, DIRECT, step, tensors, params, {"h": (H,)}, hypers={"leak": 0.25}, consts=("U", "W", "b")
    )


def spiking():
    # Membranes near the threshold, so that some neurons fire and some do not.
    lif_weights, lsnn_weights = (
        {"input_weights": torch.empty(H, I), "recurrent_weights": torch.empty(H, H)} for _ in range(2)
    )
    params = whole(W="input_weights", U="recurrent_weights")
    stored = {"norse": None}
    hypers = {
        "dt": 0.0625, "tau_syn_inv": 2.0, "tau_mem_inv": 8.0, "v_leak": 0.125, "v_th": 0.5, "v_reset": -0.25
    }  # fmt: skip
    own = dict(hypers)
    dt = own.pop("dt")

    def both(weights):
        # No neuron has a synapse onto itself.
        return weights["input_weights"], weights["recurrent_weights"] * (1 - torch.eye(H))

    def lif_step(x, s):
        state = lif.LIFState(s["z"], s["v"], s["i"])
        p = lif.LIFParameters(**{name: torch.as_tensor(value) for name, value in own.items()})
        z, new = lif.lif_step(x["x"], state, *both(lif_weights), p, dt)
        return {"z": z}, {"z": z, "v": new.v, "i": new.i}

    def lsnn_step(x, s):
        state = lsnn.LSNNState(s["z"], s["v"], s["i"], s["b"])
        adapting = own | {"tau_adapt_inv": 1.5, "beta": 0.75}
        p = lsnn.LSNNParameters(**{name: torch.as_tensor(value) for name, value in adapting.items()})
        z, new = lsnn.lsnn_step(x["x"], state, *both(lsnn_weights), p, dt)
        return {"z": z}, {"z": z, "v": new.v, "i": new.i, "b": new.b}

    states = {"z": (H,), "v": (H,), "i": (H,)}
    draw = {"z": bits(0.5), "v": uniform(-0.25, 1.0), "i": uniform(-1.0, 2.0)}
    yield Case(
        "lif", "lif", f"{NORSE} lif_step", lif_step, lif_weights, params, states, hypers=hypers, draw=draw,
        stored=stored, check=fires,
    )
    draw = draw | {"b": uniform(0.25, 0.5)}
    hypers = hypers | {"tau_adapt_inv": 1.5, "beta": 0.75}
    yield Case(
        "lsnn", "lsnn", f"{NORSE} lsnn_step", lsnn_step, lsnn_weights, params, states | {"b": (H,)}, hypers=hypers,
        draw=draw, stored=stored, check=fires,
    )

    for name, module in [("leaky", SnnTorch), ("rleaky", SnnTorchRecurrent)]:
        for suffix, hypers in [("", {}), ("_zero", {"to_zero": 1, "beta": 0.75, "threshold": 0.5})]:
            it = module(**hypers)
            yield Case(
                name + suffix, name, f"{SNNTORCH} {it.what}", it.step, it, it.params, it.states, hypers=hypers,
                draw={"mem": uniform(0.0, 1.5), "spk": bits(0.5), "fc.bias": uniform(0.0, 1.0)}, stored={"snntorch": None}, check=fires,
            )


def fires(case, x, states, outputs, upstream):
    """Some neurons fire and some do not."""
    spikes = outputs["z" if "z" in outputs else "spk"]
    assert 0.1 < spikes.mean() < 0.9, f"{case.name}: {spikes.mean()}"


class SnnTorch(nn.Module):
    """snnTorch's neurons behind a linear layer. They make their spikes single precision, which is undone here: it changes
    no spike, but it would round the gradients."""

    what, params, states = "Leaky", linear("W b", "fc"), {"mem": (H,)}

    def __init__(self, to_zero=0, beta=0.9, threshold=1.0):
        super().__init__()
        self.fc = nn.Linear(I, H)
        given = {
            "beta": torch.as_tensor(beta, dtype=torch.float64),
            "threshold": torch.as_tensor(threshold, dtype=torch.float64),
            "reset_mechanism": "zero" if to_zero else "subtract",
        }
        self.lif = self.neurons(given)

    def neurons(self, given):
        return snntorch.Leaky(**given)

    def step(self, x, s):
        with mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
            spk, mem = self.lif(self.fc(x["x"]), s["mem"])
        return {"spk": spk, "mem": mem}, {"mem": mem}


class SnnTorchRecurrent(SnnTorch):
    what = "RLeaky"
    params = SnnTorch.params | linear("V d", "lif.recurrent")
    states = {"spk": (H,), "mem": (H,)}

    def neurons(self, given):
        return snntorch.RLeaky(linear_features=H, **given)

    def step(self, x, s):
        with mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
            spk, mem = self.lif(self.fc(x["x"]), s["spk"], s["mem"])
        return {"spk": spk, "mem": mem}, {"spk": spk, "mem": mem}


def closed_form():
    sizes = {"I": I, "H": H, "N": 7}
    heads = linear("W b", "backbone.0") | linear("W_1 b_1", "ff1")
    gated = heads | linear("W_2 b_2", "ff2") | linear("W_a b_a", "time_a") | linear("W_b b_b", "time_b")
    pure = heads | {"A": Cut("A", lambda it: it[0]), "w_tau": Cut("w_tau", lambda it: it[0])}
    for name, mode, params in [("cfc", "default", gated), ("cfc_no_gate", "no_gate", gated), ("cfc_pure", "pure", pure)]:
        module = CfCCell(I, H, mode, backbone_units=sizes["N"])

        def step(x, s, module=module):
            h = module(x["x"], s["h"], x["dt"].unsqueeze(1))[0]
            return {"h": h}, {"h": h}

        yield Case(
            name, name, f"{NCPS} CfCCell", step, module, params, {"h": (H,)}, {"x": (I,), "dt": ()}, sizes,
            draw={"dt": uniform(0.1, 2.0)}, stored={"ncps": None},
        )


class PhasedLstm(nn.Module):
    """The cell of TensorFlow's contrib without "peepholes": kernels for rows of input and state side by side."""

    def __init__(self):
        super().__init__()
        self.mask_gates = nn.Parameter(torch.empty(I + H, 2 * H))
        self.mask_bias = nn.Parameter(torch.empty(2 * H))
        self.new_input, self.output_gate = nn.Parameter(torch.empty(I + H, H)), nn.Parameter(torch.empty(I + H, H))
        self.new_bias, self.output_bias = nn.Parameter(torch.empty(H)), nn.Parameter(torch.empty(H))
        self.period, self.phase = nn.Parameter(torch.empty(H)), nn.Parameter(torch.empty(H))
        self.ratio_on = nn.Parameter(torch.empty(H))

    def step(self, x, s):
        c, h = s["c"], s["h"]
        both = torch.cat([x["x"], h], 1)
        i, f = torch.sigmoid(both @ self.mask_gates + self.mask_bias).chunk(2, 1)
        fresh = c * f + i * torch.tanh(both @ self.new_input + self.new_bias)
        shown = torch.tanh(fresh) * torch.sigmoid(both @ self.output_gate + self.output_bias)
        shifted = x["t"][:, None] - self.phase
        ratio = ((torch.remainder(shifted, self.period) - shifted).detach() + shifted) / self.period
        up = 2 * ratio / self.ratio_on
        k = torch.where(ratio < self.ratio_on, 2 - up, 0.001 * ratio)
        k = torch.where(ratio < 0.5 * self.ratio_on, up, k)
        c, h = k * fresh + (1 - k) * c, k * shown + (1 - k) * h
        return {"h": h}, {"c": c, "h": h}


class GruD(nn.Module):
    """The paper's equations on rows, with one layer per gate on the value, the state and the mask side by side."""

    def __init__(self):
        super().__init__()
        self.gamma_x, self.gamma_x_bias = nn.Parameter(torch.empty(I)), nn.Parameter(torch.empty(I))
        self.gamma_h = nn.Linear(I, H)
        self.rl, self.zl, self.hl = (nn.Linear(I + H + I, H) for _ in range(3))
        self.mean = nn.Parameter(torch.empty(I))

    def step(self, x, s):
        value, mask, delta = x["x"], x["m"], x["delta"]
        decay = torch.exp(-torch.clamp(delta * self.gamma_x + self.gamma_x_bias, min=0.0))
        guess = decay * s["seen"] + (1 - decay) * self.mean
        # What is not seen may be anything, and the choice itself has no gradient.
        value, seen = (torch.where(mask > 0, value, it) for it in (guess, s["seen"]))
        h = torch.exp(-torch.relu(self.gamma_h(delta))) * s["h"]
        joined = torch.cat((value, h, mask), 1)
        z, r = torch.sigmoid(self.zl(joined)), torch.sigmoid(self.rl(joined))
        h = (1 - z) * h + z * torch.tanh(self.hl(torch.cat((value, r * h, mask), 1)))
        return {"h": h}, {"h": h, "seen": seen}


def clocks():
    both = {"mask_gates": "i f", "new_input": "j", "output_gate": "o"}
    phased = blocks("mask_bias", "b_i b_f") | whole(b_j="new_bias", b_o="output_bias")
    phased |= {it: Cut(it) for it in ("period", "phase", "ratio_on")}
    for tensor, gates in both.items():
        gates = gates.split()
        for k, gate in enumerate(gates):
            column = slice(k * H, (k + 1) * H)
            phased[f"W_{gate}"] = Cut(tensor, lambda it, column=column: it[:I, column].t())
            phased[f"U_{gate}"] = Cut(tensor, lambda it, column=column: it[I:, column].t())
    module = PhasedLstm()
    draw = {
        "t": uniform(0.0, 20.0), "period": uniform(1.0, 4.0), "phase": uniform(0.0, 2.0),
        "ratio_on": uniform(0.25, 0.75),
    }  # fmt: skip
    yield Case(
        "phased_lstm", "phased_lstm", DIRECT, module.step, module, phased, {"c": (H,), "h": (H,)},
        {"x": (I,), "t": ()}, draw=draw,
    )

    module = GruD()
    gru_d = same("mean") | whole(w_x="gamma_x", b_x="gamma_x_bias") | linear("W_d b_d", "gamma_h")
    for gate, layer in [("r", "rl"), ("z", "zl"), ("n", "hl")]:
        gru_d |= columns(f"{layer}.weight", f"W_{gate} U_{gate} V_{gate}", (I, H, I)) | whole(**{f"b_{gate}": f"{layer}.bias"})
    yield Case(
        "gru_d", "gru_d", DIRECT, module.step, module, gru_d, {"h": (H,), "seen": (I,)},
        {"x": (I,), "m": (I,), "delta": (I,)}, draw={"m": bits(0.5), "delta": uniform(0.0, 2.0)}, consts=("mean",),
    )


class CtRnn(nn.Module):
    """Kernels for rows; the field is integrated by `method` in equal parts of the elapsed time."""

    def __init__(self, method, unfolds, tau):
        super().__init__()
        self.kernel, self.recurrent_kernel = nn.Parameter(torch.empty(I, H)), nn.Parameter(torch.empty(H, H))
        self.bias, self.scale = nn.Parameter(torch.empty(H)), nn.Parameter(torch.empty(H))
        self.method, self.unfolds, self.tau = method, unfolds, tau

    def field(self, x, h):
        return self.scale * torch.tanh(x @ self.kernel + h @ self.recurrent_kernel + self.bias) - h * self.tau

    def step(self, x, s):
        h, part = s["h"], x["dt"][:, None] / self.unfolds
        for _ in range(self.unfolds):
            h = self.method(lambda v: self.field(x["x"], v), h, part)
        return {"h": h}, {"h": h}


def euler(field, h, part):
    return h + part * field(h)


def rk4(field, h, part):
    k1 = field(h)
    k2 = field(h + k1 * part * 0.5)
    k3 = field(h + k2 * part * 0.5)
    k4 = field(h + k3 * part)
    return h + part * (k1 + 2 * k2 + 2 * k3 + k4) / 6.0


class OdeLstm(nn.Module):
    """PyTorch's own LSTM, then three steps of Runge and Kutta's method on a network with one hidden layer."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTMCell(I, H)
        self.f_node = nn.Sequential(nn.Linear(H, H), nn.Tanh(), nn.Linear(H, H))

    def step(self, x, s):
        h, c = self.lstm(x["x"], (s["h"], s["c"]))
        for _ in range(3):
            h = rk4(self.f_node, h, x["dt"][:, None] * (1.0 / 3))
        return {"h": h}, {"h": h, "c": c}


class GruOde(nn.Module):
    """Layers on input and state side by side; four Euler steps."""

    def __init__(self):
        super().__init__()
        self.reset, self.update, self.detect = (nn.Linear(I + H, H) for _ in range(3))

    def step(self, x, s):
        h, part = s["h"], x["dt"][:, None] / 4
        for _ in range(4):
            both = torch.cat([x["x"], h], 1)
            r, z = torch.sigmoid(self.reset(both)), torch.sigmoid(self.update(both))
            g = torch.tanh(self.detect(torch.cat([x["x"], r * h], 1)))
            h = h + part * (1.0 - z) * (g - h)
        return {"h": h}, {"h": h}


def solvers():
    inputs, draw = {"x": (I,), "dt": ()}, {"dt": uniform(0.25, 2.0)}
    ct_rnn = {"W": Cut("kernel", torch.t), "U": Cut("recurrent_kernel", torch.t)} | whole(b="bias") | same("scale")
    hypers = {"unfolds": 3, "tau": 0.75}
    for name, method, suffix, given in [
        ("ct_rnn", euler, "", {}),
        ("ct_rnn", euler, "_hypers", hypers),
        ("ct_rnn_rk4", rk4, "", {}),
        ("ct_rnn_rk4", rk4, "_hypers", hypers),
    ]:
        module = CtRnn(method, **({"unfolds": 4, "tau": 1} | given))
        yield Case(
            name + suffix, name, DIRECT, module.step, module, ct_rnn, {"h": (H,)}, inputs, hypers=given, draw=draw,
            stored={"keras": None},
        )

    module = OdeLstm()
    gates = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "d": "bias_hh"}
    params = linear("P p", "f_node.0") | linear("Q q", "f_node.2")
    for ours, foreign in gates.items():
        params |= blocks(f"lstm.{foreign}", " ".join(f"{ours}_{it}" for it in "ifgo"))
    yield Case(
        "ode_lstm", "ode_lstm", f"{DIRECT}, on torch's LSTMCell", module.step, module, params,
        {"h": (H,), "c": (H,)}, inputs, draw=draw, stored={"authors": None},
    )

    module, params = GruOde(), {}
    for gate, layer in [("r", "reset"), ("z", "update"), ("n", "detect")]:
        params |= columns(f"{layer}.weight", f"W_{gate} U_{gate}", (I, H)) | {f"b_{gate}": Cut(f"{layer}.bias")}
    yield Case("gru_ode", "gru_ode", DIRECT, module.step, module, params, {"h": (H,)}, inputs, draw=draw)


def liquid():
    motor = 2
    module = LTCCell(FullyConnected(H, motor), I)
    ours = {
        "w_in": "sensory_w", "sigma_in": "sensory_sigma", "mu_in": "sensory_mu", "erev_in": "sensory_erev",
        "scale_in": "input_w", "shift_in": "input_b", "scale_out": "output_w", "shift_out": "output_b",
        "there": "sparsity_mask", "there_in": "sensory_sparsity_mask",
    }  # fmt: skip
    params = same("gleak vleak cm w sigma mu erev") | whole(**ours)

    def step(x, s):
        y, v = module(x["x"], s["v"], x["dt"][:, None])
        return {"y": y, "v": v}, {"v": v}

    positive = uniform(0.1, 1.0)
    draw = {it: positive for it in ("gleak", "w", "sensory_w")} | {it: bits(0.75) for it in ours.values() if "mask" in it}
    return Case(
        "ltc", "ltc", f"{NCPS} LTCCell", step, module, params, {"v": (H,)}, {"x": (I,), "dt": ()},
        {"I": I, "N": H, "M": motor}, draw=draw | {"cm": uniform(0.4, 0.6), "dt": uniform(0.25, 2.0)},
        consts=("there", "there_in"), stored={"ncps": None},
    )


def legendre_system(order):
    """The system in the form of keras-lmu: for rows, transposed."""
    q = numpy.arange(order, dtype=numpy.float64)
    r = (2 * q + 1)[:, None]
    j, i = numpy.meshgrid(q, q)
    a = numpy.where(i < j, -1, (-1.0) ** (i - j + 1)) * r
    b = (-1.0) ** q[:, None] * r
    return torch.as_tensor(a.T), torch.as_tensor(b.T)


class LmuEuler(nn.Module):
    """As keras-lmu computes it with Euler's method, 1 / theta as a weight and a simple recurrent cell behind."""

    signals, order = 2, 4

    def __init__(self):
        super().__init__()
        flat = self.signals * self.order
        self.kernel = nn.Parameter(torch.empty(I, self.signals))
        self.theta_inv = nn.Parameter(torch.empty(()))
        self.hidden_kernel, self.hidden_recurrent = nn.Parameter(torch.empty(flat, H)), nn.Parameter(torch.empty(H, H))
        self.hidden_bias = nn.Parameter(torch.empty(H))

    def step(self, x, s):
        A, B = legendre_system(self.order)
        m, u = s["m"], (x["x"] @ self.kernel).unsqueeze(-1)
        m = m + (torch.matmul(m, A) + torch.matmul(u, B)) * self.theta_inv
        h = m.reshape(-1, self.signals * self.order) @ self.hidden_kernel
        h = torch.tanh(h + s["h"] @ self.hidden_recurrent + self.hidden_bias)
        return {"h": h}, {"m": m, "h": h}


class Lmu(nn.Module):
    """The paper's cell; the system is discretised with torch's matrix exponential."""

    order = 4

    def __init__(self, theta):
        super().__init__()
        self.e_x, self.e_h, self.e_m = (nn.Parameter(torch.empty(it, 1)) for it in (I, H, self.order))
        self.W_x, self.W_h, self.W_m = (nn.Parameter(torch.empty(it, H)) for it in (I, H, self.order))
        self.theta = theta

    def step(self, x, s):
        A, B = legendre_system(self.order)
        both = nn.functional.pad(torch.cat([A, B]) / self.theta, (0, 1))
        both = torch.matrix_exp(both)
        A, B = both[: self.order, : self.order], both[self.order :, : self.order]
        m = s["m"] @ A + (x["x"] @ self.e_x + s["h"] @ self.e_h + s["m"] @ self.e_m) @ B
        h = torch.tanh(x["x"] @ self.W_x + s["h"] @ self.W_h + m @ self.W_m)
        return {"h": h}, {"m": m, "h": h}


def legendre():
    module = LmuEuler()
    turned = {"E": "kernel", "U": "hidden_recurrent", "W": "hidden_kernel"}
    params = {ours: Cut(tensor, torch.t) for ours, tensor in turned.items()}
    params |= same("theta_inv") | whole(b="hidden_bias")
    states = {"m": (module.signals, module.order), "h": (H,)}
    sizes = {"I": I, "H": H, "D": module.signals, "N": module.order}
    yield Case(
        "lmu_euler", "lmu_euler", DIRECT, module.step, module, params, states, sizes=sizes,
        draw={"theta_inv": uniform(0.0625, 0.125)},
    )

    params = {it: Cut(it, lambda it: it[:, 0]) for it in ("e_x", "e_h", "e_m")}
    params |= {it: Cut(it, torch.t) for it in ("W_x", "W_h", "W_m")}
    sizes = {"I": I, "H": H, "N": Lmu.order}
    for suffix, hypers in [("", {}), ("_hypers", {"theta": 6})]:
        module = Lmu(hypers.get("theta", 4 * Lmu.order))
        yield Case(
            "lmu" + suffix, "lmu", DIRECT, module.step, module, params, {"m": (Lmu.order,), "h": (H,)}, sizes=sizes,
            hypers=hypers,
        )


def orthogonal():
    exp = {"input_kernel": torch.empty(H, I), "A": torch.empty(H, H), "b": torch.empty(H)}

    def exp_step(x, s):
        upper = exp["A"].triu(diagonal=1)
        z = x["x"] @ exp["input_kernel"].t() + s["h"] @ torch.matrix_exp(upper - upper.t())
        h = torch.sign(z) * nn.functional.relu(torch.abs(z) + exp["b"])
        return {"h": h}, {"h": h}

    name, params = "exp_rnn", whole(W="input_kernel", P="A") | same("b")
    yield Case(name, name, DIRECT, exp_step, exp, params, {"h": (H,)})

    cayley = {"C": torch.empty(H, H), "E.weight": torch.empty(H, I), "E.bias": torch.empty(H)}

    def cayley_step(x, s):
        skew = cayley["C"] - cayley["C"].t()
        W = torch.matmul(torch.inverse(torch.eye(H) + skew), torch.eye(H) - skew)
        z = nn.functional.linear(x["x"], cayley["E.weight"], cayley["E.bias"])
        h = torch.tanh(torch.matmul(s["h"], W) + z)
        return {"h": h}, {"h": h}

    name, params = "cayley_rnn", same("C") | linear("E b", "E")
    yield Case(name, name, DIRECT, cayley_step, cayley, params, {"h": (H,)}, stored={"authors": None})
