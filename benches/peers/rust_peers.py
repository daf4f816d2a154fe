"""LSTM and GRU of candle-nn, burn-nn (backend Flex) and tract, by the program in rust/, which has to be built before."""

import json
import os
import re
import subprocess
import sys
import tempfile

import common
import onnx_runtime
import rnnc

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rust")
BUILD = f'RUSTFLAGS="-C target-cpu=native" cargo build --release --manifest-path {os.path.join(HERE, "Cargo.toml")}'
CRATES = {"candle": "candle-nn", "burn": "burn", "tract": "tract-onnx"}
GATES = {"lstm": 4, "gru": 3}


def main():
    extra = lambda parser: parser.add_argument(
        "--peer", action="append", choices=CRATES, help="may be repeated; all by default")
    args = common.arguments(__doc__, GATES, extra=extra)
    (np,) = common.need("numpy")
    try:
        import onnx
    except ImportError:
        onnx = None
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "target"))
    program = os.path.join(target, "release", "peers")
    if not os.path.exists(program):
        sys.exit(f"missing: {program}; to build it: {BUILD}")
    with open(os.path.join(HERE, "Cargo.lock")) as file:
        versions = dict(re.findall(r'name = "(.*)"\nversion = "(.*)"', file.read()))
    for peer in args.peer or CRATES:
        if peer == "tract" and onnx is None:
            print("missing: onnx, which writes the model for tract", file=sys.stderr)
            continue
        race = common.Race(peer, f"{CRATES[peer]} {versions[CRATES[peer]]}", args)
        for cell in args.cells:
            for shape in args.shapes:
                race.attempt(cell, shape, lambda: measure(race, np, onnx, program, peer, cell, shape))
        race.end()


def measure(race, np, onnx, program, peer, cell, shape):
    batch, i, h, steps = shape
    draw, bound, g = np.random.default_rng(1), 1 / np.sqrt(h), GATES[cell]
    uniform = lambda *shape: draw.uniform(-bound, bound, shape).astype("f4")
    weights = {"weight_ih": uniform(g * h, i), "weight_hh": uniform(g * h, h),
               "bias_ih": uniform(g * h), "bias_hh": uniform(g * h)}
    x = draw.standard_normal((steps, batch, i)).astype("f4")
    sizes = {"I": i, "H": h}
    own = rnnc.ours(f"std/{cell}", sizes, "pytorch", weights, x, np.ones((steps, batch, h), "f4"),
                    race.args.threads)
    own["inference"] = own["y"]
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: os.path.join(folder, name)
        rnnc.write_tensors(at("in.safetensors"), weights | {"x": x})
        if peer == "tract":
            write_model(np, onnx, at, cell, sizes, weights)

        def run(work, threads=race.args.threads):
            done = subprocess.run([program, folder, peer, cell, work], capture_output=True, text=True,
                                  env=os.environ | {"RAYON_NUM_THREADS": str(threads)})
            if done.returncode:
                raise RuntimeError(done.stderr.strip() or f"ended with {done.returncode}")
            return done.stdout

        run("check")
        if race.same(cell, shape, rnnc.read_tensors(at("results.safetensors")), own):
            works = ["inference"] if peer == "tract" else ["inference", "training"]
            ways = {work: {"layer": lambda work=work: json.loads(run(work))} for work in works}
            if race.args.threads > 1:
                for work in works:
                    ways[work]["layer, one thread"] = lambda work=work: json.loads(run(work, 1))
            race.measure(cell, f"std/{cell}", sizes, shape, ways, turn=lambda times: times())


def write_model(np, onnx, at, cell, sizes, weights):
    rnnc.write_tensors(at("pytorch.safetensors"), weights)
    rnnc.call("convert", f"std/{cell}", *rnnc.sets(sizes), at("pytorch.safetensors"), "--from", "pytorch",
              "--to", "onnx", "-o", at("onnx.safetensors"))
    given = rnnc.read_tensors(at("onnx.safetensors"))
    with open(at("model.onnx"), "wb") as file:
        file.write(onnx_runtime.operator(onnx, np, cell, sizes["H"], given, []))


if __name__ == "__main__":
    main()
