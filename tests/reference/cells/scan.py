"""Elementwise recurrences: no product with the old state."""

import math
import warnings
from functools import partial
from importlib.metadata import version
from unittest import mock

import torch
from cells.gated import activations, case, stacks
from fla.ops.hgrn.naive import naive_recurrent_hgrn
from float64 import float64, inside
from LRU_pytorch import LRU
from mambapy.mamba import MambaBlock, MambaConfig
from minGRU_pytorch.minGRU import minGRU
from minGRU_pytorch.minLSTM import minLSTM
from torch import nn, sigmoid
from transformers import Mamba2Config, RecurrentGemmaConfig
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer, mamba2_chunk_scan
from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaRglru
from vectors import (
    DIRECT, Case, Cut, H, I, T, blocks, indices, same, uniform, unroll, whole,
)

# The package compiles a forward pass without gradients when it is imported; with gradients it runs a plain one.
with mock.patch("torch.utils.cpp_extension.load"), mock.patch("torch.jit.script", lambda it: it):
    from sru import SRUCell
warnings.filterwarnings("ignore", message="Running SRU on CPU")


def package(name):
    return f"{name} {version(name)}"


def close(a, b, tolerance=1e-12):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


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


class MinLstm(nn.Module):
    """Three linear maps of the input and weights that are divided by their sum, as the paper's listing."""

    def __init__(self):
        super().__init__()
        self.linear_f = nn.Linear(I, H)
        self.linear_i = nn.Linear(I, H)
        self.linear_h = nn.Linear(I, H)

    def step(self, x, s):
        f = sigmoid(self.linear_f(x["x"]))
        i = sigmoid(self.linear_i(x["x"]))
        f_prime, i_prime = f / (f + i), i / (f + i)
        h = f_prime * s["h"] + i_prime * self.linear_h(x["x"])
        return {"h": h}, {"h": h}

    def check(self, case, x, states, outputs, upstream):
        """The paper's parallel form: products of the weights of the old state, and a sum over all steps before."""
        i, f = sigmoid(self.linear_i(x["x"])), sigmoid(self.linear_f(x["x"]))
        decays = (f / (f + i)).cumprod(0)
        values = i / (f + i) * self.linear_h(x["x"])
        close(outputs["h"], decays * (states["h"] + (values / decays).cumsum(0)), 1e-10)


def minimal_log(name, module, tensor, gates):
    """A cell of minGRU-pytorch: vectors from its sequential path, compared by `check` with its scan in logarithms."""

    def step(x, s):
        h = module(x["x"].unsqueeze(1), s["h"].unsqueeze(1))[:, 0]
        return {"h": h}, {"h": h}

    def check(case, x, states, outputs, upstream):
        free = unroll(case, x, {"h": torch.zeros_like(states["h"])}, T)[0]["h"]
        close(free, module(x["x"].transpose(0, 1)).transpose(0, 1))
        if isinstance(module, minGRU):
            close(outputs["h"], module(x["x"].transpose(0, 1), states["h"].unsqueeze(1)).transpose(0, 1))

    source = f"{package('minGRU-pytorch')} {type(module).__name__}"
    note = "from the sequential path, one step at a time; the scan in logarithms gives the same, which was checked"
    return Case(
        name, name, source, step, module, blocks(tensor, gates), {"h": (H,)}, note=note, check=check,
        draw={"h": uniform(0.1, 1.5)}, stored={"mingru_pytorch": None},
    )


def side_by_side(tensor, names):
    """The matrices of SRU: stored as [in, out * k], the k of one unit side by side; ours are [out, in]."""
    names = names.split()

    def part(j):
        return lambda it: it.reshape(it.shape[0], -1, len(names))[:, :, j].t()

    return {name: Cut(tensor, part(j)) for j, name in enumerate(names)}


def sru(name, spec, width, matrices, hypers=None, **options):
    """An SRUCell of the authors' package."""
    module = SRUCell(width, H, **options).double()
    # It was rounded to float32.
    module.scale_x[0] = math.sqrt(1 + 2) if module.rescale else 1
    tensors = {it: tensor for it, tensor in module.named_parameters() if tensor.requires_grad}
    params = side_by_side("weight", matrices) | blocks("bias", "b_f b_r")
    if "weight_c" in tensors:
        params |= blocks("weight_c", "v_f v_r")

    def step(x, s):
        y, c = module(x["x"].unsqueeze(0), s["c"])
        return {"h": y[0]}, {"c": c}

    said = ", ".join(f"{key}={value}" for key, value in options.items())
    source = f"{package('sru')} SRUCell({said})"
    sizes = {"H": H} if width == H else {"I": I, "H": H}
    stored = {"sru": {it: it for it in module.state_dict() if it != "scale_x"} }
    if options.get("v1"):
        stored["sru"]["weight_c"] = lambda _: torch.zeros(2 * H)
    return Case(
        name, spec, source, step, tensors, params, {"c": (H,)}, {"x": (width,)}, sizes, hypers or {}, stored=stored
    )


