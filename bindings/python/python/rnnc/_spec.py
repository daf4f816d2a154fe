"""Specs, cells and what is said about them."""

from __future__ import annotations

import html
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from . import _rnnc
from ._errors import DataError, Diagnostic, SpecError, diagnostics, unknown
from ._values import names, real, sizes_of, text, typed, whole


class Dim(NamedTuple):
    """A size of a cell; ``like`` names the dim that it follows, ``fixed`` says that it decided the structure."""

    name: str
    default: int | None
    like: str | None
    fixed: bool


class Input(NamedTuple):
    """An input; ``index`` is the dim that its whole numbers lie below, ``role`` is ``input`` or ``target``."""

    name: str
    shape: tuple[str, ...]
    index: str | None  # type: ignore[assignment]
    has_default: bool
    per_sequence: bool
    role: str


class State(NamedTuple):
    """A carried value; ``is_state`` says that it is declared, ``is_real`` that it has a gradient."""

    name: str
    shape: tuple[str, ...]
    is_state: bool
    is_real: bool


class Param(NamedTuple):
    """A param, or a stored const, which is not trained; ``init`` is how it is drawn."""

    name: str
    shape: tuple[str, ...]
    trained: bool
    init: str


class Mask(NamedTuple):
    """A mask; ``scope`` is ``step``, ``sequence`` or ``run``."""

    name: str
    shape: tuple[str, ...]
    scope: str


class LibraryEntry(NamedTuple):
    """A file of the built-in library."""

    name: str
    group: str
    summary: str


class Frozen:
    """Base of what cannot be changed, compares by identity and can be pickled."""

    __slots__ = ("__weakref__",)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _: object) -> Any:
        return self


