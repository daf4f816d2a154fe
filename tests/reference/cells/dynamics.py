"""Discretised differential equations, oscillators, and cells that know about time."""

from cells.gated import STACKED, case
from vectors import whole


def cases():
    simple = whole(**STACKED)
    name = "antisymmetric_rnn"
    yield case(name, "AntisymmetricRNNCell", simple)
    hypers = {"eps": 0.25, "gamma": 0.125}
    yield case(
        f"{name}_hypers", "AntisymmetricRNNCell", simple, hypers=hypers, spec=name, epsilon=0.25, gamma=0.125
    )

    cornn = simple | whole(V="weight_ch", e="bias_ch")
    velocity = "our state z, the velocity, is the source's second state c"
    yield case("cornn", "coRNNCell", cornn, ["h", "z"], velocity)
    hypers = {"dt": 0.25, "gamma": 2.5, "epsilon": 1.75}
    yield case("cornn_hypers", "coRNNCell", cornn, ["h", "z"], velocity, hypers, "cornn", **hypers)
