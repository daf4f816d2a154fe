"""Writes the reference vectors beside this file. README.md says what they hold and with which versions they were made.

Every case takes a cell of another implementation (or, where none is at hand, one written down here), gives its parameters,
inputs and starts random numbers, runs it in float64 and lets autograd differentiate. Parameters are then cut into the blocks
that our specs name; the gradients are cut the same way.
"""

import sys
import zlib
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import torch
import torchrecurrent
from torch import nn

T, B, I, H = 5, 4, 3, 5
TORCH = "torch " + torch.__version__.split("+")[0]
TORCHRECURRENT = "torchrecurrent " + version("torchrecurrent")
HERE = Path(__file__).parent


@dataclass
class Case:
    """One file: a foreign module, how its parameters are called in our spec, and how it is run."""

    name: str
    spec: str
    source: str
    module: nn.Module
    # Our name of a param -> the foreign tensor, and for a stacked one which of how many blocks along the first axis.
    params: dict
    # Our names of the states, in the order in which the module takes and returns them; the first is the output.
    states: list
    hypers: dict = field(default_factory=dict)
    lengths: list = None
    note: str = None
    # States that are not random but start as the spec says; they are not written.
    start: dict = field(default_factory=dict)


def blocks(tensor, names):
    """The blocks of a stacked tensor along its first axis, named in their order."""
    names = names.split()
    return {name: (tensor, k, len(names)) for k, name in enumerate(names)}


def cut(tensor, k, n):
    """Block k of n along the first axis; a tensor that is not stacked may be a scalar."""
    return tensor if n == 1 else tensor.chunk(n)[k]


# ---------------------------------------------------------------------------------------------------------------------
# Cells written down here, because no installed package has them. Each takes stacked weights and rows as examples, unlike
# our specs, which write one example as a column and every gate by itself.


class GruBefore(nn.Module):
    """Keras' GRU(reset_after=False): kernels [I, 3H] and [H, 3H], blocks z, r, h. They are stored transposed here, so that
    the blocks stand along the first axis as in all other cases."""

    def __init__(self):
        super().__init__()
        self.kernel_t = nn.Parameter(torch.empty(3 * H, I))
        self.recurrent_kernel_t = nn.Parameter(torch.empty(3 * H, H))
        self.bias = nn.Parameter(torch.empty(3 * H))

    def forward(self, x, h):
        matrix_x = x @ self.kernel_t.t() + self.bias
        matrix_inner = h @ self.recurrent_kernel_t.t()[:, : 2 * H]
        z, r = torch.sigmoid(matrix_x[:, : 2 * H] + matrix_inner).chunk(2, 1)
        hh = torch.tanh(matrix_x[:, 2 * H :] + (r * h) @ self.recurrent_kernel_t.t()[:, 2 * H :])
        return z * h + (1 - z) * hh


class MinGru(nn.Module):
    """Two linear maps of the input, as the paper's listing."""

    def __init__(self):
        super().__init__()
        self.linear_z = nn.Linear(I, H)
        self.linear_h = nn.Linear(I, H)

    def forward(self, x, h):
        z = torch.sigmoid(self.linear_z(x))
        return (1 - z) * h + z * self.linear_h(x)


