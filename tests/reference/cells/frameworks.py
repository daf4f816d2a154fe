"""The cells as the large frameworks ship them."""

import flashrnn_cells
import haste_cells
import keras_cells
import masked
import onnx_cells
import tensorflow_cells
import torch
from runtimes import same_in_keras, same_in_onnx
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


def turned_blocks(tensor, order):
    """The blocks of H rows of a tensor of torch in another order."""
    parts = tensor.chunk(len(order))
    return torch.cat([parts[it] for it in order])


def of_keras(order, one_bias):
    """The weights of a layer of torch as Keras has them; its bias is the sum of both, or has a row for each."""

    def bias(it):
        both = [turned_blocks(it[name], order) for name in ("bias_ih_l0", "bias_hh_l0")]
        return both[0] + both[1] if one_bias else torch.stack(both)

    return {
        "kernel": lambda it: turned_blocks(it["weight_ih_l0"], order).t(),
        "recurrent_kernel": lambda it: turned_blocks(it["weight_hh_l0"], order).t(),
        "bias": bias,
    }


def of_onnx(order):
    """The weights of a layer of torch as ONNX has them: an axis of directions in front, both biases in one tensor."""
    biases = ("bias_ih_l0", "bias_hh_l0")
    return {
        "W": lambda it: turned_blocks(it["weight_ih_l0"], order).unsqueeze(0),
        "R": lambda it: turned_blocks(it["weight_hh_l0"], order).unsqueeze(0),
        "B": lambda it: torch.cat([turned_blocks(it[name], order) for name in biases]).unsqueeze(0),
    }


def elsewhere(case, keras, onnx, blocks_of_keras, blocks_of_onnx, one_bias=True, options=None, attributes=None):
    """Adds the layouts of Keras and ONNX, and sees that both compute the same with them."""
    case.stored["keras"] = of_keras(blocks_of_keras, one_bias)
    case.stored["onnx"] = of_onnx(blocks_of_onnx)

    def check(case, x, states, outputs, upstream):
        same_in_keras(case, keras, x, states, outputs, **(options or {}))
        same_in_onnx(case, onnx, x, states, outputs, **(attributes or {}))

    case.check = check
    return case


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


def projected():
    """A hidden state of fewer units than the memory."""
    units = 2
    params = (
        blocks("weight_ih_l0", "W_i W_f W_g W_o")
        | blocks("weight_hh_l0", "U_i U_f U_g U_o")
        | blocks("bias_ih_l0", "b_i b_f b_g b_o")
        | blocks("bias_hh_l0", "d_i d_f d_g d_o")
        | whole(W_r="weight_hr_l0")
    )
    case = layer("lstm_projection", nn.LSTM(I, H, proj_size=units), params, ["h", "c"], f"nn.LSTM(proj_size={units})")
    case.states["h"] = (units,)
    case.sizes = {"I": I, "H": H, "P": units}
    return case


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
    case = layer("rnn", nn.RNN(I, H), rnn, ["h"], "nn.RNN")
    yield elsewhere(case, "SimpleRNN", "RNN", [0], [0])
    case = layer("rnn_relu", nn.RNN(I, H, nonlinearity="relu"), rnn, ["h"], "nn.RNN(nonlinearity='relu')")
    relu = {"options": {"activation": "relu"}, "attributes": {"activations": ["Relu"]}}
    yield elsewhere(case, "SimpleRNN", "RNN", [0], [0], **relu)
    # torch has r, z, n; both others z, r, n.
    case = layer("gru", nn.GRU(I, H), gru, ["h"], "nn.GRU")
    after = {"options": {"reset_after": True}, "attributes": {"linear_before_reset": 1}}
    yield elsewhere(case, "GRU", "GRU", [1, 0, 2], [1, 0, 2], one_bias=False, **after)
    # torch has i, f, g, o, as Keras; ONNX i, o, f, g.
    case = layer("lstm", nn.LSTM(I, H), lstm, ["h", "c"], "nn.LSTM")
    yield elsewhere(case, "LSTM", "LSTM", [0, 1, 2, 3], [0, 3, 1, 2])

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
    case = Case("gru_before", "gru_before", DIRECT, module.step, module, before, {"h": (H,)})
    case.stored["keras"] = {
        "kernel": lambda it: it["kernel_t"].t(),
        "recurrent_kernel": lambda it: it["recurrent_kernel_t"].t(),
        "bias": "bias",
    }
    # A second bias that is 0.
    case.stored["onnx"] = {
        "W": lambda it: it["kernel_t"].unsqueeze(0),
        "R": lambda it: it["recurrent_kernel_t"].unsqueeze(0),
        "B": lambda it: torch.cat([it["bias"], torch.zeros(3 * H)]).unsqueeze(0),
    }

    def check(case, x, states, outputs, upstream):
        same_in_keras(case, "GRU", x, states, outputs, reset_after=False)
        same_in_onnx(case, "GRU", x, states, outputs, linear_before_reset=0)

    case.check = check
    yield case
    yield projected()
    for module in (masked, keras_cells, onnx_cells, tensorflow_cells, haste_cells, flashrnn_cells):
        yield from module.cases()
