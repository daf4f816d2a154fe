"""Cells that pass through several layers within one step."""

import torch
from torch import nn, sigmoid, tanh
from vectors import DIRECT, Case, H, I, blocks

L = 2


class Rhn(nn.Module):
    """Recurrent highway network with coupled gates: the candidate and the transform gate of a layer are one product of
    stacked weights in row form, and the state moves by a share of the difference, as the authors compute it."""

    def __init__(self):
        super().__init__()
        self.input = nn.Parameter(torch.empty(2 * H, I))
        self.recurrent = nn.Parameter(torch.empty(L, 2 * H, H))
        self.bias = nn.Parameter(torch.empty(L, 2 * H))

    def step(self, x, s):
        state = s["s"]
        for layer in range(L):
            both = state @ self.recurrent[layer].t() + self.bias[layer]
            if layer == 0:
                both = both + x["x"] @ self.input.t()
            candidate, transform = both.chunk(2, 1)
            state = (tanh(candidate) - state) * sigmoid(transform) + state
        return {"s": state}, {"s": state}


def cases():
    module = Rhn()
    params = (
        blocks("input", "W_h W_t") | blocks("recurrent", "R_h R_t", axis=1) | blocks("bias", "b_h b_t", axis=1)
    )
    sizes = {"I": I, "H": H, "L": L}
    yield Case("rhn", "rhn", DIRECT, module.step, module, params, {"s": (H,)}, sizes=sizes)