class Qrnn(nn.Module):
    """The paper's masked convolution over time with a window of 2, kernel [3H, I, 2], and fo-pooling."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(3 * H, I, 2))

    def layer(self, x, before, c):
        """x [T, B, I], before [B, I], c [B, H] -> h [T, B, H], c."""
        padded = torch.cat([before.unsqueeze(0), x])
        z, f, o = nn.functional.conv1d(padded.permute(1, 2, 0), self.kernel).permute(2, 0, 1).chunk(3, -1)
        z, f, o = z.tanh(), f.sigmoid(), o.sigmoid()
        hs = []
        for t in range(len(x)):
            c = f[t] * c + (1 - f[t]) * z[t]
            hs.append(o[t] * c)
        return torch.stack(hs), c

    def step(self, x, s):
        h, c = self.layer(x["x"].unsqueeze(0), s["x.1"], s["c"])
        return {"h": h[0]}, {"c": c, "x.1": x["x"]}

    def check(self, case, x, states, outputs, upstream):
        close(outputs["h"], self.layer(x["x"], states["x.1"], states["c"])[0])


class QrnnInputGate(nn.Module):
    """salesforce/pytorch-qrnn: QRNNLayer(window=2) and its ForgetMult on a CPU, for whole sequences."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2 * I, 3 * H)

    def layer(self, x, before, hidden):
        source = torch.cat([x, torch.cat([before.unsqueeze(0), x[:-1]])], 2)
        z, f, o = self.linear(source).chunk(3, 2)
        f, result = f.sigmoid(), []
        for forget, h in zip(f, f * z.tanh()):
            hidden = h + (1 - forget) * hidden
            result.append(hidden)
        return o.sigmoid() * torch.stack(result), hidden

    def step(self, x, s):
        h, c = self.layer(x["x"].unsqueeze(0), s["x.1"], s["c"])
        return {"h": h[0]}, {"c": c, "x.1": x["x"]}

    def check(self, case, x, states, outputs, upstream):
        close(outputs["h"], self.layer(x["x"], states["x.1"], states["c"])[0])


N, M = 4, 3


class Lru(nn.Module):
    """minimal-LRU in torch: complex numbers, rows. `check` compares with the closed form over all steps and, without a
    state, with the package LRU-pytorch, whose D is a matrix."""

    def __init__(self):
        super().__init__()
        for name in ("nu_log", "theta_log", "gamma_log"):
            self.register_parameter(name, nn.Parameter(torch.empty(N)))
        self.B = nn.Parameter(torch.empty(N, M, 2))
        self.C = nn.Parameter(torch.empty(M, N, 2))
        self.D = nn.Parameter(torch.empty(M))

    def parts(self):
        diagonal = torch.exp(-torch.exp(self.nu_log) + 1j * torch.exp(self.theta_log))
        b_norm = torch.view_as_complex(self.B) * torch.exp(self.gamma_log).unsqueeze(-1)
        return diagonal, b_norm, torch.view_as_complex(self.C)

    def step(self, x, s):
        diagonal, b_norm, c = self.parts()
        h = torch.complex(s["h_re"], s["h_im"]) * diagonal + x["x"].to(b_norm) @ b_norm.t()
        return {"y": (h @ c.t()).real + x["x"] * self.D}, {"h_re": h.real, "h_im": h.imag}

    def check(self, case, x, states, outputs, upstream):
        diagonal, b_norm, c = self.parts()
        steps = torch.arange(1, T + 1)
        powers = diagonal ** torch.arange(T).unsqueeze(-1)
        driven = torch.einsum("nm,kbm->kbn", b_norm, x["x"].to(b_norm))
        start = torch.complex(states["h_re"], states["h_im"])
        for t, step in enumerate(steps):
            h = diagonal**step * start + torch.einsum("kn,kbn->bn", powers[: t + 1].flip(0), driven[: t + 1])
            close(outputs["y"][t], (h @ c.t()).real + x["x"][t] * self.D)

        other = LRU(M, M, N)
        values = {
            "nu_log": self.nu_log, "theta_log": self.theta_log, "gamma_log": self.gamma_log,
            "B": torch.view_as_complex(self.B), "C": torch.view_as_complex(self.C), "D": torch.diag(self.D),
        }
        other.load_state_dict({name: it.detach() for name, it in values.items()})
        free = unroll(case, x, {name: torch.zeros_like(it) for name, it in states.items()}, T)[0]["y"]
        close(free, other(x["x"].transpose(0, 1)).transpose(0, 1))


