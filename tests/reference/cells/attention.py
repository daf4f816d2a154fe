"""Matrix states: linear attention, fast weights, and what grew out of them."""

import importlib
import os
import sys
from contextlib import ExitStack, redirect_stdout
from types import SimpleNamespace
from unittest import mock

import torch
from cells.scan import close, oldest_first, package, rms_gated, shifted, taps, window
from fla.ops.delta_rule.naive import delta_rule_chunkwise, delta_rule_recurrence
from fla.ops.gated_delta_rule.naive import naive_chunk_gated_delta_rule, naive_recurrent_gated_delta_rule
from fla.ops.gla.naive import naive_recurrent_gla
from fla.ops.retention.naive import naive_retention
from fla.ops.simple_gla.naive import naive_chunk_simple_gla, naive_recurrent_simple_gla
from float64 import float64, inside
from torch import nn
from torch.nn.functional import logsigmoid, silu, softplus
from transformers import RwkvConfig
from transformers.models.rwkv.modeling_rwkv import RwkvSelfAttention, rwkv_linear_attention_cpu
from vectors import DIRECT, B, Case, Cut, T, blocks, same, uniform, unroll, whole
from xlstm.blocks.mlstm.backends import parallel_stabilized_simple, recurrent_step_stabilized_simple
from xlstm.blocks.mlstm.cell import mLSTMCell, mLSTMCellConfig

# Its package asks for two others, of which its retention needs nothing.
ABSENT = ("fairscale", "fairscale.nn", "timm", "timm.models", "timm.models.layers")
with mock.patch.dict(sys.modules, {it: mock.MagicMock() for it in ABSENT}):
    from torchscale.architecture.retnet import RetNetRelPos
    from torchscale.component.multiscale_retention import MultiScaleRetention

# Width of the input; heads; width of a key and of a value.
I, N, K, V = 3, 2, 3, 4
FLA = f"{package('fla-core')} {{}} inside the layer as flash-linear-attention has it"


def heads(**names):
    """Weights whose rows are all heads', stored [N * width, in]; ours have an axis of heads."""
    return {ours: Cut(tensor, lambda it: it.reshape(N, -1, *it.shape[1:])) for ours, tensor in names.items()}


def zeros(states):
    return {name: torch.zeros_like(it) for name, it in states.items()}


def linear(width, inputs=I, bias=False):
    return nn.Linear(inputs, width, bias=bias)


class Layer(nn.Module):
    """Projections to queries, keys, values of all heads, as most of these cells have them."""

    def __init__(self):
        super().__init__()
        self.q_proj = linear(N * K)
        self.k_proj = linear(N * K)
        self.v_proj = linear(N * V)

    def qkv(self, x):
        """x [B, T, I] -> each [B, T, N, width]."""
        return tuple(it(x).unflatten(-1, (N, -1)) for it in (self.q_proj, self.k_proj, self.v_proj))

    def step(self, x, s):
        """One step of `layer`, which maps x [B, T, I] and states."""
        y, s = self.layer(x["x"].unsqueeze(1), s)
        return {"y": y[:, 0]}, s


PROJECTED = heads(W_q="q_proj.weight", W_k="k_proj.weight", W_v="v_proj.weight")


def case(name, module, params, states, source, sizes=None, **more):
    sizes = {"I": I, "N": N, "K": K, "V": V} if sizes is None else sizes
    return Case(name, name, source, module.step, module, params, states, {"x": (I,)}, sizes, **more)


