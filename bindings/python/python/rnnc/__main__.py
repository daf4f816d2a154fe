"""The command line: ``python -m rnnc ARGS``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from . import _rnnc


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line on ``argv``, or on the arguments of this process, and returns its exit code."""
    args = [os.fspath(it) for it in (sys.argv[1:] if argv is None else argv)]
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        # Rust computes without asking Python, so the system ends it.
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    except ValueError:
        return int(_rnnc.main(args))  # not the main thread: signals are not ours
    try:
        return int(_rnnc.main(args))
    finally:
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    sys.exit(main())