class S4d(nn.Module):
    """The diagonal recurrence in complex numbers; `check` computes the same as s4d.py of state-spaces/s4 does, by the
    kernel of a convolution and its Fourier transform."""

    def __init__(self):
        super().__init__()
        self.log_dt = nn.Parameter(torch.empty(H))
        self.log_A_real = nn.Parameter(torch.empty(H, N))
        self.A_imag = nn.Parameter(torch.empty(H, N))
        self.C = nn.Parameter(torch.empty(H, N, 2))
        self.D = nn.Parameter(torch.empty(H))

    def parts(self):
        c, a = torch.view_as_complex(self.C), -torch.exp(self.log_A_real) + 1j * self.A_imag
        return c, a, a * torch.exp(self.log_dt).unsqueeze(-1)

    def step(self, x, s):
        c, a, dta = self.parts()
        state = torch.exp(dta) * torch.complex(s["s_re"], s["s_im"]) + x["x"].unsqueeze(-1)
        y = 2 * (c * torch.expm1(dta) / a * state).sum(-1).real + self.D * x["x"]
        return {"y": y}, {"s_re": state.real, "s_im": state.imag}

    def check(self, case, x, states, outputs, upstream):
        c, a, dta = self.parts()
        c = c * (torch.exp(dta) - 1.0) / a
        powers = dta.unsqueeze(-1) * torch.arange(T)
        kernel = 2 * torch.einsum("hn,hnl->hl", c, torch.exp(powers)).real
        u = x["x"].permute(1, 2, 0)
        y = torch.fft.irfft(torch.fft.rfft(u, n=2 * T) * torch.fft.rfft(kernel, n=2 * T), n=2 * T)[..., :T]
        y = y + u * self.D.unsqueeze(-1)
        start = torch.complex(states["s_re"], states["s_im"])
        powers = torch.exp(dta.unsqueeze(-1) * torch.arange(1, T + 1))
        y = y + 2 * torch.einsum("hn,bhn,hnl->bhl", c, start, powers).real
        close(outputs["y"], y.permute(2, 0, 1))


def pair(tensor, names):
    """A complex tensor stored as pairs along a last axis: its real and its imaginary part."""
    re, im = names.split()
    return {re: Cut(tensor, lambda it: it[..., 0]), im: Cut(tensor, lambda it: it[..., 1])}


class S5(nn.Module):
    """The recurrence in complex numbers, discretised as the paper's listing does; `check` sums the closed form."""

    def __init__(self):
        super().__init__()
        self.Lambda = nn.Parameter(torch.empty(N, 2))
        self.log_step = nn.Parameter(torch.empty(N))
        self.B = nn.Parameter(torch.empty(N, H, 2))
        self.C = nn.Parameter(torch.empty(H, N, 2))
        self.D = nn.Parameter(torch.empty(H))

    def parts(self):
        a, b, c = (torch.view_as_complex(it) for it in (self.Lambda, self.B, self.C))
        bar = torch.exp(a * torch.exp(self.log_step))
        return bar, (1 / a * (bar - torch.ones_like(a))).unsqueeze(-1) * b, c

    def step(self, x, s):
        bar, b, c = self.parts()
        state = bar * torch.complex(s["s_re"], s["s_im"]) + x["x"].to(b) @ b.t()
        y = 2 * (state @ c.t()).real + self.D * x["x"]
        return {"y": y}, {"s_re": state.real, "s_im": state.imag}

    def check(self, case, x, states, outputs, upstream):
        bar, b, c = self.parts()
        driven = torch.einsum("nh,tbh->tbn", b, x["x"].to(b))
        start = torch.complex(states["s_re"], states["s_im"])
        for t in range(T):
            state = bar ** (t + 1) * start + sum(bar ** (t - k) * driven[k] for k in range(t + 1))
            y = 2 * torch.einsum("hn,bn->bh", c, state).real + self.D * x["x"][t]
            close(outputs["y"][t], y)