class Slstm(nn.Module):
    """The pointwise function of the xLSTM repository's plain PyTorch version, blocks i, f, z, o, with the stabiliser inside
    the graph; and `plain`, the same cell without a stabiliser, against which it is checked below."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(4 * H, I))
        self.recurrent = nn.Parameter(torch.empty(4 * H, H))
        self.bias = nn.Parameter(torch.empty(4 * H))

    def forward(self, x, state):
        y, c, n, m = state
        iraw, fraw, zraw, oraw = (x @ self.weight.t() + y @ self.recurrent.t() + self.bias).chunk(4, 1)
        logfplusm = m + nn.functional.logsigmoid(fraw)
        mnew = torch.maximum(iraw, logfplusm)
        igate = torch.exp(iraw - mnew)
        fgate = torch.exp(logfplusm - mnew)
        cnew = fgate * c + igate * torch.tanh(zraw)
        nnew = fgate * n + igate
        return torch.sigmoid(oraw) * cnew / nnew, cnew, nnew, mnew

    def plain(self, x, state):
        """The defining equations: an exponential input gate, a sigmoid forget gate, a quotient."""
        y, c, n = state
        iraw, fraw, zraw, oraw = (x @ self.weight.t() + y @ self.recurrent.t() + self.bias).chunk(4, 1)
        cnew = torch.sigmoid(fraw) * c + torch.exp(iraw) * torch.tanh(zraw)
        nnew = torch.sigmoid(fraw) * n + torch.exp(iraw)
        return torch.sigmoid(oraw) * cnew / nnew, cnew, nnew


def check_slstm(module, x, states, outputs, seed):
    """The stabilised cell gives the outputs, and by autograd the gradients, of the plain one."""
    names = [name for name, _ in module.named_parameters()]
    stabilised = torch.autograd.grad((outputs * seed).sum(), list(module.parameters()), retain_graph=True)
    h, c, n, m = states
    scale = torch.exp(m)
    state, ys = (h, c * scale, n * scale), []
    for step in x:
        state = module.plain(step, state)
        ys.append(state[0])
    plain = torch.autograd.grad((torch.stack(ys) * seed).sum(), list(module.parameters()))
    torch.testing.assert_close(torch.stack(ys), outputs, rtol=1e-12, atol=1e-12)
    for name, a, b in zip(names, stabilised, plain):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11, msg=name)


# ---------------------------------------------------------------------------------------------------------------------
# Running


def run(case, x, states):
    """Outputs [T, B, H] and final states [B, H] of sequences of equal length. JANET's second state is its first."""
    module = case.module
    if isinstance(module, nn.RNNBase):
        # One layer: PyTorch's states have an axis of layers in front.
        first = tuple(it.unsqueeze(0) for it in states)
        y, last = module(x, first if len(first) > 1 else first[0])
        last = last if isinstance(last, tuple) else (last,)
        return y, [it.squeeze(0) for it in last]
    ys = []
    for step in x:
        if isinstance(module, torchrecurrent.JANETCell):
            states = [module(step, (states[0], states[0]))[0]]
        else:
            new = module(step, tuple(states) if len(states) > 1 else states[0])
            states = list(new) if isinstance(new, tuple) else [new]
        ys.append(states[0])
    return torch.stack(ys), states


def run_lengths(case, x, states):
    """As `run`, each sequence alone and cut at its length; outputs beyond it are 0, one without steps keeps its start."""
    ys, lasts = [], []
    for b, length in enumerate(case.lengths):
        last = [it[b : b + 1] for it in states]
        y = torch.zeros(0, 1, H)
        if length > 0:
            y, last = run(case, x[:length, b : b + 1], last)
        ys.append(torch.cat([y, torch.zeros(T - length, 1, H)]))
        lasts.append(last)
    return torch.cat(ys, 1), [torch.cat(its) for its in zip(*lasts)]


def random_values(name, shape, rng):
    """Numbers that leave gates and tanh away from saturation. sLSTM's normaliser is positive by construction."""
    if name == "n":
        return 1 + torch.rand(shape, generator=rng)
    return 0.6 * torch.randn(shape, generator=rng)


