"""Compares what `rnnc export` writes with `rnnc run`, for every cell and model of the library.

    python tests/peers/export.py --rnnc target/debug/rnnc --to numpy [--to pytorch ..] [--only gru ..]

A whole batch, sequences of other lengths with NaN behind them, a given state, step by step, and other numbers of steps and
sequences; for pytorch and jax gradients, too. Needs numpy and safetensors, and the package of the target; a target whose
package is missing is left out, and the last line says so.
"""

import argparse
import concurrent.futures
import ctypes
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

STEPS, BATCH = 5, 3
LENGTHS = [5, 2, 0]
FLAGS = (
    "-std=c99 -Wall -Wextra -Werror -pedantic -Wconversion -Wdouble-promotion -Wshadow -Wstrict-prototypes "
    "-Wmissing-prototypes -Wvla"
).split()


class Failed(Exception):
    pass


def rnnc(args, *rest):
    done = subprocess.run([args.rnnc, "-q", *map(str, rest)], capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"rnnc {' '.join(map(str, rest))}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def saved(folder):
    all = {it.stem: np.load(it) for it in Path(folder).glob("*.npy")}
    pick = lambda word: {name[len(word):]: it for name, it in all.items() if name.startswith(word)}
    return pick("output."), pick("state.")


class Case:
    """A cell with weights, inputs and what rnnc makes of them."""

    def __init__(self, args, entry, folder):
        self.name, self.spec, self.folder = Path(folder).name, entry["name"], Path(folder)
        self.own = ["--feedback", "own"] if entry["group"] == "models" else []
        shown = json.loads(rnnc(args, "run", self.spec, *self.own, "--json"))
        sizes = [it.split()[0] for it in entry["dims"] if " like " not in it]
        self.weights = self.folder / "weights.safetensors"
        while True:
            self.set = [it for name in sizes if name in shown["sizes"] for it in ("--set", f"{name}={shown['sizes'][name]}")]
            try:
                rnnc(args, "init", self.spec, *self.set, "--seed", 7, "-o", self.weights)
                break
            except Failed as error:
                follows = re.search(r"E0702\]: `(\w+)` is as large as", str(error))
                if not follows:
                    raise
                sizes.remove(follows[1])
        self.params = ["--params", self.weights, *self.set]
        self.is_backward = False
        try:
            rnnc(args, "export", self.spec, *self.params, "--to", "c", "-o", self.folder / "tried.c")
        except Failed as error:
            self.is_backward = "no single step" in str(error)
        self.runs = {}

    def inputs(self, told, steps, batch, seed):
        """Random inputs of these shapes, below the limit where they are indices."""
        random = np.random.default_rng(seed)
        all = {}
        for it in told["inputs"]:
            lead = [batch] if it["name"] in self.per_sequence else [steps, batch]
            shape = lead + it["shape"]
            if it["dtype"] == "i64":
                all[it["name"]] = random.integers(0, self.limit, shape)
            elif it["default"] is not None:
                all[it["name"]] = (it["default"] * random.uniform(0.5, 1.5, shape)).astype(np.float32)
            else:
                all[it["name"]] = random.normal(size=shape).astype(np.float32)
        return all

    per_sequence = ()
    limit = 2

    def run(self, args, key, inputs, lengths=None, state=None, targets=()):
        """What rnnc gives in f32, with the bound for each array."""
        if key in self.runs:
            return self.runs[key]
        place = self.folder / key
        place.mkdir(exist_ok=True)
        words = []
        for name, array in inputs.items():
            np.save(place / f"{name}.npy", array)
            words += ["--target" if name in targets else "--input", f"{name}={place / name}.npy"]
        if lengths is not None:
            words += ["--lengths", ",".join(map(str, lengths))]
        if state is not None:
            words += ["--state", state]
        if not inputs or self.telling is None:
            words += ["--steps", STEPS]
        found = []
        for dtype in ("f32", "f64"):
            out = place / dtype
            try:
                rnnc(args, "run", self.spec, *self.own, *self.params, *words, "--dtype", dtype, "--save", out)
            except Failed as error:
                if "E0801" not in str(error) and "is not finite" not in str(error):
                    raise
            found.append(saved(out))
        (outputs, states), exact = found
        bounds = []
        for ours, theirs in zip((outputs, states), exact):
            bounds.append({
                name: 1e-5 * (1 + np.abs(finite(it)).max(initial=0)) + 4 * np.abs(finite(it) - finite(theirs[name])).max(initial=0)
                for name, it in ours.items()
            })
        self.runs[key] = (outputs, states, bounds)
        return self.runs[key]

    telling = "x"


def finite(it):
    return np.where(np.isfinite(it), it, 0)


def agree(what, found, expected, bounds):
    for name, it in expected.items():
        mine = np.asarray(found[name], np.float64)
        if mine.shape != it.shape:
            raise Failed(f"{what}: {name} is {mine.shape}, not {it.shape}")
        same = np.isclose(mine, it, rtol=0, atol=bounds[name], equal_nan=True)
        if not same.all():
            worst = np.abs(finite(mine - it)).max(initial=0)
            raise Failed(f"{what}: {name} differs by {worst:.2e}, more than {bounds[name]:.2e}")


class Numpy:
    """A file of pure functions."""

    def __init__(self, file, told, weights):
        self.told, self.weights = told, weights
        self.module = load(file)
        self.params = load_file(file.with_suffix(".safetensors"))

    def pure(self, function, inputs, **rest):
        ids = {it["name"]: it["id"] for it in self.told["inputs"]}
        given = {ids[name]: it for name, it in inputs.items()}
        y, state = getattr(self.module, function)(self.params, **given, **rest)
        names = [it["name"] for it in self.told["outputs"]]
        outputs = y if len(names) > 1 else {names[0]: y}
        return outputs, state

    def whole(self, inputs, state=None, lengths=None):
        return self.pure("apply", inputs, state=state, lengths=lengths)

    def step(self, inputs, state=None):
        return self.pure("step", inputs, state=state)


class Jax(Numpy):
    def pure(self, function, inputs, **rest):
        import jax
        import jax.numpy as jnp

        if rest.get("lengths") is not None:
            rest["lengths"] = jnp.asarray(rest["lengths"])
        inputs = {name: jnp.asarray(it) for name, it in inputs.items()}
        return super().pure(function, inputs, **rest)


class Torch:
    def __init__(self, file, told, weights):
        import torch

        self.torch, self.told = torch, told
        self.module = load(file)
        self.net = getattr(self.module, told["symbol"])()
        stored = load_file(file.with_suffix(".safetensors"))
        self.net.load_state_dict({name: torch.from_numpy(np.array(it)) for name, it in stored.items()})
        self.net.eval()

    def call(self, function, inputs, state, **rest):
        ids = {it["name"]: it["id"] for it in self.told["inputs"]}
        given = {ids[name]: self.torch.from_numpy(np.array(it)) for name, it in inputs.items()}
        states = self.told["states"]
        if states and state is not None:
            kind = getattr(self.module, self.told["symbol"] + "State")
            rest["state"] = kind(*[self.torch.from_numpy(np.array(state[it["name"]])) for it in states])
        with self.torch.no_grad():
            y = function(**given, **rest)
        state = {}
        if states:
            y, state = y
            state = {it["name"]: getattr(state, it["id"]).numpy() for it in states}
        names = [it["name"] for it in self.told["outputs"]]
        y = y if len(names) > 1 else [y]
        return dict(zip(names, [it.numpy() for it in y])), state

    def whole(self, inputs, state=None, lengths=None):
        rest = {} if lengths is None else {"lengths": self.torch.tensor(lengths)}
        return self.call(self.net, inputs, state, **rest)

    def step(self, inputs, state=None):
        return self.call(self.net.step, inputs, state)


class C:
    """A library made of the source, one sequence at a time."""

    def __init__(self, file, told, weights):
        self.told, symbol = told, told["symbol"]
        shared = file.with_suffix(".so")
        for level in ("-O0", "-O2"):
            words = ["cc", *FLAGS, level, "-shared", "-fPIC", str(file), "-o", str(shared), "-lm"]
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode:
                raise Failed(f"cc {level}: {done.stderr[:400]}")
        library = ctypes.CDLL(str(shared))
        self.start, self.one = getattr(library, f"{symbol}_start"), getattr(library, f"{symbol}_step")

        class State(ctypes.Structure):
            _fields_ = [
                (it["id"], self.kind(it, False) * int(np.prod(it["shape"], dtype=int))) for it in told["states"]
            ] or [("unused", ctypes.c_char)]

        self.State = State

    def kind(self, it, pointer=True):
        kind = ctypes.c_int32 if it.get("dtype") == "i64" else ctypes.c_float
        return ctypes.POINTER(kind) if pointer else kind

    def begin(self, state, b):
        own = self.State()
        self.start(ctypes.byref(own))
        for it in self.told["states"] if state is not None else []:
            values = np.asarray(state[it["name"]][b]).reshape(-1)
            for at, value in enumerate(values):
                getattr(own, it["id"])[at] = value.item()
        return own

    def move(self, own, row, b):
        args, kept = [ctypes.byref(own)], []
        for it in self.told["inputs"]:
            value = row[it["name"]][b]
            typed = np.ascontiguousarray(value, np.int32 if it["dtype"] == "i64" else np.float32)
            kept.append(typed)
            if it["shape"]:
                args.append(typed.ctypes.data_as(self.kind(it)))
            else:
                args.append(self.kind(it, False)(typed.item()))
        y = {it["name"]: np.zeros(it["shape"], np.float32) for it in self.told["outputs"]}
        args += [it.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) for it in y.values()]
        self.one(*args)
        return y

    def end(self, all):
        return {
            it["name"]: np.stack([
                np.array(getattr(own, it["id"])[:], np.float64).reshape(it["shape"]) for own in all
            ])
            for it in self.told["states"]
        }

    def whole(self, inputs, state=None, lengths=None):
        once = {it["name"] for it in self.told["inputs"] if it.get("per_sequence")}
        steps, batch = next((it.shape[:2] for name, it in inputs.items() if name not in once), (STEPS, BATCH))
        y = {it["name"]: np.zeros([steps, batch, *it["shape"]], np.float32) for it in self.told["outputs"]}
        owns = [self.begin(state, b) for b in range(batch)]
        for b, own in enumerate(owns):
            for t in range(lengths[b] if lengths is not None else steps):
                row = {name: it if name in once else it[t] for name, it in inputs.items()}
                for name, value in self.move(own, row, b).items():
                    y[name][t, b] = value
        return y, self.end(owns)

    def step(self, inputs, state=None):
        batch = next(iter(inputs.values())).shape[0]
        owns = [self.begin(state, b) for b in range(batch)]
        rows = [self.move(own, inputs, b) for b, own in enumerate(owns)]
        return {name: np.stack([it[name] for it in rows]) for name in rows[0]}, self.end(owns)


