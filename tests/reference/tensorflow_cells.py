"""The cells of TensorFlow 1 and of TensorFlow Addons, written down as they write them: row vectors, one matrix for input and
state, a forget bias that is added while running."""

import torch
from torch import nn, relu, sigmoid, tanh
from vectors import DIRECT, Case, Cut, H, I, blocks, turned, whole

P, FORGET = 4, 0.75
# Groups and units per group.
GROUPS, UNITS = 2, 3


class Layer(nn.Module):
    """Trained tensors by name, shape by shape; `/` in a name, as TensorFlow has it, stands for a scope."""

    def __init__(self, **shapes):
        super().__init__()
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))


class Lstm(Layer):
    """LSTMCell, with or without its options: peepholes, bounds, projection."""

    def __init__(self, options=False):
        width = P if options else H
        shapes = {"kernel": (I + width, 4 * H), "bias": (4 * H,)}
        if options:
            shapes |= {f"w_{it}_diag": (H,) for it in "ifo"} | {"projection": (H, P)}
        super().__init__(**shapes)
        self.options = options

    def step(self, x, s):
        c_prev, m_prev = s["c"], s["m"] if self.options else s["h"]
        lstm_matrix = torch.cat([x["x"], m_prev], 1) @ self.kernel + self.bias
        i, j, f, o = lstm_matrix.chunk(4, 1)
        if not self.options:
            c = sigmoid(f + FORGET) * c_prev + sigmoid(i) * tanh(j)
            m = sigmoid(o) * tanh(c)
            return {"h": m}, {"c": c, "h": m}
        c = sigmoid(f + FORGET + self.w_f_diag * c_prev) * c_prev
        c = c + sigmoid(i + self.w_i_diag * c_prev) * tanh(j)
        c = torch.clamp(c, -0.8, 0.8)
        m = sigmoid(o + self.w_o_diag * c) * tanh(c)
        m = torch.clamp(m @ self.projection, -0.4, 0.4)
        return {"m": m}, {"c": c, "m": m}


class Cifg(Layer):
    def __init__(self):
        super().__init__(W=(I + H, 3 * H), B=(3 * H,), W_F_diag=(H,), W_O_diag=(H,))

    def step(self, x, s):
        j, f, o = (torch.cat([x["x"], s["h"]], 1) @ self.W + self.B).chunk(3, 1)
        f_act = sigmoid(f + FORGET + self.W_F_diag * s["c"])
        c = f_act * s["c"] + (1 - f_act) * tanh(j)
        m = sigmoid(o + self.W_O_diag * c) * tanh(c)
        return {"h": m}, {"c": c, "h": m}


class Ugrnn(Layer):
    def __init__(self):
        super().__init__(kernel=(I + H, 2 * H), bias=(2 * H,))

    def step(self, x, s):
        g_act, c_act = (torch.cat([x["x"], s["h"]], 1) @ self.kernel + self.bias).chunk(2, 1)
        g = sigmoid(g_act + FORGET)
        h = g * s["h"] + (1.0 - g) * tanh(c_act)
        return {"h": h}, {"h": h}


class Intersection(Layer):
    def __init__(self):
        super().__init__(in_kernel=(I, H), in_bias=(H,), kernel=(2 * H, 4 * H), bias=(4 * H,))

    def step(self, x, s):
        inputs = x["x"] @ self.in_kernel + self.in_bias
        rnn_matrix = torch.cat([inputs, s["h"]], 1) @ self.kernel + self.bias
        gh_act, h_act = rnn_matrix[:, :H], rnn_matrix[:, H : 2 * H]
        gy_act, y_act = rnn_matrix[:, 2 * H : 3 * H], rnn_matrix[:, 3 * H :]
        gh, gy = sigmoid(gh_act + FORGET), sigmoid(gy_act + FORGET)
        new_state = gh * s["h"] + (1.0 - gh) * tanh(h_act)
        return {"y": gy * inputs + (1.0 - gy) * relu(y_act)}, {"h": new_state}


