"""Cells as ``torch.nn.Module``: ``RNN`` is used as ``nn.LSTM`` and ``nn.GRU`` are, ``Model`` gives a loss.

>>> import torch, rnnc.torch
>>> rnn = rnnc.torch.RNN("std/gru", I=3, H=4)
>>> out, h = rnn(torch.randn(10, 2, 3))
>>> out.shape, h.shape
(torch.Size([10, 2, 4]), torch.Size([1, 2, 4]))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence, pack_padded_sequence

from ._compile import name_of
from ._errors import DataError, Error, UnknownNameError, unknown
from ._spec import cell_of
from ._torch import Call, Unit, UnsupportedError, of_tensor, apply
from ._values import names, sizes_of, text, whole

__all__ = ["RNN", "Model", "Stream", "UnsupportedError"]


class _Base(nn.Module):  # type: ignore[misc, unused-ignore]
    """A module whose params are those of units."""

    _units: list[Unit]

    def _register(self, device: Any, dtype: torch.dtype) -> None:
        for unit in self._units:
            unit.name = name_of(unit)
        for unit in self._units:
            for name, (shape, trained) in unit.tensors.items():
                # Entered directly: a param may be called `half`, and a name may have points.
                if name in self._parameters or name in self._buffers:
                    raise DataError(f"two layers have a param `{name}`")
                empty = torch.empty(shape, device=device, dtype=dtype)
                if trained:
                    self._parameters[name] = nn.Parameter(empty)
                else:
                    self._buffers[name] = empty
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the params as the cell says, from torch's generator."""
        seed = int(torch.randint(2**62, ()).item())
        for at, unit in enumerate(self._units):
            for name, array in unit.draw(seed + at).items():
                own = self._tensor(name)
                if own.device.type != "meta":
                    with torch.no_grad():
                        own.copy_(torch.from_numpy(array))

    def _tensor(self, name: str) -> torch.Tensor:
        found: torch.Tensor | None = self._parameters.get(name)
        found = self._buffers.get(name) if found is None else found
        if found is None:
            raise Error(f"the module has no tensor `{name}` any more")
        return found

    def _weights(self, unit: Unit) -> list[torch.Tensor]:
        return [self._tensor(name) for name in unit.tensors]

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *rest)
        # torch takes the part before a point for the name of a module.
        own = {prefix + name for unit in self._units for name in unit.tensors}
        unexpected = rest[3]
        unexpected[:] = [it for it in unexpected if it not in own]

    def __prepare_scriptable__(self) -> Any:
        raise UnsupportedError("torch.jit.script cannot take a module of rnnc; torch.compile and torch.export do")