def compute(case):
    """The content of one file, tensors still tensors."""
    rng = torch.Generator().manual_seed(zlib.crc32(case.name.encode()))
    tensors = dict(case.module.named_parameters())
    with torch.no_grad():
        for tensor in tensors.values():
            tensor.copy_(0.5 * torch.randn(tensor.shape, generator=rng))
    used = {tensor for tensor, _, _ in case.params.values()}
    assert used == set(tensors), f"{case.name}: {used ^ set(tensors)} not mapped"

    x = torch.randn(T, B, I, generator=rng).requires_grad_()
    states = []
    for name in case.states:
        if name in case.start:
            states.append(torch.full((B, H), case.start[name]))
        else:
            states.append(random_values(name, (B, H), rng).requires_grad_())
    output, final = (run_lengths if case.lengths else run)(case, x, states)
    final = dict(zip(case.states, final))

    upstream = {"h": torch.randn(T, B, H, generator=rng)}
    upstream |= {f"state.{name}": torch.randn(B, H, generator=rng) for name in case.states}
    if isinstance(case.module, Slstm):
        check_slstm(case.module, x, states, output, upstream["h"])
    total = (output * upstream["h"]).sum()
    total = total + sum((final[name] * upstream[f"state.{name}"]).sum() for name in case.states)
    total.backward()

    given = {name: it for name, it in zip(case.states, states) if name not in case.start}
    return {
        "source": case.source,
        "spec": case.spec,
        "note": case.note,
        "sizes": {"I": I, "H": H},
        "hypers": case.hypers,
        "lengths": case.lengths,
        "inputs": {"x": x},
        "params": {ours: cut(tensors[name], k, n) for ours, (name, k, n) in case.params.items()},
        "states": given,
        "outputs": {"h": output},
        "final": final,
        "upstream": upstream,
        "gradients": {
            "params": {ours: cut(tensors[name].grad, k, n) for ours, (name, k, n) in case.params.items()},
            "inputs": {"x": x.grad},
            "states": {name: it.grad for name, it in given.items()},
        },
    }


def write(value, indent=0):
    """JSON with a line per tensor and 17 significant digits, which give every float64 back exactly."""
    pad = "  " * (indent + 1)
    if isinstance(value, dict):
        lines = [f'{pad}"{key}": {write(it, indent + 1)}' for key, it in value.items() if it is not None]
        return "{\n" + ",\n".join(lines) + "\n" + "  " * indent + "}" if lines else "{}"
    if isinstance(value, torch.Tensor):
        assert torch.isfinite(value).all()
        data = ", ".join(f"{it:.17g}" for it in value.detach().flatten().tolist())
        return f'{{"shape": {list(value.shape)}, "data": [{data}]}}'
    if isinstance(value, str):
        assert '"' not in value and "\\" not in value and "\n" not in value
        return f'"{value}"'
    return f"{value}"


# ---------------------------------------------------------------------------------------------------------------------
# The cases


