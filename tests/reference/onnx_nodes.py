"""Writes `tests/onnx/nodes.json`: the operators RNN, GRU and LSTM in ONNX's own terms, a node with its inputs and outputs each.

All test cases that the package onnx has for these operators, and nodes of ours as ONNX Runtime computes them, which have
what those cases lack: lengths, attributes, both directions with all inputs. Everything is in float32.

    python tests/reference/onnx_nodes.py
"""

import json
import warnings
from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.backend.test.case.node import collect_testcases

STEPS, BATCH, INPUTS, UNITS = 5, 4, 3, 4
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def official():
    """Name, node, inputs, outputs of the cases of the package."""
    with warnings.catch_warnings():
        # Cases of other operators overflow, as they should.
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    for case in found:
        node = case.model.graph.node[0]
        if node.op_type in GATES and len(case.model.graph.node) == 1:
            inputs, outputs = case.data_sets[0]
            yield case.name, node, list(inputs), list(outputs)


def ours():
    """Nodes of ours, computed by ONNX Runtime."""
    both = {"direction": "bidirectional"}
    for name, op, attributes in (
        ("rnn_all_inputs", "RNN", both),
        ("rnn_attributes", "RNN", {"activations": ["Softsign"], "clip": 0.7}),
        ("gru_all_inputs", "GRU", both),
        ("gru_linear_before_reset", "GRU", both | {"linear_before_reset": 1}),
        ("gru_attributes", "GRU", {"activations": ["HardSigmoid", "Elu"], "clip": 0.6, "direction": "reverse"}),
        ("lstm_all_inputs", "LSTM", both),
        ("lstm_attributes", "LSTM", {"activations": ["HardSigmoid", "LeakyRelu", "Softsign"], "clip": 0.8}),
        ("lstm_input_forget", "LSTM", {"input_forget": 1, "direction": "reverse"}),
    ):
        yield run(name, op, attributes)


def run(name, op, attributes):
    rng = numpy.random.default_rng(len(name))
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    rows = GATES[op] * UNITS

    def drawn(*shape):
        return rng.standard_normal(shape).astype("float32")

    given = {
        "X": drawn(STEPS, BATCH, INPUTS),
        "W": drawn(directions, rows, INPUTS),
        "R": drawn(directions, rows, UNITS),
        "B": drawn(directions, 2 * rows),
        "sequence_lens": numpy.array([STEPS, 3, 1, 2], "int32"),
        "initial_h": drawn(directions, BATCH, UNITS),
    }
    outputs = ["Y", "Y_h"]
    if op == "LSTM":
        given |= {"initial_c": drawn(directions, BATCH, UNITS), "P": drawn(directions, 3 * UNITS)}
        outputs.append("Y_c")
    node = helper.make_node(op, list(given), outputs, hidden_size=UNITS, **attributes)
    types = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32}
    inputs = [helper.make_tensor_value_info(it, types[str(v.dtype)], v.shape) for it, v in given.items()]
    results = [helper.make_tensor_value_info(it, TensorProto.FLOAT, None) for it in outputs]
    graph = helper.make_graph([node], name, inputs, results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    found = onnxruntime.InferenceSession(model.SerializeToString()).run(outputs, given)
    return f"onnxruntime_{name}", node, list(given.values()), found


def plain(value):
    """An attribute in JSON."""
    if isinstance(value, bytes):
        return value.decode()
    return [plain(it) for it in value] if isinstance(value, list) else value


def tensor(array):
    """17 digits would be in vain: nine give every float32 back."""
    return {"shape": list(array.shape), "data": [float(f"{it:.9g}") for it in array.flatten().tolist()]}


def main():
    nodes = []
    for name, node, inputs, outputs in (*official(), *ours()):
        attributes = {it.name: plain(helper.get_attribute_value(it)) for it in node.attribute}
        given = [it for it in node.input if it]
        taken = [it for it in node.output if it]
        nodes.append(
            {
                "name": name,
                "op": node.op_type,
                "attributes": {it: float(f"{v:.9g}") if isinstance(v, float) else v for it, v in attributes.items()},
                "inputs": {it: tensor(numpy.asarray(v)) for it, v in zip(given, inputs, strict=True)},
                "outputs": {it: tensor(numpy.asarray(v)) for it, v in zip(taken, outputs, strict=True)},
            }
        )
    made = f"onnx {onnx.__version__} and onnxruntime {onnxruntime.__version__}"
    lines = ",\n".join(json.dumps(it) for it in nodes)
    path = Path(__file__).parent.parent / "onnx" / "nodes.json"
    path.write_text(f'{{"source": "{made}", "nodes": [\n{lines}\n]}}\n')
    print(f"{len(nodes)} nodes, {path.stat().st_size} bytes")


main()
