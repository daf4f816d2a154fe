"""How a cell hooks into torch: tensors are lent to the engine as arrays of NumPy, results change hands."""

from __future__ import annotations

import json
import weakref
from typing import Any

import numpy as np
import torch

from ._bound import BoundCell, Params
from ._errors import DataError, Error
from ._values import check_room

_FLOATS = (torch.float32, torch.float64)


class UnsupportedError(Error, NotImplementedError):
    """What torch can do and rnnc cannot."""


class Call:
    """The settings of a call, as Rust reads them together with the arrays."""

    def __init__(self, train: bool, seed: int, first_sequence: int, first_step: int) -> None:
        self.train, self.seed, self.first_sequence, self.first_step = train, seed, first_sequence, first_step
        self.lengths: Any = None
        self.steps: int | None = None
        self.batch: int | None = None
        #: A seed that a compiled graph draws.
        self.drawn: torch.Tensor | None = None

    def of(self, layer: int) -> Call:
        """The same with the seed of a layer."""
        if not self.train or not layer:
            return self
        other = Call(self.train, (self.seed + layer) % 2**64, self.first_sequence, self.first_step)
        other.lengths, other.steps, other.batch = self.lengths, self.steps, self.batch
        other.drawn = None if self.drawn is None else self.drawn + layer
        return other


_engines: weakref.WeakKeyDictionary[Unit, dict[int, Any]] = weakref.WeakKeyDictionary()


class Unit:
    """One layer in one direction: a cell with its sizes, and the names of its tensors in the module."""

    def __init__(
        self, bound: BoundCell, mode: tuple[str, str] | None, layout: str, suffix: str, several: bool, memory: int | None
    ) -> None:
        self._made = (bound, mode, layout, suffix, several, memory)
        self.bound, self.layout, self.memory = bound, layout, memory
        self.raw = bound._raw if mode is None else bound._raw.plain(*mode)
        info = json.loads(self.raw.info())
        self.inputs = [name for name, _ in info["inputs"]]
        self.outputs = [(name, tuple(shape)) for name, shape in info["outputs"]]
        self.states = [(name, tuple(shape)) for name, shape in info["states"]]
        declared = {it.name: it for it in bound.cell.inputs}
        self.per_sequence = {name: name in declared and declared[name].per_sequence for name in self.inputs}
        #: The text that names it in an operator.
        self.name = ""
        self.masks, self.count = len(info["masks"]), len(self.outputs)
        trained = [it.trained for it in bound.cell.params]
        if layout == "own":
            own = [it.name.replace("[", ".").replace("]", "") + (suffix if several else "") for it in bound.cell.params]
            shapes = list(bound.param_shapes.values())
            self.tensors = dict(zip(own, zip(shapes, trained)))
            return
        # A stored tensor is trained where one of the params in it is.
        marks = [np.full(shape, float(is_), np.float64) for shape, is_ in zip(bound.param_shapes.values(), trained)]
        stored = bound._raw.put_together(layout, ("", None), marks, True)
        is_trained = [bool(array.any()) or not array.size for _, array in stored]
        after = iter(is_trained)
        self.tensors = {
            name: (array.shape, is_ or all(trained))
            for name, (_, array), is_ in zip(bound.cell._raw.layout_names(layout, "", suffix, True), stored, after)
        }

    def draw(self, seed: int) -> dict[str, Any]:
        """Draws all tensors."""
        drawn = self.bound._raw.init(seed % 2**64, True)
        if self.layout != "own":
            drawn = [array for _, array in self.bound._raw.put_together(self.layout, ("", None), drawn, True)]
        return dict(zip(self.tensors, drawn))

    def own(self, tensors: list[Any]) -> list[Any]:
        """The params that tensors, as arrays, hold."""
        if self.layout == "own":
            return tensors
        return list(self.bound._raw.take_apart(self.layout, tensors, tensors[0].dtype == np.float64))

    def params(self, tensors: list[Any]) -> Params:
        """Params of their own, that are packed once."""
        kind = tensors[0].dtype if tensors else np.dtype(np.float32)
        return Params(self.bound, [np.array(it, order="C") for it in self.own(tensors)], kind)

    @staticmethod
    def threads(threads: int | None) -> int:
        """How many threads a call may use."""
        return torch.get_num_threads() if threads is None else threads

    def engine(self, threads: int | None) -> Any:
        """The engine for so many threads."""
        count = self.threads(threads)
        known = _engines.setdefault(self, {})
        if count not in known:
            options: dict[str, Any] = {"threads": count, "memory": self.memory, "traces": [], "reference": False, "find": False, "flow": False}
            known[count] = self.raw.engine(options)
        return known[count]

    def __reduce__(self) -> Any:
        return _named, (self._made, self.name)

    def __deepcopy__(self, _: Any) -> Unit:
        return self