class LinearAttention(Layer):
    """The recurrent layer of the authors' package, written down; `check` sums over all pairs of steps instead."""

    def layer(self, x, s):
        q, k, v = (it[:, 0] for it in self.qkv(x))
        q, k = nn.functional.elu(q) + 1, nn.functional.elu(k) + 1
        zi = s["z"] + k
        si = s["S"] + torch.einsum("nhd,nhm->nhdm", k, v)
        z = 1.0 / (torch.einsum("nhd,nhd->nh", q, zi) + 1e-6)
        y = torch.einsum("nhd,nhdm,nh->nhm", q, si, z)
        return y.unsqueeze(1), {"S": si, "z": zi}

    def check(self, case, x, states, outputs, upstream):
        q, k, v = self.qkv(x["x"].transpose(0, 1))
        q, k = nn.functional.elu(q) + 1, nn.functional.elu(k) + 1
        scores = torch.einsum("blhd,bshd->bhls", q, k).tril()
        above = torch.einsum("bhls,bshm->blhm", scores, v) + torch.einsum("blhd,bhdm->blhm", q, states["S"])
        below = scores.sum(-1).transpose(1, 2) + torch.einsum("blhd,bhd->blh", q, states["z"]) + 1e-6
        close(outputs["y"], (above / below.unsqueeze(-1)).transpose(0, 1))


class Retention(Layer):
    """The recurrence in the paper's row form; `check` is the parallel form of fla-core."""

    def __init__(self):
        super().__init__()
        self.g_proj = linear(N * V)
        self.out_proj = linear(I, N * V)

    def out(self, x, o):
        o = nn.functional.layer_norm(o, (V,)).flatten(-2)
        return self.out_proj(silu(self.g_proj(x)) * o)

    def layer(self, x, s):
        q, k, v = (it[:, 0] for it in self.qkv(x))
        decay = 1 - 2.0 ** (-5 - torch.arange(N))
        state = s["S"] * decay.view(N, 1, 1) + (k * K**-0.5).unsqueeze(-1) * v.unsqueeze(-2)
        o = (q.unsqueeze(-2) @ state).squeeze(-2)
        return self.out(x, o.unsqueeze(1)), {"S": state}

    @inside
    def check(self, case, x, states, outputs, upstream):
        given = x["x"].transpose(0, 1)
        o = naive_retention(*(it.transpose(1, 2) for it in self.qkv(given))).transpose(1, 2)
        close(unroll(case, x, zeros(states), T)[0]["y"], self.out(given, o).transpose(0, 1))


class Gated(Layer):
    """What the gated linear attentions share."""

    def __init__(self):
        super().__init__()
        self.g_proj = linear(N * V)
        self.g_norm_swish_gate = nn.RMSNorm(V)
        self.o_proj = linear(I, N * V)

    def out(self, x, o):
        g = self.g_proj(x).unflatten(-1, (N, V))
        return self.o_proj(rms_gated(o, g, self.g_norm_swish_gate.weight).flatten(-2))


GATED = PROJECTED | heads(W_g="g_proj.weight") | whole(w="g_norm_swish_gate.weight", W_o="o_proj.weight")


class Gla(Gated):
    def __init__(self, rank):
        super().__init__()
        self.gk_proj = nn.Sequential(linear(rank), linear(N * K, rank, bias=True))

    @inside
    def layer(self, x, s):
        gk = logsigmoid(self.gk_proj(x).unflatten(-1, (N, K))) / 16
        o, state = naive_recurrent_gla(*self.qkv(x), gk, s["S"], output_final_state=True)
        return self.out(x, o), {"S": state}

    @inside
    def check(self, case, x, states, outputs, upstream):
        """The paper's parallel form: each key weighted by the decays since, each query by those before."""
        given = x["x"].transpose(0, 1)
        q, k, v = self.qkv(given)
        decay = (logsigmoid(self.gk_proj(given).unflatten(-1, (N, K))) / 16).cumsum(1).exp()
        scores = torch.einsum("bthk,bshk->bhts", q * decay, k / decay).tril() * K**-0.5
        o = torch.einsum("bhts,bshv->bthv", scores, v)
        o = o + torch.einsum("bthk,bhkv->bthv", q * decay, states["S"]) * K**-0.5
        close(outputs["y"], self.out(given, o).transpose(0, 1))


