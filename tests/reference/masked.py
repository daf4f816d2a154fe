"""Cells of the group `frameworks` with random masks, whose bits are drawn here and given to both sides."""

import torch
from torch import nn
from vectors import DIRECT, Case, H, I, blocks, turned

ZONEOUT = 0.3


class ZoneoutLstm(nn.Module):
    """haste.LSTM(zoneout=..): kernels [I, 4H] and [H, 4H], blocks i, g, f, o; `c` is never zoned out."""

    def __init__(self, training):
        super().__init__()
        self.training = training
        self.kernel = nn.Parameter(torch.empty(I, 4 * H))
        self.recurrent_kernel = nn.Parameter(torch.empty(H, 4 * H))
        self.bias = nn.Parameter(torch.empty(4 * H))

    def step(self, x, s):
        i, g, f, o = (x["x"] @ self.kernel + s["h"] @ self.recurrent_kernel + self.bias).chunk(4, 1)
        c = torch.sigmoid(f) * s["c"] + torch.sigmoid(i) * torch.tanh(g)
        h = zoned_out(torch.sigmoid(o) * torch.tanh(c), s["h"], x, self.training)
        return {"h": h}, {"h": h, "c": c}


class ZoneoutGru(nn.Module):
    """haste.GRU(zoneout=..): kernels [I, 3H] and [H, 3H], blocks z, r, n, a bias beside each."""

    def __init__(self, training):
        super().__init__()
        self.training = training
        self.kernel = nn.Parameter(torch.empty(I, 3 * H))
        self.recurrent_kernel = nn.Parameter(torch.empty(H, 3 * H))
        self.bias = nn.Parameter(torch.empty(3 * H))
        self.recurrent_bias = nn.Parameter(torch.empty(3 * H))

    def step(self, x, s):
        z_x, r_x, n_x = (x["x"] @ self.kernel + self.bias).chunk(3, 1)
        z_h, r_h, n_h = (s["h"] @ self.recurrent_kernel + self.recurrent_bias).chunk(3, 1)
        z = torch.sigmoid(z_x + z_h)
        n = torch.tanh(n_x + torch.sigmoid(r_x + r_h) * n_h)
        h = zoned_out(z * s["h"] + (1 - z) * n, s["h"], x, self.training)
        return {"h": h}, {"h": h}


def zoned_out(new, old, x, training):
    """In training a bit of 1 moves on; in evaluation both are mixed by their probabilities."""
    if training:
        return torch.where(x["moves"] == 1, new, old)
    return ZONEOUT * old + (1 - ZONEOUT) * new


def cases():
    zoneout = {"zoneout": ZONEOUT}
    moves = {"moves": ("step", (H,), 1 - ZONEOUT)}
    lstm = (
        turned("kernel", "W_i W_g W_f W_o")
        | turned("recurrent_kernel", "U_i U_g U_f U_o")
        | blocks("bias", "b_i b_g b_f b_o")
    )
    gru = (
        turned("kernel", "W_z W_r W_n")
        | turned("recurrent_kernel", "U_z U_r U_n")
        | blocks("bias", "b_z b_r b_n")
        | blocks("recurrent_bias", "d_z d_r c_n")
    )
    for training in (True, False):
        ending, masks = ("", moves) if training else ("_eval", {})
        for name, module, params, states in (
            ("haste_zoneout_lstm", ZoneoutLstm(training), lstm, {"h": (H,), "c": (H,)}),
            ("haste_zoneout_gru", ZoneoutGru(training), gru, {"h": (H,)}),
        ):
            yield Case(
                name + ending, name, DIRECT, module.step, module, params, states, hypers=zoneout, masks=masks,
                stored={"haste": None},
            )
