"""The LSTM, GRU and RNN operators of ONNX Runtime, inference, and one step a call."""

import common

GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def main():
    args = common.arguments(__doc__, GATES)
    np, onnx, runtime = common.need("numpy", "onnx", "onnxruntime")
    common.title(f"ONNX Runtime {runtime.__version__}", args.threads, args.rounds)
    for cell in args.cells:
        for batch, i, h, steps in args.shapes:
            draw = np.random.default_rng(1)
            bound = 1 / np.sqrt(h)
            uniform = lambda *shape: draw.uniform(-bound, bound, shape).astype("f4")
            g = GATES[cell]
            weights = {"W": uniform(1, g * h, i), "R": uniform(1, g * h, h), "B": uniform(1, 2 * g * h)}
            x = draw.standard_normal((steps, batch, i)).astype("f4")
            session = open_session(onnx, runtime, cell, h, weights, args.threads)
            run = lambda: session.run(["Y"], {"X": x})[0]
            y = run()[:, 0]
            sizes = {"I": i, "H": h}
            own_y, _ = common.ours(
                f"std/{cell}", sizes, "onnx", weights, x, np.ones((steps, batch, h), "f4"))
            if not common.same(cell, [(y, own_y)]):
                continue
            now = x[:1, :1]
            one = lambda: [session.run(["Y"], {"X": now}) for _ in range(64)]
            own = lambda: common.bench(f"std/{cell}", sizes, batch, steps, args.threads)
            theirs, mine, _ = common.interleaved(
                {"inference": run, "streaming": one}, own, args.rounds)
            shape = (batch, i, h, steps)
            common.row(cell, shape, "inference", theirs["inference"], mine["inference_ms"])
            common.row(cell, (1, i, h, 1), "one step a call", theirs["streaming"] / 64,
                       mine["step_us"] / 1e3)


def open_session(onnx, runtime, cell, h, weights, threads):
    helper, numbers = onnx.helper, onnx.numpy_helper
    extra = {"linear_before_reset": 1} if cell == "gru" else {}
    node = helper.make_node(cell.upper(), ["X", "W", "R", "B"], ["Y"], hidden_size=h, **extra)
    value = lambda name, rank: helper.make_tensor_value_info(
        name, onnx.TensorProto.FLOAT, [None] * rank)
    stored = [numbers.from_array(it, name) for name, it in weights.items()]
    graph = helper.make_graph([node], cell, [value("X", 3)], [value("Y", 4)], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A session that spins takes the processor from whoever is measured next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