class SimpleGla(Gated):
    def __init__(self):
        super().__init__()
        self.gk_proj = linear(N, bias=True)

    def decays(self, x):
        return logsigmoid(self.gk_proj(x)) / 16

    @inside
    def layer(self, x, s):
        o, state = naive_recurrent_simple_gla(*self.qkv(x), self.decays(x), initial_state=s["S"])
        return self.out(x, o), {"S": state}

    @inside
    def check(self, case, x, states, outputs, upstream):
        """The chunkwise form, in chunks of two steps."""
        given = x["x"].transpose(0, 1)
        decays, first = self.decays(given), states["S"]
        o, _ = naive_chunk_simple_gla(*self.qkv(given), decays, first, chunk_size=2)
        close(outputs["y"], self.out(given, o).transpose(0, 1))


def l2norm(x):
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6)


class DeltaNet(Layer):
    def __init__(self):
        super().__init__()
        self.b_proj = linear(N)
        self.o_norm = nn.RMSNorm(V)
        self.o_proj = linear(I, N * V)

    def parts(self, x):
        """[B, N, T, ..] each."""
        q, k, v = (silu(it).transpose(1, 2) for it in self.qkv(x))
        return l2norm(q), l2norm(k), v, self.b_proj(x).sigmoid().transpose(1, 2)

    def out(self, o):
        o = o.transpose(1, 2)
        o = o * torch.rsqrt(o.square().mean(-1, keepdim=True) + 1e-5) * self.o_norm.weight
        return self.o_proj(o.flatten(-2))

    @inside
    def layer(self, x, s):
        o, state = delta_rule_recurrence(*self.parts(x), s["S"])
        return self.out(o), {"S": state}

    @inside
    def check(self, case, x, states, outputs, upstream):
        """The chunkwise form, one chunk, which inverts a triangular matrix."""
        with torch.no_grad():
            o, state = delta_rule_chunkwise(*self.parts(x["x"].transpose(0, 1)), chunk_size=T)
            free, last = unroll(case, x, zeros(states), T)
            close(free["y"], self.out(o).transpose(0, 1))
            close(last["S"], state)


class GatedDeltaNet(Gated):
    def __init__(self):
        super().__init__()
        self.a_proj = linear(N)
        self.b_proj = linear(N)
        for name, width in [("q", K), ("k", K), ("v", V)]:
            self.add_module(f"{name}_conv1d", nn.Conv1d(N * width, N * width, 4, groups=N * width, bias=False))
        self.A_log = nn.Parameter(torch.empty(N))
        self.dt_bias = nn.Parameter(torch.empty(N))

    def gates(self, x):
        return self.b_proj(x).sigmoid(), -self.A_log.exp() * softplus(self.a_proj(x) + self.dt_bias)

    def convolved(self, padded):
        """Projections with three values before the first step [B, channels, 3 + T] -> q, k, v [B, T, N, width]."""
        convolutions = (self.q_conv1d, self.k_conv1d, self.v_conv1d)
        all = (silu(it(of)).transpose(1, 2).unflatten(-1, (N, -1)) for it, of in zip(convolutions, padded))
        q, k, v = all
        return l2norm(q), l2norm(k), v

    def raw(self, x):
        return [it.flatten(-2).transpose(1, 2) for it in self.qkv(x)]

    @inside
    def layer(self, x, s):
        flat = {name: it.flatten(1) for name, it in s.items() if name != "S"}
        raw = self.raw(x)
        padded = [torch.cat([oldest_first(flat, name), it], -1) for name, it in zip("prs", raw)]
        q, k, v = self.convolved(padded)
        o, state = naive_recurrent_gated_delta_rule(
            q, k, v, *self.gates(x), initial_state=s["S"], output_final_state=True
        )
        new = {"S": state}
        for name, it in zip("prs", raw):
            new |= shifted(s, name, it[..., 0].unflatten(-1, (N, -1)))
        return self.out(x, o), new

    @inside
    def check(self, case, x, states, outputs, upstream):
        """The chunkwise form, in chunks of two steps, behind convolutions of the whole sequence."""
        given = x["x"].transpose(0, 1)
        q, k, v = self.convolved([nn.functional.pad(it, (3, 0)) for it in self.raw(given)])
        beta, g = self.gates(given)
        with torch.no_grad():
            o, _ = naive_chunk_gated_delta_rule(q, k, v, g, beta, chunk_size=2)
            close(unroll(case, x, zeros(states), T)[0]["y"], self.out(given, o).transpose(0, 1))


