"""Operators for ``torch.compile`` and ``torch.export``, which cannot look into a call of Rust.

An operator names its unit by a text that another process can make it of. What a forward run keeps belongs to a tensor of one
element that it returns beside its results: when autograd drops the tensor, the run goes. Where backward does not find it,
because the tensor was copied or recomputed, forward runs again from the saved inputs, with the same bits.
"""

from __future__ import annotations

import itertools
import json
import weakref
from typing import Any, List, Optional

import numpy as np
import torch

from ._spec import Cell, _unbundle
from ._torch import Call, Unit, _Places, UnsupportedError

_units: dict[str, Unit] = {}
_runs: dict[int, Any] = {}
_numbers = itertools.count(1)


def name_of(unit: Unit) -> str:
    """The text that names a unit."""
    bound, *rest = unit._made
    cell = bound.cell
    spec = cell.spec
    made = [spec._raw.bundle(), spec._cell, spec._set_before, cell._name, cell._settings, cell._outputs, bound._given, rest]
    text = json.dumps(made)
    _units[text] = unit
    return text


def _unit(text: str) -> Unit:
    if text not in _units:
        bundle, main, before, name, settings, outputs, sizes, (mode, *rest) = json.loads(text)
        pairs = [tuple(it) for it in settings]
        spec = _unbundle(bundle, main, tuple(tuple(it) for it in before))
        cell = Cell(spec, name, tuple(pairs), None if outputs is None else tuple(outputs))
        _units[text] = Unit(cell._bound(list(sizes.items())), None if mode is None else tuple(mode), *rest)
    return _units[text]


def _places(
    unit: str, settings: torch.Tensor, has: List[int], weights: int, threads: int, lengths: Optional[torch.Tensor], size: List[int]
) -> _Places:
    train, seed, first_sequence, first_step = settings.tolist()
    call = Call(bool(train), seed % 2**64, first_sequence, first_step)
    call.lengths = None if lengths is None else lengths.tolist()
    call.steps, call.batch = size
    found = _unit(unit)
    feeds = len(found.inputs)
    given = [bool(it) for it in has]
    return _Places(found, call, given[:feeds], given[feeds:], weights, None if threads < 0 else threads)


def _lent(places: _Places, tensors: List[torch.Tensor]) -> Any:
    lent = places.lent(tensors)
    lent.steps = lent.batch = None if any(places.has_feed) else lent.steps
    return lent


@torch.library.custom_op("rnnc::forward", mutates_args=())
def forward(
    unit: str,
    tensors: List[torch.Tensor],
    has: List[int],
    weights: int,
    settings: torch.Tensor,
    lengths: Optional[torch.Tensor],
    steps: int,
    batch: int,
    threads: int,
    keep: bool,
) -> List[torch.Tensor]:
    places = _places(unit, settings, has, weights, threads, lengths, [steps, batch])
    run, outputs, states, *_ = places.engine.forward(_lent(places, tensors), tensors[0].dtype == torch.float64, keep)
    number = np.array([next(_numbers) if keep else 0])
    if keep:
        _runs[int(number[0])] = run
        weakref.finalize(number, _runs.pop, int(number[0]), None)
    return [*(torch.from_numpy(it) for it in (*outputs, *states)), torch.from_numpy(number)]


@forward.register_fake
def _(
    unit: str,
    tensors: List[torch.Tensor],
    has: List[int],
    weights: int,
    settings: torch.Tensor,
    lengths: Optional[torch.Tensor],
    steps: int,
    batch: int,
    threads: int,
    keep: bool,
) -> List[torch.Tensor]:
    found, like = _unit(unit), tensors[0]
    outputs = [like.new_empty((steps, batch, *shape)) for _, shape in found.outputs]
    states = [like.new_empty((batch, *shape)) for _, shape in found.states]
    return [*outputs, *states, like.new_empty((1,), dtype=torch.int64)]


@torch.library.custom_op("rnnc::backward", mutates_args=())
def backward(
    unit: str,
    tensors: List[torch.Tensor],
    has: List[int],
    weights: int,
    settings: torch.Tensor,
    lengths: Optional[torch.Tensor],
    steps: int,
    batch: int,
    threads: int,
    number: torch.Tensor,
    upstream: List[torch.Tensor],
    at: List[int],
) -> List[torch.Tensor]:
    places = _places(unit, settings, has, weights, threads, lengths, [steps, batch])
    double, lent = tensors[0].dtype == torch.float64, _lent(places, tensors)
    run = _runs.get(int(number[0]))
    if run is None:
        run = places.engine.forward(lent, double, True)[0]
    found = _unit(unit)
    adjoints: list[Any] = [None] * (len(found.outputs) + len(found.states))
    for place, it in zip(at, upstream):
        adjoints[place] = it.detach().numpy()
    gradients = places.gradients(run, lent, adjoints, double)
    return [torch.zeros_like(it) if array is None else torch.from_numpy(array) for it, array in zip(tensors, gradients)]


@backward.register_fake
def _(
    unit: str,
    tensors: List[torch.Tensor],
    has: List[int],
    weights: int,
    settings: torch.Tensor,
    lengths: Optional[torch.Tensor],
    steps: int,
    batch: int,
    threads: int,
    number: torch.Tensor,
    upstream: List[torch.Tensor],
    at: List[int],
) -> List[torch.Tensor]:
    return [torch.empty_like(it, memory_format=torch.contiguous_format) for it in tensors]


def _setup(ctx: Any, inputs: Any, output: Any) -> None:
    unit, tensors, has, weights, settings, lengths, steps, batch, threads, _ = inputs
    ctx.plain, ctx.has_lengths = (unit, has, weights, steps, batch, threads), lengths is not None
    ctx.save_for_backward(*tensors, settings, *([] if lengths is None else [lengths]), output[-1])


def _back(ctx: Any, upstream: Any) -> Any:
    unit, has, weights, steps, batch, threads = ctx.plain
    *tensors, number = ctx.saved_tensors
    lengths = tensors.pop() if ctx.has_lengths else None
    settings = tensors.pop()
    given = [(at, it.contiguous()) for at, it in enumerate(upstream[:-1]) if it is not None]
    found = backward(
        unit, tensors, has, weights, settings, lengths, steps, batch, threads, number, [it for _, it in given], [at for at, _ in given]
    )
    return None, list(found), None, None, None, None, None, None, None, None


forward.register_autograd(_back, setup_context=_setup)


def _no_second(ctx: Any, *_: Any) -> Any:
    raise UnsupportedError("rnnc has no second derivatives in torch yet")


backward.register_autograd(_no_second)
