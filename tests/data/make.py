"""Writes the files in `numpy/`, which `tests/data.rs` reads. Made with NumPy 2.4; run it in this folder."""

import numpy as np
from numpy.lib import format as npy


def save(name, array, version=(1, 0)):
    with open(f"numpy/{name}.npy", "wb") as file:
        npy.write_array(file, np.asanyarray(array), version=version)


count = np.arange(6).reshape(2, 3)
real = np.array([[0.5, -1.25, 3.0], [-0.0, 1e-3, 65504.0]])
edges = np.array([np.nan, np.inf, -np.inf, -0.0])

save("f2", real.astype("<f2"))
save("f4", real.astype("<f4"))
save("f8", real.astype("<f8"))
save("f4_big", real.astype(">f4"))
save("f8_big_fortran", np.asfortranarray(real.astype(">f8")))
save("f4_fortran", np.asfortranarray(np.arange(24, dtype="<f4").reshape(2, 3, 4)))
save("f8_version2", real.astype("<f8"), (2, 0))
save("f4_version3", real.astype("<f4"), (3, 0))
save("edges_f4", edges.astype("<f4"))
save("edges_f2", edges.astype(">f2"))
save("scalar", np.float64(2.5))
save("empty", np.zeros((0, 3), "<f4"))
save("bool", count % 2 == 1)
for kind in ["i1", "<i2", ">i4", "<i8", "u1", ">u2", "<u4", ">u8"]:
    save(kind.strip("<>"), (count - 3 if "i" in kind else count).astype(kind))
save("inexact", np.array([[1, 2**53 + 1]]))
save("object", np.array([{}, None]))
save("structure", np.zeros(2, [("a", "<f4"), ("b", "<i4")]))
save("complex", np.zeros(2, "<c8"))
save("text", np.array(["ab", "c"]))
save("time", np.array(["2020-01-01"], "datetime64[D]"))
save("longdouble", np.zeros(1, np.longdouble))