def rms_gated(o, g, weight, eps=1e-5):
    """A root-mean-square norm with a gate, as in flash-linear-attention."""
    return o * torch.rsqrt(o.square().mean(-1, keepdim=True) + eps) * weight * nn.functional.silu(g)


class Hgrn(nn.Module):
    """HGRNAttention of flash-linear-attention around the package's own recurrence."""

    def __init__(self, lower_bound):
        super().__init__()
        self.lower_bound = torch.as_tensor(lower_bound)
        self.i_proj = nn.Linear(I, H, bias=False)
        self.f_proj = nn.Linear(I, H, bias=False)
        self.g_proj = nn.Linear(I, H, bias=False)
        self.g_norm = nn.RMSNorm(H)
        self.o_proj = nn.Linear(H, I, bias=False)

    def step(self, x, s):
        hidden = x["x"].unsqueeze(1)
        f = nn.functional.logsigmoid(self.f_proj(hidden))
        f = torch.logaddexp(self.lower_bound.log(), torch.log1p(-self.lower_bound) + f)
        i = nn.functional.silu(self.i_proj(hidden)) * (1 - f.exp())
        with float64():
            o, h = naive_recurrent_hgrn(i, f, s["h"], output_final_state=True)
        o = rms_gated(o, self.g_proj(hidden), self.g_norm.weight)
        return {"y": self.o_proj(o)[:, 0]}, {"h": h}


def rg_lru():
    """RecurrentGemma's layer; a step where `reset` is 1 is one at position 0."""
    heads, width = 2, 3
    config = RecurrentGemmaConfig(num_attention_heads=heads, lru_width=heads * width)
    module = RecurrentGemmaRglru(config)
    module._rnn_scan = partial(module._rnn_scan, acc_dtype=torch.float64)

    @inside
    def step(x, s):
        module.recurrent_states = s["h"]
        y = module(x["x"].unsqueeze(1), 1 - x["reset"].unsqueeze(1))
        return {"h": y[:, 0]}, {"h": module.recurrent_states}

    @inside
    def check(case, x, states, outputs, upstream):
        module.recurrent_states = states["h"]
        y = module(x["x"].transpose(0, 1), 1 - x["reset"].t())
        close(outputs["h"], y.transpose(0, 1))

    def turned(ours, tensor):
        return {ours: Cut(tensor, lambda it: it.transpose(1, 2))}

    params = (
        turned("W_x", "input_gate_weight") | turned("W_a", "recurrent_gate_weight")
        | whole(b_x="input_gate_bias", b_a="recurrent_gate_bias", **{"lambda": "recurrent_param"})
    )
    stored = {
        "input_gate.w": "input_gate_weight", "input_gate.b": "input_gate_bias", "a_gate.w": "recurrent_gate_weight",
        "a_gate.b": "recurrent_gate_bias", "a_param": "recurrent_param",
    }
    return Case(
        "rg_lru", "rg_lru", f"{package('transformers')} RecurrentGemmaRglru", step, module, params,
        {"h": (heads * width,)}, {"x": (heads * width,), "reset": ()}, {"N": heads, "K": width}, check=check,
        draw={"reset": indices(2)}, fixed=("reset",), stored={"recurrentgemma": stored},
    )


def oldest_first(s, name):
    """The last three values of a convolution's input, as the sources store them: [B, channels, 3]."""
    return torch.stack([s[f"{name}.3"], s[f"{name}.2"], s[f"{name}.1"]], -1)


def shifted(s, name, new):
    """The states of a convolution's input after a step."""
    return {f"{name}.1": new, f"{name}.2": s[f"{name}.1"], f"{name}.3": s[f"{name}.2"]}


def window(name, width):
    return {f"{name}.{k}": (width,) for k in (1, 2, 3)}


def taps(ours, tensor, part=lambda it: it):
    """A depthwise kernel, stored as [channels, 1, taps]; ours is [taps, channels]."""
    return {ours: Cut(tensor, lambda it: part(it[:, 0].t()))}


def rows(tensor, **ranges):
    """Ranges of rows of a tensor."""
    return {ours: Cut(tensor, lambda it, a=a, b=b: it[a:b]) for ours, (a, b) in ranges.items()}


