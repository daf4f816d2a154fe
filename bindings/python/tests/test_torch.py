"""The part that needs torch."""

import copy
import io
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: rnnc.torch is not tested")

import rnnc
import rnnc.torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

PAIRS = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}
#: The library's cells as torch ships them.
NAMES = {"lstm": "std/lstm", "gru": "std/gru", "elman": "std/rnn"}


def pair(kind, dtype, **more):
    torch.manual_seed(0)
    theirs = PAIRS[kind](3, 5, **more).to(dtype)
    ours = rnnc.torch.RNN(NAMES[kind], I=3, H=5, layout="pytorch", dtype=dtype, **more)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def close(a, b, dtype):
    torch.testing.assert_close(a, b, atol=2e-6 if dtype == torch.float32 else 1e-12, rtol=2e-6 if dtype == torch.float32 else 1e-12)


def compare(ours, theirs, dtype, run):
    x = torch.randn(7, 4, 3, dtype=dtype)
    found = []
    for module in (theirs, ours):
        module.zero_grad()
        mine = x.clone().requires_grad_()
        out, state = run(module, mine)
        states = state if isinstance(state, tuple) else (state,)
        scale = torch.linspace(0.1, 1, out.numel(), dtype=dtype).reshape(out.shape)
        ((out * scale).sum() + sum((it * it).sum() for it in states)).backward()
        found.append([out, *states, mine.grad, *(it.grad for it in module.parameters())])
    assert [it for it, _ in ours.named_parameters()] == [it for it, _ in theirs.named_parameters()]
    for a, b in zip(*found, strict=True):
        close(a, b, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("more", [{}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 3, "bidirectional": True}])
@pytest.mark.parametrize("kind", PAIRS)
def test_it_agrees_with_torchs_modules(kind, more, dtype):
    ours, theirs = pair(kind, dtype, **more)
    compare(ours, theirs, dtype, lambda module, x: module(x))


@pytest.mark.parametrize("kind", PAIRS)
def test_it_agrees_with_starts_of_its_own(kind):
    ours, theirs = pair(kind, torch.float64, num_layers=2)
    h, c = torch.randn(2, 4, 5, dtype=torch.float64), torch.randn(2, 4, 5, dtype=torch.float64)
    start = (h, c) if kind == "lstm" else h
    compare(ours, theirs, torch.float64, lambda module, x: module(x, start))


@pytest.mark.parametrize("enforce", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", PAIRS)
def test_it_agrees_on_packed_sequences(kind, bidirectional, enforce):
    ours, theirs = pair(kind, torch.float64, bidirectional=bidirectional)
    lengths = torch.tensor([7, 5, 3, 1] if enforce else [3, 7, 1, 5])

    def run(module, x):
        out, state = module(pack_padded_sequence(x, lengths, enforce_sorted=enforce))
        assert isinstance(out, torch.nn.utils.rnn.PackedSequence)
        return pad_packed_sequence(out)[0], state

    compare(ours, theirs, torch.float64, run)


def test_lengths_are_what_packing_gives():
    ours, theirs = pair("gru", torch.float64, bidirectional=True)
    lengths = torch.tensor([3, 7, 1, 5])

    def run(module, x):
        if module is ours:
            return module(x, lengths=lengths)
        out, state = module(pack_padded_sequence(x, lengths, enforce_sorted=False))
        return pad_packed_sequence(out)[0], state

    compare(ours, theirs, torch.float64, run)


def test_batch_first_and_one_sequence():
    ours, theirs = pair("lstm", torch.float64, batch_first=True)
    compare(ours, theirs, torch.float64, lambda module, x: module(x.transpose(0, 1)))
    ours, theirs = pair("lstm", torch.float64)
    compare(ours, theirs, torch.float64, lambda module, x: module(x[:, 0]))


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "mgu", "indrnn", "ligru", "janet", "fastgrnn", "sru", "cfn", "delta_net", "clockwork_rnn", "fs_lstm"])
def test_gradcheck_of_torch(name):
    spec = rnnc.std(name)
    rnn = rnnc.torch.RNN(spec, dtype=torch.float64, **{it.name: 3 for it in spec.cell().dims if it.default is None and it.like is None})
    shape = rnn._units[0].bound.input_shapes[rnn._inputs[0].name]
    x = torch.randn(3, 2, *shape, dtype=torch.float64, requires_grad=True)
    names = [it for it, _ in rnn.named_parameters()]
    weights = tuple(it.detach().clone().requires_grad_() for it in rnn.parameters())

    def run(x, *weights):
        for key, it in zip(names, weights):
            rnn._parameters[key] = it
        return rnn(x)[0]

    assert torch.autograd.gradcheck(run, (x, *weights), atol=1e-6)


