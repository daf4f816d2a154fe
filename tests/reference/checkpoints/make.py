"""Writes a checkpoint as people have them: the state of a PyTorch model whose encoder is an nn.GRU of two layers, with what
it gives for one batch. README.md of the folder above says with which versions."""

import struct
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

T, B, I, H = 6, 3, 3, 4
HERE = Path(__file__).parent


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleDict({"rnn": nn.GRU(I, H, num_layers=2)})
        self.head = nn.Linear(H, 1)


def write_safetensors(path, tensors):
    """The format is a header of JSON and the bytes of the tensors; no package is needed for it."""
    header, data = {}, b""
    for name, tensor in sorted(tensors.items()):
        raw = tensor.numpy().astype("<f4").tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


torch.manual_seed(20)
model = Model()
x = torch.randn(T, B, I)
h = torch.randn(2, B, H)
with torch.no_grad():
    y, last = model.encoder["rnn"](x, h)
write_safetensors(HERE / "gru_two_layers.safetensors", model.state_dict())
for name, array in {"x": x, "h_l0": h[0], "h_l1": h[1], "y": y, "last_l0": last[0], "last_l1": last[1]}.items():
    np.save(HERE / f"{name}.npy", array.numpy())
