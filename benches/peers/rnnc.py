"""rnnc from outside: its command line, its files, and what it computes."""

import json
import os
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def binary():
    path = os.environ.get("RNNC", os.path.join(ROOT, "target", "release", "rnnc"))
    if not os.path.exists(path):
        sys.exit(f"missing: {path}; `cargo build --release` makes it, or set RNNC")
    return path


def call(*args):
    done = subprocess.run([binary(), *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        says = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise RuntimeError(f"rnnc {args[0]}: {says[-1]}")
    return done.stdout


def sets(sizes):
    return [word for name, size in sizes.items() for word in ("--set", f"{name}={size}")]


def bench(spec, sizes, batch, steps, threads, repeats=9):
    return json.loads(call("bench", spec, *sets(sizes), "--batch", batch, "--steps", steps,
                           "--threads", threads, "--repeats", repeats, "--json"))


def about(spec):
    return json.loads(call("compile", spec, "--json"))


def library():
    """Name, dims, inputs and so on of each cell that comes with rnnc."""
    return json.loads(call("list", "--json"))["cells"]


def write_tensors(path, tensors):
    """A .safetensors file of float32 arrays."""
    header, body, at = {}, [], 0
    for name, array in tensors.items():
        data = array.astype("<f4").tobytes()
        header[name] = {
            "dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + len(data)],
        }
        body.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(body))


def read_tensors(path):
    import numpy as np

    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        body = file.read()
    header.pop("__metadata__", None)
    types = {"F32": "<f4", "F64": "<f8"}
    return {
        name: np.frombuffer(body[slice(*it["data_offsets"])], types[it["dtype"]]).reshape(it["shape"])
        for name, it in header.items()
    }


def ours(spec, sizes, layout, weights, x, upstream=None, threads=1):
    """What the fast engine of rnnc computes: the output as `y` and, for an upstream, the gradients as `x`, `start 0` and
    so on in the order of the states, and `d NAME` of each weight where the layout is one to one or none (`own`)."""
    import numpy as np

    cell = about(spec)
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: os.path.join(folder, name)
        write_tensors(at("p.safetensors"), weights)
        np.save(at("x.npy"), x)
        given = [spec, *sets(sizes), "--params", at("p.safetensors"), "--input", at("x.npy"),
                 "--engine", "fast", "--threads", threads]
        given += [] if layout == "own" else ["--layout", layout]
        call("run", *given, "-o", at("y.npy"))
        found = {"y": np.load(at("y.npy"))}
        if upstream is None:
            return found
        np.save(at("up.npy"), upstream)
        output = cell["outputs"][0]["name"]
        call("grad", *given, "--upstream", f"{output}={at('up.npy')}", "-o", at("g.safetensors"))
        all = read_tensors(at("g.safetensors"))
        found["x"] = all[f"input.{cell['inputs'][0]['name']}"]
        for k, state in enumerate(cell["states"]):
            if f"state.{state['name']}" in all:
                found[f"start {k}"] = all[f"state.{state['name']}"]
        params = {name: it for name, it in all.items() if "." not in name}
        if any(it["name"] == layout and it["one_to_one"] for it in cell["layouts"]):
            # Such a layout only moves numbers, and gradients move as their numbers do.
            write_tensors(at("g.safetensors"), params)
            call("convert", spec, *sets(sizes), at("g.safetensors"), "--to", layout,
                 "-o", at("moved.safetensors"))
            params = read_tensors(at("moved.safetensors"))
        elif layout != "own":
            params = {}
        return found | {f"d {name}": it for name, it in params.items()}
