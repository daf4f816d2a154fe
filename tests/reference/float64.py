"""Float64 inside sources that compute in float32 whatever they are given."""

from contextlib import contextmanager
from unittest import mock

import torch


@contextmanager
def float64():
    """Inside, what a source casts to float32 becomes float64."""
    names = mock.patch.multiple(torch, float32=torch.float64, float=torch.float64)
    with names, mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
        yield


def inside(function):
    """The function, run inside `float64`."""

    def run(*args, **named):
        with float64():
            return function(*args, **named)

    return run