def retnet():
    """MultiScaleRetention of torchscale, one step after the other, with its own positions and decays."""
    width, pairs = 8, 2
    args = SimpleNamespace(
        multiway=False, layernorm_eps=1e-6, decoder_embed_dim=width, decoder_retention_heads=N, recurrent_chunk_size=T
    )
    module = MultiScaleRetention(args, width, N * V, N)
    with float64():
        position = RetNetRelPos(args)

    @inside
    def step(x, s):
        t = int(s["time"][0])
        decay = 1 - 2.0 ** (-5 - torch.arange(N))
        past = {}
        if t > 0:
            state = torch.stack([s["S_1"], s["S_2"]], -2).flatten(2, 3)
            past = {"prev_key_value": state.transpose(-1, -2), "scale": sum(decay**k for k in range(t))}
        y = module(x["x"].unsqueeze(1), position(t + 1, activate_recurrent=True), incremental_state=past)
        one, two = past["prev_key_value"].transpose(-1, -2).unflatten(2, (pairs, 2)).unbind(3)
        return {"y": y[:, 0]}, {"S_1": one, "S_2": two, "time": s["time"] + 1}

    @inside
    def check(case, x, states, outputs, upstream):
        """The parallel form, which scales otherwise; the norm takes that out where its small number is 0."""
        with mock.patch.object(module.group_norm, "eps", 0.0):
            free = unroll(case, x, states, T)[0]["y"]
            close(free, module(x["x"].transpose(0, 1), position(T)).transpose(0, 1))

    def halves(tensor, names):
        one, two = names.split()
        parts = {one: 0, two: 1}
        return {
            ours: Cut(tensor, lambda it, k=k: it.unflatten(0, (N, pairs, 2))[:, :, k]) for ours, k in parts.items()
        }

    params = halves("q_proj.weight", "Q_1 Q_2") | halves("k_proj.weight", "K_1 K_2")
    params |= heads(W_v="v_proj.weight", W_g="g_proj.weight") | whole(W_o="out_proj.weight")
    state = (N, pairs, V)
    return Case(
        "retnet", "retnet", f"{package('torchscale')} MultiScaleRetention, recurrent", step, module, params,
        {"S_1": state, "S_2": state, "time": ()}, {"x": (width,)}, {"I": width, "N": N, "P": pairs, "V": V},
        check=check, start={"S_1": 0.0, "S_2": 0.0, "time": 0.0}, stored={"torchscale": None},
    )


class FastWeights(nn.Module):
    """The paper's equations for a batch; `check` is its other form, which keeps no matrix but attends to all states."""

    def __init__(self, steps, lam, eta):
        super().__init__()
        self.steps, self.lam, self.eta = steps, lam, eta
        self.slow = linear(HIDDEN, HIDDEN)
        self.input = linear(HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN)

    def settle(self, boundary, read):
        hs = torch.relu(boundary)
        for _ in range(self.steps):
            hs = torch.relu(self.norm(boundary + read(hs)))
        return hs

    def step(self, x, s):
        h = s["h"]
        fast = self.lam * s["A"] + self.eta * torch.einsum("bi,bj->bij", h, h)
        h = self.settle(self.slow(h) + self.input(x["x"]), lambda hs: torch.bmm(fast, hs.unsqueeze(-1)).squeeze(-1))
        return {"h": h}, {"h": h, "A": fast}

    def check(self, case, x, states, outputs, upstream):
        h, past, hs = states["h"], [], []
        for t in range(T):
            past.append(h)

            def read(hs):
                old = self.lam ** (t + 1) * torch.einsum("bij,bj->bi", states["A"], hs)
                scores = [self.lam ** (t - at) * (it * hs).sum(-1, keepdim=True) for at, it in enumerate(past)]
                return old + self.eta * sum(score * it for score, it in zip(scores, past))

            h = self.settle(self.slow(h) + self.input(x["x"][t]), read)
            hs.append(h)
        close(outputs["h"], torch.stack(hs))