class Nas(Layer):
    def __init__(self):
        super().__init__(kernel=(I, 8 * H), recurrent_kernel=(H, 8 * H), bias=(8 * H,))

    def step(self, x, s):
        m = (s["m"] @ self.recurrent_kernel + self.bias).chunk(8, 1)
        u = (x["x"] @ self.kernel).chunk(8, 1)
        l2_0 = tanh(sigmoid(u[0] + m[0]) * relu(u[1] + m[1]))
        l2_1 = tanh(sigmoid(u[2] + m[2]) + relu(u[3] * m[3]))
        l2_2 = tanh(tanh(u[4] + m[4]) * sigmoid(u[5] + m[5]))
        l2_3 = sigmoid(tanh(u[6] + m[6]) + sigmoid(u[7] + m[7]))
        new_c = tanh(l2_0 + s["c"]) * l2_1
        new_m = tanh(new_c * tanh(l2_2 + l2_3))
        return {"m": new_m}, {"c": new_c, "m": new_m}


class Sru(Layer):
    def __init__(self):
        super().__init__(kernel=(I, 4 * H), bias=(2 * H,))

    def step(self, x, s):
        x_bar, f_inter, r_inter, x_tx = (x["x"] @ self.kernel).chunk(4, 1)
        f, r = sigmoid(torch.cat([f_inter, r_inter], 1) + self.bias).chunk(2, 1)
        c = f * s["c"] + (1.0 - f) * x_bar
        return {"y": r * tanh(c) + (1.0 - r) * x_tx}, {"c": c}


class Glstm(Layer):
    """One linear map for all groups, group by group."""

    def __init__(self):
        width = GROUPS * UNITS
        super().__init__(kernel=(2 * UNITS, 4 * UNITS), **{f"bias_{it}": (width,) for it in "ijfo"})

    def step(self, x, s):
        i_parts, j_parts, f_parts, o_parts = [], [], [], []
        for group in range(GROUPS):
            part = slice(group * UNITS, (group + 1) * UNITS)
            i, j, f, o = (torch.cat([x["x"][:, part], s["m"][:, part]], 1) @ self.kernel).chunk(4, 1)
            i_parts.append(i)
            j_parts.append(j)
            f_parts.append(f)
            o_parts.append(o)
        i = torch.cat(i_parts, 1) + self.bias_i
        j = torch.cat(j_parts, 1) + self.bias_j
        f = torch.cat(f_parts, 1) + self.bias_f
        o = torch.cat(o_parts, 1) + self.bias_o
        c = sigmoid(f + FORGET) * s["c"] + sigmoid(i) * tanh(j)
        m = sigmoid(o) * tanh(c)
        return {"m": m}, {"c": c, "m": m}


class LayerNormBasicLstm(Layer):
    """Each gate normalised by itself; the candidate is dropped anew at every step."""

    NAMES = ("input", "transform", "forget", "output", "state")

    def __init__(self, dropout):
        norms = {f"{it}_{part}": (H,) for it in self.NAMES for part in ("gamma", "beta")}
        super().__init__(kernel=(I + H, 4 * H), **norms)
        self.dropout = dropout

    def norm(self, v, scope):
        mean, variance = v.mean(1, keepdim=True), v.var(1, unbiased=False, keepdim=True)
        gamma, beta = getattr(self, f"{scope}_gamma"), getattr(self, f"{scope}_beta")
        return (v - mean) * torch.rsqrt(variance + 1e-12) * gamma + beta

    def step(self, x, s):
        parts = (torch.cat([x["x"], s["h"]], 1) @ self.kernel).chunk(4, 1)
        i, j, f, o = (self.norm(part, scope) for part, scope in zip(parts, self.NAMES, strict=False))
        g = tanh(j)
        if self.dropout:
            g = torch.where(x["keep"] == 1, g / (1 - self.dropout), 0.0)
        c = self.norm(s["c"] * sigmoid(f + FORGET) + sigmoid(i) * g, "state")
        h = tanh(c) * sigmoid(o)
        return {"h": h}, {"c": c, "h": h}


