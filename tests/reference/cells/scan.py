"""Elementwise recurrences: no product with the old state."""

import torch
from cells.gated import activations, case, stacks
from torch import nn, sigmoid
from vectors import DIRECT, Case, H, I, whole


def torchrecurrent():
    """The cells of torchrecurrent."""
    indrnn = whole(W="weight_ih", u="vector_u", b="bias_ih", d="bias_hh")
    yield case("indrnn", "IndRNNCell", indrnn)
    yield activations("indrnn", "IndRNNCell", indrnn, {"act": "relu"}, nonlinearity="relu")
    br = stacks(weight_ih="W_a W_c W_n", weight_hh="w_a w_c", bias_ih="b_a b_c b_n", bias_hh="d_a d_c")
    yield case("br", "BRCell", br)

    trnn = stacks(weight_ih="W_z W_f", bias_ih="b_z b_f")
    yield case("trnn", "TRNNCell", trnn)
    yield activations("trnn", "TRNNCell", trnn, {"gate_act": "hard_sigmoid"}, gate_nonlinearity="hard_sigmoid")
    typed = stacks(weight_ih="W_z W_f W_o", weight_hh="V_z V_f V_o", bias_ih="b_z b_f b_o", bias_hh="d_z d_f d_o")
    hypers = {"gate_act": "hard_sigmoid", "out_act": "leaky_relu"}
    options = {"gate_nonlinearity": "hard_sigmoid", "output_nonlinearity": "leaky_relu"}
    # The source carries the last input as a state.
    tgru, tlstm = {"states": {"h": (H,), "x.1": (I,)}}, {"states": {"c": (H,), "x.1": (I,)}, "output": "y"}
    for name, cell, states in [("tgru", "TGRUCell", tgru), ("tlstm", "TLSTMCell", tlstm)]:
        yield case(name, cell, typed, **states)
        yield activations(name, cell, typed, hypers, **states, **options)

    unicornn = whole(W="weight_ih", u="weight_hh", s="weight_ch", b="bias_ih")
    velocity = "our state z, the velocity, is the source's second state c"
    # The recurrent bias, which is off by default, is stored all the same: zeros.
    stored = {it: it for it in ("weight_ih", "weight_hh", "weight_ch", "bias_ih")}
    stored["bias_hh"] = lambda tensors: torch.zeros_like(tensors["bias_ih"])
    for suffix, options in [("", {}), ("_hypers", {"dt": 0.75, "alpha": 1.25})]:
        each = case(f"unicornn{suffix}", "UnICORNNCell", unicornn, ["h", "z"], velocity, options, "unicornn", **options)
        each.stored = {"torchrecurrent": stored}
        yield each


class MinGru(nn.Module):
    """Two linear maps of the input, as the paper's listing."""

    def __init__(self):
        super().__init__()
        self.linear_z = nn.Linear(I, H)
        self.linear_h = nn.Linear(I, H)

    def step(self, x, s):
        z = sigmoid(self.linear_z(x["x"]))
        h = (1 - z) * s["h"] + z * self.linear_h(x["x"])
        return {"h": h}, {"h": h}


def cases():
    yield from torchrecurrent()

    module = MinGru()
    mingru = whole(W_z="linear_z.weight", b_z="linear_z.bias", W_h="linear_h.weight", b_h="linear_h.bias")
    yield Case("mingru", "mingru", DIRECT, module.step, module, mingru, {"h": (H,)})
