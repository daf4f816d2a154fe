"""Cells with sizes, and their params."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from . import _rnnc
from ._errors import DataError, unknown
from ._spec import Cell, Frozen
from ._values import dtype_of, names, seed_of, text, typed, whole

Shape = tuple[int, ...]


class BoundCell(Frozen):
    """A cell whose sizes are fixed: ``cell.bind(I=3, H=64)``."""

    __slots__ = (
        "_raw", "_given", "_order", "cell", "sizes", "hypers", "param_shapes", "input_shapes", "state_shapes", "output_shapes",
        "mask_shapes", "param_count",
    )  # fmt: skip

    _raw: _rnnc.Bound
    _given: dict[str, int]
    cell: Cell
    sizes: dict[str, int]
    hypers: dict[str, float]
    param_shapes: dict[str, Shape]
    input_shapes: dict[str, Shape]
    state_shapes: dict[str, Shape]
    output_shapes: dict[str, Shape]
    mask_shapes: dict[str, Shape]
    param_count: int

    def __init__(self, cell: Cell, sizes: Mapping[str, int]) -> None:
        raw = cell._raw.bind(list(sizes.items()))
        info = json.loads(raw.info())
        shapes = {key: {name: tuple(it) for name, it in info[key + "s"]} for key in ("param", "input", "state", "output", "mask")}
        self._set(_raw=raw, _given=dict(sizes), cell=cell, sizes=info["sizes"], hypers=info["hypers"])
        self._set(param_count=info["param_count"], **{f"{key}_shapes": it for key, it in shapes.items()})

    def init(self, seed: int = 0, dtype: Any = "float32") -> Params:
        """Draws the params. A draw depends on the seed and the name alone."""
        kind = dtype_of(dtype)
        return Params(self, self._raw.init(seed_of(seed), kind == np.float64), kind)

    def params(
        self, mapping: Mapping[str, Any], *, dtype: Any = None, layout: str = "own", prefix: str = "", suffix: str | None = None
    ) -> Params:
        """Takes params from arrays by their names in a layout; all must be there."""
        if isinstance(mapping, Params) and mapping.bound is self and dtype is None:
            return mapping
        if not isinstance(mapping, Mapping):
            raise TypeError(f"params are a mapping from name to array, not {type(mapping).__name__}")
        kind = _dtype_of_all(mapping) if dtype is None else dtype_of(dtype)
        if layout != "own" or prefix or suffix:
            return self._params_of(self.cell._find(mapping, layout, prefix, suffix), kind, 0, False, False)
        for name in mapping:
            if name not in self.param_shapes:
                unknown("param", name, self.param_shapes)
        return Params(self, [self._param(mapping, name, kind, True) for name in self.param_shapes], kind)

    def _param(self, mapping: Mapping[str, Any], name: str, kind: np.dtype[Any], copy: bool) -> Any:
        if name not in mapping:
            raise DataError(f"there is no param `{name}`", "E0704")
        found = typed(mapping[name], kind, f"param `{name}`")
        if found.shape != self.param_shapes[name]:
            raise DataError(f"param `{name}` has the shape {found.shape}, expected {self.param_shapes[name]}", "E0704")
        return np.array(found, order="C", copy=True) if copy else found

    def _params_of(self, weights: Any, kind: np.dtype[Any], seed: int, partial: bool, ignore_extra: bool) -> Params:
        missing, extra, prefix, suffixes = weights.told()
        if missing and not partial:
            more = f"; there are such names after {prefix!r}: prefix={prefix!r}" if prefix else ""
            if suffixes and not more:
                more = f"; there are such names before {', '.join(map(repr, suffixes))}: suffix=.."
            raise DataError(f"no tensor for {', '.join(missing)}{more}", "E0704")
        if extra and not ignore_extra:
            raise DataError(f"the cell has no {', '.join(extra)}", "E0704")
        return Params(self, weights.params(self._raw, seed, kind == np.float64), kind)

    def load_params(
        self,
        path: str | os.PathLike[str],
        *,
        layout: str = "own",
        prefix: str = "",
        suffix: str | None = None,
        partial: bool = False,
        ignore_extra: bool = False,
        seed: int = 0,
        dtype: Any = None,
    ) -> Params:
        """Reads params from ``.safetensors``, ``.npz`` or what ``torch.save`` writes. ``partial`` draws what is missing."""
        kind = np.dtype(np.float32) if dtype is None else dtype_of(dtype)
        affixes = (text(prefix, "prefix"), None if suffix is None else text(suffix, "suffix"))
        weights = _rnnc.read_weights(self.cell._raw, text(layout, "layout"), affixes, os.fspath(path))
        return self._params_of(weights, kind, seed_of(seed), partial, ignore_extra)

    def engine(self, *, threads: int = 0, memory: int | None = None, traces: Any = (), kind: str = "fast") -> Any:
        """Makes an engine. ``threads=0`` is all cores, or what ``RNNC_NUM_THREADS`` says; ``memory`` bounds a run in bytes;
        ``traces`` are named values that a run gives beside the outputs; ``kind`` is ``fast`` or ``reference``."""
        from ._run import Engine

        wanted = names(traces, "traces")
        for name in wanted:
            if name not in self.cell.values:
                unknown("value", name, self.cell.values)
        if kind not in ("fast", "reference"):
            raise DataError(f'kind is "fast" or "reference", not {kind!r}', "E0702")
        count = whole(threads, "threads", 0, 4096)
        bytes_ = None if memory is None else whole(memory, "memory", 1)
        return Engine(self, count, bytes_, wanted, kind)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}={size}" for name, size in self.sizes.items())
        return f"<rnnc.BoundCell {self.cell.name}: {sizes}; {self.param_count} numbers>"

    def __reduce__(self) -> Any:
        return BoundCell, (self.cell, self._given)


def _dtype_of_all(mapping: Mapping[str, Any]) -> np.dtype[Any]:
    """``float64`` where an array is."""
    wide = any(isinstance(it, (np.ndarray, np.generic)) and it.dtype == np.float64 for it in mapping.values())
    return np.dtype(np.float64 if wide else np.float32)


class Params(Mapping[str, Any]):
    """The params of a cell: an immutable mapping from name to a read-only array. An engine packs them once."""

    __slots__ = ("_arrays", "_raw", "bound", "dtype", "__weakref__")

    _arrays: dict[str, Any]
    _raw: _rnnc.Params
    bound: BoundCell
    dtype: np.dtype[Any]

    def __init__(self, bound: BoundCell, arrays: list[Any], dtype: np.dtype[Any]) -> None:
        own = {}
        for name, array in zip(bound.param_shapes, arrays):
            array.flags.writeable = False
            own[name] = array
        values = {"_arrays": own, "_raw": _rnnc.keep(arrays, dtype == np.float64), "bound": bound, "dtype": dtype}
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Params cannot be changed; `updated` gives others")

    def __getitem__(self, name: str) -> Any:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def updated(self, mapping: Mapping[str, Any] = {}, /, **more: Any) -> Params:
        """Returns the same params with others in the place of some."""
        if not isinstance(mapping, Mapping):
            raise TypeError(f"params are a mapping from name to array, not {type(mapping).__name__}")
        for name in (*mapping, *more):
            if name not in self._arrays:
                unknown("param", name, self._arrays)
        return self.bound.params({**self._arrays, **mapping, **more}, dtype=self.dtype)

    def to(self, layout: str = "own", *, prefix: str = "", suffix: str | None = None) -> dict[str, Any]:
        """Returns the tensors of a layout, by their names."""
        affixes = (text(prefix, "prefix"), suffix or None)
        wide = self.dtype == np.float64
        return dict(self.bound._raw.put_together(text(layout, "layout"), affixes, list(self._arrays.values()), wide))

    def save(self, path: str | os.PathLike[str], *, layout: str = "own", prefix: str = "", suffix: str | None = None) -> None:
        """Writes the tensors of a layout as ``.safetensors``."""
        where = os.fspath(path)
        if not str(where).endswith(".safetensors"):
            raise DataError(f"{where}: params are written as .safetensors", "E0702")
        stored = self.to(layout, prefix=prefix, suffix=suffix)
        about = {"cell": self.bound.cell.name}
        _rnnc.write_weights(where, list(stored.items()), self.dtype == np.float64, about)

    def __repr__(self) -> str:
        return f"<rnnc.Params of {self.bound.cell.name}: {', '.join(self._arrays) or 'none'}; {self.dtype}>"

    def _repr_html_(self) -> str:
        from .notebook import table

        return table(("param", "shape", "mean", "std"), ((n, a.shape, f"{a.mean():.3g}", f"{a.std():.3g}") for n, a in self.items()))

    def __copy__(self) -> Params:
        return self

    def __deepcopy__(self, _: object) -> Params:
        return self

    def __reduce__(self) -> Any:
        return _again, (self.bound, list(self._arrays.values()), self.dtype)


def _again(bound: BoundCell, arrays: list[Any], dtype: np.dtype[Any]) -> Params:
    return Params(bound, [np.array(it, order="C") for it in arrays], dtype)