class RNN(_Base):
    """Layers of a cell, used as ``nn.LSTM`` and ``nn.GRU`` are. ``cell`` is a ``Spec``, ``Cell``, ``BoundCell`` or the name of a
    library file, ``sizes`` are those of its dims. ``layout="pytorch"`` names params as torch's modules do, key by key.
    ``outputs`` are the named values that it gives, in place of the main output."""

    def __init__(
        self,
        cell: Any,
        /,
        *,
        layout: str = "own",
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        batch_first: bool = False,
        outputs: str | Sequence[str] | None = None,
        threads: int | None = None,
        memory: int | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
        **sizes: Any,
    ) -> None:
        super().__init__()
        own = cell_of(cell)
        given = {**getattr(cell, "_given", {}), **sizes_of(sizes)}
        if own.is_model:
            raise DataError(f"`{own.name}` is a model: rnnc.torch.Model takes it", "E0702")
        layers = whole(num_layers, "num_layers", 1, 1000)
        if not isinstance(dropout, (int, float)) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise DataError(f"dropout is a probability, not {dropout!r}", "E0702")
        wanted = None if outputs is None else names(outputs, "outputs")
        self.num_layers, self.bidirectional, self.dropout = layers, bool(bidirectional), float(dropout)
        self.batch_first, self.layout = bool(batch_first), text(layout, "layout")
        self._one_output = wanted is None or isinstance(outputs, str)
        self.threads = None if threads is None else whole(threads, "threads", 0, 4096)
        self._units = []
        directions = 2 if bidirectional else 1
        bound = own.bind(**given)
        self.cell, self._inputs, self._states = own, own.inputs, own.states
        for layer in range(layers):
            if layer:
                bound = _next(own, given, bound, directions)
            last = layer == layers - 1
            if last and wanted is not None:
                bound = own.with_outputs(*wanted)._bound(bound._given)
            for backward in range(directions):
                suffix = f"_l{layer}{'_reverse' if backward else ''}"
                self._units.append(Unit(bound, None, layout, suffix, layers * directions > 1, memory))
        self._register(device, dtype or torch.get_default_dtype())

    def forward(
        self, input: Any, state: Any = None, lengths: Any = None, *, seed: int | None = None, first_sequence: int = 0, first_step: int = 0
    ) -> tuple[Any, Any]:
        """Runs sequences ``[T, B, ...]``, or ``[B, T, ...]`` with ``batch_first``, ``[T, ...]`` for one, or a
        ``PackedSequence``; gives the output and the last state, which has an axis of layers and directions first."""
        packed = input if isinstance(input, PackedSequence) else None
        if packed is not None:
            if lengths is not None:
                raise DataError("a PackedSequence has its lengths with it", "E0708")
            input, lengths = pad_packed_sequence(packed)
        call = self._call(seed, first_sequence, first_step)
        feeds, batched = self._feeds(input, packed is None and self.batch_first)
        main = feeds[0]
        if main is None:
            raise DataError(f"there is no input `{self._inputs[0].name}`", "E0703")
        steps, batch = main.shape[0], main.shape[1]
        call.lengths = _lengths(lengths, batch)
        starts = self._starts(state, batch, batched, main)
        count = 2 if self.bidirectional else 1
        outputs: list[list[torch.Tensor]] = []
        finals: list[list[torch.Tensor]] = []
        for at, unit in enumerate(self._units):
            layer, backward = divmod(at, count)
            if backward == 0 and layer:
                main = torch.cat([it[0] for it in outputs[-count:]], -1)
                main = nn.functional.dropout(main, self.dropout, self.training)
                feeds = [main, *feeds[1:]]
            turned = [_turn(it, call.lengths) if backward and not one.per_sequence else it for it, one in zip(feeds, self._inputs)]
            begin = [None if it is None else it[at] for it in starts]
            found, final = apply(unit, call.of(at), self._weights(unit), turned, begin, self.threads)
            outputs.append([_turn(it, call.lengths) for it in found] if backward else found)
            finals.append(final)
        results = [torch.cat(it, -1) if len(it) > 1 else it[0] for it in zip(*outputs[-count:])]
        last = [torch.stack(it) for it in zip(*finals)]
        if not batched:
            results, last = [it.squeeze(1) for it in results], [it.squeeze(1) for it in last]
        elif packed is not None:
            results = [_pack(it, packed, call.lengths) for it in results]
        elif self.batch_first:
            results = [it.transpose(0, 1) for it in results]
        return results[0] if self._one_output else tuple(results), self._state(state, last)

    def _call(self, seed: Any, first_sequence: int, first_step: int) -> Call:
        train = self.training and bool(self.cell.masks)
        if seed is None and train and torch.compiler.is_compiling():
            call = Call(train, 0, first_sequence, first_step)
            call.drawn = torch.randint(2**62, ())
            return call
        if seed is None:
            number = int(torch.randint(2**62, ()).item()) if train else 0
        else:
            number = whole(seed, "seed", 0, 2**64 - 1)
        first = whole(first_sequence, "first_sequence"), whole(first_step, "first_step")
        return Call(train, number, *first)

    def _feeds(self, input: Any, batch_first: bool) -> tuple[list[Any], bool]:
        given: list[Any] = [None] * len(self._inputs)
        own = [it.name for it in self._inputs]
        if isinstance(input, Mapping):
            for name, value in input.items():
                if name not in own:
                    unknown("input", name, own)
                given[own.index(name)] = value
        elif isinstance(input, (tuple, list)):
            if len(input) > len(own):
                raise DataError(f"there are {len(input)} inputs, the cell has {len(own)}", "E0703")
            given[: len(input)] = input
        else:
            given[0] = input
        batched: bool | None = None
        shapes = self._units[0].bound.input_shapes
        for at, (declared, value) in enumerate(zip(self._inputs, given)):
            if value is None:
                continue
            what = f"input `{declared.name}`"
            if not isinstance(value, torch.Tensor):
                raise TypeError(f"{what} is a tensor, not {type(value).__name__}")
            given[at] = value = of_tensor(value, what, self._float(), declared.index is not None)
            time, shape = int(not declared.per_sequence), shapes[declared.name]
            lead = value.dim() - len(shape) - time
            if lead not in (0, 1) or tuple(value.shape[value.dim() - len(shape) :]) != shape:
                axes = ", ".join((["B", "T"] if batch_first else ["T", "B"])[: 2 if time else 1] + list(map(str, shape)))
                raise DataError(f"{what} has the shape {tuple(value.shape)}, expected [{axes}], or the same without B", "E0703")
            if batched is not None and batched != bool(lead):
                raise DataError("some inputs have an axis for the batch, and others have none", "E0703")
            batched = bool(lead)
            if not lead:
                given[at] = value.unsqueeze(time)
            elif batch_first and time:
                given[at] = value.transpose(0, 1)
        return given, bool(batched)

    def _float(self) -> torch.dtype:
        return self._weights(self._units[0])[0].dtype if self._units[0].tensors else torch.get_default_dtype()

    def _starts(self, state: Any, batch: int, batched: bool, like: torch.Tensor) -> list[Any]:
        own = [it.name for it in self._states]
        given: list[Any] = [None] * len(own)
        if state is None:
            return given
        if isinstance(state, Mapping):
            for name, value in state.items():
                if name not in own:
                    unknown("carried value", name, own)
                given[own.index(name)] = value
        elif isinstance(state, torch.Tensor):
            if len(own) != 1:
                raise DataError(f"the state is a tuple of {', '.join(own)}", "E0703")
            given = [state]
        elif isinstance(state, (tuple, list)) and len(state) == len(own):
            given = list(state)
        else:
            raise DataError(f"the state is a tensor for each of {', '.join(own) or 'nothing'}", "E0703")
        shapes = self._units[0].bound.state_shapes
        for at, (name, value) in enumerate(zip(own, given)):
            if value is None:
                continue
            if not isinstance(value, torch.Tensor):
                raise TypeError(f"state `{name}` is a tensor, not {type(value).__name__}")
            want = (len(self._units), *((batch,) if batched else ()), *shapes[name])
            if tuple(value.shape) != want:
                raise DataError(f"state `{name}` has the shape {tuple(value.shape)}, expected {want}", "E0703")
            value = of_tensor(value, f"state `{name}`", self._float(), not self._states[at].is_real)
            given[at] = value if batched else value.unsqueeze(1)
        return given

    def _state(self, given: Any, last: list[torch.Tensor]) -> Any:
        if isinstance(given, Mapping):
            return {it.name: value for it, value in zip(self._states, last)}
        return last[0] if len(last) == 1 else tuple(last)

    def stream(self, batch: int = 1, state: Any = None) -> Stream:
        """Begins sequences that come step by step; weights are packed now, later changes are not seen."""
        return Stream(self, whole(batch, "batch", 1), state)

    def extra_repr(self) -> str:
        """What ``print`` shows of it."""
        sizes = ", ".join(f"{name}={size}" for name, size in self._units[0].bound.sizes.items())
        more = [f"num_layers={self.num_layers}"] * (self.num_layers > 1) + ["bidirectional=True"] * self.bidirectional
        return ", ".join([self.cell.name, sizes, *more])