class Onnx:
    """Three models: a sequence, one with lengths, one step."""

    def __init__(self, file, told, weights):
        import onnx
        import onnxruntime

        onnxruntime.set_default_logger_severity(3)
        self.told, self.sessions = told, {}
        for word in ("", "_lengths", "_step"):
            path = file.with_name(file.stem + word + ".onnx")
            if path.exists():
                onnx.checker.check_model(onnx.load(str(path)), full_check=True)
                self.sessions[word] = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(self, word, inputs, state, **rest):
        session = self.sessions[word]
        ids = {it["name"]: it["id"] for it in self.told["inputs"]}
        feed = {ids[name]: np.asarray(it) for name, it in inputs.items()}
        if state is not None:
            feed |= {f"prev.{name}": np.asarray(it) for name, it in state.items()}
        feed |= rest
        # A value that nobody reads is no input any more.
        taken = {it.name for it in session.get_inputs()} | {it.name for it in session.get_overridable_initializers()}
        names = [it.name for it in session.get_outputs()]
        found = dict(zip(names, session.run(names, {name: it for name, it in feed.items() if name in taken})))
        outputs = {it["name"]: found[it["id"]] for it in self.told["outputs"]}
        return outputs, {it["name"]: found[f"state.{it['name']}"] for it in self.told["states"]}

    def whole(self, inputs, state=None, lengths=None):
        if lengths is None:
            return self.run("", inputs, state)
        return self.run("_lengths", inputs, state, lengths=np.array(lengths, np.int64))

    def step(self, inputs, state=None):
        if state is None:
            batch = next(iter(inputs.values())).shape[0]
            kinds = {"i64": np.int64, "f32": np.float32}
            state = {
                it["name"]: np.broadcast_to(
                    np.array(it["start"] if not isinstance(it["start"], str) else float(it["start"]), kinds[it["dtype"]])
                    .reshape(it["shape"] if isinstance(it["start"], list) else ()),
                    [batch, *it["shape"]],
                )
                for it in self.told["states"]
            }
        return self.run("_step", inputs, state)


