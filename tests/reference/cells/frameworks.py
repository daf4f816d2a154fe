"""The cells as the large frameworks ship them."""

import masked
import torch
from torch import nn
from vectors import DIRECT, TORCH, Case, H, I, T, blocks, whole


def layer_step(module, names):
    """The step of a whole-sequence module of torch with one layer, whose states have an axis of layers in front."""

    def step(x, s):
        first = tuple(s[it].unsqueeze(0) for it in names)
        y, last = module(x["x"].unsqueeze(0), first if len(first) > 1 else first[0])
        last = last if isinstance(last, tuple) else (last,)
        return {"h": y[0]}, {name: it.squeeze(0) for name, it in zip(names, last, strict=True)}

    return step


def layer(name, module, params, states, source, lengths=None, note=None, spec=None):
    step = layer_step(module, states)
    shapes = {it: (H,) for it in states}
    names = [it for it, _ in module.named_parameters()]
    stored = {"pytorch": {it.removesuffix("_l0"): it for it in names}}
    source = f"{TORCH} {source}"
    return Case(
        name, spec or name, source, step, module, params, shapes, lengths=lengths, note=note, stored=stored
    )


class GruBefore(nn.Module):
    """Keras' GRU(reset_after=False): kernels [I, 3H] and [H, 3H], blocks z, r, h. They are stored transposed here, so that
    the blocks stand along the first axis as in all other cases."""

    def __init__(self):
        super().__init__()
        self.kernel_t = nn.Parameter(torch.empty(3 * H, I))
        self.recurrent_kernel_t = nn.Parameter(torch.empty(3 * H, H))
        self.bias = nn.Parameter(torch.empty(3 * H))

    def step(self, x, s):
        x, h = x["x"], s["h"]
        matrix_x = x @ self.kernel_t.t() + self.bias
        matrix_inner = h @ self.recurrent_kernel_t.t()[:, : 2 * H]
        z, r = torch.sigmoid(matrix_x[:, : 2 * H] + matrix_inner).chunk(2, 1)
        hh = torch.tanh(matrix_x[:, 2 * H :] + (r * h) @ self.recurrent_kernel_t.t()[:, 2 * H :])
        h = z * h + (1 - z) * hh
        return {"h": h}, {"h": h}


def cases():
    gru = (
        blocks("weight_ih_l0", "W_r W_z W_n")
        | blocks("weight_hh_l0", "U_r U_z U_n")
        | blocks("bias_ih_l0", "b_r b_z b_n")
        | blocks("bias_hh_l0", "d_r d_z c_n")
    )
    lstm = (
        blocks("weight_ih_l0", "W_i W_f W_g W_o")
        | blocks("weight_hh_l0", "U_i U_f U_g U_o")
        | blocks("bias_ih_l0", "b_i b_f b_g b_o")
        | blocks("bias_hh_l0", "d_i d_f d_g d_o")
    )
    rnn = whole(W="weight_ih_l0", U="weight_hh_l0", b="bias_ih_l0", d="bias_hh_l0")
    yield layer("rnn", nn.RNN(I, H), rnn, ["h"], "nn.RNN")
    relu = nn.RNN(I, H, nonlinearity="relu")
    yield layer("rnn_relu", relu, rnn, ["h"], "nn.RNN(nonlinearity='relu')")
    yield layer("gru", nn.GRU(I, H), gru, ["h"], "nn.GRU")
    yield layer("lstm", nn.LSTM(I, H), lstm, ["h", "c"], "nn.LSTM")

    lengths = [T, 3, 0, 1]
    alone = (
        "each sequence was run alone, up to its length; outputs beyond it are 0, the sequence of length 0 keeps its start; "
        "inputs and upstream hold numbers beyond the lengths, which must not be read"
    )
    yield layer("rnn_lengths", nn.RNN(I, H), rnn, ["h"], "nn.RNN", lengths, alone, "rnn")
    yield layer("gru_lengths", nn.GRU(I, H), gru, ["h"], "nn.GRU", lengths, alone, "gru")
    yield layer("lstm_lengths", nn.LSTM(I, H), lstm, ["h", "c"], "nn.LSTM", lengths, alone, "lstm")

    before = (
        blocks("kernel_t", "W_z W_r W_n") | blocks("recurrent_kernel_t", "U_z U_r U_n") | blocks("bias", "b_z b_r b_n")
    )
    module = GruBefore()
    yield Case("gru_before", "gru_before", DIRECT, module.step, module, before, {"h": (H,)})
    yield from masked.cases()