HIDDEN = 5


def fast_weights(name, hypers, **options):
    module = FastWeights(**options)
    params = whole(C="input.weight", W="slow.weight", g="norm.weight", b="norm.bias")
    states = {"h": (HIDDEN,), "A": (HIDDEN, HIDDEN)}
    sizes = {"I": I, "H": HIDDEN}
    return Case(
        name, "fast_weights", DIRECT, module.step, module, params, states, {"x": (I,)}, sizes, hypers,
        check=module.check,
    )


D = 3


class Mlstm(nn.Module):
    """The paper's projections around the step of the xlstm repository; `check` is its parallel form."""

    def __init__(self):
        super().__init__()
        self.qkvo = linear(4 * N * D, bias=True)
        self.igate = linear(N, bias=True)
        self.fgate = linear(N, bias=True)

    def parts(self, x):
        """x [B, T, I] -> q, k, v [B, N, T, D], gates [B, N, T, 1], o [B, T, N, D]. The source divides the whole key by
        the root of its width, the paper all but its bias."""
        q, k, v, o = self.qkvo(x).unflatten(-1, (4, N, D)).unbind(2)
        bias = self.qkvo.bias.view(4, N, D)[1]
        k = k - bias + bias * D**0.5
        q, k, v = (it.transpose(1, 2) for it in (q, k, v))
        i, f = (gate(x).transpose(1, 2).unsqueeze(-1) for gate in (self.igate, self.fgate))
        return q, k, v, i, f, o.sigmoid()

    def step(self, x, s):
        q, k, v, i, f, o = self.parts(x["x"].unsqueeze(1))
        old = s["C"], s["n"].unsqueeze(-1), s["m"][..., None, None]
        h, (c, n, m) = recurrent_step_stabilized_simple(*old, q.clone(), k.clone(), v.clone(), i, f)
        return {"h": o[:, 0] * h[:, :, 0]}, {"C": c, "n": n[..., 0], "m": m[..., 0, 0]}

    def check(self, case, x, states, outputs, upstream):
        *parts, o = self.parts(x["x"].transpose(0, 1))
        h = o * parallel_stabilized_simple(*parts).transpose(1, 2)
        free = unroll(case, x, zeros(states) | {"m": torch.full_like(states["m"], -torch.inf)}, T)[0]["h"]
        close(free, h.transpose(0, 1))


def mlstm_xlstm():
    module = mLSTMCell(mLSTMCellConfig(T, N * D, N))

    def step(x, s):
        old = s["C"], s["n"].unsqueeze(-1), s["m"][..., None, None]
        h, (c, n, m) = module.step(*(x[it].unsqueeze(1).clone() for it in "qkv"), old)
        return {"h": h[:, 0]}, {"C": c, "n": n[..., 0], "m": m[..., 0, 0]}

    def check(case, x, states, outputs, upstream):
        """The parallel form of a whole sequence."""
        free = unroll(case, x, zeros(states) | {"m": torch.full_like(states["m"], -torch.inf)}, T)[0]["h"]
        close(free, module(*(x[it].transpose(0, 1) for it in "qkv")).transpose(0, 1))

    params = whole(
        W_i="igate.weight", b_i="igate.bias", W_f="fgate.weight", b_f="fgate.bias", w="outnorm.weight"
    )
    return Case(
        "mlstm_xlstm", "mlstm_xlstm", f"{package('xlstm')} mLSTMCell.step", step, module, params, MLSTM,
        {it: (N * D,) for it in "qkv"}, {"N": N, "D": D}, check=check, stored={"xlstm": None},
    )


MLSTM = {"C": (N, D, D), "n": (N, D), "m": (N,)}


