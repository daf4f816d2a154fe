"""ONNX Runtime: the operators LSTM, GRU and RNN over a sequence and, as `stream`, one step a call with the state fed back; a
cell of one's own as a Scan."""

import common
import rnnc

GATES = {"lstm": 4, "gru": 3, "rnn": 1, "mgu": 2}
STREAMED = [(1, h, h, 1) for h in (32, 64, 128, 256)]
STEPS = 64


def main():
    extra = lambda parser: parser.add_argument(
        "--only", choices=["sequence", "stream"], help="only whole sequences, or only one step a call")
    args = common.arguments(__doc__, GATES, extra=extra)
    np, onnx, runtime = common.need("numpy", "onnx", "onnxruntime")
    race = common.Race("ONNX Runtime", f"ONNX Runtime {runtime.__version__}", args)
    for cell in args.cells:
        for shape in args.shapes if args.only != "stream" else []:
            race.attempt(cell, shape, lambda: sequence(race, np, onnx, runtime, cell, shape))
        for shape in STREAMED if args.only != "sequence" and cell != "mgu" else []:
            race.attempt(cell, shape, lambda: stream(race, np, onnx, runtime, cell, shape))
    race.end()


def weights(np, cell, i, h):
    draw, bound, g = np.random.default_rng(1), 1 / np.sqrt(h), GATES[cell]
    uniform = lambda *shape: draw.uniform(-bound, bound, shape).astype("f4")
    if cell != "mgu":
        return "onnx", {"W": uniform(1, g * h, i), "R": uniform(1, g * h, h), "B": uniform(1, 2 * g * h)}
    shapes = {"W": (h, i), "U": (h, h), "b": (h,), "d": (h,)}
    return "own", {f"{name}_{it}": uniform(*shape) for name, shape in shapes.items() for it in "fn"}


def sequence(race, np, onnx, runtime, cell, shape):
    batch, i, h, steps = shape
    layout, given = weights(np, cell, i, h)
    x = np.random.default_rng(2).standard_normal((steps, batch, i)).astype("f4")
    feed = {"X": x}
    if cell == "mgu":
        feed["h0"] = np.zeros((batch, h), "f4")
        models = {"Scan": scan(onnx, np, given, False), "Scan, x before": scan(onnx, np, given, True)}
    else:
        models = {"operator": operator(onnx, np, cell, h, given, [])}
    sizes, ways = {"I": i, "H": h}, {}
    own = rnnc.ours(f"std/{cell}", sizes, layout, given, x, threads=race.args.threads)
    for name, model in models.items():
        for suffix, session in sessions(runtime, model, race.args.threads):
            run = lambda session=session: session.run(["Y"], feed)[0]
            if race.same(f"{cell}, {name}{suffix}", shape, {"y": run()}, own):
                ways[name + suffix] = run
    if ways:
        race.measure(cell, f"std/{cell}", sizes, shape, {"inference": ways})


def stream(race, np, onnx, runtime, cell, shape):
    _, i, h, _ = shape
    layout, given = weights(np, cell, i, h)
    x = np.random.default_rng(2).standard_normal((STEPS, 1, i)).astype("f4")
    states = ["h", "c"] if cell == "lstm" else ["h"]
    sizes, ways = {"I": i, "H": h}, {}
    own = rnnc.ours(f"std/{cell}", sizes, layout, given, x, threads=race.args.threads)
    for suffix, session in sessions(runtime, operator(onnx, np, cell, h, given, states), race.args.threads):
        for name, make in {"run": plain, "bound memory": bound}.items():
            seen = []
            work = make(np, runtime, session, x, states, h)
            work(lambda it: seen.append(it.copy()))
            if race.same(f"{cell}, {name}{suffix}", shape, {"y": np.stack(seen)}, own):
                ways[name + suffix] = work
    if ways:
        race.measure(cell, f"std/{cell}", sizes, shape, {"one step a call": ways}, per=STEPS)


def plain(np, runtime, session, x, states, h):
    """Arrays go in and come out; `look` sees each output."""
    names = [f"Y_{it}" for it in states]
    nought = np.zeros((1, 1, h), "f4")

    def work(look=lambda it: None):
        now = [nought] * len(states)
        for step in range(STEPS):
            now = session.run(names, {"X": x[step:step + 1]} | {f"{it}0": v for it, v in zip(states, now)})
            look(now[0])

    return work


