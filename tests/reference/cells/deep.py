"""Several layers within a step, products of projections, and cells that decide when to work."""

import torch
from torch import nn, sigmoid, tanh
from vectors import DIRECT, Case, Cut, H, I, blocks, same, uniform, whole


def cases():
    yield highway()
    yield from multiplicative_integration()
    yield from products()
    yield skip()
    yield ordered()
    yield hyper()
    yield from mogrifiers()
    yield narx()
    yield clockwork()
    yield fast_slow()


class Integration(nn.Module):
    """Multiplicative integration with stacked gates, rows times matrices: `plain` has one block and no gates, `lstm` the
    blocks i, f, z, o, `gru` r, z, n."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.gates = {"plain": 1, "lstm": 4, "gru": 3}[kind]
        self.W = nn.Parameter(torch.empty(I, self.gates * H))
        self.U = nn.Parameter(torch.empty(H, self.gates * H))
        self.alpha, self.beta1, self.beta2, self.bias = (nn.Parameter(torch.empty(self.gates * H)) for _ in range(4))

    def integrate(self, x, h, at):
        p, q = x @ self.W[:, at], h @ self.U[:, at]
        return self.alpha[at] * p * q + self.beta1[at] * q + self.beta2[at] * p + self.bias[at]

    def step(self, x, s):
        x, h = x["x"], s["h"]
        if self.kind == "plain":
            h = torch.tanh(self.integrate(x, h, slice(None)))
            return {"h": h}, {"h": h}
        if self.kind == "lstm":
            i, f, z, o = self.integrate(x, h, slice(None)).chunk(4, 1)
            c = torch.sigmoid(f) * s["c"] + torch.sigmoid(i) * torch.tanh(z)
            h = torch.sigmoid(o) * torch.tanh(c)
            return {"h": h}, {"h": h, "c": c}
        r, z = torch.sigmoid(self.integrate(x, h, slice(0, 2 * H))).chunk(2, 1)
        n = torch.tanh(self.integrate(x, r * h, slice(2 * H, None)))
        h = z * h + (1 - z) * n
        return {"h": h}, {"h": h}


def multiplicative_integration():
    module = Integration("plain")
    plain = {"W": Cut("W", torch.t), "U": Cut("U", torch.t)} | whole(a="alpha", b_1="beta1", b_2="beta2", b="bias")
    yield Case("mi_rnn", "mi_rnn", DIRECT, module.step, module, plain, {"h": (H,)})
    ours = {"alpha": "a", "beta1": "p", "beta2": "q", "bias": "b"}
    for name, kind, gates, states in [
        ("mi_lstm", "lstm", "ifzo", {"h": (H,), "c": (H,)}),
        ("mi_gru", "gru", "rzn", {"h": (H,)}),
    ]:
        module, params = Integration(kind), {}
        for tensor, letter in ours.items():
            params |= blocks(tensor, " ".join(f"{letter}_{it}" for it in gates))
        for k, gate in enumerate(gates):
            for tensor in ("W", "U"):
                params[f"{tensor}_{gate}"] = Cut(tensor, lambda it, k=k: it[:, k * H : (k + 1) * H].t())
        yield Case(name, name, DIRECT, module.step, module, params, states)


def products():
    F = 4
    factored = {
        "fx": torch.empty(F, I), "fh": torch.empty(F, H), "hx": torch.empty(H, I), "hf": torch.empty(H, F)
    }  # fmt: skip

    def mrnn(x, s):
        # The recurrent matrix of each sequence is put together from its factors.
        gains = torch.diag_embed(x["x"] @ factored["fx"].t())
        recurrent = factored["hf"] @ gains @ factored["fh"]
        h = torch.tanh(x["x"] @ factored["hx"].t() + torch.einsum("bij,bj->bi", recurrent, s["h"]))
        return {"h": h}, {"h": h}

    params = whole(W_f="fx", U_f="fh", W="hx", U_m="hf")
    sizes = {"I": I, "H": H, "F": F}
    yield Case("mrnn", "mrnn", DIRECT, mrnn, factored, params, {"h": (H,)}, sizes=sizes)

    second = {"W": torch.empty(H, H, I), "b": torch.empty(H)}

    def second_order(x, s):
        h = torch.sigmoid(torch.einsum("ijk,bj,bk->bi", second["W"], s["h"], x["x"]) + second["b"])
        return {"h": h}, {"h": h}

    params = same("b") | {"W": Cut("W", lambda it: it.flatten(1))}
    name = "second_order_rnn"
    yield Case(name, name, DIRECT, second_order, second, params, {"h": (H,)})

    names = ["W_f", "W_o", "W_g", "W_z", "U_z"]
    bc3 = {it: torch.empty(H, I) for it in names} | {it: torch.empty(H, H) for it in ("U_f", "U_o", "V_z", "X_z")}

    def bc3_step(x, s):
        def mm(name, v):
            return nn.functional.linear(v, bc3[name])

        def gate3(a, b, raw):
            return torch.sigmoid(raw) * a + (1 - torch.sigmoid(raw)) * b

        x, h, c = x["x"], s["h"], s["c"]
        z = mm("V_z", mm("X_z", c) * mm("U_z", x)) * mm("W_z", x)
        c = torch.tanh(gate3(mm("W_g", x), z, mm("W_f", x) + mm("U_f", h)))
        h = torch.sigmoid(mm("W_o", x) + mm("U_o", h)) * c
        return {"h": h}, {"h": h, "c": c}

    yield Case("bc3", "bc3", DIRECT, bc3_step, bc3, same(" ".join(bc3)), {"h": (H,), "c": (H,)})


class Round(torch.autograd.Function):
    """Rounds; the gradient passes as it is."""

    @staticmethod
    def forward(ctx, v):
        return torch.round(v)

    @staticmethod
    def backward(ctx, up):
        return up


class Skip(nn.Module):
    """Skip LSTM: one linear layer on input and state side by side, gates i, j, f, o; the probabilities have one column."""

    def __init__(self):
        super().__init__()
        self.kernel, self.bias = nn.Parameter(torch.empty(I + H, 4 * H)), nn.Parameter(torch.empty(4 * H))
        self.update, self.update_bias = nn.Parameter(torch.empty(H, 1)), nn.Parameter(torch.empty(1))

    def step(self, x, s):
        c, h, p, q = s["c"], s["h"], s["p"][:, None], s["q"][:, None]
        i, j, f, o = (torch.cat([x["x"], h], 1) @ self.kernel + self.bias).chunk(4, 1)
        c_new = c * torch.sigmoid(f + 1.0) + torch.sigmoid(i) * torch.tanh(j)
        h_new = torch.tanh(c_new) * torch.sigmoid(o)
        p_new = torch.sigmoid(c_new @ self.update + self.update_bias)
        total = q + torch.minimum(p, 1.0 - q)
        u = Round.apply(total)
        c, h = u * c_new + (1.0 - u) * c, u * h_new + (1.0 - u) * h
        p, q = u * p_new + (1.0 - u) * p, (1.0 - u) * total
        return {"h": h, "update": u[:, 0]}, {"c": c, "h": h, "p": p[:, 0], "q": q[:, 0]}


def skip():
    module = Skip()
    params = blocks("bias", "b_i b_j b_f b_o") | {"w_p": Cut("update", lambda it: it[:, 0])}
    params["b_p"] = Cut("update_bias", lambda it: it[0])
    for k, gate in enumerate("ijfo"):
        column = slice(k * H, (k + 1) * H)
        params[f"W_{gate}"] = Cut("kernel", lambda it, column=column: it[:I, column].t())
        params[f"U_{gate}"] = Cut("kernel", lambda it, column=column: it[I:, column].t())

    def some(case, x, states, outputs, upstream):
        assert 0.2 < outputs["update"].mean() < 0.8, outputs["update"].mean()

    return Case(
        "skip_lstm", "skip_lstm", DIRECT, module.step, module, params, {"c": (H,), "h": (H,), "p": (), "q": ()},
        draw={"p": uniform(0.1, 0.6), "q": uniform(0.0, 0.4), "update_bias": uniform(-1.0, -0.5)}, check=some,
    )


class Ordered(nn.Module):
    """ON-LSTM, the layers `ih` and `hh` on all blocks, cut as in the authors' code."""

    chunks, width = 3, 2

    def __init__(self):
        super().__init__()
        units = self.chunks * self.width
        self.ih = nn.Sequential(nn.Linear(I, 4 * units + 2 * self.chunks))
        self.hh = nn.Linear(units, 4 * units + 2 * self.chunks)

    def step(self, x, s):
        n = self.chunks
        raw = self.ih(x["x"]) + self.hh(s["h"])
        m_in, m_forget = raw[:, : 2 * n].chunk(2, 1)
        o, g, i, f = raw[:, 2 * n :].view(-1, 4 * n, self.width).chunk(4, 1)
        m_in = 1.0 - torch.cumsum(torch.softmax(m_in, -1), -1)[:, :, None]
        m_forget = torch.cumsum(torch.softmax(m_forget, -1), -1)[:, :, None]
        overlap = m_forget * m_in
        f = torch.sigmoid(f) * overlap + (m_forget - overlap)
        i = torch.sigmoid(i) * overlap + (m_in - overlap)
        c = f * s["c"] + i * torch.tanh(g)
        h = (torch.sigmoid(o) * torch.tanh(c)).view(-1, n * self.width)
        return {"h": h}, {"h": h, "c": c}