def whole(**names):
    """Foreign tensors that are not stacked: ours = foreign."""
    return {ours: (foreign, 0, 1) for ours, foreign in names.items()}


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
    yield Case("rnn", "rnn", f"{TORCH} nn.RNN", nn.RNN(I, H), rnn, ["h"])
    relu = nn.RNN(I, H, nonlinearity="relu")
    yield Case("rnn_relu", "rnn_relu", f"{TORCH} nn.RNN(nonlinearity='relu')", relu, rnn, ["h"])
    yield Case("gru", "gru", f"{TORCH} nn.GRU", nn.GRU(I, H), gru, ["h"])
    yield Case("lstm", "lstm", f"{TORCH} nn.LSTM", nn.LSTM(I, H), lstm, ["h", "c"])

    lengths = [5, 3, 0, 1]
    alone = (
        "each sequence was run alone, up to its length; outputs beyond it are 0, the sequence of length 0 keeps its start; "
        "inputs and upstream hold numbers beyond the lengths, which must not be read"
    )
    for name, module, params, states in [
        ("rnn", nn.RNN(I, H), rnn, ["h"]),
        ("gru", nn.GRU(I, H), gru, ["h"]),
        ("lstm", nn.LSTM(I, H), lstm, ["h", "c"]),
    ]:
        source = f"{TORCH} nn.{type(module).__name__}"
        yield Case(f"{name}_lengths", name, source, module, params, states, lengths=lengths, note=alone)

    direct = f"written down in make.py, differentiated by {TORCH}"
    before = (
        blocks("kernel_t", "W_z W_r W_n") | blocks("recurrent_kernel_t", "U_z U_r U_n") | blocks("bias", "b_z b_r b_n")
    )
    yield Case("gru_before", "gru_before", direct, GruBefore(), before, ["h"])
    mingru = whole(W_z="linear_z.weight", b_z="linear_z.bias", W_h="linear_h.weight", b_h="linear_h.bias")
    yield Case("mingru", "mingru", direct, MinGru(), mingru, ["h"])
    slstm = (
        blocks("weight", "W_i W_f W_z W_o") | blocks("recurrent", "U_i U_f U_z U_o") | blocks("bias", "b_i b_f b_z b_o")
    )
    exact = "the gradient through the stabiliser m is exact; implementations that hold m constant give the same for h"
    yield Case("slstm", "slstm", direct, Slstm(), slstm, ["h", "c", "n", "m"], note=exact)
    start = {"h": 0.0, "c": 0.0, "n": 0.0, "m": -torch.inf}
    begins = "no state is given: h, c and n start at 0 and m at -inf; " + exact
    yield Case("slstm_start", "slstm", direct, Slstm(), slstm, ["h", "c", "n", "m"], note=begins, start=start)

    peephole = (
        blocks("weight_ih", "W_i W_f W_g W_o")
        | blocks("weight_hh", "U_i U_f U_g U_o")
        | blocks("weight_ph", "p_i p_f p_o")
        | blocks("bias_ih", "b_i b_f b_g b_o")
        | blocks("bias_hh", "d_i d_f d_g d_o")
    )
    source = f"{TORCHRECURRENT} PeepholeLSTMCell"
    yield Case("peephole_lstm", "peephole_lstm", source, torchrecurrent.PeepholeLSTMCell(I, H), peephole, ["h", "c"])

    def two(first, second):
        """A gate and a candidate, stacked in this order in all four tensors."""
        tensors = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "d": "bias_hh"}
        every = {}
        for ours, foreign in tensors.items():
            every |= blocks(foreign, f"{ours}_{first} {ours}_{second}")
        return every

    yield Case("mgu", "mgu", f"{TORCHRECURRENT} MGUCell", torchrecurrent.MGUCell(I, H), two("f", "n"), ["h"])
    yield Case("ugrnn", "ugrnn", f"{TORCHRECURRENT} UGRNNCell", torchrecurrent.UGRNNCell(I, H), two("c", "g"), ["h"])
    janet = two("f", "c") | whole(beta="beta")
    both = "the source carries the state twice, as h and c; both got the same start here, and its gradient is their sum"
    source = f"{TORCHRECURRENT} JANETCell"
    yield Case("janet", "janet", source, torchrecurrent.JANETCell(I, H), janet, ["h"], note=both)

    indrnn = whole(W="weight_ih", u="vector_u", b="bias_ih", d="bias_hh")
    yield Case("indrnn", "indrnn", f"{TORCHRECURRENT} IndRNNCell", torchrecurrent.IndRNNCell(I, H), indrnn, ["h"])

    simple = whole(W="weight_ih", U="weight_hh", b="bias_ih", d="bias_hh")
    source = f"{TORCHRECURRENT} AntisymmetricRNNCell"
    cell = torchrecurrent.AntisymmetricRNNCell
    yield Case("antisymmetric_rnn", "antisymmetric_rnn", source, cell(I, H), simple, ["h"])
    other, hypers = cell(I, H, epsilon=0.25, gamma=0.125), {"eps": 0.25, "gamma": 0.125}
    yield Case("antisymmetric_rnn_hypers", "antisymmetric_rnn", source, other, simple, ["h"], hypers)

    cornn = whole(W="weight_ih", U="weight_hh", V="weight_ch", b="bias_ih", d="bias_hh", e="bias_ch")
    velocity = "our state z, the velocity, is the source's second state c"
    source, cell = f"{TORCHRECURRENT} coRNNCell", torchrecurrent.coRNNCell
    yield Case("cornn", "cornn", source, cell(I, H), cornn, ["h", "z"], note=velocity)
    other, hypers = cell(I, H, dt=0.25, gamma=2.5, epsilon=1.75), {"dt": 0.25, "gamma": 2.5, "epsilon": 1.75}
    yield Case("cornn_hypers", "cornn", source, other, cornn, ["h", "z"], hypers, note=velocity)


def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    for case in cases():
        case.module.double()
        text = write(compute(case)) + "\n"
        (HERE / f"{case.name}.json").write_text(text)
        print(f"{case.name}: {len(text)} bytes", file=sys.stderr)


main()
