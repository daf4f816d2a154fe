"""LSTM and GRU in JAX, by jit and lax.scan: inference, and training with gradients of weights, input and starts."""

import os

import common
import rnnc

GATES = {"lstm": 4, "gru": 3}


def main():
    args = common.arguments(__doc__, GATES)
    # The processors this process is bound to limit XLA's threads too; a single thread needs no pool at all.
    flags = os.environ.get("XLA_FLAGS", "")
    if args.threads == 1:
        flags += " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = flags.strip()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    np, jax = common.need("numpy", "jax")
    race = common.Race("JAX", f"JAX {jax.__version__}", args)
    for cell in args.cells:
        for shape in args.shapes:
            race.attempt(cell, shape, lambda: measure(race, np, jax, cell, shape))
    race.end()


def measure(race, np, jax, cell, shape):
    batch, i, h, steps = shape
    draw, bound, g = np.random.default_rng(1), 1 / np.sqrt(h), GATES[cell]
    uniform = lambda *shape: draw.uniform(-bound, bound, shape).astype("f4")
    # Weights stand as [in, out], so that a step has nothing to transpose; PyTorch's stand as [out, in].
    weights = {"weight_ih": uniform(i, g * h), "weight_hh": uniform(h, g * h),
               "bias_ih": uniform(g * h), "bias_hh": uniform(g * h)}
    x = draw.standard_normal((steps, batch, i)).astype("f4")
    upstream = np.ones((steps, batch, h), "f4")
    starts = tuple(np.zeros((batch, h), "f4") for _ in range(2 if cell == "lstm" else 1))
    turned = lambda all: {name: np.asarray(it).T.copy() for name, it in all.items()}
    sizes = {"I": i, "H": h}
    own = rnnc.ours(f"std/{cell}", sizes, "pytorch", turned(weights), x, upstream, race.args.threads)

    device = jax.tree.map(jax.numpy.asarray, (weights, x, starts))
    up = jax.numpy.asarray(upstream)
    works = {"inference": {}, "training": {}}
    for name, before, unroll in [("scan", False, 1), ("scan, x before", True, 1),
                                 ("scan, x before, 4 steps unrolled", True, 4)]:
        layer = make(jax, cell, before, unroll)
        forward = jax.jit(layer)

        @jax.jit
        def both(*given, layer=layer):
            y, back = jax.vjp(layer, *given)
            return y, back(up)

        y, (d, dx, dstarts) = both(*device)
        theirs = {"y": y, "x": dx} | {f"start {k}": it for k, it in enumerate(dstarts)}
        theirs |= {f"d {name}": it for name, it in turned(d).items()}
        if race.same(f"{cell}, {name}", shape, theirs, own) and race.same(
                f"{cell}, {name}", shape, {"y": forward(*device)}, own):
            works["inference"][name] = lambda run=forward: jax.block_until_ready(run(*device))
            works["training"][name] = lambda run=both: jax.block_until_ready(run(*device))
    if works["inference"]:
        race.measure(cell, f"std/{cell}", sizes, shape, works)


def make(jax, cell, before, unroll):
    """The layer; the product with x stands in the loop or, all steps at once, before it."""
    np, sigmoid = jax.numpy, jax.nn.sigmoid

    def lstm(given, now, state):
        h, c = state
        i, f, g, o = np.split(now + h @ given["weight_hh"] + given["bias_hh"], 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    def gru(given, now, state):
        (h,) = state
        xr, xz, xn = np.split(now, 3, 1)
        hr, hz, hn = np.split(h @ given["weight_hh"] + given["bias_hh"], 3, 1)
        z = sigmoid(xz + hz)
        return ((1 - z) * np.tanh(xn + sigmoid(xr + hr) * hn) + z * h,)

    def layer(given, x, starts):
        product = lambda x: x @ given["weight_ih"] + given["bias_ih"]
        x = product(x) if before else x

        def step(state, now):
            state = {"lstm": lstm, "gru": gru}[cell](given, now if before else product(now), state)
            return state, state[0]

        return jax.lax.scan(step, starts, x, unroll=unroll)[1]

    return layer


if __name__ == "__main__":
    main()