def ordered():
    module = Ordered()
    n, width = module.chunks, module.width
    params = {}
    for letter, tensor in [("W", "ih.0.weight"), ("b", "ih.0.bias"), ("U", "hh.weight"), ("d", "hh.bias")]:
        params[f"{letter}_mi"] = Cut(tensor, lambda it: it[:n])
        params[f"{letter}_mf"] = Cut(tensor, lambda it: it[n : 2 * n])
        for k, gate in enumerate("ogif"):
            begin = 2 * n + k * n * width
            params[f"{letter}_{gate}"] = Cut(tensor, lambda it, begin=begin: it[begin : begin + n * width])
    return Case(
        "on_lstm", "on_lstm", DIRECT, module.step, module, params, {"h": (n * width,), "c": (n, width)},
        sizes={"I": I, "N": n, "C": width}, stored={"authors": None},
    )


class Hyper(nn.Module):
    """HyperLSTM with the stacked kernels of its author's code, blocks i, j, f, o, rows times matrices; the small
    projections of the twelve scalings lie in stacks of four."""

    small, embedding = 6, 2

    def __init__(self):
        super().__init__()
        n, e = self.small, self.embedding
        shapes = {
            "small_xh": (I + H, 4 * n), "small_hh": (n, 4 * n), "small_alpha": (5, n), "small_shift": (5, n),
            "W_xh": (I, 4 * H), "W_hh": (H, 4 * H), "bias": (4 * H,), "alpha": (5, H), "shift": (5, H),
            "x_zw": (4, n, e), "x_zw_bias": (4, e), "x_alpha": (4, e, H), "h_zw": (4, n, e), "h_zw_bias": (4, e),
            "h_alpha": (4, e, H), "h_zb": (4, n, e), "h_beta": (4, e, H),
        }  # fmt: skip
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))

    @staticmethod
    def norm(v, alpha, shift):
        mean = v.mean(1, keepdim=True)
        deviation = torch.sqrt(torch.square(v - mean).mean(1, keepdim=True) + 1e-3)
        return alpha * (v - mean) / deviation + shift

    def lstm(self, blocks, c, alpha, shift):
        i, j, f, o = (self.norm(v, alpha[k], shift[k]) for k, v in enumerate(blocks))
        c = c * torch.sigmoid(f + 1.0) + torch.sigmoid(i) * torch.tanh(j)
        return torch.tanh(self.norm(c, alpha[4], shift[4])) * torch.sigmoid(o), c

    def step(self, x, s):
        x, h = x["x"], s["h"]
        kernel = torch.cat([self.small_xh, self.small_hh], 0)
        raw = (torch.cat([x, h, s["u"]], 1) @ kernel).chunk(4, 1)
        u, small_c = self.lstm(raw, s["s"], self.small_alpha, self.small_shift)
        blocks = []
        parts = zip((x @ self.W_xh).chunk(4, 1), (h @ self.W_hh).chunk(4, 1), self.bias.chunk(4))
        for k, (xk, hk, bias) in enumerate(parts):
            xk = ((u @ self.x_zw[k] + self.x_zw_bias[k]) @ self.x_alpha[k]) * xk
            hk = ((u @ self.h_zw[k] + self.h_zw_bias[k]) @ self.h_alpha[k]) * hk
            blocks.append(xk + hk + (u @ self.h_zb[k]) @ self.h_beta[k] + bias)
        h, c = self.lstm(blocks, s["c"], self.alpha, self.shift)
        return {"h": h}, {"h": h, "c": c, "u": u, "s": small_c}