def _next(cell: Any, given: dict[str, int], bound: Any, directions: int) -> Any:
    """The cell of the next layer: its first input is the main output of the layer before."""
    shape = next(iter(bound.output_shapes.values()))
    name = cell.inputs[0].name
    if not shape or cell.inputs[0].index is not None:
        raise DataError(f"`{cell.name}` cannot be stacked: its first input cannot take its output", "E0702")
    width = (*shape[:-1], shape[-1] * directions)
    return cell.bind({name: np.broadcast_to(np.float32(0), (1, *width))}, **_others(cell, given, name))


def _others(cell: Any, given: dict[str, int], name: str) -> dict[str, int]:
    """The sizes without those that the input alone has."""
    own = next(it for it in cell.inputs if it.name == name).shape
    shared = {dim for it in (*cell.states, *(it for it in cell.inputs if it.name != name)) for dim in it.shape}
    return {dim: size for dim, size in given.items() if dim not in own or dim in shared}


def _lengths(lengths: Any, batch: int) -> Any:
    if lengths is None:
        return None
    if torch.compiler.is_compiling():
        return torch.as_tensor(lengths)
    found = np.asarray(lengths.tolist() if isinstance(lengths, torch.Tensor) else lengths)
    if found.ndim != 1 or len(found) != batch:
        raise DataError(f"lengths has the shape {found.shape}, expected ({batch},)", "E0708")
    return [whole(it, "a length") for it in found.tolist()]


