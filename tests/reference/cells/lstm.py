"""Long short-term memory and its relatives."""

import torch
from cells.gated import case, stacked
from torch import nn
from vectors import DIRECT, Case, H, I, blocks, uniform


class Slstm(nn.Module):
    """The pointwise function of the xLSTM repository's plain PyTorch version, blocks i, f, z, o, with the stabiliser inside
    the graph; and `plain`, the same cell without a stabiliser, against which it is checked below."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(4 * H, I))
        self.recurrent = nn.Parameter(torch.empty(4 * H, H))
        self.bias = nn.Parameter(torch.empty(4 * H))

    def raw(self, x, y):
        return (x @ self.weight.t() + y @ self.recurrent.t() + self.bias).chunk(4, 1)

    def step(self, x, s):
        y, c, n, m = s["h"], s["c"], s["n"], s["m"]
        iraw, fraw, zraw, oraw = self.raw(x["x"], y)
        logfplusm = m + nn.functional.logsigmoid(fraw)
        mnew = torch.maximum(iraw, logfplusm)
        igate = torch.exp(iraw - mnew)
        fgate = torch.exp(logfplusm - mnew)
        cnew = fgate * c + igate * torch.tanh(zraw)
        nnew = fgate * n + igate
        h = torch.sigmoid(oraw) * cnew / nnew
        return {"h": h}, {"h": h, "c": cnew, "n": nnew, "m": mnew}

    def plain(self, x, state):
        """The defining equations: an exponential input gate, a sigmoid forget gate, a quotient."""
        y, c, n = state
        iraw, fraw, zraw, oraw = self.raw(x, y)
        cnew = torch.sigmoid(fraw) * c + torch.exp(iraw) * torch.tanh(zraw)
        nnew = torch.sigmoid(fraw) * n + torch.exp(iraw)
        return torch.sigmoid(oraw) * cnew / nnew, cnew, nnew

    def check(self, case, x, states, outputs, upstream):
        """The stabilised cell gives the outputs, and by autograd the gradients, of the plain one."""
        seed = upstream["h"]
        params = dict(self.named_parameters())
        stabilised = torch.autograd.grad((outputs["h"] * seed).sum(), list(params.values()), retain_graph=True)
        h, c, n, m = (states[it] for it in ("h", "c", "n", "m"))
        scale = torch.exp(m)
        state, ys = (h, c * scale, n * scale), []
        for step in x["x"]:
            state = self.plain(step, state)
            ys.append(state[0])
        plain = torch.autograd.grad((torch.stack(ys) * seed).sum(), list(params.values()))
        torch.testing.assert_close(torch.stack(ys), outputs["h"], rtol=1e-12, atol=1e-12)
        for name, a, b in zip(params, stabilised, plain):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11, msg=name)


def cases():
    peephole = stacked("i", "f", "g", "o") | blocks("weight_ph", "p_i p_f p_o")
    yield case("peephole_lstm", "PeepholeLSTMCell", peephole, ["h", "c"])

    slstm = (
        blocks("weight", "W_i W_f W_z W_o") | blocks("recurrent", "U_i U_f U_z U_o") | blocks("bias", "b_i b_f b_z b_o")
    )
    states = {it: (H,) for it in ("h", "c", "n", "m")}
    exact = "the gradient through the stabiliser m is exact; implementations that hold m constant give the same for h"
    begins = "no state is given: h, c and n start at 0 and m at -inf; " + exact
    start = {"h": 0.0, "c": 0.0, "n": 0.0, "m": -torch.inf}
    # The normaliser is positive by construction.
    draw = {"n": uniform(1.0, 2.0)}
    for name, note, first in [("slstm", exact, {}), ("slstm_start", begins, start)]:
        module = Slstm()
        yield Case(
            name, "slstm", DIRECT, module.step, module, slstm, states, note=note, start=first, draw=draw,
            check=module.check,
        )
