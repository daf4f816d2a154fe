"""The exceptions of rnnc. All of them can be pickled."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any, NamedTuple, NoReturn


class Diagnostic(NamedTuple):
    """One thing that is wrong in a spec, or probably is; places count from 1."""

    code: str
    severity: str
    message: str
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    labels: tuple[dict[str, Any], ...]
    help: str | None
    fix: dict[str, Any] | None


class Error(Exception):
    """What rnnc raises."""

    def __init__(self, message: str = "", code: str | None = None) -> None:
        super().__init__(message)
        #: The stable code, such as ``E0703``, which ``rnnc.explain`` explains; ``None`` where there is none.
        self.code = code

    def __reduce__(self) -> Any:
        return type(self), (self.args[0] if self.args else "", self.code)


class SpecError(Error, ValueError):
    """A spec that does not compile."""

    def __init__(self, rendered: str = "", diagnostics: tuple[Diagnostic, ...] = ()) -> None:
        errors = [it for it in diagnostics if it.severity == "error"]
        super().__init__(rendered, errors[0].code if errors else None)
        #: Errors and warnings in the order of the source.
        self.diagnostics = tuple(diagnostics)
        #: The text that the command line shows, without colours.
        self.rendered = rendered

    def __reduce__(self) -> Any:
        return type(self), (self.rendered, self.diagnostics)


class DataError(Error, ValueError):
    """Data, sizes, weights or settings of a run that do not fit."""


class UnknownNameError(Error, LookupError):
    """A name that does not exist."""


class InternalError(Error, RuntimeError):
    """A bug of rnnc."""


def diagnostics(text: str) -> tuple[Diagnostic, ...]:
    """Reads the JSON form of diagnostics."""

    def one(it: dict[str, Any]) -> Diagnostic:
        fields = {key: it.get(key) for key in Diagnostic._fields}
        return Diagnostic(**{**fields, "labels": tuple(it.get("labels") or ())})  # type: ignore[arg-type]

    return tuple(one(it) for it in json.loads(text)["diagnostics"])


def make(kind: str, code: str | None, message: str, found: str | None) -> Error:
    """Makes the exception of an error of the library; Rust calls this."""
    if kind == "spec":
        return SpecError(message.rstrip(), diagnostics(found or '{"diagnostics": []}'))
    if kind == "internal":
        told = f"this is a bug of rnnc: {message}; please report it with what you ran"
        return InternalError(told)
    kinds = {"data": DataError, "name": UnknownNameError}
    return kinds.get(kind, Error)(message, code)


def unknown(what: str, name: object, known: Iterable[str]) -> NoReturn:
    """Raises for a name that is not among those that are known."""
    names = list(known)
    near = difflib.get_close_matches(str(name), names, 1)
    if near:
        more = f"; did you mean `{near[0]}`?"
    elif names:
        shown = ", ".join(f"`{it}`" for it in names[:12])
        more = f"; there is {shown}" + (" and more" if len(names) > 12 else "")
    else:
        more = "; there is none"
    raise UnknownNameError(f"there is no {what} `{name}`{more}")
