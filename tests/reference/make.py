"""Writes the reference vectors beside this file: `python make.py` all of them, `python make.py gated lstm` those of some
groups or of single cases. README.md says what they hold and with which versions they were made.

A group is a folder of `specs/`, a folder here with its files, and a module of `cells/` whose `cases()` yields them.
"""

import importlib
import sys
from pathlib import Path

import torch
import vectors

HERE = Path(__file__).parent


def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    asked = set(sys.argv[1:])
    for module in sorted((HERE / "cells").glob("*.py")):
        group = module.stem
        for case in importlib.import_module(f"cells.{group}").cases():
            if asked and not asked & {group, case.name}:
                continue
            text = vectors.text(vectors.compute(case)) + "\n"
            path = HERE / group / f"{case.name}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            print(f"{group}/{case.name}: {len(text)} bytes", file=sys.stderr)


main()