def test_dropout_masks_and_seeds():
    text = "cell D { dims H  input x: [H]  state h: [H]  mask m: [H] = bernoulli(0.5) per step  h = m * x + 0.5 * prev h  output h }"
    rnn, x = rnnc.torch.RNN(rnnc.parse(text), H=32), torch.ones(5, 2, 32)
    torch.manual_seed(1)
    a, b = rnn(x)[0], rnn(x)[0]
    torch.manual_seed(1)
    assert (rnn(x)[0] == a).all() and (a != b).any()
    assert (rnn(x, seed=3)[0] == rnn(x, seed=3)[0]).all()
    # One batch is what its halves give under their numbers.
    halves = torch.cat([rnn(x[:, :1], seed=3)[0], rnn(x[:, 1:], seed=3, first_sequence=1)[0]], 1)
    assert (halves == rnn(x, seed=3)[0]).all()
    rnn.eval()
    assert (rnn(x)[0] == rnn(x)[0]).all()


def test_copies_and_files():
    rnn, x = rnnc.torch.RNN("std/lstm", I=3, H=5, num_layers=2), torch.randn(4, 2, 3)
    expected = rnn(x)[0]
    buffer = io.BytesIO()
    torch.save(rnn, buffer)
    buffer.seek(0)
    for other in (copy.deepcopy(rnn), pickle.loads(pickle.dumps(rnn)), torch.load(buffer, weights_only=False)):
        assert (other(x)[0] == expected).all()
    other = rnnc.torch.RNN("std/lstm", I=3, H=5, num_layers=2)
    other.load_state_dict(rnn.state_dict())
    assert (other(x)[0] == expected).all()
    with torch.no_grad():
        next(other.parameters()).mul_(2)
    assert (other(x)[0] != expected).any() and (rnn(x)[0] == expected).all()


def test_own_names_with_points_are_loaded():
    text = "cell In { dims H input x: [H] state h: [H] param W: [H, H] h = tanh(W @ x + prev h) output h }\n"
    text += "cell Out { dims H input x: [H] layer a = In(x = x, H = H) output y = a.h }"
    try:
        rnn = rnnc.torch.RNN(rnnc.parse(text).cell("Out"), H=3)
    except rnnc.SpecError as error:
        pytest.fail(str(error))
    other = rnnc.torch.RNN(rnnc.parse(text).cell("Out"), H=3)
    assert list(rnn.state_dict()) == ["a.W"]
    other.load_state_dict(rnn.state_dict())
    assert (other.state_dict()["a.W"] == rnn.state_dict()["a.W"]).all()


def test_several_outputs_have_gradients():
    rnn = rnnc.torch.RNN("std/lstm", I=3, H=5, outputs=["h", "c"])
    (h, c), _ = rnn(torch.randn(4, 2, 3))
    c.sum().backward()
    assert h.shape == c.shape and all(it.grad is not None for it in rnn.parameters())
    assert rnnc.torch.RNN("std/lstm", I=3, H=5, outputs="c")(torch.randn(4, 2, 3))[0].shape == (4, 2, 5)


def test_results_are_the_engines_arrays_and_inputs_are_lent(monkeypatch):
    """No number is copied on the way to Rust and back."""
    from rnnc import _torch

    seen = []

    class Engine:
        def __init__(self, inner):
            self.inner = inner

        def forward(self, lent, double, keep):
            found = self.inner.forward(lent, double, keep)
            seen.append((lent.feeds[0], lent.params[0], found[1][0]))
            return found

    rnn, x = rnnc.torch.RNN("std/lstm", I=3, H=5), torch.randn(4, 2, 3)
    engine = _torch.Unit.engine
    monkeypatch.setattr(_torch.Unit, "engine", lambda self, threads: Engine(engine(self, threads)))
    out = rnn(x)[0]
    pointers = [it.__array_interface__["data"][0] for it in seen[0]]
    assert pointers == [x.data_ptr(), next(rnn.parameters()).data_ptr(), out.data_ptr()]
    # A transposed batch is lent with its strides.
    rnnc.torch.RNN("std/lstm", I=3, H=5, batch_first=True)(x)
    assert seen[1][0].__array_interface__["data"][0] == x.data_ptr() and seen[1][0].shape == (2, 4, 3)