def _turn(value: Any, lengths: Any) -> Any:
    """Each sequence from its own end on."""
    if value is None or lengths is None:
        return None if value is None else value.flip(0)
    step, length = torch.arange(value.shape[0])[:, None], torch.as_tensor(lengths)[None]
    at = torch.where(step < length, length - 1 - step, step)
    return value[at, torch.arange(value.shape[1])[None]]


def _pack(value: torch.Tensor, like: PackedSequence, lengths: Any) -> PackedSequence:
    count = torch.tensor(lengths)
    if like.sorted_indices is not None:
        value, count = value.index_select(1, like.sorted_indices), count[like.sorted_indices]
    data = pack_padded_sequence(value, count).data
    return PackedSequence(data, like.batch_sizes, like.sorted_indices, like.unsorted_indices)


class Stream:
    """Sequences that come step by step through the layers of an ``RNN``."""

    def __init__(self, rnn: RNN, batch: int, state: Any) -> None:
        if rnn.bidirectional:
            raise DataError("a backward direction has no single step", "E0702")
        if len(rnn._inputs) != 1 or rnn._inputs[0].per_sequence:
            raise UnsupportedError("streams of cells with one input alone; `BoundCell.engine().stream` takes all")
        like = torch.empty(0, dtype=rnn._float())
        starts = rnn._starts(state, batch, True, like)
        self._streams = []
        for at, unit in enumerate(rnn._units):
            begin = {it.name: None if value is None else value[at].detach().numpy() for it, value in zip(rnn._states, starts)}
            params = unit.params([it.detach().numpy() for it in rnn._weights(unit)])
            self._streams.append(unit.bound.engine(threads=unit.threads(rnn.threads)).stream(params, batch=batch, state=begin))
        #: How many sequences there are.
        self.batch = batch

    def step(self, input: torch.Tensor) -> torch.Tensor:
        """Takes ``[B, ...]`` and gives ``[B, ...]`` of the main output."""
        value = input.detach().numpy()
        for stream in self._streams:
            value = next(iter(stream.step(value).values()))
        return torch.from_numpy(value)

    @property
    def states(self) -> dict[str, torch.Tensor]:
        """The carried values, with an axis of layers first."""
        all_ = [it.states for it in self._streams]
        return {name: torch.stack([torch.from_numpy(it[name]) for it in all_]) for name in (all_[0] if all_ else {})}