class Spec(Frozen):
    """A checked source. ``rnnc.load``, ``rnnc.parse`` and ``rnnc.std`` give one."""

    __slots__ = ("_raw", "_cell", "_set_before")

    _raw: _rnnc.Spec
    _cell: str | None
    _set_before: tuple[tuple[str, str], ...]

    def __init__(self, raw: Any, cell: str | None = None, settings: tuple[tuple[str, str], ...] = ()) -> None:
        self._set(_raw=raw, _cell=cell, _set_before=tuple(settings))

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self._raw.name)

    @property
    def source(self) -> str:
        """The text, without the files that it uses."""
        return str(self._raw.source)

    @property
    def cells(self) -> tuple[str, ...]:
        """The names of its cells in the order of the source."""
        return tuple(self._raw.cells)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is probably not meant."""
        return diagnostics(self._raw.warnings())

    def cell(self, name: str | None = None, /, **settings: Any) -> Cell:
        """Returns a cell, the main one without a name. Settings are those of ``--set``: a number or a text for a dim or a
        hyper, ``spec.cell(L=5, act="leaky_relu(0.2)")``."""
        if name is not None:
            text(name, "the name of a cell")
        given = []
        for key, value in settings.items():
            if isinstance(value, (bool, np.bool_)) or not isinstance(value, (str, int, float, np.integer, np.floating)):
                raise TypeError(f"the setting `{key}` is a number or a text, not {type(value).__name__}")
            given.append((key, value if isinstance(value, str) else repr(value.item() if isinstance(value, np.generic) else value)))
        return Cell(self, name or self._cell, (*self._set_before, *given))

    def bind(self, x: object = None, /, **sizes: Any) -> Any:
        """Binds the main cell: see ``Cell.bind``."""
        return self.cell().bind(x, **sizes)

    def __repr__(self) -> str:
        return f"<rnnc.Spec {self.name!r}: {', '.join(self.cells) or 'no cell'}>"

    def __reduce__(self) -> Any:
        return _unbundle, (self._raw.bundle(), self._cell, self._set_before)


def _unbundle(bundle: str, cell: str | None, settings: tuple[tuple[str, str], ...]) -> Spec:
    return Spec(_rnnc.unbundle(bundle), cell, settings)


class Cell(Frozen):
    """A cell in symbolic dims."""

    __slots__ = (
        "_raw", "_name", "_settings", "_outputs", "_info", "spec", "name", "doc", "hypers", "dims", "inputs", "states",
        "params", "masks", "outputs", "values", "gates", "layouts",
    )  # fmt: skip

    _raw: _rnnc.Cell
    _name: str | None
    _settings: tuple[tuple[str, str], ...]
    _outputs: tuple[str, ...] | None
    _info: dict[str, Any]
    spec: Spec
    name: str
    doc: str
    hypers: dict[str, str]
    dims: tuple[Dim, ...]
    inputs: tuple[Input, ...]
    states: tuple[State, ...]
    params: tuple[Param, ...]
    masks: tuple[Mask, ...]
    outputs: tuple[str, ...]
    values: tuple[str, ...]
    gates: tuple[str, ...]
    layouts: tuple[str, ...]

    def __init__(
        self, spec: Spec, name: str | None, settings: tuple[tuple[str, str], ...], outputs: tuple[str, ...] | None = None
    ) -> None:
        raw = spec._raw.configure(name, list(settings))
        if outputs is not None:
            raw = raw.with_outputs(list(outputs))
        info = json.loads(raw.info())

        def all_of(kind: Any, key: str) -> Any:
            return tuple(kind(**{**it, **({"shape": tuple(it["shape"])} if "shape" in it else {})}) for it in info[key])

        self._set(
            _raw=raw, _name=name, _settings=tuple(settings), _outputs=outputs, _info=info, spec=spec, name=info["name"],
            doc=info["doc"], hypers=dict(info["hypers"]), dims=all_of(Dim, "dims"), inputs=all_of(Input, "inputs"),
            states=all_of(State, "states"), params=all_of(Param, "params"), masks=all_of(Mask, "masks"),
        )  # fmt: skip
        self._set(**{key: tuple(info[key]) for key in ("outputs", "values", "gates", "layouts")})

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is probably not meant, in the whole file."""
        return diagnostics(self._raw.warnings())

    @property
    def is_model(self) -> bool:
        """Whether it has targets, feedbacks or losses: ``engine.loss`` runs it."""
        return bool(self._info["is_model"])

    def bind(self, x: object = None, /, **sizes: Any) -> Any:
        """Fixes the sizes: those that are given, and those that follow from ``x``, an array ``[T, I]`` or ``[T, B, I]`` or a
        mapping from input to array."""
        given = sizes_of(sizes)
        if x is None:
            return self._bound(list(given.items()))
        found = []
        for at, value in self._by_input(x):
            shape = real(value, f"input `{self.inputs[at].name}`").shape
            own, time = len(self.inputs[at].shape), int(not self.inputs[at].per_sequence)
            if len(shape) not in (own + time, own + time + 1):
                raise DataError(f"input `{self.inputs[at].name}` has {len(shape)} axes, expected [T, B, ...] or [T, ...]", "E0703")
            found.append((at, list(shape[len(shape) - own :])))
        return self._bound(self._raw.sizes(given, found))

    def _by_input(self, x: object) -> list[tuple[int, object]]:
        at = {it.name: idx for idx, it in enumerate(self.inputs)}
        if isinstance(x, Mapping):
            for name in x:
                if name not in at:
                    unknown("input", name, at)
            return [(at[name], value) for name, value in x.items()]
        plain = [idx for idx, it in enumerate(self.inputs) if it.role == "input"]
        if len(plain) != 1:
            raise DataError(f"`{self.name}` has {len(plain)} inputs: give a mapping from input to array", "E0703")
        return [(plain[0], x)]

    def _bound(self, sizes: list[tuple[str, int]]) -> Any:
        from ._bound import BoundCell

        return BoundCell(self, dict(sizes))

    def bind_params(
        self, tensors: Mapping[str, Any], *, layout: str = "own", prefix: str = "", suffix: str | None = None, **sizes: Any
    ) -> Any:
        """Fixes the sizes that follow from weights, by their names in a layout."""
        weights = self._find(tensors, layout, prefix, suffix)
        return self._bound(weights.sizes(sizes_of(sizes)))

    def _find(self, tensors: Mapping[str, Any], layout: str, prefix: str, suffix: str | None) -> Any:
        if not isinstance(tensors, Mapping):
            raise TypeError(f"weights are a mapping from name to array, not {type(tensors).__name__}")
        wide = np.dtype(np.float64)
        # Others than those that may be meant are never looked at.
        taken = [(text(name, "the name of a tensor"), value) for name, value in tensors.items()]
        arrays = [(name, typed(value, wide, f"tensor `{name}`")) for name, value in taken if name.startswith(prefix)]
        return _rnnc.find_weights(self._raw, text(layout, "layout"), (text(prefix, "prefix"), suffix or None), arrays)

    def with_outputs(self, *outputs: str) -> Cell:
        """Returns the same cell with other named values as outputs, the first one the main output; all have gradients."""
        for name in names(outputs, "outputs"):
            if name not in self.values:
                unknown("value", name, self.values)
        return Cell(self.spec, self._name, self._settings, tuple(outputs))

    def emit(self, stage: str) -> str:
        """Returns the text of a stage: ``ir``, ``forward``, ``backward``, ``plan`` or ``latex``."""
        if text(stage, "stage") == "latex":
            return self._latex() or ""
        return str(self._raw.emit(stage))

    def _latex(self) -> str | None:
        found = self.spec._raw.latex(self.name)
        return found if found is None else str(found)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the artifact, a ``.ron`` that ``rnnc.load`` and the command line read."""
        _replace(os.fspath(path), self.spec._raw.artifact(self._name, list(self._settings)))

    def gradcheck(
        self,
        *,
        lengths: Any = None,
        seeds: int | None = None,
        progress: Callable[[int, int], Any] | None = None,
        **sizes: Any,
    ) -> Report:
        """Compares the gradients with forward mode and with differences. ``progress(done, total)`` is called between
        samples; what it raises ends the check."""
        steps = None if lengths is None else [whole(it, "a length", 1) for it in np.atleast_1d(lengths).tolist()]
        count = None if seeds is None else whole(seeds, "seeds", 1)
        if progress is not None and not callable(progress):
            raise TypeError("progress is called with (done, total)")
        given = list(sizes_of(sizes).items())
        lines: list[Line] = []
        samples = 0
        for own in [False, True] if self._info["has_teacher"] else [True]:
            with _bar(progress) as told:
                found = json.loads(self._raw.gradcheck(given, steps, count, own, told))
            samples += found["samples"]
            lines += [Line(**it) for it in found["lines"]]
        return Report(self.name, samples, tuple(lines))

    def __str__(self) -> str:
        def row(head: str, entries: Any) -> list[str]:
            entries = list(entries)
            return [f"  {head:8} {', '.join(entries)}"] if entries else []

        def shaped(all_: Any) -> list[str]:
            return [f"{it.name}: [{', '.join(it.shape)}]" if it.shape else it.name for it in all_]

        lines = [f"{'model' if self.is_model else 'cell'} {self.name}"]
        lines += row("dims", (it.name if it.default is None else f"{it.name} = {it.default}" for it in self.dims))
        lines += row("hypers", (f"{name} = {value}" for name, value in self.hypers.items()))
        lines += row("inputs", shaped(self.inputs)) + row("states", shaped(self.states)) + row("masks", shaped(self.masks))
        lines += row("params", shaped(self.params)) + row("outputs", self.outputs)
        return "\n".join([*lines, f"  trained  {self._info['parameters']} numbers"])

    def __repr__(self) -> str:
        return f"<rnnc.Cell {self.name}: dims {', '.join(it.name for it in self.dims) or 'none'}>"

    def _repr_html_(self) -> str:
        from .notebook import cell_html

        return cell_html(self)

    def __reduce__(self) -> Any:
        return Cell, (self.spec, self._name, self._settings, self._outputs)


class Line(NamedTuple):
    """A gradient of a report: the greatest differences from forward mode, from differences, of the fast engine."""

    name: str
    kind: str
    passes: bool
    forward: float | None
    difference: float | None
    fast: float | None


class Report(NamedTuple):
    """What ``Cell.gradcheck`` found."""

    cell: str
    samples: int
    lines: tuple[Line, ...]

    @property
    def passes(self) -> bool:
        """Whether all gradients agree."""
        return all(it.passes for it in self.lines)

    def __str__(self) -> str:
        head = f"{'gradient':16} {'forward mode':>12} {'differences':>11} {'fast f32':>9}"
        return "\n".join([f"{self.cell}: {self.samples} random samples in f64", head, *map(self._row, self.lines), self._verdict()])

    @staticmethod
    def _row(it: Line) -> str:
        forward, difference, fast = ("-" if v is None else f"{v:.1e}" for v in (it.forward, it.difference, it.fast))
        name = it.name if it.kind == "param" else f"{it.kind}.{it.name}"
        return f"{name:16} {forward:>12} {difference:>11} {fast:>9}{'' if it.passes else '  WRONG'}"

    def _verdict(self) -> str:
        wrong = sum(not it.passes for it in self.lines)
        return f"{wrong} of {len(self.lines)} gradients disagree" if wrong else f"all {len(self.lines)} gradients agree"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


class _bar:
    """Shows progress in a notebook after a second, where nobody else is told."""

    def __init__(self, progress: Callable[[int, int], Any] | None) -> None:
        self.progress, self.shown = progress, None

    def __enter__(self) -> Callable[[int, int], Any] | None:
        if self.progress is not None or "ipykernel" not in sys.modules:
            return self.progress
        try:
            from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            return None
        bar = self.shown = tqdm(delay=1, leave=False)

        def told(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return told

    def __exit__(self, *_: object) -> None:
        if self.shown is not None:
            self.shown.close()


def _replace(path: str, content: str) -> None:
    """Writes a file under a temporary name and renames it, so that nothing is lost when writing fails."""
    part = f"{path}.{os.getpid()}.tmp"
    try:
        with open(part, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
        os.replace(part, path)
    except BaseException:
        if os.path.exists(part):
            os.unlink(part)
        raise


def load(path: str | os.PathLike[str]) -> Spec:
    """Reads a spec from a ``.rnn`` file or a compiled ``.ron``; ``use`` reads files beside it and below."""
    raw, cell, settings = _rnnc.load(os.fspath(path))
    return Spec(raw, cell, tuple(settings))


def _bytes(source: object) -> bytes:
    if isinstance(source, str):
        return source.encode("utf-8", "surrogatepass")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    raise TypeError(f"a source is a str or bytes, not {type(source).__name__}")


def parse(source: str | bytes, *, name: str = "<source>") -> Spec:
    """Checks a text; it may use the built-in library, but no files."""
    return Spec(_rnnc.parse(text(name, "name"), _bytes(source)))


def std(name: str) -> Spec:
    """Returns a file of the built-in library: ``rnnc.std("gru")``."""
    return Spec(_rnnc.std(text(name, "name")))


def library() -> list[LibraryEntry]:
    """Lists the built-in library."""
    return [LibraryEntry(*it) for it in _rnnc.library()]


def check(source: str | bytes, *, name: str = "<source>") -> tuple[Diagnostic, ...]:
    """Returns all errors and warnings of a text; a wrong one raises nothing."""
    return diagnostics(_rnnc.check(text(name, "name"), _bytes(source)))


def explain(code: str) -> str:
    """Says what a code means: ``rnnc.explain("E0703")``."""
    return str(_rnnc.explain(text(code, "code")))


def cell_of(cell: object) -> Cell:
    """Takes a ``Spec``, a ``Cell``, a ``BoundCell`` or the name of a library file."""
    if isinstance(cell, str):
        return std(cell).cell()
    if isinstance(cell, Spec):
        return cell.cell()
    if isinstance(cell, Cell):
        return cell
    inner = getattr(cell, "cell", None)
    if isinstance(inner, Cell):
        return inner
    raise TypeError(f"a cell is a Spec, a Cell, a BoundCell or the name of a library file, not {type(cell).__name__}")


def convert(
    cell: object,
    tensors: Mapping[str, Any],
    source: str,
    target: str,
    *,
    prefix: str = "",
    suffix: str | None = None,
    to_prefix: str = "",
    to_suffix: str | None = None,
) -> dict[str, Any]:
    """Moves weights from one layout to another. Sizes follow from the tensors; those outside of the prefix are left alone."""
    found = cell_of(cell)
    weights = found._find(tensors, source, prefix, suffix)
    bound = found._bound(weights.sizes({}))
    params = bound._params_of(weights, np.dtype(np.float64), 0, False, True)
    stored = params.to(target, prefix=to_prefix, suffix=to_suffix)
    single = any(np.asarray(it).dtype == np.float32 for it in tensors.values())
    return {name: it.astype(np.float32) if single else it for name, it in stored.items()}


__all__ = ["SpecError", "Cell", "LibraryEntry", "Report", "Spec", "cell_of", "check", "convert", "explain", "library", "load", "parse", "std"]
