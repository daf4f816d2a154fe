"""rnnc: recurrent cells from their equations, as NumPy functions and as torch modules.

>>> import numpy as np, rnnc
>>> cell = rnnc.std("gru").bind(I=3, H=4)
>>> run = cell.engine().forward(cell.init(seed=0), np.ones((10, 2, 3), "float32"))
>>> run.output.shape
(10, 2, 4)
>>> run.backward().params["W_z"].shape
(4, 3)

``rnnc.torch`` has ``RNN`` and ``Model`` as ``torch.nn.Module``; ``python -m rnnc`` is the command line.
"""

from __future__ import annotations

from typing import Any

from . import _rnnc
from ._bound import BoundCell, Params
from ._errors import DataError, Diagnostic, Error, InternalError, SpecError, UnknownNameError
from ._run import Engine, Gradients, Run, Stream
from ._spec import Cell, LibraryEntry, Report, Spec, check, convert, explain, library, load, parse, std
from ._train import train

__version__: str = _rnnc.__version__

__all__ = [
    "BoundCell", "Cell", "DataError", "Diagnostic", "Engine", "Error", "Gradients", "InternalError", "LibraryEntry", "Params",
    "Report", "Run", "Spec", "SpecError", "Stream", "UnknownNameError", "check", "convert", "explain", "library", "load", "parse",
    "std", "train",
]  # fmt: skip


def load_ipython_extension(ipython: Any) -> None:
    """Registers ``%%rnn``: ``%load_ext rnnc``."""
    from .notebook import register

    register(ipython)
