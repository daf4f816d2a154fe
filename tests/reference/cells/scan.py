"""Elementwise recurrences: no product with the old state."""

import torchrecurrent
from torch import nn, sigmoid
from vectors import DIRECT, TORCHRECURRENT, Case, H, I, module_step, whole


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
    module = MinGru()
    mingru = whole(W_z="linear_z.weight", b_z="linear_z.bias", W_h="linear_h.weight", b_h="linear_h.bias")
    yield Case("mingru", "mingru", DIRECT, module.step, module, mingru, {"h": (H,)})

    module = torchrecurrent.IndRNNCell(I, H)
    indrnn = whole(W="weight_ih", u="vector_u", b="bias_ih", d="bias_hh")
    source, step = f"{TORCHRECURRENT} IndRNNCell", module_step(module, ["h"])
    yield Case("indrnn", "indrnn", source, step, module, indrnn, {"h": (H,)}, stored={"torchrecurrent": None})