def load(file):
    spec = importlib.util.spec_from_file_location(f"exported_{file.stem}_{abs(hash(str(file)))}", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def gradients(args, case, target, net, inputs):
    """Compares gradients of the sum of the main output in f64 with `rnnc grad`."""
    place = case.folder / "whole"
    words = [it for name in inputs for it in ("--input", f"{name}={place / name}.npy")]
    file = place / "grads.safetensors"
    try:
        if not file.exists():
            rnnc(args, "grad", case.spec, *case.own, *case.params, *words, "--dtype", "f64", "-o", file)
    except Failed:
        return
    expected = load_file(file)
    trained = [it for it in net.told["params"] if it["trained"] and it["name"] in expected]
    if target == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
        try:
            params = {name: jax.numpy.asarray(it, "float64") for name, it in net.params.items()}
            given = {it["id"]: jax.numpy.asarray(wide(inputs[it["name"]])) for it in net.told["inputs"]}
            main = net.told["outputs"][0]["name"]

            def total(params):
                y, _ = net.module.apply(params, **given)
                return (y[main] if isinstance(y, dict) else y).sum()

            found = jax.jit(jax.grad(total))(params)
        finally:
            jax.config.update("jax_enable_x64", False)
        found = {it["name"]: np.asarray(found[it["name"]]) for it in trained}
    else:
        torch = net.torch
        module = net.net.double()
        module.zero_grad()
        given = {it["id"]: torch.from_numpy(wide(inputs[it["name"]])) for it in net.told["inputs"]}
        y = module(**given)
        y = y[0] if net.told["states"] else y
        y = y if len(net.told["outputs"]) == 1 else y[0]
        if y.requires_grad:
            y.sum().backward()
        own = dict(module.named_parameters())
        zero = lambda it: np.zeros(tuple(it.shape)) if it.grad is None else it.grad.numpy()
        found = {it["name"]: zero(own[it["id"]]) for it in trained}
        module.float()
    for it in trained:
        a, b = found[it["name"]], np.asarray(expected[it["name"]], np.float64)
        bound = 1e-7 * (1 + np.abs(b).max(initial=0))
        if not np.allclose(a, b, rtol=0, atol=bound, equal_nan=True):
            raise Failed(f"gradient of {it['name']} differs by {np.abs(finite(a - b)).max():.2e}")


def wide(it):
    return it.astype(np.float64) if it.dtype == np.float32 else it


TARGETS = {"numpy": (Numpy, "py", "numpy"), "pytorch": (Torch, "py", "torch"), "jax": (Jax, "py", "jax"), "c": (C, "c", "numpy"), "onnx": (Onnx, "onnx", "onnxruntime")}


def check(args, case, target):
    kind, ending, _ = TARGETS[target]
    file = case.folder / f"{case.name}_{target}.{ending}"
    words = ["export", case.spec, *case.params, "--to", target, "-o", file, "--json"]
    try:
        told = json.loads(rnnc(args, *words))
        if target == "onnx":
            for word in ("lengths", "step"):
                file.with_name(f"{file.stem}_{word}.onnx").unlink(missing_ok=True)
                if word == "lengths" or not case.is_backward:
                    rnnc(args, *words[:-3], "-o", file.with_name(f"{file.stem}_{word}.onnx"), f"--{word}")
    except Failed as error:
        if any(it in str(error) for it in ("has no input, which would tell", "draws with `sample`", "no single step")):
            return "refused"
        raise
    if any(it["name"].endswith(".draw") for it in told["inputs"]):
        return "draws by itself"
    case.per_sequence = tuple(it["name"] for it in told["inputs"] if it.get("per_sequence"))
    net = kind(file, told, case.weights)
    inputs = case.inputs(told, STEPS, BATCH, 1)
    outputs, states, bounds = case.run(args, "whole", inputs)
    found = net.whole(inputs)
    if not inputs:
        # Nothing has a batch axis, so rnnc runs one sequence.
        mine = {name: it[:, 0] for name, it in found[0].items()}
        agree("whole", mine, {name: outputs[name] for name in mine}, bounds[0])
        return "agrees"
    agree("whole", found[0], outputs, bounds[0])
    agree("final state", found[1], states, bounds[1])

    ragged = {name: np.array(it) for name, it in inputs.items()}
    outputs, states, bounds = case.run(args, "ragged", inputs, lengths=LENGTHS)
    for name, it in ragged.items():
        if it.ndim > 1 and name not in case.per_sequence:
            for at, length in enumerate(LENGTHS):
                it[length:, at] = np.nan if it.dtype == np.float32 else 10**6
    found = net.whole(ragged, lengths=LENGTHS)
    agree("ragged", found[0], outputs, bounds[0])
    agree("ragged state", found[1], states, bounds[1])

    _, state = saved(case.folder / "whole" / "f32")
    again = case.inputs(told, STEPS, BATCH, 2)
    if state:
        outputs, states, bounds = case.run(args, "state", again, state=case.folder / "whole" / "f32")
        typed = {it["name"]: state[it["name"]].astype(np.int64 if it["dtype"] == "i64" else np.float32) for it in told["states"]}
        found = net.whole(again, state=typed)
        agree("given state", found[0], outputs, bounds[0])
        agree("given state, final", found[1], states, bounds[1])

    other = case.inputs(told, 3, 2, 3)
    outputs, states, bounds = case.run(args, "other", other)
    found = net.whole(other)
    agree("other sizes", found[0], outputs, bounds[0])

    if not case.is_backward:
        outputs, states, bounds = case.run(args, "whole", inputs)
        state, rows = None, []
        for t in range(STEPS):
            row = {name: it if name in case.per_sequence else it[t] for name, it in inputs.items()}
            y, state = net.step(row, state=state)
            rows.append(y)
        stacked = {name: np.stack([np.asarray(it[name]) for it in rows]) for name in outputs}
        agree("step by step", stacked, outputs, bounds[0])
        agree("step by step, final", state, states, bounds[1])
    if target in ("pytorch", "jax"):
        gradients(args, case, target, net, inputs)
    return "agrees"


def one(args, entry, folder):
    results = []
    name = Path(entry["name"]).stem
    place = Path(folder) / name
    place.mkdir(exist_ok=True)
    try:
        case = Case(args, entry, place)
    except (Failed, KeyError, ValueError) as error:
        return [(name, "-", f"cannot be run: {error!r}")]
    for target in args.to:
        try:
            results.append((name, target, check(args, case, target)))
        except Failed as error:
            results.append((name, target, f"FAILED: {error}"))
        except Exception as error:  # A file that does not even load.
            results.append((name, target, f"FAILED: {type(error).__name__}: {str(error)[:300]}"))
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rnnc", default="target/debug/rnnc")
    parser.add_argument("--to", action="append", required=True, choices=TARGETS)
    parser.add_argument("--only", action="append")
    parser.add_argument("--spec", action="append", help="a spec beside the library")
    parser.add_argument("--keep", help="a folder for the files")
    args = parser.parse_args()
    args.rnnc = os.path.abspath(args.rnnc)
    missing = [it for it in args.to if not importlib.util.find_spec(TARGETS[it][2])]
    args.to = [it for it in args.to if it not in missing]
    cells = json.loads(rnnc(args, "list", "--json"))
    cells = cells["cells"] if isinstance(cells, dict) else cells
    for path in args.spec or []:
        own = json.loads(rnnc(args, "run", path, "--json"))
        cells.append({"name": path, "group": "", "dims": list(own["sizes"])})
    cells = [it for it in cells if it["group"] == "" or not args.only or Path(it["name"]).stem in args.only]
    with tempfile.TemporaryDirectory() as folder:
        folder = args.keep or folder
        os.makedirs(folder, exist_ok=True)
        bad, counts = 0, {}
        for entry in cells:
            for name, target, result in one(args, entry, folder):
                counts[result.split(":")[0]] = counts.get(result.split(":")[0], 0) + 1
                if result not in ("agrees", "refused", "draws by itself"):
                    bad += 1
                    print(f"{name} {target}: {result}", flush=True)
    print(", ".join(f"{count} {word}" for word, count in sorted(counts.items())))
    if missing:
        print(f"left out, since the package is missing: {', '.join(missing)}")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