def mamba():
    inner, modes, rank = 2 * M, 4, 2
    module = MambaBlock(MambaConfig(M, 1, dt_rank=rank, d_state=modes))

    @inside
    def step(x, s):
        u = module.in_proj(x["x"])[:, :inner]
        out, (state, _) = module.step(x["x"], (s["S"], oldest_first(s, "u")))
        return {"out": out}, {"S": state, **shifted(s, "u", u)}

    @inside
    def check(case, x, states, outputs, upstream):
        """The convolution and the parallel scan of the whole sequence."""
        free = unroll(case, x, {name: torch.zeros_like(it) for name, it in states.items()}, T)[0]["out"]
        close(free, module(x["x"].transpose(0, 1)).transpose(0, 1))

    params = (
        rows("in_proj.weight", W_u=(0, inner), W_z=(inner, 2 * inner))
        | taps("K", "conv1d.weight")
        | rows("x_proj.weight", W_r=(0, rank), W_b=(rank, rank + modes), W_c=(rank + modes, None))
        | whole(b_k="conv1d.bias", W_dt="dt_proj.weight", b_dt="dt_proj.bias", W_o="out_proj.weight")
        | same("A_log D")
    )
    return Case(
        "mamba", "mamba", f"{package('mambapy')} MambaBlock", step, module, params,
        {"S": (inner, modes), **window("u", inner)}, {"x": (M,)}, {"M": M, "N": modes, "R": rank}, check=check,
        stored={"mamba": None},
    )


def mamba2():
    heads, width, modes = 3, 2, 4
    inner = heads * width
    config = Mamba2Config(
        num_heads=heads, head_dim=width, hidden_size=M, state_size=modes, expand=2, n_groups=1, num_hidden_layers=1,
        chunk_size=2,
    )
    module = Mamba2Mixer(config, 0).eval()

    @inside
    def step(x, s):
        z, raw, dt = module.in_proj(x["x"]).split([inner, inner + 2 * modes, heads], -1)
        p, q, r = raw.split([inner, modes, modes], -1)
        past = torch.cat([oldest_first(s, name) for name in "pqr"], 1)
        taken = torch.cat([past, raw.unsqueeze(-1)], -1)
        conv = nn.functional.silu((taken * module.conv1d.weight.squeeze(1)).sum(-1) + module.conv1d.bias)
        v, keys, queries = conv.unsqueeze(1).split([inner, modes, modes], -1)
        y, state = mamba2_chunk_scan(
            v.view(-1, 1, heads, width), dt.unsqueeze(1), -torch.exp(module.A_log), keys.unsqueeze(2),
            queries.unsqueeze(2), chunk_size=1, D=module.D, dt_bias=module.dt_bias, dt_softplus=True,
            initial_states=s["S"], return_final_states=True,
        )
        out = module.out_proj(module.norm(y.reshape(-1, inner), z))
        return {"out": out}, {"S": state, **shifted(s, "p", p), **shifted(s, "q", q), **shifted(s, "r", r)}

    @inside
    def check(case, x, states, outputs, upstream):
        """The whole mixer on the whole sequence, in chunks of two steps."""
        free = unroll(case, x, {name: torch.zeros_like(it) for name, it in states.items()}, T)[0]["out"]
        close(free, module(x["x"].transpose(0, 1)).transpose(0, 1))

    at, end = inner + modes, inner + 2 * modes
    parts = {"x": (0, inner), "b": (inner, at), "c": (at, end)}
    params = (
        rows("in_proj.weight", W_z=(0, inner), W_dt=(inner + end, None))
        | rows("in_proj.weight", **{f"W_{it}": (inner + a, inner + b) for it, (a, b) in parts.items()})
        | rows("conv1d.bias", **{f"b_{it}": range_ for it, range_ in parts.items()})
        | whole(b_dt="dt_bias", w="norm.weight", W_o="out_proj.weight")
        | same("A_log D")
    )
    for name, (a, b) in parts.items():
        params |= taps(f"K_{name}", "conv1d.weight", lambda it, a=a, b=b: it[:, a:b])
    states = {"S": (heads, width, modes), **window("p", inner), **window("q", modes), **window("r", modes)}
    return Case(
        "mamba2", "mamba2", f"{package('transformers')} Mamba2Mixer", step, module, params, states, {"x": (M,)},
        {"M": M, "H": heads, "P": width, "N": modes}, check=check, stored={"mamba": None},
    )


