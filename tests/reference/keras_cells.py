"""Keras' own recurrent cells, on torch in double precision."""

import os

import torch
from torch.nn.functional import softsign
from vectors import TORCH, Case, H, I, blocks, turned

DROPOUT = 0.4


def cell(cls, masks=(), **options):
    """A cell of Keras: what it is, its step and its weights. Masks of the old state are put where it keeps them during a
    sequence."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    assert keras.backend.backend() == "torch"
    # Its product loses digits beyond single precision on this backend; all else is Keras' own.
    keras.src.ops.matmul = torch.matmul
    layer = getattr(keras.layers, cls)(H, dtype="float64", **options)
    layer.build((None, I))
    names = ["h", "c"] if cls == "LSTMCell" else ["h"]

    def step(x, s):
        if masks:
            layer._recurrent_dropout_mask = [x[it] / (1 - DROPOUT) for it in masks]
        h, new = layer(x["x"], [s[it] for it in names], training=bool(masks))
        return {"h": h}, dict(zip(names, new if isinstance(new, (list, tuple)) else [new], strict=True))

    given = {name: it for name, it in options.items() if name != "implementation"}
    said = ", ".join(f"{name}={it.__name__ if callable(it) else it}" for name, it in given.items())
    tensors = {it.name: it.value for it in layer.trainable_variables}
    source = f"keras {keras.__version__} {cls}({said}) on {TORCH}"
    return source, step, tensors, {it: (H,) for it in names}


def hard_sigmoid(v):
    """That of Keras 1 and 2, which old models have; the present one has an inexact slope on torch."""
    return torch.clamp(0.2 * v + 0.5, 0, 1)


def stacked(tensor, row, names):
    """Blocks of one row of a stacked pair of biases."""
    cuts = blocks(tensor, names)
    for cut in cuts.values():
        cut.part = lambda it, part=cut.part: part(it[row])
    return cuts


def cases():
    simple = turned("kernel", "W") | turned("recurrent_kernel", "U") | blocks("bias", "b")
    lstm = turned("kernel", "W_i W_f W_g W_o") | turned("recurrent_kernel", "U_i U_f U_g U_o")
    lstm |= blocks("bias", "b_i b_f b_g b_o")
    gru = turned("kernel", "W_z W_r W_n") | turned("recurrent_kernel", "U_z U_r U_n")
    gru |= stacked("bias", 0, "b_z b_r b_n") | stacked("bias", 1, "d_z d_r c_n")
    acts = {"activation": softsign, "recurrent_activation": hard_sigmoid}
    our_acts = {"act": "softsign", "gate_act": "hard_sigmoid(slope = 0.2)"}
    relu = {"activation": "relu"}
    for name, spec, params, (source, step, tensors, states), hypers in (
        ("keras_simple_rnn", "keras_simple_rnn", simple, cell("SimpleRNNCell"), {}),
        ("keras_simple_rnn_relu", "keras_simple_rnn", simple, cell("SimpleRNNCell", **relu), {"act": "relu"}),
        ("keras_lstm", "keras_lstm", lstm, cell("LSTMCell"), {}),
        ("keras_lstm_acts", "keras_lstm", lstm, cell("LSTMCell", **acts), our_acts),
    ):
        yield Case(name, spec, source, step, tensors, params, states, hypers=hypers, stored={"keras": None})

    options = {"recurrent_dropout": DROPOUT, "implementation": 1}
    for name, cls, params, names in (
        ("keras_gru_recurrent_dropout", "GRUCell", gru, ("k_z", "k_r", "k_n")),
        ("keras_lstm_recurrent_dropout", "LSTMCell", lstm, ("k_i", "k_f", "k_g", "k_o")),
    ):
        source, step, tensors, states = cell(cls, names, **options)
        masks = {it: ("sequence", (H,), 1 - DROPOUT) for it in names}
        hypers = {"recurrent_dropout": DROPOUT}
        yield Case(
            name, name, source, step, tensors, params, states, hypers=hypers, masks=masks, stored={"keras": None}
        )