def hyper():
    module = Hyper()
    n, e = module.small, module.embedding
    params = blocks("bias", "b_i b_j b_f b_o")
    stacks = {
        "X": "x_zw", "x": "x_zw_bias", "A": "x_alpha", "Y": "h_zw", "y": "h_zw_bias", "B": "h_alpha", "Z": "h_zb",
        "C": "h_beta", "l": "small_alpha", "m": "small_shift", "g": "alpha", "n": "shift",
    }  # fmt: skip
    for k, gate in enumerate("ijfo"):
        for ours, tensor in {"R": "small_xh", "S": "small_hh", "W": "W_xh", "U": "W_hh"}.items():
            params[f"{ours}_{gate}"] = Cut(tensor, lambda it, k=k: it.chunk(4, 1)[k].t())
        for ours, tensor in stacks.items():
            params[f"{ours}_{gate}"] = Cut(tensor, lambda it, k=k: it[k].t() if it[k].dim() == 2 else it[k])
    for ours, tensor in {"l_s": "small_alpha", "m_s": "small_shift", "g_c": "alpha", "n_c": "shift"}.items():
        params[ours] = Cut(tensor, lambda it: it[4])
    return Case(
        "hyper_lstm", "hyper_lstm", DIRECT, module.step, module, params,
        {"h": (H,), "c": (H,), "u": (n,), "s": (n,)}, sizes={"I": I, "H": H, "N": n, "E": e},
    )