def cases():
    yield from torchrecurrent()
    module = MinGru()
    mingru = whole(W_z="linear_z.weight", b_z="linear_z.bias", W_h="linear_h.weight", b_h="linear_h.bias")
    yield Case("mingru", "mingru", DIRECT, module.step, module, mingru, {"h": (H,)})
    yield minimal_log("mingru_log", minGRU(I, H / I, proj_out=False), "to_hidden_and_gate.weight", "W_h W_z")

    module = MinLstm()
    parts = {"W": "weight", "b": "bias"}
    minlstm = whole(**{f"{ours}_{it}": f"linear_{it}.{theirs}" for ours, theirs in parts.items() for it in "fih"})
    yield Case("minlstm", "minlstm", DIRECT, module.step, module, minlstm, {"h": (H,)}, check=module.check)
    module, tensor = minLSTM(I, H / I, proj_out=False), "to_hidden_and_f_i_gate.weight"
    yield minimal_log("minlstm_log", module, tensor, "W_h W_f W_i")

    yield sru("sru", "sru", H, "W W_f W_r")
    yield sru("sru_unscaled", "sru", H, "W W_f W_r", {"scale": 1.0}, rescale=False)
    yield sru("sru_projected", "sru_projected", I, "W W_f W_r W_s")
    yield sru("sru_v1", "sru_v1", H, "W W_f W_r", v1=True, use_tanh=True, rescale=False)

    past = {"c": (H,), "x.1": (I,)}
    module = Qrnn()
    gates = ["z", "f", "o"]
    taps = [("V", 0), ("W", 1)]
    qrnn = {
        f"{ours}_{gate}": Cut("kernel", lambda it, k=k, tap=tap: it.chunk(3)[k][..., tap])
        for ours, tap in taps for k, gate in enumerate(gates)
    }
    yield Case("qrnn", "qrnn", DIRECT, module.step, module, qrnn, past, check=module.check)
    module = QrnnInputGate()
    qrnn = {
        f"{ours}_{gate}": Cut("linear.weight", lambda it, k=k, part=part: it.chunk(3)[k].chunk(2, 1)[part])
        for part, ours in enumerate("WV") for k, gate in enumerate(gates)
    } | blocks("linear.bias", "b_z b_f b_o")
    stored = {"pytorch_qrnn": None}
    yield Case(
        "qrnn_input_gate", "qrnn_input_gate", DIRECT, module.step, module, qrnn, past, check=module.check, stored=stored
    )

    module = Lru()
    lru = same("nu_log theta_log gamma_log D") | pair("B", "B_re B_im") | pair("C", "C_re C_im")
    states, inputs, sizes = {"h_re": (N,), "h_im": (N,)}, {"x": (M,)}, {"N": N, "M": M}
    yield Case("lru", "lru", DIRECT, module.step, module, lru, states, inputs, sizes, check=module.check)

    module = S4d()
    s4d = same("log_dt log_A_real A_imag D") | pair("C", "C_re C_im")
    states, inputs, sizes = {"s_re": (H, N), "s_im": (H, N)}, {"x": (H,)}, {"H": H, "N": N}
    names = {f"kernel.{it}": it for it in ("log_dt", "log_A_real", "A_imag", "C")} | {"D": "D"}
    yield Case(
        "s4d", "s4d", DIRECT, module.step, module, s4d, states, inputs, sizes, check=module.check, stored={"s4": names}
    )

    module = S5()
    s5 = whole(log_dt="log_step", D="D") | pair("Lambda", "a_re a_im") | pair("B", "B_re B_im") | pair("C", "C_re C_im")
    states = {"s_re": (N,), "s_im": (N,)}
    yield Case("s5", "s5", DIRECT, module.step, module, s5, states, inputs, sizes, check=module.check)

    for name, lower in [("hgrn", 0.0), ("hgrn_lower", 0.25)]:
        module = Hgrn(lower)
        hgrn = whole(**{f"W_{it}": f"{it}_proj.weight" for it in "ifgo"}, w="g_norm.weight")
        source = f"{package('fla-core')} naive_recurrent_hgrn inside the layer as flash-linear-attention has it"
        hypers = {"lower": lower} if lower else {}
        yield Case(
            name, "hgrn", source, module.step, module, hgrn, {"h": (H,)}, hypers=hypers, stored={"fla": None}
        )
    yield rg_lru()
    yield mamba()
    yield mamba2()