def rwkv4(name, start, states):
    width = 4
    module = RwkvSelfAttention(RwkvConfig(hidden_size=I, attention_hidden_size=width, num_hidden_layers=1))

    @inside
    def layer(x, before, state):
        """x [B, T, I]. The module writes into the states that it is given, which autograd does not allow, so its two
        halves are called one by one; the input before goes in front of the sequence, its own results are cut off."""
        r, k, v, _ = module.extract_key_value(torch.cat([before.unsqueeze(1), x], 1))
        wkv, state = rwkv_linear_attention_cpu(
            module.time_decay, module.time_first, k[:, 1:], v[:, 1:], state, return_state=True
        )
        return module.output(r[:, 1:] * wkv), state

    def step(x, s):
        y, state = layer(x["x"].unsqueeze(1), s["x.1"], [s[it] for it in "abe"])
        return {"y": y[:, 0]}, dict(zip("abe", state)) | {"x.1": x["x"]}

    def check(case, x, states, outputs, upstream):
        """A whole sequence at once; and the plain average, without a stabiliser."""
        y, _ = layer(x["x"].transpose(0, 1), states["x.1"], [states[it] for it in "abe"])
        close(outputs["y"], y.transpose(0, 1))
        before = torch.cat([states["x.1"].unsqueeze(0), x["x"][:-1]])

        def mixed(mix, linear):
            return linear(x["x"] * mix[0, 0] + before * (1 - mix[0, 0]))

        k, v = mixed(module.time_mix_key, module.key), mixed(module.time_mix_value, module.value)
        r = mixed(module.time_mix_receptance, module.receptance).sigmoid()
        decay = -module.time_decay.exp()
        scale = states["e"].exp()
        for t in range(T):
            ages = torch.arange(t - 1, -1, -1).view(-1, 1, 1)
            weights = torch.exp(ages * decay + k[:t])
            now = torch.exp(module.time_first + k[t])
            old = torch.exp(t * decay) * scale
            above = old * states["a"] + (weights * v[:t]).sum(0) + now * v[t]
            below = old * states["b"] + weights.sum(0) + now
            close(outputs["y"][t], module.output(r[t] * above / below))

    params = {
        ours: Cut(tensor, lambda it: it.reshape(I))
        for ours, tensor in [("mu_k", "time_mix_key"), ("mu_v", "time_mix_value"), ("mu_r", "time_mix_receptance")]
    } | whole(
        decay="time_decay", bonus="time_first", W_k="key.weight", W_v="value.weight", W_r="receptance.weight",
        W_o="output.weight",
    )
    return Case(
        name, "rwkv4", f"{package('transformers')} RwkvSelfAttention", step, module, params, states, {"x": (I,)},
        {"I": I, "H": width}, check=check, start=start, draw={"b": uniform(0.5, 1.5)}, stored={"rwkv": None},
    )


def plain_rwkv(seven):
    """The authors' package, not compiled: what it holds depends on whether version 7 is asked for."""
    sys.modules.pop("rwkv.model", None)
    settings = {"RWKV_JIT_ON": "0", "RWKV_CUDA_ON": "0", "RWKV_V7_ON": seven}
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, settings))
        stack.enter_context(redirect_stdout(None))
        for name in ("script", "script_method"):
            stack.enter_context(mock.patch.object(torch.jit, name, lambda it: it))
        stack.enter_context(mock.patch.object(torch.jit, "ScriptModule", nn.Module))
        return importlib.import_module("rwkv.model")


RWKV, RWKV7 = plain_rwkv("0").RWKV, plain_rwkv("1")


