"""Long short-term memory and its relatives."""

import torch
from cells.gated import activations, case, columns, stacked, stacks
from torch import nn
from vectors import DIRECT, Case, H, I, blocks, uniform, whole


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


class OriginalLstm(nn.Module):
    """The first paper's equations with its own squashing functions, written as it writes them, and one linear map of the
    input and the outputs."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(I + H, 3 * H)

    def step(self, x, s):
        def f(v):
            return 1 / (1 + torch.exp(-v))

        net_in, net_c, net_out = self.net(torch.cat([x["x"], s["h"]], 1)).chunk(3, 1)
        c = s["c"] + f(net_in) * (4 / (1 + torch.exp(-net_c)) - 2)
        h = f(net_out) * (2 / (1 + torch.exp(-c)) - 1)
        return {"h": h}, {"h": h, "c": c}


def in_onnx():
    """The same tensors as ONNX's LSTM has them: blocks i, o, f, c and peepholes i, o, f, an axis of directions in front."""

    def turned(tensor, order):
        parts = tensor.chunk(len(order))
        return torch.cat([parts[it] for it in order])

    gates, peepholes = (0, 3, 1, 2), (0, 2, 1)
    return {
        "W": lambda it: turned(it["weight_ih"], gates).unsqueeze(0),
        "R": lambda it: turned(it["weight_hh"], gates).unsqueeze(0),
        "B": lambda it: torch.cat([turned(it[name], gates) for name in ("bias_ih", "bias_hh")]).unsqueeze(0),
        "P": lambda it: turned(it["weight_ph"], peepholes).unsqueeze(0),
    }


def torchrecurrent():
    gates, states = stacked("i", "f", "g", "o"), ["h", "c"]
    peephole = gates | blocks("weight_ph", "p_i p_f p_o")
    both = case("peephole_lstm", "PeepholeLSTMCell", peephole, states)
    both.stored["onnx"] = in_onnx()
    yield both
    hypers = {"act": "softplus", "gate_act": "hard_sigmoid"}
    options = {"nonlinearity": "softplus", "gate_nonlinearity": "hard_sigmoid", "states": states}
    yield activations("peephole_lstm", "PeepholeLSTMCell", peephole, hypers, **options)
    res = peephole | whole(P="weight_proj", R="weight_res")
    yield case("res_lstm", "ResLSTMCell", res, states)
    hypers = {"act": "gelu", "gate_act": "hard_sigmoid"}
    options = {"nonlinearity": "gelu", "gate_nonlinearity": "hard_sigmoid", "states": states}
    yield activations("res_lstm", "ResLSTMCell", res, hypers, **options)

    yield case("original_lstm_torchrecurrent", "OriginalLSTMCell", stacked("i", "g", "o"), states)
    multiplicative = stacks(weight_ih="W_m W_i W_f W_g W_o", weight_hh="U_m", weight_mh="U_i U_f U_g U_o")
    multiplicative |= stacks(bias_ih="b_m b_i b_f b_g b_o", bias_hh="c_m", bias_mh="d_i d_f d_g d_o")
    yield case("multiplicative_lstm", "MultiplicativeLSTMCell", multiplicative, states)
    apart = {"states": ["v", "c"], "output": "y"}
    controller = stacked("f", "i", "o", "m", "n")
    yield case("mclstm", "MCLSTMCell", controller, **apart)
    hypers = {"act": "silu", "gate_act": "hard_sigmoid"}
    options = {"cell_nonlinearity": "silu", "gate_nonlinearity": "hard_sigmoid"}
    yield activations("mclstm", "MCLSTMCell", controller, hypers, **options, **apart)
    memory = gates | stacks(weight_mh="V_i V_f V_o", bias_mh="c_i c_f c_o")
    yield case("wmclstm", "WMCLSTMCell", memory, states)
    yield case("nas_torchrecurrent", "NASCell", stacked(*"01234567"), states)


def cases():
    yield from torchrecurrent()

    module, states = OriginalLstm(), {"h": (H,), "c": (H,)}
    original = columns("net.weight", [I, H], ["W_i U_i", "W_g U_g", "W_o U_o"], H) | blocks("net.bias", "b_i b_g b_o")
    yield Case("original_lstm", "original_lstm", DIRECT, module.step, module, original, states)

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