class AddonsLstm(Layer):
    """LayerNormLSTMCell of TensorFlow Addons."""

    def __init__(self):
        norms = {f"{it}_norm_gamma": (4 * H,) for it in ("kernel", "recurrent")}
        norms |= {f"{it}_norm_beta": (4 * H,) for it in ("kernel", "recurrent")}
        norms |= {"state_norm_gamma": (H,), "state_norm_beta": (H,)}
        super().__init__(kernel=(I, 4 * H), recurrent_kernel=(H, 4 * H), bias=(4 * H,), **norms)

    def norm(self, v, name):
        gamma, beta = getattr(self, f"{name}_norm_gamma"), getattr(self, f"{name}_norm_beta")
        return nn.functional.layer_norm(v, v.shape[1:], gamma, beta, eps=1e-3)

    def step(self, x, s):
        z = self.norm(x["x"] @ self.kernel, "kernel")
        z = z + self.norm(s["h"] @ self.recurrent_kernel, "recurrent") + self.bias
        z0, z1, z2, z3 = z.chunk(4, 1)
        c = self.norm(sigmoid(z1) * s["c"] + sigmoid(z0) * tanh(z2), "state")
        h = sigmoid(z3) * tanh(c)
        return {"h": h}, {"h": h, "c": c}


class AddonsSimpleRnn(Layer):
    """LayerNormSimpleRNNCell of TensorFlow Addons."""

    def __init__(self):
        super().__init__(kernel=(I, H), recurrent_kernel=(H, H), bias=(H,), gamma=(H,))

    def step(self, x, s):
        both = x["x"] @ self.kernel + s["h"] @ self.recurrent_kernel
        h = tanh(nn.functional.layer_norm(both, (H,), self.gamma, eps=1e-5) + self.bias)
        return {"h": h}, {"h": h}


def joint(gates, width=I, tensor="kernel"):
    """The matrices of the gates in one of [input + state, gates]; `width` is that of the input."""

    def cut(k, part):
        return lambda it: it.chunk(len(gates), 1)[k][part].t()

    inputs, states = slice(0, width), slice(width, None)
    return {f"W_{gate}": Cut(tensor, cut(k, inputs)) for k, gate in enumerate(gates)} | {
        f"U_{gate}": Cut(tensor, cut(k, states)) for k, gate in enumerate(gates)
    }


def named(letter, gates):
    return " ".join(f"{letter}_{it}" for it in gates)


def scoped(*pairs):
    """Tensors under names with a scope, which no attribute can have, beside those called the same."""
    return {name: name.replace("/", "_") for name in pairs}


