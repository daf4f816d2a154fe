"""nn.LSTM, nn.GRU and nn.RNN of PyTorch, time first, training and inference; a cell by hand with --compile."""

import contextlib
import signal
import sys
import warnings

import common
import rnnc

CELLS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN", "mgu": None}


def main():
    args = common.arguments(__doc__, CELLS, extra=options)
    np, torch = common.need("numpy", "torch")
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    warnings.filterwarnings("ignore", message="TF32")
    race = common.Race("PyTorch", f"PyTorch {torch.__version__}", args)
    for cell in args.cells:
        for shape in args.shapes:
            race.attempt(cell, shape, lambda: measure(race, torch, cell, shape))
    race.end()


def options(parser):
    parser.add_argument("--compile", action="store_true", help="tries torch.compile too")
    parser.add_argument("--patience", type=int, default=120, metavar="SECONDS",
                        help="how long torch.compile may take per cell and shape (default 120)")


def measure(race, torch, cell, shape):
    batch, i, h, steps = shape
    torch.manual_seed(1)
    module = getattr(torch.nn, CELLS[cell])(i, h) if CELLS[cell] else by_hand(torch)(i, h)
    x = torch.randn(steps, batch, i, requires_grad=True)
    upstream = torch.ones(steps, batch, h)
    starts = [torch.zeros(1, batch, h, requires_grad=True) for _ in range(2 if cell == "lstm" else 1)]

    def run(module):
        return module(x, tuple(starts) if len(starts) > 1 else starts[0])[0]

    def infer(module=module):
        with torch.inference_mode():
            return run(module)

    def train(module=module):
        module.zero_grad(set_to_none=True)
        for it in (x, *starts):
            it.grad = None
        y = run(module)
        y.backward(upstream)
        return y

    def results(module=module):
        found = {"y": train(module).detach().numpy(), "x": x.grad.numpy()}
        found |= {f"start {k}": it.grad.numpy() for k, it in enumerate(starts)}
        return found | {f"d {name}": it.grad.numpy() for name, it in weights.items()}

    weights = {name.removesuffix("_l0"): it for name, it in module.named_parameters()}
    theirs = results()
    given = {name: it.detach().numpy() for name, it in weights.items()}
    layout = "pytorch" if CELLS[cell] else "torchrecurrent"
    own = rnnc.ours(f"std/{cell}", {"I": i, "H": h}, layout, given, x.detach().numpy(),
                    upstream.numpy(), race.args.threads)
    if not race.same(cell, shape, theirs, own):
        return
    works = {"inference": {"eager": infer}, "training": {"eager": train}}
    if cell == "lstm":
        # PyTorch takes oneDNN for an LSTM on its own accord, which is not always the faster way.
        for ways in works.values():
            ways["without oneDNN"] = without_onednn(torch, ways["eager"])
    if race.args.compile:
        for name, compiled in compiled_ways(torch, module, cell):
            try:
                with time_limit(race.args.patience):
                    found = results(compiled)
                    infer(compiled)
            except Exception as error:
                print(f"note: {name}, {cell} {shape}: {common.reason(error)[:150]}", file=sys.stderr)
                continue
            if race.same(f"{cell}, {name}", shape, found, own):
                works["inference"][name] = lambda it=compiled: infer(it)
                works["training"][name] = lambda it=compiled: train(it)
    race.measure(cell, f"std/{cell}", {"I": i, "H": h}, shape,
                 common.or_one_thread(torch, race.args.threads, works))


def without_onednn(torch, work):
    def run():
        with torch.backends.mkldnn.flags(enabled=False):
            return work()
    return run


def by_hand(torch):
    """A minimal gated unit as someone writes it who wants a cell of their own; the product with x stands before the loop."""

    class Mgu(torch.nn.Module):
        def __init__(self, i, h):
            super().__init__()
            draw = lambda *shape: torch.nn.Parameter(torch.empty(shape).uniform_(-h**-0.5, h**-0.5))
            self.weight_ih, self.weight_hh = draw(2 * h, i), draw(2 * h, h)
            self.bias_ih, self.bias_hh = draw(2 * h), draw(2 * h)
            self.step = mgu_step

        def forward(self, x, start):
            pre = torch.nn.functional.linear(x, self.weight_ih, self.bias_ih + self.bias_hh)
            gate, new = (it.t() for it in self.weight_hh.chunk(2))
            h, all = start[0], []
            for now in pre.unbind(0):
                h = self.step(now, h, gate, new)
                all.append(h)
            return torch.stack(all), h

    def mgu_step(now, h, gate, new):
        f, n = now.chunk(2, 1)
        f = torch.sigmoid(f + h @ gate)
        return h + f * (torch.tanh(n + (f * h) @ new) - h)

    return Mgu


def compiled_ways(torch, module, cell):
    """The module compiled and, of a cell by hand, only its step: a loop over time is unrolled else."""
    import copy

    torch.compiler.reset()  # Else the next shape is compiled for all shapes.
    config = torch._dynamo.config
    if hasattr(config, "allow_rnn"):
        config.allow_rnn = True
    if not CELLS[cell]:
        stepwise = copy.copy(module)
        stepwise.step = torch.compile(module.step, dynamic=False)
        yield "compiled step", stepwise
    yield "compiled", torch.compile(module, dynamic=False)


@contextlib.contextmanager
def time_limit(seconds):
    """Ends what takes longer, where the system has alarms."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_):
        raise TimeoutError(f"took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    main()
