"""Training by the trainer of the command line, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from ._errors import DataError, Error, SpecError
from ._spec import Spec
from ._values import text

__all__ = ["train"]


def train(
    spec: str | os.PathLike[str] | Spec, out: str | os.PathLike[str], *, progress: Callable[[dict[str, Any]], Any] | None = None, **keys: Any
) -> list[dict[str, Any]]:
    """Trains a model into the folder ``out``, and returns the lines of its ``metrics.jsonl``. ``spec`` is a path, the name of a
    library file, or a ``Spec`` that was loaded; ``keys`` are those of ``rnnc train``: ``data="mg"``, ``epochs=3``, ``resume=True``.
    ``progress`` is called with each new line. Ctrl-C saves the training, then raises ``KeyboardInterrupt``."""
    if progress is not None and not callable(progress):
        raise TypeError("progress is called with a line of the log")
    source = spec.name if isinstance(spec, Spec) else os.fspath(spec)
    if source.startswith("<"):
        raise DataError("a training reads its model from a file: save the text, and give its path", "E0702")
    folder = text(os.fspath(out), "out")
    args = [sys.executable, "-m", "rnnc", "train", source, "-o", folder, "-q"]
    for key, value in keys.items():
        flag = "--" + key.replace("_", "-")
        for it in value if isinstance(value, (list, tuple)) else [value]:
            if it is True:
                args.append(flag)
            elif it is not False and it is not None:
                args.append(f"{flag}={it}")
    log = _Log(os.path.join(folder, "metrics.jsonl"))
    process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True)
    told = ""
    while True:
        try:
            _, told = process.communicate(timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            _tell(progress, log, process)
        except KeyboardInterrupt:
            _end(process)
            raise
    _tell(progress, log, process)
    if process.returncode in (128 + signal.SIGINT, -signal.SIGINT):
        raise KeyboardInterrupt
    if process.returncode:
        raise _error(process.returncode, told.strip())
    return log.lines


def _tell(progress: Callable[[dict[str, Any]], Any] | None, log: _Log, process: Any) -> None:
    for line in log.more():
        if progress is not None:
            try:
                progress(line)
            except BaseException:
                _end(process)
                raise


def _end(process: Any) -> None:
    """Lets it save; a terminal does not reach it, so that it is told once, for a second signal ends it at once."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
    process.communicate()


class _Log:
    """The lines of a log that grows."""

    def __init__(self, path: str) -> None:
        self.path, self.lines, self._at = path, [], 0  # type: tuple[str, list[dict[str, Any]], int]

    def more(self) -> list[dict[str, Any]]:
        """The whole lines that were written since."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self._at)
                new = file.read()
        except FileNotFoundError:
            return []
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        lines = [json.loads(it) for it in whole.splitlines()]
        self.lines += lines
        return lines


def _error(code: int, told: str) -> Exception:
    found = re.search(r"\[([EW]\d{4})\]", told)
    number = found.group(1) if found else None
    if code == 1:
        return SpecError(told)
    if code == 3:
        return OSError(told)
    return DataError(told, number) if code in (2, 4, 5) else Error(told, number)