class Model(_Base):
    """A model of rnnc whose ``forward`` is its loss, for the optimizers of torch. ``feedback`` is ``teacher`` or ``own``;
    ``reduction`` is ``mean`` over the steps that count, ``sum``, or ``none`` for ``[T, B]``."""

    def __init__(
        self,
        spec: Any,
        /,
        *,
        feedback: str = "teacher",
        reduction: str = "mean",
        threads: int | None = None,
        memory: int | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
        **sizes: Any,
    ) -> None:
        super().__init__()
        self.cell = cell_of(spec)
        if not self.cell._info["has_loss"]:
            raise DataError(f"`{self.cell.name}` gives no loss: rnnc.torch.RNN takes it", "E0702")
        if reduction not in ("mean", "sum", "none"):
            raise DataError(f'reduction is "mean", "sum" or "none", not {reduction!r}', "E0702")
        if feedback not in ("teacher", "own"):
            raise DataError(f'feedback is "teacher" or "own", not {feedback!r}', "E0702")
        way = feedback if self.cell._info["has_teacher"] else "teacher"
        self.feedback, self.reduction = feedback, reduction
        self.threads = None if threads is None else whole(threads, "threads", 0, 4096)
        bound = self.cell.bind(**{**getattr(spec, "_given", {}), **sizes_of(sizes)})
        self._units = [Unit(bound, (way, "loss"), "own", "", False, memory)]
        self._register(device, dtype or torch.get_default_dtype())

    def forward(self, inputs: Any, targets: Any = None, lengths: Any = None, *, seed: int | None = None) -> torch.Tensor:
        """Gives the loss of ``inputs`` and ``targets``, each ``[T, B, ...]`` or a mapping."""
        from ._run import _joined

        unit = self._units[0]
        weights = self._weights(unit)
        kind = weights[0].dtype if weights else torch.get_default_dtype()
        given = _joined(self.cell, inputs, targets)
        feeds: list[Any] = []
        for name in unit.inputs:
            value = given.get(name)
            if value is not None:
                declared = next(it for it in self.cell.inputs if it.name == name)
                if not isinstance(value, torch.Tensor):
                    raise TypeError(f"`{name}` is a tensor, not {type(value).__name__}")
                value = of_tensor(value, f"`{name}`", kind, declared.index is not None)
                want = len(unit.bound.input_shapes[name]) + 1 + int(not declared.per_sequence)
                if value.dim() != want:
                    raise DataError(f"`{name}` has {value.dim()} axes, expected {want}: [T, B, ...]", "E0703")
            feeds.append(value)
        steps = next((it for it, name in zip(feeds, unit.inputs) if it is not None and not unit.per_sequence[name]), None)
        if steps is None:
            raise DataError("nothing says how many steps there are", "E0703")
        train = self.training and bool(self.cell.masks)
        drawn = int(torch.randint(2**62, ()).item()) if seed is None and self.training else 0
        call = Call(train, drawn if seed is None else whole(seed, "seed"), 0, 0)
        call.lengths, call.steps, call.batch = _lengths(lengths, steps.shape[1]), steps.shape[0], steps.shape[1]
        found, _ = apply(unit, call, weights, feeds, [None] * len(self.cell.states), self.threads)
        loss = found[0]
        step = torch.arange(loss.shape[0])[:, None]
        ends = torch.full((loss.shape[1],), loss.shape[0]) if call.lengths is None else torch.tensor(call.lengths)
        counts = step + 1 == ends if self.cell._info["at_last"] else step < ends
        loss = torch.where(counts, loss, 0)
        if self.reduction == "none":
            return loss
        return loss.sum() / counts.sum() if self.reduction == "mean" else loss.sum()

    def extra_repr(self) -> str:
        """What ``print`` shows of it."""
        sizes = ", ".join(f"{name}={size}" for name, size in self._units[0].bound.sizes.items())
        return f"{self.cell.name}, {sizes}, feedback={self.feedback}"
