"""Engines, runs, gradients and streams."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np

from ._bound import BoundCell, Params, _dtype_of_all
from ._errors import DataError, unknown
from ._spec import Frozen
from ._values import check_room, real, seed_of, typed, whole


def default_threads(threads: int) -> int:
    """What 0 threads mean: all cores, or what the environment says."""
    if threads:
        return threads
    said = os.environ.get("RNNC_NUM_THREADS", "")
    return int(said) if said.isdigit() else 0


class _Plain:
    """The cell that runs: of a model its plain cell in a mode."""

    def __init__(self, engine: Engine, feedback: str, gives: str, find: bool = False, flow: bool = False) -> None:
        raw = engine.bound._raw
        if engine.bound.cell.is_model:
            raw = raw.plain(feedback, gives)
        info = json.loads(raw.info())
        options = {
            "threads": default_threads(engine.threads), "memory": engine.memory, "traces": list(engine.traces),
            "reference": engine.kind == "reference", "find": find, "flow": flow,
        }  # fmt: skip
        self.raw = raw.engine(options)
        self.inputs = [(name, tuple(shape)) for name, shape in info["inputs"]]
        self.given = info["given"]
        self.states = [(name, tuple(shape)) for name, shape in info["states"]]
        self.outputs = [name for name, _ in info["outputs"]]
        self.masks = [name for name, _ in info["masks"]]
        #: How many numbers a step gives, more or less.
        self.width = sum(prod(shape) for _, shape in info["outputs"] + info["masks"]) * (1 + len(engine.traces))
        declared = {it.name: it for it in engine.bound.cell.inputs}
        self.per_sequence = [name in declared and declared[name].per_sequence for name, _ in self.inputs]
        self.index = [
            engine.bound.sizes.get(declared[name].index or "") if name in declared and declared[name].index else None
            for name, _ in self.inputs
        ]


class Engine(Frozen):
    """Runs a cell forward and backward: ``bound.engine()``."""

    __slots__ = ("_plain", "bound", "threads", "memory", "traces", "kind")

    _plain: dict[tuple[str, ...], _Plain]
    bound: BoundCell
    threads: int
    memory: int | None
    traces: tuple[str, ...]
    kind: str

    def __init__(self, bound: BoundCell, threads: int, memory: int | None, traces: tuple[str, ...], kind: str) -> None:
        self._set(bound=bound, threads=threads, memory=memory, traces=traces, kind=kind, _plain={})
        self._in("own", "outputs")

    def _in(self, feedback: str, gives: str, **more: bool) -> _Plain:
        key = (feedback, gives, *sorted(more))
        if key not in self._plain:
            self._plain[key] = _Plain(self, feedback, gives, **more)
        found: _Plain = self._plain[key]
        return found

    def forward(
        self,
        params: Mapping[str, Any],
        x: Any = None,
        *,
        state: Mapping[str, Any] | None = None,
        lengths: Any = None,
        steps: int | None = None,
        batch: int | None = None,
        train: bool = False,
        seed: int = 0,
        masks: Mapping[str, Any] | None = None,
        first_sequence: int = 0,
        first_step: int = 0,
        keep: bool = True,
    ) -> Run:
        """Runs sequences: ``x`` is ``[T, B, ...]``, or ``[T, ...]`` for one, or a mapping from input to array. ``lengths`` are
        those of the sequences; ``state`` is where carried values start; ``train`` draws masks from ``seed``, or takes them
        from ``masks``. A model runs free. With ``keep`` the inputs are copied, and ``run.backward`` goes back."""
        call = _Call(self, self._in("own", "outputs"), params, keep)
        call.take(x, state, lengths, steps, batch)
        call.draw(train, seed, masks, first_sequence, first_step)
        return Run(call, keep, None)

    def infer(self, params: Mapping[str, Any], x: Any = None, **more: Any) -> Run:
        """As ``forward`` with ``keep=False``: nothing is copied, and nothing kept to go back with."""
        return self.forward(params, x, **{**more, "keep": False})

    def loss(
        self,
        params: Mapping[str, Any],
        x: Any = None,
        targets: Any = None,
        *,
        feedback: str = "teacher",
        state: Mapping[str, Any] | None = None,
        lengths: Any = None,
        train: bool = False,
        seed: int = 0,
    ) -> Run:
        """Runs a model with its targets; ``run.loss`` is the mean over the steps that count, and ``run.backward()`` goes back
        from it. ``feedback`` is ``teacher`` or ``own``."""
        cell = self.bound.cell
        if not cell._info["has_loss"]:
            raise DataError(f"`{cell.name}` gives no loss", "E0702")
        if feedback not in ("teacher", "own"):
            raise DataError(f'feedback is "teacher" or "own", not {feedback!r}', "E0702")
        call = _Call(self, self._in(feedback if cell._info["has_teacher"] else "teacher", "both"), params, True)
        call.take(_joined(cell, x, targets), state, lengths, None, None)
        call.draw(train, seed, None, 0, 0)
        return Run(call, True, bool(cell._info["at_last"]))

    def backward(self, run: Run, upstream: Any = None) -> Gradients:
        """Goes back through a run of this engine: see ``Run.backward``."""
        if not isinstance(run, Run):
            raise TypeError(f"a run is an rnnc.Run, not {type(run).__name__}")
        if run._call.engine is not self:
            raise DataError("the run is another engine's")
        return run.backward(upstream)

    def stream(self, params: Mapping[str, Any], *, batch: int = 1, state: Mapping[str, Any] | None = None, x: Any = None) -> Stream:
        """Begins sequences that come step by step. ``x`` holds the inputs that are given once for each sequence."""
        call = _Call(self, self._in("own", "outputs"), params, False)
        return Stream(call, whole(batch, "batch", 1), state, x)

    def __repr__(self) -> str:
        return f"<rnnc.Engine of {self.bound.cell.name}: {self.kind}>"

    def __reduce__(self) -> Any:
        return Engine, (self.bound, self.threads, self.memory, self.traces, self.kind)


def _joined(cell: Any, x: Any, targets: Any) -> dict[str, Any]:
    """Inputs and targets of a model by their names."""
    found: dict[str, Any] = {}
    for value, role in ((x, "input"), (targets, "target")):
        own = [it.name for it in cell.inputs if it.role == role]
        if value is None:
            continue
        if isinstance(value, Mapping):
            for name in value:
                if name not in own:
                    unknown(role, name, own)
            found.update(value)
        elif len(own) == 1:
            found[own[0]] = value
        else:
            raise DataError(f"`{cell.name}` has {len(own)} {role}s: give a mapping", "E0703")
    return found


class _Call(SimpleNamespace):
    """The arrays and numbers of a run, as Rust reads them."""

    def __init__(self, engine: Engine, plain: _Plain, params: Mapping[str, Any], copy: bool) -> None:
        super().__init__()
        self.engine, self.plain, self.copy = engine, plain, copy
        if isinstance(params, Params):
            if params.bound is not engine.bound and params.bound.param_shapes != engine.bound.param_shapes:
                raise DataError("the params are those of another cell", "E0704")
            self.params: Any = params._raw
            self.dtype = params.dtype
        elif isinstance(params, Mapping):
            self.dtype = _dtype_of_all(params)
            for name in params:
                if name not in engine.bound.param_shapes:
                    unknown("param", name, engine.bound.param_shapes)
            own = engine.bound.param_shapes
            self.params = [engine.bound._param(params, name, self.dtype, copy) for name in own]
        else:
            raise TypeError(f"params are a mapping from name to array, not {type(params).__name__}")
        self.double = self.dtype == np.float64

    def take(self, x: Any, state: Any, lengths: Any, steps: Any, batch: Any) -> None:
        """Takes what runs through the cell and finds T and B."""
        given = self._by_input(x)
        arrays, single = self._inputs(given)
        starts, batched = self._starts(state)
        self.lengths = None if lengths is None else self._lengths(lengths)
        self.batch = None if batch is None else whole(batch, "batch", 1)
        self.steps = None if steps is None else whole(steps, "steps", 1)
        several = not all(single.values()) or batched or self.lengths is not None or self.batch is not None
        #: One sequence without an axis for the batch.
        self.is_one = not several and (bool(single) or batch is None)
        self.feeds: list[Any] = []
        self.shared: list[bool] = []
        for at, array in enumerate(arrays):
            alone = single.get(at, False)
            if array is not None and alone and self.is_one:
                array = array[None] if self.plain.per_sequence[at] else array[:, None]
                alone = False
            self.feeds.append(array)
            self.shared.append(alone)
        axis = [it.shape[0] for at, it in enumerate(arrays) if it is not None and not self.plain.per_sequence[at]]
        if not axis and self.steps is None:
            raise DataError("nothing says how many steps to run: give `steps`", "E0703")
        self.steps = self.steps if self.steps is not None else axis[0]
        if self.is_one:
            self.batch = 1
            starts = [None if it is None else it[None] for it in starts]
        elif self.batch is None:
            sizes = [it.shape[int(not self.plain.per_sequence[at])] for at, it in enumerate(arrays) if it is not None and not single[at]]
            sizes += [it.shape[0] for it, (_, own) in zip(starts, self.plain.states) if it is not None and it.ndim > len(own)]
            self.batch = sizes[0] if sizes else None if self.lengths is None else len(self.lengths)
        self.state = starts
        check_room(self.steps, self.batch or 1, self.plain.width)

    def _by_input(self, x: Any) -> dict[int, Any]:
        own = {name: at for at, (name, _) in enumerate(self.plain.inputs) if self.plain.given[at]}
        if x is None:
            return {}
        if isinstance(x, Mapping):
            for name in x:
                if name not in own:
                    unknown("input", name, own)
            return {own[name]: value for name, value in x.items() if value is not None}
        if len(own) != 1:
            raise DataError(f"`{self.engine.bound.cell.name}` has {len(own)} inputs: give a mapping from input to array", "E0703")
        return {next(iter(own.values())): x}

    def _inputs(self, given: dict[int, Any]) -> tuple[list[Any], dict[int, bool]]:
        arrays: list[Any] = []
        single: dict[int, bool] = {}
        for at, (name, shape) in enumerate(self.plain.inputs):
            if at not in given:
                arrays.append(None)
                continue
            what = f"input `{name}`"
            limit = self.plain.index[at]
            if limit is not None and limit > 2**24 and not self.double:
                raise DataError(f"{what} has indices up to {limit}, more than float32 tells apart: take params of float64", "E0706")
            array = typed(given[at], self.dtype, what, self.copy)
            lead = array.ndim - len(shape) - int(not self.plain.per_sequence[at])
            if lead not in (0, 1) or array.shape[array.ndim - len(shape) :] != shape:
                axes = ["T"] * (not self.plain.per_sequence[at]) + ["B", *map(str, shape)]
                raise DataError(f"{what} has the shape {array.shape}, expected [{', '.join(axes)}], or the same without B", "E0703")
            single[at] = lead == 0
            arrays.append(array)
        return arrays, single

    def _starts(self, state: Any) -> tuple[list[Any], bool]:
        starts: list[Any] = [None] * len(self.plain.states)
        if state is None:
            return starts, False
        if not isinstance(state, Mapping):
            raise TypeError(f"state is a mapping from carried value to array, not {type(state).__name__}")
        at = {name: idx for idx, (name, _) in enumerate(self.plain.states)}
        batched = False
        for name, value in state.items():
            if name not in at:
                unknown("carried value", name, at)
            if value is None:
                continue
            shape = self.plain.states[at[name]][1]
            array = typed(value, self.dtype, f"state `{name}`", self.copy)
            if array.ndim - len(shape) not in (0, 1) or array.shape[array.ndim - len(shape) :] != shape:
                raise DataError(f"state `{name}` has the shape {array.shape}, expected [B, *{list(shape)}] or {list(shape)}", "E0703")
            batched |= array.ndim > len(shape)
            starts[at[name]] = array
        return starts, batched

    @staticmethod
    def _lengths(lengths: Any) -> list[int]:
        found = real(lengths, "lengths")
        if found.ndim != 1:
            raise DataError(f"lengths has {found.ndim} axes, expected [B]", "E0708")
        if found.dtype.kind not in "iu" and found.size:
            raise TypeError(f"lengths are whole numbers, not {found.dtype}")
        return [whole(it, "a length") for it in found.tolist()]

    def draw(self, train: Any, seed: Any, masks: Any, first_sequence: Any, first_step: Any) -> None:
        """Takes what masks are made of."""
        self.train, self.seed = bool(train), seed_of(seed)
        self.first_sequence = seed_of(first_sequence, "first_sequence")
        self.first_step = seed_of(first_step, "first_step")
        self.masks: list[Any] = [None] * len(self.plain.masks)
        if masks is None:
            return
        if not isinstance(masks, Mapping):
            raise TypeError(f"masks are a mapping from name to bits, not {type(masks).__name__}")
        if not self.train:
            raise DataError("masks are given to a run with train=True", "E0702")
        for name, value in masks.items():
            if name not in self.plain.masks:
                unknown("mask", name, self.plain.masks)
            self.masks[self.plain.masks.index(name)] = typed(value, self.dtype, f"mask `{name}`", True)

    def run(self, keep: bool, **more: bool) -> Any:
        """Runs it, on an engine that finds more where that is asked for."""
        raw = self.plain.raw
        if more:
            name = next(key for key, it in self.engine._plain.items() if it is self.plain)
            raw = self.engine._in(name[0], name[1], **more).raw
        return raw, raw.forward(self, self.double, keep)

    def unbatched(self, array: Any, axis: int) -> Any:
        """A result without the axis of a batch that nobody gave."""
        return array if array is None or not self.is_one else array.squeeze(axis)


class Run:
    """What a run gives: arrays in C order that belong to the caller, time first."""

    def __init__(self, call: _Call, keep: bool, at_last: bool | None) -> None:
        _, (raw, outputs, states, traces, masks) = call.run(keep)
        self._call, self._raw, self._keeps, self._at_last = call, raw, keep, at_last
        self._count: Any = None
        plain = call.plain
        self.steps, self.batch, lengths, self.segments, self.kept_bytes = raw.info()
        #: How many steps each sequence has.
        self.lengths = np.array(lengths, dtype=np.int64)
        self.outputs = {name: call.unbatched(it, 1) for name, it in zip(plain.outputs, outputs)}
        self.states = {name: call.unbatched(it, 0) for (name, _), it in zip(plain.states, states)}
        self.traces = {name: call.unbatched(it, 1) for name, it in zip(call.engine.traces, traces)}
        scopes = {it.name: it.scope for it in call.engine.bound.cell.masks}
        axes = {"step": 1, "sequence": 0}
        self.masks = {
            name: call.unbatched(it, axes[scopes[name]]) if scopes[name] in axes else it for name, it in zip(plain.masks, masks)
        }
        if at_last is not None:
            self._count, self.loss = self._mean()

    def _mean(self) -> tuple[Any, float]:
        """The steps that count, and the mean of their losses."""
        losses = np.asarray(self.outputs["loss"], dtype=np.float64).reshape(self.steps, self.batch)
        step = np.arange(self.steps)[:, None]
        counts = step + 1 == self.lengths if self._at_last else step < self.lengths
        total = int(counts.sum())
        return counts, float(np.where(counts, losses, 0).sum() / total) if total else float("nan")

    @property
    def output(self) -> Any:
        """The main output."""
        return next(iter(self.outputs.values()))

    @property
    def not_finite(self) -> str | None:
        """The first NaN of a value or infinity of an output, or ``None``; it is looked for now, by running again."""
        _, (found, *_) = self._call.run(False, find=True)
        text = found.not_finite()
        return None if text is None else str(text)

    def backward(self, upstream: Any = None) -> Gradients:
        """Goes back through time, any number of times. ``upstream`` maps outputs, and ``state.NAME``, to their adjoints; an
        array alone is that of the main output; ``None`` is ones for the main output, or the mean loss of ``engine.loss``;
        ``{}`` is zeros."""
        if not self._keeps:
            raise DataError("the run kept nothing for a backward run: it was one of `infer`, or of `keep=False`")
        if upstream is None and self._count is not None:
            share = np.where(self._count, 1 / max(int(self._count.sum()), 1), 0).astype(self._call.dtype)
            upstream = {"loss": share.reshape(self.outputs["loss"].shape)}
        return Gradients(self, *self._adjoints(upstream))

    def _adjoints(self, upstream: Any) -> tuple[list[Any], list[Any], bool]:
        plain, call = self._call.plain, self._call
        outputs: list[Any] = [None] * len(plain.outputs)
        states: list[Any] = [None] * len(plain.states)
        if upstream is None:
            return outputs, states, True
        if not isinstance(upstream, Mapping):
            upstream = {plain.outputs[0]: upstream}
        names = {name: idx for idx, (name, _) in enumerate(plain.states)}
        for name, value in upstream.items():
            if value is None:
                continue
            if name in plain.outputs:
                want, place, at = self.outputs[name], outputs, plain.outputs.index(name)
            elif isinstance(name, str) and name.removeprefix("state.") in names and name.startswith("state."):
                own = name.removeprefix("state.")
                want, place, at = self.states[own], states, names[own]
            else:
                unknown("output or state", name, [*plain.outputs, *(f"state.{it}" for it in names)])
            array = typed(value, call.dtype, f"the adjoint of `{name}`")
            if array.shape != want.shape:
                raise DataError(f"the adjoint of `{name}` has the shape {array.shape}, expected {want.shape}", "E0703")
            if call.is_one:
                array = array[:, None] if place is outputs else array[None]
            place[at] = array
        return outputs, states, False

    def __repr__(self) -> str:
        return f"<rnnc.Run of {self._call.engine.bound.cell.name}: {self.steps} steps, batch {self.batch}>"

    def _repr_html_(self) -> str:
        from .notebook import table

        groups = (("output", self.outputs), ("state", self.states), ("trace", self.traces))
        return table(("value", "kind", "shape"), ((name, kind, it.shape) for kind, all_ in groups for name, it in all_.items()))


class Gradients:
    """Gradients by name: of trained params, of given real inputs, of the starts of real carried values."""

    def __init__(self, run: Run, outputs: list[Any], states: list[Any], ones: bool) -> None:
        call = run._call
        self._run, self._upstream = run, (outputs, states, ones)
        params, inputs, starts, _ = call.plain.raw.backward(run._raw, call, outputs, states, ones)
        plain = call.plain
        self.params = {name: it for name, it in zip(call.engine.bound.param_shapes, params) if it is not None}
        self.inputs = {}
        for at, ((name, _), it) in enumerate(zip(plain.inputs, inputs)):
            if it is not None and plain.given[at]:
                self.inputs[name] = call.unbatched(it, int(not plain.per_sequence[at]))
        self.states = {name: call.unbatched(it, 0) for (name, _), it in zip(plain.states, starts) if it is not None}

    @property
    def flow(self) -> dict[str, Any]:
        """For each real carried value the norm of its adjoint before each step and after the last, ``[T + 1]``; it is
        computed now, by running again."""
        call = self._run._call
        raw, (again, *_) = call.run(True, flow=True)
        flow = raw.backward(again, call, *self._upstream)[3]
        return {name: it for (name, _), it in zip(call.plain.states, flow) if it is not None}

    def __repr__(self) -> str:
        return f"<rnnc.Gradients of {', '.join([*self.params, *self.inputs])}>"


class Stream:
    """Sequences that come step by step: ``engine.stream(params, batch=8)``. One thread at a time may use it."""

    def __init__(self, call: _Call, batch: int, state: Any, x: Any) -> None:
        plain = call.plain
        once = [at for at, it in enumerate(plain.per_sequence) if it]
        arrays, single = call._inputs(call._by_input(x))
        for at in once:
            if arrays[at] is None:
                raise DataError(f"input `{plain.inputs[at][0]}` is given once for each sequence: give it in `x`", "E0703")
        if any(it is not None and at not in once for at, it in enumerate(arrays)):
            raise DataError("`x` holds the inputs that are given once for each sequence; the others come with each step", "E0703")
        call.feeds = [np.broadcast_to(arrays[at], (batch, *plain.inputs[at][1])) for at in once]
        call.shared, call.lengths, call.steps, call.batch = [], None, 1, batch
        call.state, _ = call._starts(state)
        call.draw(False, 0, None, 0, 0)
        self._call = call
        self._steps = [at for at in range(len(plain.inputs)) if at not in once]
        self._raw = plain.raw.stream(call, batch, call.double)
        #: How many sequences there are.
        self.batch = batch

    def step(self, x: Any = None) -> dict[str, Any]:
        """Takes ``[B, ...]`` of each input, or a mapping, and gives ``[B, ...]`` of each output."""
        call, plain = self._call, self._call.plain
        given = call._by_input(x)
        arrays = []
        for at in self._steps:
            name, shape = plain.inputs[at]
            if at not in given:
                raise DataError(f"there is no input `{name}`: a step takes all of them", "E0703")
            array = typed(given[at], call.dtype, f"input `{name}`")
            if array.shape != (self.batch, *shape):
                raise DataError(f"input `{name}` has the shape {array.shape}, expected {(self.batch, *shape)}", "E0703")
            arrays.append(array)
        return dict(zip(plain.outputs, self._raw.step(arrays)))

    @property
    def states(self) -> dict[str, Any]:
        """The carried values as they are now."""
        return {name: it for (name, _), it in zip(self._call.plain.states, self._raw.states())}

    def __repr__(self) -> str:
        return f"<rnnc.Stream of {self._call.engine.bound.cell.name}: batch {self.batch}>"
