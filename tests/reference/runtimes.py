"""Comparing with Keras and with ONNX Runtime, which compute in float32 or in parts of it: they prove which case is theirs,
not its last digits."""

import os

from vectors import H


def same_in_keras(case, cls, x, states, outputs, **options):
    """Compares with a layer of Keras that has the stored weights; parts of it compute in float32 whatever is asked for."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    layer = getattr(keras.layers, cls)(H, return_sequences=True, dtype="float64", **options)
    inputs = x["x"].detach().transpose(0, 1)
    layer.build(inputs.shape)
    weights = case.stored["keras"].values()
    tensors = dict(case.tensors.named_parameters())
    layer.set_weights([(tensors[it] if isinstance(it, str) else it(tensors)).detach().numpy() for it in weights])
    start = [states[it].detach() for it in case.states]
    found = layer(inputs, initial_state=start).detach().transpose(0, 1)
    assert (found - outputs["h"]).abs().max() < 1e-6, f"{case.name}: Keras gives other numbers"


def same_in_onnx(case, op, x, states, outputs, **attributes):
    """Compares with the operator of ONNX Runtime that has the stored weights; it computes in float32."""
    import onnxruntime
    from onnx import TensorProto, helper

    tensors = dict(case.tensors.named_parameters())
    stored = case.stored["onnx"] or {name: name for name in tensors}
    given = {"X": x["x"]} | {name: tensors[it] if isinstance(it, str) else it(tensors) for name, it in stored.items()}
    names = ["X", "W", "R", "B", "", *(f"initial_{it}" for it in case.states), *(["P"] if "P" in given else [])]
    given |= {f"initial_{it}": states[it].unsqueeze(0) for it in case.states}
    given = {name: it.detach().numpy().astype("float32") for name, it in given.items()}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, it.shape) for name, it in given.items()]
    node = helper.make_node(op, names, ["Y"], hidden_size=H, **attributes)
    result = helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)
    model = helper.make_model(
        helper.make_graph([node], "step", inputs, [result]), opset_imports=[helper.make_opsetid("", 14)], ir_version=8
    )
    found = onnxruntime.InferenceSession(model.SerializeToString()).run(["Y"], given)[0]
    expected = outputs["h"].detach().numpy()
    assert abs(found[:, 0] - expected).max() < 1e-6, f"{case.name}: ONNX Runtime gives other numbers"