class Mogrified(nn.Module):
    """Five rounds on rows before an LSTM: with matrices of their own and a stacked LSTM, or with two shared ones before
    PyTorch's."""

    def __init__(self, shared):
        super().__init__()
        self.shared = shared
        if shared:
            self.mogrifier = nn.ModuleDict({"Q": nn.Linear(H, I, bias=False), "R": nn.Linear(I, H, bias=False)})
            self.lstm = nn.LSTMCell(I, H)
        else:
            self.q, self.r = nn.Parameter(torch.empty(3, H, I)), nn.Parameter(torch.empty(2, I, H))
            self.kernel, self.bias = nn.Parameter(torch.empty(I + H, 4 * H)), nn.Parameter(torch.empty(4 * H))

    def step(self, x, s):
        x, h, c = x["x"], s["h"], s["c"]
        for index in range(5):
            if index % 2 == 0:
                x = 2 * torch.sigmoid(self.mogrifier["Q"](h) if self.shared else h @ self.q[index // 2]) * x
            else:
                h = 2 * torch.sigmoid(self.mogrifier["R"](x) if self.shared else x @ self.r[index // 2]) * h
        if self.shared:
            h, c = self.lstm(x, (h, c))
        else:
            i, f, j, o = (torch.cat([x, h], 1) @ self.kernel + self.bias).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(j)
            h = torch.sigmoid(o) * torch.tanh(c)
        return {"h": h}, {"h": h, "c": c}


def mogrifiers():
    states = {"h": (H,), "c": (H,)}
    module = Mogrified(shared=True)
    params = whole(Q="mogrifier.Q.weight", R="mogrifier.R.weight")
    for ours, foreign in {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "d": "bias_hh"}.items():
        params |= blocks(f"lstm.{foreign}", " ".join(f"{ours}_{it}" for it in "ifgo"))
    name, source = "mogrifier_lstm_shared", f"{DIRECT}, on torch's LSTMCell"
    yield Case(name, name, source, module.step, module, params, states, stored={"pytorch": None})

    module = Mogrified(shared=False)
    params = {"Q": Cut("q", lambda it: it.transpose(1, 2)), "R": Cut("r", lambda it: it.transpose(1, 2))}
    params |= blocks("bias", "b_i b_f b_j b_o")
    for k, gate in enumerate("ifjo"):
        column = slice(k * H, (k + 1) * H)
        params[f"W_{gate}"] = Cut("kernel", lambda it, column=column: it[:I, column].t())
        params[f"U_{gate}"] = Cut("kernel", lambda it, column=column: it[I:, column].t())
    name = "mogrifier_lstm"
    yield Case(name, name, DIRECT, module.step, module, params, states)


def narx():
    # One kernel for rows of the input and the last three states side by side.
    tensors = {"kernel": torch.empty(I + 3 * H, H), "bias": torch.empty(H)}

    def step(x, s):
        rows = torch.cat([x["x"], s["h"], s["h.2"], s["h.3"]], 1)
        h = torch.tanh(rows @ tensors["kernel"] + tensors["bias"])
        return {"h": h}, {"h": h, "h.2": s["h"], "h.3": s["h.2"]}

    params = whole(b="bias") | {
        "W": Cut("kernel", lambda it: it[:I].t()),
        "U": Cut("kernel", lambda it: it[I:].unflatten(0, (3, H)).transpose(1, 2)),
    }
    states = {it: (H,) for it in ("h", "h.2", "h.3")}
    return Case("narx_rnn", "narx_rnn", DIRECT, step, tensors, params, states)


class Clockwork(nn.Module):
    """The groups one by one, each with a row of blocks for itself and the slower ones."""

    groups, units = 3, 2

    def __init__(self):
        super().__init__()
        size = self.groups * self.units
        self.W_I, self.W_H = nn.Parameter(torch.empty(size, I)), nn.Parameter(torch.empty(size, size))
        self.b = nn.Parameter(torch.empty(size))
        self.clock = 0

    def step(self, x, s):
        groups = []
        for g in range(self.groups):
            own, slower = slice(g * self.units, (g + 1) * self.units), slice(g * self.units, None)
            if self.clock % 2**g == 0:
                raw = x["x"] @ self.W_I[own].t() + s["h"][:, slower] @ self.W_H[own, slower].t() + self.b[own]
                groups.append(torch.tanh(raw))
            else:
                groups.append(s["h"][:, own])
        self.clock += 1
        h = torch.cat(groups, 1)
        return {"h": h}, {"h": h}


def clockwork():
    module = Clockwork()
    groups, units = module.groups, module.units

    params = whole(W="W_I", U="W_H") | same("b")
    sizes = {"I": I, "G": groups, "K": units}
    states = {"h": (groups * units,)}
    return Case("clockwork_rnn", "clockwork_rnn", DIRECT, module.step, module, params, states, sizes=sizes)


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


def highway():
    module = Rhn()
    params = (
        blocks("input", "W_h W_t") | blocks("recurrent", "R_h R_t", axis=1) | blocks("bias", "b_h b_t", axis=1)
    )
    sizes = {"I": I, "H": H, "L": L}
    return Case("rhn", "rhn", DIRECT, module.step, module, params, {"s": (H,)}, sizes=sizes)


class FastSlow(nn.Module):
    """Three cells of torch; the two fast ones hand each other their state."""

    slow_units = 4

    def __init__(self):
        super().__init__()
        self.fast_1, self.slow = nn.LSTMCell(I, H), nn.LSTMCell(H, self.slow_units)
        self.fast_2 = nn.LSTMCell(self.slow_units, H)

    def step(self, x, s):
        fast = self.fast_1(x["x"], (s["h"], s["c"]))
        slow = self.slow(fast[0], (s["slow.h"], s["slow.c"]))
        h, c = self.fast_2(slow[0], fast)
        return {"h": h}, {"h": h, "c": c, "slow.h": slow[0], "slow.c": slow[1]}


def fast_slow():
    module, params = FastSlow(), {}
    for layer in ("fast_1", "slow", "fast_2"):
        for ours, foreign in {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "d": "bias_hh"}.items():
            params |= blocks(f"{layer}.{foreign}", " ".join(f"{layer}.{ours}_{it}" for it in "ifgo"))
    slow = module.slow_units
    return Case(
        "fs_lstm", "fs_lstm", f"{DIRECT}, on torch's LSTMCell", module.step, module, params,
        {"h": (H,), "c": (H,), "slow.h": (slow,), "slow.c": (slow,)}, sizes={"I": I, "H": H, "S": slow},
    )
