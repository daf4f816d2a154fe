"""Values of Python as rnnc takes them: whole numbers, names, arrays."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ._errors import DataError

Array = np.ndarray


def whole(value: object, what: str, low: int = 0, high: int = 2**63 - 1) -> int:
    """Takes a whole number of Python or NumPy; others are a ``TypeError``."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{what} is a whole number, not {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{what} is a whole number, not {kind}") from None
    if not low <= number <= high:
        raise DataError(f"{what} is {number}; it lies in {low}..{high}", "E0702")
    return number


def _memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2**36


def check_room(steps: int, batch: int, numbers: int) -> None:
    """Refuses a run whose results the machine cannot hold, because an allocation that fails ends a Rust program."""
    if steps * batch * (numbers + 4) * 8 > _memory():
        raise DataError(f"{steps} steps of {batch} sequences are more than memory holds", "E0707")


def seed_of(value: object, what: str = "seed") -> int:
    """Takes a seed."""
    return whole(value, what, 0, 2**64 - 1)


def sizes_of(sizes: Mapping[str, Any]) -> dict[str, int]:
    """Takes sizes of dims."""
    return {name: whole(size, f"the size `{name}`", -(2**63)) for name, size in sizes.items()}


def text(value: object, what: str) -> str:
    """Takes a text."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {type(value).__name__}")
    return value


def names(value: object, what: str) -> tuple[str, ...]:
    """Takes one name or several."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Iterable):
        raise TypeError(f"{what} are names, not {type(value).__name__}")
    return tuple(text(it, f"each of {what}") for it in value)


def dtype_of(value: Any) -> np.dtype[Any]:
    """Takes ``float32`` or ``float64`` as NumPy knows them."""
    try:
        found = np.dtype(value)
    except TypeError as error:
        raise TypeError(f"dtype is float32 or float64: {error}") from None
    if found not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise DataError(f"dtype is float32 or float64, not {found}", "E0702")
    return np.dtype(np.float64 if found == np.float64 else np.float32)


def real(value: object, what: str) -> Array:
    """Makes an array of real numbers of it."""
    if value is None or isinstance(value, (str, bytes, Mapping)):
        raise TypeError(f"{what} is an array, not {type(value).__name__}")
    try:
        found = np.asarray(value)
    except (MemoryError, RecursionError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise TypeError(f"{what} is no array: {error}") from None
    if found.dtype.kind not in "fiub":
        raise TypeError(f"{what} holds real numbers, not {found.dtype}")
    return found


def typed(value: object, dtype: np.dtype[Any], what: str, copy: bool = False) -> Array:
    """Makes an array of this type of it, aligned and native; copied only where it must be or is asked for."""
    found = real(value, what)
    as_is = found.dtype == dtype and found.dtype.isnative and found.flags.aligned
    if as_is and not copy:
        return found
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array(found, dtype=dtype, order="C", copy=True)