class Rwkv6(nn.Module):
    """The method of the package for one step and one sequence; its layer norm of the input and its residual are taken
    away. Tensors named and stored as the package keeps them for its attention of version 6, matrices as [in, out]."""

    def __init__(self, rank, decay_rank):
        super().__init__()
        width = N * D
        shapes = {
            **{f"{it}_maa": (width,) for it in "xwkvrg"}, **{f"{it}w": (width, width) for it in "kvrgo"},
            "tm_w1": (width, 5 * rank), "tm_w2": (5, rank, width), "td_w1": (width, decay_rank),
            "td_w2": (decay_rank, width), "t_decay": (N, D, 1), "t_first": (N, D, 1), "lx_w": (width,), "lx_b": (width,),
        }
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))

    @inside
    def step(self, x, s):
        no_norm = mock.patch("torch.nn.functional.layer_norm", lambda it, *_, **__: it)
        left = dict.fromkeys(["ln_w", "ln_b"] + [f"{it}m{side}" for it in "kvrgo" for side in "xy"])
        left |= dict.fromkeys(f"{it}r{side}" for it in "kvrgo" for side in "xy")
        ys, states = [], []
        with no_norm:
            for one, before, state in zip(x["x"], s["x.1"], s["S"]):
                y, _, new = RWKV.att_one_v6_0(
                    None, one, before, state, **dict(self.named_parameters()), **left
                )
                ys.append(y - one)
                states.append(new)
        return {"y": torch.stack(ys)}, {"S": torch.stack(states), "x.1": x["x"]}


class Rwkv7(nn.Module):
    """The function of the package for one step and one sequence, first layer; tensors named and stored as it takes them,
    matrices as [in, out]."""

    def __init__(self, decay, forget, gate):
        super().__init__()
        width = N * D
        shapes = {
            **{f"x_{it}": (width,) for it in "rwkvag"}, **{f"{it}_": (width, width) for it in "RKVO"},
            **{it: (width,) for it in ("w0", "a0", "k_k", "k_a", "r_k", "ln_w", "ln_b")},
            "w1": (width, decay), "w2": (decay, width), "a1": (width, forget), "a2": (forget, width),
            "g1": (width, gate), "g2": (gate, width),
        }
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))

    @inside
    def step(self, x, s):
        unused = dict.fromkeys(["v_first", "v0", "v1", "v2"])
        ys, states = [], []
        for one, before, state in zip(x["x"], s["x.1"], s["S"]):
            y, _, new, _ = RWKV7.RWKV_x070_TMix_one(
                0, N, D, one, before, state=state, **dict(self.named_parameters()), **unused
            )
            ys.append(y)
            states.append(new)
        return {"y": torch.stack(ys)}, {"S": torch.stack(states), "x.1": x["x"]}


def back(**names):
    """Matrices stored as [in, heads * width]; ours are [heads, width, in]."""
    return {ours: Cut(tensor, lambda it: it.t().unflatten(0, (N, -1))) for ours, tensor in names.items()}