def plain():
    """TensorFlow 1's own, without masks."""
    hypers, ch, hm = {"forget_bias": FORGET}, {"c": (H,), "h": (H,)}, {"c": (H,), "m": (H,)}
    lstm = joint("ijfo") | blocks("bias", named("b", "ijfo"))
    own = {"tensorflow": None}
    yield "tf_lstm", Lstm(), lstm, ch, hypers, own, {}

    peepholes = whole(w_i="w_i_diag", w_f="w_f_diag", w_o="w_o_diag") | turned("projection", "W_p")
    stored = scoped("kernel", "bias", "w_i_diag", "w_f_diag", "w_o_diag") | {"projection/kernel": "projection"}
    bounds = hypers | {"cell_clip": 0.8, "proj_clip": 0.4}
    states = {"c": (H,), "m": (P,)}
    sizes = {"sizes": {"I": I, "H": H, "P": P}}
    yield "tf_lstm_projection", Lstm(True), lstm | peepholes, states, bounds, {"tensorflow": stored}, sizes

    cifg = joint("jfo", tensor="W") | blocks("B", named("b", "jfo")) | whole(w_f="W_F_diag", w_o="W_O_diag")
    yield "tf_cifg", Cifg(), cifg, ch, hypers, own, {}
    yield "tf_ugrnn", Ugrnn(), joint("gc") | blocks("bias", named("b", "gc")), {"h": (H,)}, hypers, own, {}

    plus = joint("qhpy", H) | blocks("bias", named("b", "qhpy")) | turned("in_kernel", "W_x") | whole(b_x="in_bias")
    stored = {"in_projection/kernel": "in_kernel", "in_projection/bias": "in_bias"} | scoped("kernel", "bias")
    yield "tf_intersection_rnn", Intersection(), plus, {"h": (H,)}, hypers, {"tensorflow": stored}, {}

    eight = "01234567"
    nas = turned("kernel", named("W", eight)) | turned("recurrent_kernel", named("U", eight))
    yield "tf_nas", Nas(), nas | blocks("bias", named("b", eight)), hm, {}, own, {}
    yield "tf_sru", Sru(), turned("kernel", named("W", "cfrx")) | blocks("bias", "b_f b_r"), {"c": (H,)}, {}, own, {}

    width = GROUPS * UNITS
    groups = joint("ijfo", UNITS) | whole(**{f"b_{it}": f"bias_{it}" for it in "ijfo"})
    sizes = {"sizes": {"G": GROUPS, "D": UNITS}, "inputs": {"x": (width,)}}
    yield "tf_glstm", Glstm(), groups, {"c": (width,), "m": (width,)}, hypers, own, sizes

    addons = turned("kernel", "W") | turned("recurrent_kernel", "U") | whole(b="bias", g="gamma")
    yield "tfa_layer_norm_simple_rnn", AddonsSimpleRnn(), addons, {"h": (H,)}, {}, {"keras": None}, {}

    addons = turned("kernel", named("W", "ifgo")) | turned("recurrent_kernel", named("U", "ifgo"))
    addons |= blocks("bias", named("b", "ifgo"))
    addons |= whole(k="kernel_norm_gamma", d="kernel_norm_beta", r="recurrent_norm_gamma", e="recurrent_norm_beta")
    addons |= whole(s="state_norm_gamma", t="state_norm_beta")
    stored = scoped("kernel", "recurrent_kernel", "bias")
    norms = [f"{it}_norm/{part}" for it in ("kernel", "recurrent", "state") for part in ("gamma", "beta")]
    stored |= {name: name.replace("/", "_") for name in norms}
    yield "tfa_layer_norm_lstm", AddonsLstm(), addons, {"h": (H,), "c": (H,)}, {}, {"keras": stored}, {}


def cases():
    for name, module, params, states, hypers, stored, more in plain():
        yield Case(name, name, DIRECT, module.step, module, params, states, hypers=hypers, stored=stored, **more)

    name, dropout = "tf_layer_norm_basic_lstm", 0.4
    params, stored = joint("ijfo"), {"kernel": "kernel"}
    for ours, scope in zip("ijfoc", LayerNormBasicLstm.NAMES, strict=True):
        params |= whole(**{f"k_{ours}": f"{scope}_gamma", f"b_{ours}": f"{scope}_beta"})
        stored |= {f"{scope}/gamma": f"{scope}_gamma", f"{scope}/beta": f"{scope}_beta"}
    for ending, share in (("", 0.0), ("_dropout", dropout)):
        module = LayerNormBasicLstm(share)
        masks = {"keep": ("step", (H,), 1 - share)} if share else {}
        hypers = {"forget_bias": FORGET} | ({"dropout": share} if share else {})
        yield Case(
            name + ending, name, DIRECT, module.step, module, params, {"c": (H,), "h": (H,)}, hypers=hypers, masks=masks,
            stored={"tensorflow": stored},
        )