def bound(np, runtime, session, x, states, h):
    """The memory of states is bound once, two of each, read and written in turns; only x is new in a step."""
    nought = np.zeros((1, 1, h), "f4")
    value = runtime.OrtValue.ortvalue_from_numpy
    pairs = [[value(nought.copy()) for _ in states] for _ in range(2)]
    given_x = value(x[:1].copy())
    bindings = []
    for old, new in (pairs, pairs[::-1]):
        binding = session.io_binding()
        binding.bind_ortvalue_input("X", given_x)
        for it, before, after in zip(states, old, new):
            binding.bind_ortvalue_input(f"{it}0", before)
            binding.bind_ortvalue_output(f"Y_{it}", after)
        bindings.append(binding)

    def work(look=lambda it: None):
        for it in pairs[0]:
            it.update_inplace(nought)
        for step in range(STEPS):
            given_x.update_inplace(x[step:step + 1])
            session.run_with_iobinding(bindings[step % 2])
            look(pairs[1 - step % 2][0].numpy())

    return work


def operator(onnx, np, cell, h, given, states):
    """The operator with these states as inputs and outputs; without, the whole output."""
    helper = onnx.helper
    extra = {"linear_before_reset": 1} if cell == "gru" else {}
    reads = ["X", "W", "R", "B", "", *(f"{it}0" for it in states)] if states else ["X", "W", "R", "B"]
    writes = ["", *(f"Y_{it}" for it in states)] if states else ["all"]
    nodes = [helper.make_node(cell.upper(), reads, writes, hidden_size=h, **extra)]
    if not states:
        # [T, 1, B, H] as it comes; the axis of directions goes without a copy.
        nodes.append(helper.make_node("Squeeze", ["all", "axes"], ["Y"]))
        given = given | {"axes": np.array([1], "i8")}
    inputs = {"X": 3} | {f"{it}0": 3 for it in states}
    return model(onnx, nodes, inputs, {it: 3 for it in writes if it and states} or {"Y": 3}, given)


def scan(onnx, np, given, before):
    """A minimal gated unit; the product with x stands in the loop or, all steps at once, before it."""
    helper = onnx.helper
    node = helper.make_node
    both = lambda name: np.concatenate([given[f"{name}_f"], given[f"{name}_n"]])
    product = lambda x: [node("MatMul", [x, "W"], ["xW"]), node("Add", ["xW", "b"], ["pre"])]
    body = [] if before else product("now")
    body += [
        node("Split", ["now" if before else "pre", "halves"], ["pf", "pn"], axis=1),
        node("MatMul", ["h", "Uf"], ["hU"]), node("Add", ["pf", "hU"], ["f1"]), node("Sigmoid", ["f1"], ["f"]),
        node("Mul", ["f", "h"], ["fh"]), node("MatMul", ["fh", "Un"], ["fhU"]),
        node("Add", ["pn", "fhU"], ["n1"]), node("Tanh", ["n1"], ["n"]),
        node("Sub", ["n", "h"], ["d"]), node("Mul", ["f", "d"], ["fd"]), node("Add", ["h", "fd"], ["next"]),
        node("Identity", ["next"], ["out"]),
    ]
    value = lambda name, rank: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * rank)
    step = helper.make_graph(body, "step", [value("h", 2), value("now", 2)], [value("next", 2), value("out", 2)])
    nodes = product("X") if before else []
    nodes.append(node("Scan", ["h0", "pre" if before else "X"], ["last", "Y"], body=step, num_scan_inputs=1))
    size = given["U_f"].shape[0]
    stored = {"W": both("W").T.copy(), "b": both("b") + both("d"), "Uf": given["U_f"].T.copy(),
              "Un": given["U_n"].T.copy(), "halves": np.array([size, size], "i8")}
    return model(onnx, nodes, {"X": 3, "h0": 2}, {"Y": 3}, stored)


def model(onnx, nodes, inputs, outputs, stored):
    helper = onnx.helper
    values = lambda all: [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * rank)
                          for name, rank in all.items()]
    tensors = [onnx.numpy_helper.from_array(it, name) for name, it in stored.items()]
    graph = helper.make_graph(nodes, "peer", values(inputs), values(outputs), tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return made.SerializeToString()


def sessions(runtime, model, threads):
    """A session with all threads and one with a single thread, which is faster where there is little to do."""
    yield "", open_session(runtime, model, threads)
    if threads > 1:
        yield ", one thread", open_session(runtime, model, 1)


def open_session(runtime, model, threads):
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads may spin within a call; after it they would take the processor from whoever is next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