def test_many_steps_of_training_leak_nothing():
    resource = pytest.importorskip("resource")
    rnn, x = rnnc.torch.RNN("std/gru", I=3, H=5, threads=1), torch.randn(50, 64, 3)

    def train(count):
        for _ in range(count):
            rnn(x)  # nobody goes back from this one
            rnn.zero_grad()
            rnn(x)[0].sum().backward()

    train(30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    train(500)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def gradients(module, rnn, x, **more):
    rnn.zero_grad()
    mine = x.clone().requires_grad_()
    out, state = module(mine, **more)
    (out.square().sum() + sum(it.sum() for it in state)).backward()
    return [out.detach(), mine.grad, *(it.grad.clone() for it in rnn.parameters())]


@pytest.mark.parametrize("more", [{}, {"layout": "pytorch", "num_layers": 2, "bidirectional": True}])
def test_it_compiles_whole_with_sizes_that_change(more):
    import gc

    from rnnc import _compile

    rnn = rnnc.torch.RNN("std/lstm", I=3, H=5, **more)
    compiled = torch.compile(rnn, fullgraph=True, backend="aot_eager", dynamic=True)
    for steps, batch in [(4, 2), (6, 3), (5, 7)]:
        x, lengths = torch.randn(steps, batch, 3), torch.randint(1, steps + 1, (batch,))
        for a, b in zip(gradients(compiled, rnn, x, lengths=lengths), gradients(rnn, rnn, x, lengths=lengths)):
            close(a, b, torch.float32)
    with torch.no_grad():
        close(compiled(x)[0], rnn(x)[0], torch.float32)
    compiled(x)  # nobody goes back
    gc.collect()
    assert not _compile._runs


def test_compiled_graphs_draw_masks_anew():
    text = "cell D { dims H  input x: [H]  state h: [H]  mask m: [H] = bernoulli(0.5) per step  h = m * x + 0.5 * prev h  output h }"
    rnn, x = rnnc.torch.RNN(rnnc.parse(text), H=32), torch.ones(5, 2, 32)
    compiled = torch.compile(rnn, fullgraph=True, backend="aot_eager")
    torch.manual_seed(1)
    a, b = compiled(x)[0], compiled(x)[0]
    torch.manual_seed(1)
    assert (compiled(x)[0] == a).all() and (a != b).any()


def test_it_is_exported_to_another_process(tmp_path):
    import subprocess
    import sys

    rnn = rnnc.torch.RNN("std/gru", I=3, H=5, batch_first=True)
    shapes = {"input": {0: torch.export.Dim("b"), 1: torch.export.Dim("t")}}
    program = torch.export.export(rnn, (torch.randn(4, 6, 3),), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "rnn.pt2")
    x = torch.randn(3, 9, 3)
    np.save(tmp_path / "x.npy", x.numpy())
    code = (
        "import numpy as np, torch, rnnc.torch; x = torch.from_numpy(np.load('x.npy'));"
        "np.save('y.npy', torch.export.load('rnn.pt2').module()(x)[0].detach().numpy())"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    close(torch.from_numpy(np.load(tmp_path / "y.npy")), rnn(x)[0].detach(), torch.float32)


def test_functions_of_torch():
    rnn, x = rnnc.torch.RNN("std/gru", I=3, H=5), torch.randn(4, 2, 3)
    weights = dict(rnn.named_parameters())
    loss = lambda weights: torch.func.functional_call(rnn, weights, (x,))[0].square().sum()
    found = torch.func.grad(loss)({name: it.detach() for name, it in weights.items()})
    loss(weights).backward()
    for name, it in weights.items():
        close(found[name], it.grad, torch.float32)
    again = torch.utils.checkpoint.checkpoint(lambda x: rnn(x)[0], x.requires_grad_(), use_reentrant=False)
    rnn.zero_grad()
    again.square().sum().backward()
    close(rnn.get_parameter("W_z").grad, found["W_z"], torch.float32)


def test_graphs_can_be_kept_and_weights_changed_in_place_are_noticed():
    rnn, x = rnnc.torch.RNN("std/gru", I=3, H=5), torch.randn(4, 2, 3)
    loss = rnn(x)[0].sum()
    loss.backward(retain_graph=True)
    first = rnn.get_parameter("W_z").grad.clone()
    loss.backward()
    close(rnn.get_parameter("W_z").grad, 2 * first, torch.float32)
    loss = rnn(x)[0].sum()
    with torch.no_grad():
        rnn.get_parameter("W_z").mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        loss.backward()


def test_types():
    rnn, x = rnnc.torch.RNN("std/gru", I=3, H=5), torch.randn(4, 2, 3)
    half = copy.deepcopy(rnn).to(torch.bfloat16)
    out, _ = half(x.to(torch.bfloat16))
    out.sum().backward()
    assert out.dtype == torch.bfloat16 and next(half.parameters()).grad.dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert rnn(x.to(torch.bfloat16))[0].dtype == torch.float32
    assert rnn.to("meta")(x.to("meta"))[0].shape == (4, 2, 5)


def test_streams_serve():
    rnn, x = rnnc.torch.RNN("std/lstm", I=3, H=5, num_layers=2), torch.randn(6, 2, 3)
    stream = rnn.stream(2)
    steps = torch.stack([stream.step(it) for it in x])
    out, (h, _) = rnn(x)
    close(steps, out, torch.float32)
    close(stream.states["h"], h, torch.float32)


def test_a_model_learns():
    torch.manual_seed(0)
    cell = rnnc.std("autoregressor").cell()
    model = rnnc.torch.Model(cell, **{it.name: 4 for it in cell.dims if it.default is None and it.like is None})
    unit = model._units[0]
    given = {it.name: torch.randn(6, 3, *unit.bound.input_shapes[it.name]) for it in cell.inputs if it.role == "input"}
    targets = {it.name: torch.randn(6, 3, *unit.bound.input_shapes[it.name]) for it in cell.inputs if it.role == "target"}
    lengths = [6, 4, 2]
    loss = model(given, targets, lengths)
    engine = unit.bound.engine()
    params = unit.params([it.detach().numpy() for it in model.parameters()])
    numbers = lambda all_: {name: it.numpy() for name, it in all_.items()}
    run = engine.loss(params, numbers(given), numbers(targets), lengths=lengths)
    assert float(loss) == pytest.approx(run.loss, rel=1e-6)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(50):
        optimizer.zero_grad()
        again = model(given, targets, lengths)
        again.backward()
        optimizer.step()
    assert float(again) < 0.9 * float(loss)


def test_what_does_not_work_says_so():
    rnn, x = rnnc.torch.RNN("std/gru", I=3, H=5), torch.randn(4, 2, 3, requires_grad=True)
    (found,) = torch.autograd.grad(rnn(x)[0].square().sum(), x, create_graph=True)  # alone no error
    with pytest.raises(rnnc.torch.UnsupportedError):
        found.sum().backward()
    with pytest.raises(rnnc.torch.UnsupportedError):
        torch.func.jvp(lambda x: rnn(x)[0], (x.detach(),), (torch.ones(4, 2, 3),))
    with pytest.raises(rnnc.torch.UnsupportedError):
        torch.func.vmap(lambda x: rnn(x)[0])(torch.randn(2, 4, 2, 3))
    with pytest.raises(rnnc.torch.UnsupportedError):
        torch.jit.script(rnn)
    wrong = [
        (rnnc.DataError, lambda: rnnc.torch.RNN("std/gru", I=3)),
        (rnnc.UnknownNameError, lambda: rnnc.torch.RNN("std/grru", I=3, H=3)),
        (rnnc.UnknownNameError, lambda: rnnc.torch.RNN("std/gru", I=3, H=3, layout="tensorflaw")),
        (rnnc.UnknownNameError, lambda: rnnc.torch.RNN("std/gru", I=3, H=3, outputs="q")),
        (TypeError, lambda: rnnc.torch.RNN(3)),
        (rnnc.DataError, lambda: rnn(torch.randn(4, 2, 4))),
        (rnnc.DataError, lambda: rnn(torch.randn(4, 2, 3, dtype=torch.float64))),
        (TypeError, lambda: rnn(torch.ones(4, 2, 3, dtype=torch.int64))),
        (TypeError, lambda: rnn(np.zeros((4, 2, 3)))),
        (rnnc.DataError, lambda: rnn(torch.randn(4, 2, 3), torch.zeros(2, 2, 5))),
        (rnnc.DataError, lambda: rnn(torch.randn(4, 2, 3), lengths=[1])),
        (rnnc.DataError, lambda: rnn(pack_padded_sequence(torch.randn(4, 2, 3), [4, 2]), lengths=[4, 2])),
        (rnnc.DataError, lambda: rnnc.torch.Model("std/gru", I=3, H=3)),
    ]
    for kind, work in wrong:
        with pytest.raises(kind):
            work()


def test_two_processes_are_one(tmp_path):
    import pathlib
    import subprocess
    import sys

    here = pathlib.Path(__file__).resolve().parent
    script = next((it for it in (here.parent / "examples/ddp.py", here / "examples/ddp.py") if it.exists()), None)
    if script is None or not torch.distributed.is_gloo_available():
        pytest.skip("the example or gloo is not here")
    found = []
    for count in (1, 2):
        args = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count), str(script), str(tmp_path / "it")]
        subprocess.run(args, check=True, capture_output=True, timeout=300)
        found.append(torch.load(tmp_path / "it"))
    (losses, params), (others, same) = found
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(others), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(params, same, atol=1e-6, rtol=1e-6)
