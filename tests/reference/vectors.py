"""What a case of reference vectors is, how it is run and how it is written. make.py runs the cases of all groups.

A case takes a cell of another implementation (or one written down here where none is at hand), gives its tensors, inputs and
initial states random numbers, runs it in float64 and lets autograd differentiate. The foreign tensors are then cut into the
params that our spec names; the gradients are cut the same way.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version

import torch

T, B, I, H = 5, 4, 3, 5
TORCH = "torch " + torch.__version__.split("+")[0]
TORCHRECURRENT = "torchrecurrent " + version("torchrecurrent")
DIRECT = f"written down in tests/reference, differentiated by {TORCH}"


@dataclass
class Cut:
    """Which part of a foreign tensor one of our params is. `part` must only select, move and reshape elements, because it
    cuts the gradient too."""

    tensor: str
    part: Callable = lambda it: it


def whole(**names):
    """Foreign tensors that are not cut: ours = foreign."""
    return {ours: Cut(foreign) for ours, foreign in names.items()}


def same(names):
    """Params that are called the same there."""
    return {name: Cut(name) for name in names.split()}


def blocks(tensor, names, axis=0):
    """The blocks of a stacked tensor along an axis, named in their order."""
    names = names.split()

    def part(k):
        return lambda it: it.chunk(len(names), axis)[k]

    return {name: Cut(tensor, part(k)) for k, name in enumerate(names)}


def linear(ours, foreign):
    """A linear layer: `W b` of ours are the weight and the bias there."""
    weight, bias = ours.split()
    return {weight: Cut(f"{foreign}.weight"), bias: Cut(f"{foreign}.bias")}


def turned(tensor, names):
    """Blocks along the last axis of a tensor that is stored as [in, out]; ours are [out, in]."""
    names = names.split()

    def part(k):
        return lambda it: it.chunk(len(names), -1)[k].transpose(-1, -2)

    return {name: Cut(tensor, part(k)) for k, name in enumerate(names)}


def normal(scale):
    """Draws normal numbers of this standard deviation."""
    return lambda shape, rng: scale * torch.randn(shape, generator=rng)


def uniform(low, high):
    """Draws uniform numbers."""
    return lambda shape, rng: low + (high - low) * torch.rand(shape, generator=rng)


def constant(value):
    """Fills with a number or takes a tensor of the right shape."""
    return lambda shape, rng: torch.as_tensor(value, dtype=torch.float64).expand(shape).clone()


def bits(probability):
    """Draws zeros and ones."""
    return lambda shape, rng: (torch.rand(shape, generator=rng) < probability).double()


def indices(below):
    """Draws whole numbers."""
    return lambda shape, rng: torch.randint(below, shape, generator=rng)


@dataclass
class Case:
    """One file."""

    # The name of the file, and of the spec, without endings.
    name: str
    spec: str
    # What computes the numbers.
    source: str
    # One step: inputs by name [B, ...], states by name [B, ...] -> outputs by name, new states by name. Names are ours.
    step: Callable
    # The foreign tensors by name; a module stands for its parameters.
    tensors: dict | torch.nn.Module
    # Ours -> where it lies in the foreign tensors.
    params: dict
    # The shapes of one sequence's states, or of one step of the inputs.
    states: dict = field(default_factory=dict)
    inputs: dict = field(default_factory=lambda: {"x": (I,)})
    sizes: dict = field(default_factory=lambda: {"I": I, "H": H})
    hypers: dict = field(default_factory=dict)
    lengths: list = None
    note: str = None
    # States that are not random but start as the spec says: their value; they are not written.
    start: dict = field(default_factory=dict)
    # How a tensor, input or state is drawn, where a normal number is not right.
    draw: dict = field(default_factory=dict)
    # Our names of params that are stored consts: they have no gradient.
    consts: tuple = ()
    # Layouts of the spec under which the foreign tensors are stored: layout -> (stored name -> tensor name, or function of
    # all tensors). `None` as the value: every tensor under its own name.
    stored: dict = field(default_factory=dict)
    # Extra checks: called with the case, the inputs, the states, the outputs.
    check: Callable = None
    # Inputs that have no gradient: indices and the like.
    fixed: tuple = ()
    # Masks in training: name -> (scope "step", "sequence" or "run", shape, probability of a 1). The step finds the bits
    # among its inputs.
    masks: dict = field(default_factory=dict)


def module_step(module, names, output="h"):
    """The step of a torch cell `module(x, state)`, whose states are called `names`; the first is the output."""

    def step(x, s):
        given = tuple(s[it] for it in names)
        new = module(x["x"], given if len(given) > 1 else given[0])
        new = new if isinstance(new, tuple) else (new,)
        new = dict(zip(names, new, strict=True))
        return {output: new[names[0]]}, new

    return step


def drawn_masks(case, rng):
    """The bits of each mask, with the axes of its scope in front of its own."""
    axes = {"step": (T, B), "sequence": (B,), "run": ()}
    return {
        name: bits(probability)((*axes[scope], *shape), rng)
        for name, (scope, shape, probability) in case.masks.items()
    }


def unroll(case, x, s, steps, masks=None):
    """Outputs [steps, B, ...] and final states."""
    outputs = {}
    for t in range(steps):
        now = {name: it[t] for name, it in x.items()}
        now |= {name: it[t] if case.masks[name][0] == "step" else it for name, it in (masks or {}).items()}
        y, s = case.step(now, s)
        for name, it in y.items():
            outputs.setdefault(name, []).append(it)
    return {name: torch.stack(it) for name, it in outputs.items()}, s


def unroll_lengths(case, x, s):
    """As `unroll`, each sequence alone and cut at its length; outputs beyond it are 0, one without steps keeps its start."""
    shapes = {name: it.shape[2:] for name, it in unroll(case, x, s, 1)[0].items()}
    ys, lasts = [], []
    for b, length in enumerate(case.lengths):
        alone = {name: it[:length, b : b + 1] for name, it in x.items()}
        y, last = unroll(case, alone, {name: it[b : b + 1] for name, it in s.items()}, length)
        beyond = {name: torch.zeros(T - length, 1, *shape) for name, shape in shapes.items()}
        ys.append({name: torch.cat([y[name], it]) if name in y else it for name, it in beyond.items()})
        lasts.append(last)
    outputs = {name: torch.cat([it[name] for it in ys], 1) for name in shapes}
    return outputs, {name: torch.cat([it[name] for it in lasts]) for name in s}


def compute(case):
    """The content of one file, tensors still tensors."""
    rng = torch.Generator().manual_seed(zlib.crc32(case.name.encode()))

    def drawn(name, shape, scale):
        return case.draw.get(name, normal(scale))(tuple(shape), rng)

    tensors = case.tensors
    if isinstance(tensors, torch.nn.Module):
        tensors = dict(tensors.double().named_parameters())
    constant = {it.tensor for ours, it in case.params.items() if ours in case.consts}
    for name, tensor in tensors.items():
        with torch.no_grad():
            tensor.copy_(drawn(name, tensor.shape, 0.5))
        tensor.requires_grad_(name not in constant)
        # A module may serve several cases.
        tensor.grad = None
    used = {it.tensor for it in case.params.values()}
    assert used == set(tensors), f"{case.name}: {used ^ set(tensors)} not mapped"

    x = {name: drawn(name, (T, B, *shape), 1.0) for name, shape in case.inputs.items()}
    free = [name for name in x if name not in case.fixed]
    for name in free:
        x[name].requires_grad_()
    states, given = {}, {}
    for name, shape in case.states.items():
        if name in case.start:
            states[name] = torch.as_tensor(case.start[name], dtype=torch.float64).expand(B, *shape).clone()
        else:
            states[name] = given[name] = drawn(name, (B, *shape), 0.6).requires_grad_()
    masks = drawn_masks(case, rng)
    assert not (masks and case.lengths), f"{case.name}: masks are not cut at lengths"
    outputs, final = unroll_lengths(case, x, states) if case.lengths else unroll(case, x, states, T, masks)
    assert set(final) == set(states), f"{case.name}: states {set(final) ^ set(states)}"

    upstream = {name: torch.randn(it.shape, generator=rng) for name, it in outputs.items()}
    upstream |= {f"state.{name}": torch.randn(it.shape, generator=rng) for name, it in final.items()}
    if case.check:
        case.check(case, x, states, outputs, upstream)
    total = sum((it * upstream[name]).sum() for name, it in outputs.items())
    total = total + sum((it * upstream[f"state.{name}"]).sum() for name, it in final.items())
    total.backward()

    def gradient(tensor):
        return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad

    def cut(value):
        trained = {ours: it for ours, it in case.params.items() if ours not in case.consts}
        return {ours: it.part(value(tensors[it.tensor])) for ours, it in trained.items()}

    def stored(rows):
        if rows is None:
            return dict(tensors)
        return {name: tensors[it] if isinstance(it, str) else it(tensors) for name, it in rows.items()}

    return {
        "source": case.source,
        "spec": case.spec,
        "note": case.note,
        "sizes": case.sizes,
        "hypers": case.hypers,
        "lengths": case.lengths,
        "inputs": x,
        "params": {ours: it.part(tensors[it.tensor]) for ours, it in case.params.items()},
        "stored": {layout: stored(rows) for layout, rows in case.stored.items()},
        "states": given,
        "masks": masks or None,
        "outputs": outputs,
        "final": final,
        "upstream": upstream,
        "gradients": {
            "params": cut(gradient),
            "inputs": {name: gradient(x[name]) for name in free},
            "states": {name: gradient(it) for name, it in given.items()},
        },
    }


def text(value, indent=0):
    """JSON with a line per tensor and 17 significant digits, which give every float64 back exactly."""
    pad = "  " * (indent + 1)
    if isinstance(value, dict):
        lines = [f'{pad}"{key}": {text(it, indent + 1)}' for key, it in value.items() if it is not None]
        return "{\n" + ",\n".join(lines) + "\n" + "  " * indent + "}" if lines else "{}"
    if isinstance(value, torch.Tensor):
        assert torch.isfinite(value).all()
        data = ", ".join(f"{it:.17g}" for it in value.detach().flatten().tolist())
        return f'{{"shape": {list(value.shape)}, "data": [{data}]}}'
    if isinstance(value, str):
        assert '"' not in value and "\\" not in value and "\n" not in value
        return f'"{value}"'
    return f"{value}"