def _named(made: Any, name: str) -> Unit:
    unit = Unit(*made)
    unit.name = name
    return unit


def of_tensor(value: torch.Tensor, what: str, kind: torch.dtype, is_index: bool) -> torch.Tensor:
    """Checks where a tensor is and of what type."""
    if value.device.type not in ("cpu", "meta"):
        raise DataError(f"{what} is on {value.device}: rnnc computes on the CPU; move it with .cpu()", "E0703")
    if value.is_complex():
        raise TypeError(f"{what} holds real numbers, not {value.dtype}")
    if is_index:
        return value
    if not value.is_floating_point():
        raise TypeError(f"{what} has the type {value.dtype}, the params have {kind}")
    if value.dtype != kind and not torch.is_autocast_enabled("cpu"):
        raise DataError(f"{what} has the type {value.dtype}, the params have {kind}", "E0703")
    return value


def apply(
    unit: Unit, call: Call, weights: list[torch.Tensor], feeds: list[Any], starts: list[Any], threads: int | None
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Runs a unit: its outputs and last carried values."""
    if torch.compiler.is_compiling():
        return _compiled(unit, call, weights, feeds, starts, threads)
    given = [*weights, *(it for it in feeds if it is not None), *(it for it in starts if it is not None)]
    for it in given:
        if it.device.type not in ("cpu", "meta"):
            raise DataError(f"a tensor is on {it.device}: rnnc computes on the CPU; move it with .cpu()", "E0703")
    kind = weights[0].dtype if weights else torch.get_default_dtype()
    autocast = torch.is_autocast_enabled("cpu")
    inner = torch.float32 if autocast or kind not in _FLOATS else kind
    given = [it if it.dtype == inner else it.to(inner) for it in given]
    if any(it.device.type == "meta" for it in given):
        return _shapes(unit, feeds, inner)
    places = _Places(unit, call, [it is not None for it in feeds], [it is not None for it in starts], len(weights), threads)
    rows = next((it.shape[:2] for it, name in zip(feeds, unit.inputs) if it is not None and not unit.per_sequence[name]), (1, 1))
    check_room(rows[0], rows[1], sum(int(np.prod(shape)) for _, shape in unit.outputs))
    places.keep = torch.is_grad_enabled() and any(it.requires_grad for it in given)
    found = _run(places, *given)
    results = list(found if inner == kind or autocast else [it.to(kind) for it in found])
    count = len(unit.outputs)
    return results[:count], results[count:]


def _compiled(
    unit: Unit, call: Call, weights: list[torch.Tensor], feeds: list[Any], starts: list[Any], threads: int | None
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """As `apply`, by the operators that a compiler knows."""
    has = [int(it is not None) for it in (*feeds, *starts)]
    given = [*weights, *(it for it in (*feeds, *starts) if it is not None)]
    kind = weights[0].dtype if weights else torch.get_default_dtype()
    inner = kind if kind in _FLOATS else torch.float32
    given = [it if it.dtype == inner else it.to(inner) for it in given]
    first = next(it for it, name in zip(feeds, unit.inputs) if it is not None and not unit.per_sequence[name])
    settings = torch.tensor([int(call.train), call.seed, call.first_sequence, call.first_step])
    if call.drawn is not None:
        settings = torch.cat([settings[:1], call.drawn[None], settings[2:]])
    lengths = None if call.lengths is None else torch.as_tensor(call.lengths)
    keep, count = torch.is_grad_enabled(), -1 if threads is None else threads
    found = torch.ops.rnnc.forward(
        unit.name, given, has, len(weights), settings, lengths, first.shape[0], first.shape[1], count, keep
    )
    results = [it if inner == kind else it.to(kind) for it in found[:-1]]
    return results[: unit.count], results[unit.count :]


def _run(places: _Places, *given: torch.Tensor) -> Any:
    return _Function.apply(places, *given)


def _shapes(unit: Unit, feeds: list[Any], kind: torch.dtype) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    steps, batch = next(it.shape[:2] for it, name in zip(feeds, unit.inputs) if it is not None and not unit.per_sequence[name])
    outputs = [torch.empty((steps, batch, *shape), device="meta", dtype=kind) for _, shape in unit.outputs]
    return outputs, [torch.empty((batch, *shape), device="meta", dtype=kind) for _, shape in unit.states]


class _Places:
    """A call of a unit without its tensors: which of them stands where."""

    def __init__(
        self, unit: Unit, call: Call, feeds: list[bool], starts: list[bool], weights: int, threads: int | None
    ) -> None:
        self.unit, self.call, self.weights, self.engine = unit, call, weights, unit.engine(threads)
        self.has_feed, self.has_start = feeds, starts
        self.run: Any = None
        self.keep = True

    def lent(self, tensors: Any) -> Any:
        """The call with the arrays of tensors, for Rust."""
        arrays = [_array(it) for it in tensors]
        after = iter(arrays[self.weights :])
        lent = _Lent()
        lent.__dict__.update(self.call.__dict__)
        lent.params = self.unit.own(arrays[: self.weights])
        lent.feeds = [next(after) if it else None for it in self.has_feed]
        lent.state = [next(after) if it else None for it in self.has_start]
        lent.shared = [False] * len(lent.feeds)
        lent.masks = [None] * self.unit.masks
        return lent


    def gradients(self, run: Any, lent: Any, adjoints: list[Any], double: bool) -> list[Any]:
        """The gradients of all tensors, from the adjoints of outputs and last carried values."""
        count = len(self.unit.outputs)
        params, inputs, starts, _ = self.engine.backward(run, lent, adjoints[:count], adjoints[count:], False)
        if self.unit.layout != "own":
            params = self.unit.bound._raw.stored_gradients(self.unit.layout, params, double)
        return [*params, *_given(inputs, self.has_feed), *_given(starts, self.has_start)]


class _Lent:
    """What Rust reads: the settings of a call, and arrays."""

    params: Any
    feeds: list[Any]
    state: list[Any]
    shared: list[bool]
    masks: list[Any]


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().resolve_neg().numpy()


class _Function(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
    @staticmethod
    def forward(places: _Places, *tensors: torch.Tensor) -> Any:
        double = bool(tensors) and tensors[0].dtype == torch.float64
        lent = places.lent(tensors)
        places.run, outputs, states, *_ = places.engine.forward(lent, double, places.keep)
        return tuple(torch.from_numpy(it) for it in (*outputs, *states))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        places, *tensors = inputs
        ctx.places = places
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        found = _Backward.apply(ctx.places, ctx.needs_input_grad[1:], len(upstream), *upstream, *ctx.saved_tensors)
        return (None, *found)

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> Any:
        raise UnsupportedError("rnnc has no forward mode in torch yet")

    @staticmethod
    def vmap(*_: Any) -> Any:
        raise UnsupportedError("rnnc has no vmap: give the batch as an axis")


class _Backward(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
    """The backward run; its own gradient is not there yet, and says so."""

    @staticmethod
    def forward(places: _Places, needs: Any, count: int, *tensors: Any) -> Any:
        upstream, tensors = tensors[:count], tensors[count:]
        if all(it is None for it in upstream):
            return tuple(torch.zeros_like(it) if need else None for need, it in zip(needs, tensors))
        adjoints = [None if it is None else _array(it) for it in upstream]
        found = places.gradients(places.run, places.lent(tensors), adjoints, tensors[0].dtype == torch.float64)
        return tuple(None if it is None or not need else torch.from_numpy(it) for need, it in zip(needs, found))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise UnsupportedError("rnnc has no second derivatives in torch yet")

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> Any:
        raise UnsupportedError("rnnc has no second derivatives in torch yet")

    @staticmethod
    def vmap(*_: Any) -> Any:
        raise UnsupportedError("rnnc has no vmap: give the batch as an axis")


def _given(found: Any, has: list[bool]) -> list[Any]:
    return [it for it, given in zip(found, has) if given]