def cases():
    state, wide = {"S": (N, K, V)}, {"S": (N, K, V), "z": (N, K)}
    module = LinearAttention()
    draw = {"z": uniform(0.5, 1.5)}
    yield case("linear_attention", module, PROJECTED, wide, DIRECT, check=module.check, draw=draw)

    module = Retention()
    params = PROJECTED | heads(W_g="g_proj.weight") | whole(W_o="out_proj.weight")
    yield case("retention", module, params, state, DIRECT, check=module.check)

    fla = {"stored": {"fla": None}}
    module = Gla(2)
    params = GATED | whole(A="gk_proj.0.weight") | heads(B="gk_proj.1.weight", b="gk_proj.1.bias")
    sizes = {"I": I, "N": N, "K": K, "V": V, "R": 2}
    source = FLA.format("naive_recurrent_gla")
    yield case("gla", module, params, state, source, sizes, check=module.check, **fla)
    module = SimpleGla()
    params = GATED | whole(A="gk_proj.weight", b="gk_proj.bias")
    source = FLA.format("naive_recurrent_simple_gla")
    yield case("simple_gla", module, params, state, source, check=module.check, **fla)

    module = DeltaNet()
    params = PROJECTED | whole(W_b="b_proj.weight", w="o_norm.weight", W_o="o_proj.weight")
    source = FLA.format("delta_rule_recurrence")
    yield case("delta_net", module, params, state, source, check=module.check, **fla)

    module = GatedDeltaNet()
    params = GATED | whole(W_a="a_proj.weight", W_b="b_proj.weight", A_log="A_log", b_dt="dt_bias")
    for name in "qkv":
        params |= taps(f"C_{name}", f"{name}_conv1d.weight", lambda it: it.unflatten(1, (N, -1)))
    past = {name: (N, shape) for names, shape in [("pr", K), ("s", V)] for it in names for name in window(it, 0)}
    source = FLA.format("naive_recurrent_gated_delta_rule")
    tensors = {name: name for name, _ in module.named_parameters()}
    tensors["o_norm.weight"] = tensors.pop("g_norm_swish_gate.weight")
    stored = {"fla": {name: tensors[name] for name in tensors}}
    yield case("gated_delta_net", module, params, state | past, source, check=module.check, stored=stored)

    module = Mlstm()
    stack = {
        f"{ours}_{gate}": Cut(tensor, lambda it, k=k: it.chunk(4)[k].unflatten(0, (N, -1)))
        for ours, tensor in [("W", "qkvo.weight"), ("b", "qkvo.bias")] for k, gate in enumerate("qkvo")
    }
    params = stack | whole(w_i="igate.weight", b_i="igate.bias", w_f="fgate.weight", b_f="fgate.bias")
    source = f"{package('xlstm')} recurrent_step_stabilized_simple with the paper's projections"
    yield case("mlstm", module, params, MLSTM, source, {"I": I, "N": N, "D": D}, check=module.check)
    yield mlstm_xlstm()

    states = {"a": (4,), "b": (4,), "e": (4,), "x.1": (I,)}
    yield rwkv4("rwkv4", {}, states)
    yield rwkv4("rwkv4_start", {"a": 0.0, "b": 0.0, "e": -torch.inf, "x.1": 0.0}, states)

    module = Rwkv6(2, 4)
    params = (
        whole(**{f"mu_{it}": f"{it}_maa" for it in "xwkvrg"})
        | {"A": Cut("tm_w1", lambda it: it.t().unflatten(0, (5, -1)))}
        | {"B": Cut("tm_w2", lambda it: it.transpose(1, 2)), "C": Cut("td_w1", lambda it: it.t())}
        | {ours: Cut(tensor, lambda it: it[..., 0]) for ours, tensor in [("decay", "t_decay"), ("bonus", "t_first")]}
        | back(E="td_w2", W_r="rw", W_k="kw", W_v="vw", W_g="gw")
        | heads(w="lx_w", b="lx_b") | {"W_o": Cut("ow", lambda it: it.t())}
    )
    sizes = {"I": N * D, "N": N, "D": D, "R": 2, "Q": 4}
    states, inputs = {"S": (N, D, D), "x.1": (N * D,)}, {"x": (N * D,)}
    source = f"{package('rwkv')} RWKV.att_one_v6_0, without its layer norm and residual"
    yield Case("rwkv6", "rwkv6", source, module.step, module, params, states, inputs, sizes)

    module = Rwkv7(2, 3, 4)
    params = (
        whole(**{f"mu_{it}": f"x_{it}" for it in "rwkvag"})
        | {ours: Cut(tensor, lambda it: it.t()) for ours, tensor in [("A_w", "w1"), ("A_a", "a1"), ("A_g", "g1")]}
        | back(B_w="w2", B_a="a2", B_g="g2", W_r="R_", W_k="K_", W_v="V_")
        | heads(b_w="w0", b_a="a0", k_k="k_k", k_a="k_a", r_k="r_k", w="ln_w", b="ln_b")
        | {"W_o": Cut("O_", lambda it: it.t())}
    )
    sizes = {"I": N * D, "N": N, "D": D, "P": 2, "Q": 3, "R": 4}
    source = f"{package('rwkv')} RWKV_x070_TMix_one, first layer"
    yield Case("rwkv7", "rwkv7", source, module.step, module, params, states, inputs, sizes)

    yield retnet()
    yield fast_weights("fast_weights", {}, steps=1, lam=0.95, eta=0.5)
    options = {"steps": 3, "lambda": 0.75, "eta": 0.25}
    yield fast_weights("fast_weights_hypers", options, steps=3, lam=0.75, eta=0.25)
