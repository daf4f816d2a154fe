"""The cells of haste beside its plain ones, written down as its own slow version has them: kernels [in, blocks], the gates of
an LSTM in the order i, g, f, o and those of a GRU in the order z, r, n."""

import torch
from torch import nn, sigmoid, tanh
from torch.nn.functional import layer_norm
from vectors import DIRECT, Case, Cut, H, I, blocks, turned, whole

ZONEOUT, DROPOUT = 0.3, 0.4


class Cell(nn.Module):
    """What all have: trained tensors, zoneout, DropConnect."""

    def __init__(self, training, **shapes):
        super().__init__()
        self.training = training
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))

    def zoned_out(self, new, old, x):
        if self.training:
            return (new - old) * x["moves"] + old
        return ZONEOUT * old + (1 - ZONEOUT) * new

    def kept(self, x, names):
        """The recurrent kernel as F.dropout leaves it; our masks are [out, in], one for each gate."""
        if not self.training:
            return self.recurrent_kernel
        there = torch.cat([x[it].t() for it in names], 1)
        return torch.where(there == 1, self.recurrent_kernel / (1 - DROPOUT), 0.0)


LSTM_MASKS, GRU_MASKS = ("m_i", "m_g", "m_f", "m_o"), ("m_z", "m_r", "m_n")


class Lstm(Cell):
    def __init__(self, training):
        super().__init__(training, kernel=(I, 4 * H), recurrent_kernel=(H, 4 * H), bias=(4 * H,))

    def step(self, x, s):
        v = x["x"] @ self.kernel + s["h"] @ self.kept(x, LSTM_MASKS) + self.bias
        i, g, f, o = v.chunk(4, 1)
        c = sigmoid(f) * s["c"] + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return {"h": h}, {"h": h, "c": c}


class LayerNormLstm(Cell):
    def __init__(self, training):
        shapes = {"kernel": (I, 4 * H), "recurrent_kernel": (H, 4 * H), "bias": (4 * H,), "gamma": (2, 4 * H)}
        super().__init__(training, **shapes, gamma_h=(H,), beta_h=(H,))

    def step(self, x, s):
        v = layer_norm(s["h"] @ self.kept(x, LSTM_MASKS), (4 * H,), weight=self.gamma[1])
        v = v + layer_norm(x["x"] @ self.kernel, (4 * H,), weight=self.gamma[0]) + self.bias
        i, g, f, o = v.chunk(4, 1)
        c = sigmoid(f) * s["c"] + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(layer_norm(c, (H,), weight=self.gamma_h, bias=self.beta_h))
        h = self.zoned_out(h, s["h"], x)
        return {"h": h}, {"h": h, "c": c}


class LayerNormGru(Cell):
    def __init__(self, training):
        shapes = {"kernel": (I, 3 * H), "recurrent_kernel": (H, 3 * H), "bias": (3 * H,), "recurrent_bias": (3 * H,)}
        super().__init__(training, **shapes, gamma=(2, 3 * H))

    def step(self, x, s):
        vx = layer_norm(x["x"] @ self.kernel, (3 * H,), weight=self.gamma[0]) + self.bias
        vh = layer_norm(s["h"] @ self.kept(x, GRU_MASKS), (3 * H,), weight=self.gamma[1]) + self.recurrent_bias
        vx, vh = vx.chunk(3, 1), vh.chunk(3, 1)
        z = sigmoid(vx[0] + vh[0])
        r = sigmoid(vx[1] + vh[1])
        g = tanh(vx[2] + r * vh[2])
        h = self.zoned_out(z * s["h"] + (1 - z) * g, s["h"], x)
        return {"h": h}, {"h": h}


class IndRnn(Cell):
    """With a normalised map of the input or without; of the gain only the first row is read."""

    def __init__(self, training, norm):
        shapes = {"gamma_x": (H,), "gamma_h": (H,)} if norm else {}
        super().__init__(training, kernel=(I, H), recurrent_scale=(H,), bias=(H,), **shapes)
        self.norm = norm

    def step(self, x, s):
        v = x["x"] @ self.kernel
        if self.norm:
            v = layer_norm(v, (H,), weight=self.gamma_x)
        h = self.zoned_out(tanh(v + self.recurrent_scale * s["h"] + self.bias), s["h"], x)
        return {"h": h}, {"h": h}


def rows(tensor, *names):
    """The rows of a tensor, one param each."""
    return {name: Cut(tensor, lambda it, k=k: it[k]) for k, name in enumerate(names)}


def cases():
    lstm = turned("kernel", "W_i W_g W_f W_o") | turned("recurrent_kernel", "U_i U_g U_f U_o")
    lstm |= blocks("bias", "b_i b_g b_f b_o")
    normed = lstm | rows("gamma", "k_x", "k_h") | whole(k_c="gamma_h", b_c="beta_h")
    gru = turned("kernel", "W_z W_r W_n") | turned("recurrent_kernel", "U_z U_r U_n")
    gru |= blocks("bias", "b_z b_r b_n") | blocks("recurrent_bias", "d_z d_r c_n") | rows("gamma", "k_x", "k_h")
    ind = turned("kernel", "W") | whole(u="recurrent_scale", b="bias")
    normed_ind = ind | whole(k="gamma_x", spare="gamma_h")
    gains = {it: it for it in ("kernel", "recurrent_scale", "bias")}
    gains["gamma"] = lambda it: torch.stack([it["gamma_x"], it["gamma_h"]])
    moves = {"moves": ("step", (H,), 1 - ZONEOUT)}
    weights = {it: ("run", (H, H), 1 - DROPOUT) for it in LSTM_MASKS}
    gru_weights = {it: ("run", (H, H), 1 - DROPOUT) for it in GRU_MASKS}
    hc, h = {"h": (H,), "c": (H,)}, {"h": (H,)}
    for training in (True, False):
        for name, module, params, states, hypers, masks in (
            ("haste_dropconnect_lstm", Lstm(training), lstm, hc, {"dropout": DROPOUT}, weights),
            (
                "haste_layer_norm_lstm", LayerNormLstm(training), normed, hc,
                {"zoneout": ZONEOUT, "dropout": DROPOUT}, moves | weights,
            ),
            (
                "haste_layer_norm_gru", LayerNormGru(training), gru, h,
                {"zoneout": ZONEOUT, "dropout": DROPOUT}, moves | gru_weights,
            ),
            ("haste_indrnn", IndRnn(training, False), ind, h, {"zoneout": ZONEOUT}, moves),
            ("haste_layer_norm_indrnn", IndRnn(training, True), normed_ind, h, {"zoneout": ZONEOUT}, moves),
        ):
            ending, masks = ("", masks) if training else ("_eval", {})
            consts = ("spare",) if "spare" in params else ()
            yield Case(
                name + ending, name, DIRECT, module.step, module, params, states, hypers=hypers, masks=masks,
                stored={"haste": gains if consts else None}, consts=consts,
            )
