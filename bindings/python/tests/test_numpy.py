"""The part that needs NumPy alone."""

import copy
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import rnnc

LEAKY = """
/// A leaky memory.
cell Leaky {
  dims  I, H
  input x: [I]
  state h: [H]
  param V, W: [H, I], U: [H, H] init orthogonal, b: [H], k: [H] init 1
  gate keep = sigmoid(V @ x + k)
  let  new = tanh(W @ x + U @ prev h + b)
  h = keep * prev h + (1 - keep) * new
  output h
}
"""


def draw(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@pytest.fixture(scope="module")
def leaky():
    return rnnc.parse(LEAKY).bind(I=3, H=5)


def by_hand(params, x):
    """The same cell in NumPy."""
    sigmoid = lambda v: 1 / (1 + np.exp(-v))
    h, out = np.zeros((x.shape[1], 5), x.dtype), []
    for step in x:
        keep = sigmoid(step @ params["V"].T + params["k"])
        new = np.tanh(step @ params["W"].T + h @ params["U"].T + params["b"])
        h = keep * h + (1 - keep) * new
        out.append(h)
    return np.stack(out)


@pytest.mark.parametrize("dtype,bound", [(np.float32, 2e-6), (np.float64, 1e-12)])
def test_a_run_is_what_numpy_gives(leaky, dtype, bound):
    params, x = leaky.init(seed=1, dtype=dtype), draw(7, 4, 3, dtype=dtype)
    run = leaky.engine().forward(params, x)
    assert run.output.dtype == dtype
    np.testing.assert_allclose(run.output, by_hand(params, x), atol=bound)
    np.testing.assert_array_equal(run.states["h"], run.output[-1])


def test_gradients_are_differences(leaky):
    engine, x, up = leaky.engine(), draw(4, 2, 3, dtype=np.float64), draw(4, 2, 5, dtype=np.float64, seed=3)
    params = leaky.init(seed=1, dtype="float64")
    gradients = engine.forward(params, x).backward(up)
    for name in params:
        move = draw(*params[name].shape, dtype=np.float64, seed=5)
        loss = lambda e: (engine.infer(params.updated({name: params[name] + e * move}), x).output * up).sum()
        expected = (loss(1e-6) - loss(-1e-6)) / 2e-6
        assert (gradients.params[name] * move).sum() == pytest.approx(expected, abs=1e-6), name
    assert gradients.inputs["x"].shape == x.shape and gradients.states["h"].shape == (2, 5)


def test_upstream_has_ones_zeros_and_names(leaky):
    run = leaky.engine().forward(leaky.init(), draw(4, 2, 3))
    ones = run.backward().params["W"]
    np.testing.assert_array_equal(ones, run.backward({"h": np.ones((4, 2, 5), "float32")}).params["W"])
    assert not run.backward({}).params["W"].any()
    last = run.backward({"state.h": np.ones((2, 5), "float32")}).params["W"]
    up = np.zeros((4, 2, 5), "float32")
    up[-1] = 1
    np.testing.assert_allclose(last, run.backward(up).params["W"], atol=1e-6)
    assert set(run.backward().flow) == {"h"} and run.backward().flow["h"].shape == (5,)


def test_one_sequence_has_no_axis_for_the_batch(leaky):
    engine, params, x = leaky.engine(traces=["keep"]), leaky.init(), draw(6, 3)
    run, batch = engine.forward(params, x), engine.forward(params, x[:, None])
    assert run.output.shape == (6, 5) and run.states["h"].shape == (5,) and run.traces["keep"].shape == (6, 5)
    np.testing.assert_array_equal(run.output, batch.output[:, 0])
    found = run.backward()
    assert found.inputs["x"].shape == (6, 3) and found.states["h"].shape == (5,)


def test_lengths_are_what_each_sequence_gives_alone(leaky):
    engine, params, x = leaky.engine(), leaky.init(), draw(6, 3, 3)
    x[4:, 1] = np.nan  # beyond its length nothing is read
    run = engine.forward(params, x, lengths=np.array([6, 4, 0]))
    assert not run.output[4:, 1].any() and not run.output[:, 2].any()
    np.testing.assert_allclose(run.output[:4, 1], engine.forward(params, x[:4, 1]).output, atol=1e-6)
    assert np.isfinite(run.backward().params["W"]).all()


def test_streams_give_what_runs_give(leaky):
    engine, params, x = leaky.engine(), leaky.init(), draw(5, 2, 3)
    stream = engine.stream(params, batch=2)
    steps = np.stack([stream.step(it)["h"] for it in x])
    np.testing.assert_allclose(steps, engine.forward(params, x).output, atol=1e-6)
    np.testing.assert_array_equal(stream.states["h"], steps[-1])


def test_any_array_of_numbers_is_taken(leaky):
    engine, params, x = leaky.engine(), leaky.init(), np.arange(24).reshape(4, 2, 3)
    expected = engine.forward(params, x.astype(np.float32)).output
    readonly = x.astype(np.float32)
    readonly.flags.writeable = False
    wide = np.empty((4, 2, 6), np.float32)
    wide[..., ::2] = x
    packed = np.empty(24 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(4, 2, 3)
    packed[...] = x
    kinds = [x, x.tolist(), x.astype(">f4"), x.astype(np.int8), x.astype(np.float16), readonly, wide[..., ::2], packed]
    for it in [*kinds, np.asfortranarray(x, np.float32), x.astype(np.float32)[::-1][::-1]]:
        np.testing.assert_array_equal(engine.forward(params, it).output, expected)


def test_what_a_caller_changes_later_does_not_matter(leaky):
    x = draw(4, 2, 3)
    run = leaky.engine().forward(leaky.init(), x)
    before = run.backward().params["W"]
    x[...] = 0
    np.testing.assert_array_equal(run.backward().params["W"], before)
    run.output[...] = 0  # results belong to the caller
    np.testing.assert_array_equal(run.backward().params["W"], before)


def test_threads_give_the_same_bits_and_one_engine_serves_several(leaky):
    params, x = leaky.init(), draw(9, 7, 3)
    expected = leaky.engine(threads=1).forward(params, x).output
    engine, found = leaky.engine(threads=2), []
    work = lambda: found.extend(engine.forward(params, x).output for _ in range(20))
    threads = [threading.Thread(target=work) for _ in range(4)]
    [it.start() for it in threads]
    [it.join() for it in threads]
    assert len(found) == 80 and all((it == expected).all() for it in found)


def test_masks_follow_from_the_seed():
    cell = rnnc.parse(
        "cell D { dims H  input x: [H]  state h: [H]  mask m: [H] = bernoulli(0.5) per step  h = m * x + 0.5 * prev h  output h }"
    ).bind(H=40)
    engine, params, x = cell.engine(), cell.init(), np.ones((5, 2, 40), "float32")
    a, b = engine.forward(params, x, train=True, seed=1), engine.forward(params, x, train=True, seed=1)
    c = engine.forward(params, x, train=True, seed=2)
    assert (a.output == b.output).all() and (a.output != c.output).any()
    given = engine.forward(params, x, train=True, masks={"m": a.masks["m"]}, seed=9)
    assert (given.output == a.output).all() and not engine.forward(params, x).masks


def test_weights_go_through_layouts_and_files(tmp_path):
    spec = rnnc.std("lstm")
    bound = spec.bind(I=3, H=4)
    params = bound.init(seed=3)
    stored = params.to("pytorch")
    again = spec.cell().bind_params(stored, layout="pytorch")
    assert again.sizes["H"] == 4
    for name, it in again.params(stored, layout="pytorch").items():
        np.testing.assert_array_equal(it, params[name])
    own = rnnc.convert(spec, stored, "pytorch", "own")
    assert set(own) == set(params) and all((own[it] == params[it]).all() for it in own)
    params.save(tmp_path / "w.safetensors", layout="pytorch")
    read = bound.load_params(tmp_path / "w.safetensors", layout="pytorch")
    assert all((read[it] == params[it]).all() for it in params)
    with pytest.raises(OSError):
        bound.load_params(tmp_path / "none.safetensors")


def test_all_is_pickled_and_runs_again(leaky, tmp_path):
    engine, params, x = leaky.engine(traces=["keep"]), leaky.init(), draw(4, 2, 3)
    other, weights = pickle.loads(pickle.dumps((engine, params)))
    np.testing.assert_array_equal(other.forward(weights, x).traces["keep"], engine.forward(params, x).traces["keep"])
    assert copy.deepcopy(leaky) is leaky and hash(params) == hash(params)
    leaky.cell.save(tmp_path / "leaky.ron")
    loaded = rnnc.load(tmp_path / "leaky.ron").bind(I=3, H=5)
    np.testing.assert_array_equal(loaded.engine().forward(loaded.init(), x).output, engine.forward(params, x).output)


def test_other_values_are_outputs():
    cell = rnnc.std("lstm").cell().with_outputs("h", "c").bind(I=2, H=3)
    run = cell.engine().forward(cell.init(), draw(4, 1, 2))
    np.testing.assert_array_equal(run.outputs["c"][-1], run.states["c"])
    assert run.backward({"c": np.ones((4, 1, 3), "float32")}).params


def test_what_is_not_finite_is_named_when_asked_for(leaky):
    x = draw(4, 2, 3)
    assert leaky.engine().forward(leaky.init(), x).not_finite is None
    x[2, 1, 0] = np.inf
    x[2, 1, 1] = np.nan
    run = leaky.engine().forward(leaky.init(), x)
    assert np.isnan(run.output).any() and "step 2, sequence 1" in run.not_finite


def test_gradcheck_tells_its_progress_and_can_be_broken_off():
    cell, seen = rnnc.parse(LEAKY).cell(), []
    report = cell.gradcheck(lengths=[2], seeds=1, progress=lambda done, total: seen.append((done, total)))
    assert report.passes and seen == [(0, 1)] and "all 7 gradients agree" in str(report)

    def stop(done, total):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cell.gradcheck(lengths=[2], seeds=1, progress=stop)


def test_a_model_has_a_loss_and_its_gradient():
    cell = rnnc.std("autoregressor").bind(**{it.name: 4 for it in rnnc.std("autoregressor").cell().dims if it.default is None})
    engine, params = cell.engine(), cell.init(dtype="float64")
    series = {name: draw(6, 2, *shape, dtype=np.float64) for name, shape in cell.input_shapes.items()}
    given = {it.name: series[it.name] for it in cell.cell.inputs if it.role == "input"}
    targets = {it.name: series[it.name] for it in cell.cell.inputs if it.role == "target"}
    loss = lambda params, **more: engine.loss(params, given, targets, lengths=[6, 4], **more)
    run = loss(params)
    each = run.outputs["loss"]
    assert run.loss == pytest.approx((each[:, 0].sum() + each[:4, 1].sum()) / 10) and not each[4:, 1].any()
    name = next(iter(params))
    move = draw(*params[name].shape, dtype=np.float64, seed=5)
    value = lambda e: loss(params.updated({name: params[name] + e * move})).loss
    expected = (value(1e-6) - value(-1e-6)) / 2e-6
    assert (run.backward().params[name] * move).sum() == pytest.approx(expected, abs=1e-7)
    assert loss(params, feedback="own").loss != run.loss


def test_the_library_is_listed_and_texts_are_checked():
    entries = rnnc.library()
    assert any(it.name == "std/gru" and it.group == "frameworks" and it.summary for it in entries)
    found = rnnc.check("cell A { dims H  state h: [H]  h = prev g  output h }")
    assert found and found[0].severity == "error" and found[0].line == 1
    assert rnnc.explain("E0703").startswith("error[E0703]")
    assert "h" in rnnc.std("gru").cell().emit("backward") and str(rnnc.std("gru").cell()).startswith("cell Gru")
    assert rnnc.std("gru").cell()._repr_html_() and "prev" not in rnnc.std("gru").cell().emit("latex")


def test_the_trainer_tells_its_progress_and_its_errors(tmp_path, monkeypatch):
    from rnnc.__main__ import main

    monkeypatch.chdir(tmp_path)
    assert main(["data", "mackey-glass", "--steps", "300", "-o", "mg", "-q"]) == 0
    seen = []
    lines = rnnc.train("std/autoregressor", "run", data="mg", window=20, epochs=2, progress=seen.append)
    assert lines == seen and lines[-1]["epoch"] == 2 and lines[-1]["loss"] > 0
    with pytest.raises(rnnc.DataError) as found:
        rnnc.train("std/autoregressor", "other", data="mg", window=2000, epochs=1)
    assert found.value.code == "E0712"
    with pytest.raises(OSError):
        rnnc.train("std/autoregressor", "other", data="nowhere", epochs=1)

    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rnnc.train("std/autoregressor", "stopped", data="mg", window=20, epochs=500, progress=stop)
    again = rnnc.train("std/autoregressor", "stopped", resume=True, epochs=2)  # what was done is saved
    assert again[-1]["epoch"] >= 2


def errors(leaky):
    engine, params, x = leaky.engine(), leaky.init(), draw(4, 2, 3)
    run = engine.forward(params, x)
    yield rnnc.SpecError, lambda: rnnc.parse("cell {")
    yield rnnc.SpecError, lambda: rnnc.parse(b"\xff")
    yield TypeError, lambda: rnnc.parse(3)
    yield OSError, lambda: rnnc.load("/nowhere/x.rnn")
    yield rnnc.UnknownNameError, lambda: rnnc.std("grru")
    yield rnnc.UnknownNameError, lambda: rnnc.explain("E9999")
    yield rnnc.UnknownNameError, lambda: rnnc.parse(LEAKY).cell("Leakey")
    yield rnnc.DataError, lambda: rnnc.parse(LEAKY).bind(I=3)
    yield rnnc.DataError, lambda: rnnc.parse(LEAKY).bind(I=0, H=2)
    yield rnnc.DataError, lambda: rnnc.parse(LEAKY).bind(I=2**70, H=2)
    yield TypeError, lambda: rnnc.parse(LEAKY).bind(I=3.0, H=2)
    yield TypeError, lambda: rnnc.parse(LEAKY).bind(I=True, H=2)
    yield rnnc.DataError, lambda: rnnc.parse(LEAKY).bind(I=2, H=2, J=2)
    yield rnnc.UnknownNameError, lambda: leaky.engine(traces=["kept"])
    yield rnnc.DataError, lambda: leaky.engine(kind="slow")
    yield rnnc.DataError, lambda: engine.forward(params, x[..., :2])
    yield rnnc.DataError, lambda: engine.forward(params, x[:0])
    yield rnnc.DataError, lambda: engine.forward(params, x, lengths=[5, 1])
    yield rnnc.DataError, lambda: engine.forward(params, x, lengths=[1])
    yield TypeError, lambda: engine.forward(params, x, lengths=[1.5, 1])
    yield rnnc.UnknownNameError, lambda: engine.forward(params, {"y": x})
    yield rnnc.UnknownNameError, lambda: engine.forward(params, x, state={"c": x})
    yield rnnc.DataError, lambda: engine.forward(params, x, state={"h": x})
    yield TypeError, lambda: engine.forward(params, "text")
    yield TypeError, lambda: engine.forward(params, x.astype(complex))
    yield TypeError, lambda: engine.forward([x], x)
    yield rnnc.DataError, lambda: engine.forward({"V": x}, x)
    yield rnnc.DataError, lambda: engine.forward(params, x, seed=-1)
    yield rnnc.DataError, lambda: engine.forward(params, x, masks={"m": x})
    yield rnnc.UnknownNameError, lambda: run.backward({"k": x})
    yield rnnc.DataError, lambda: run.backward(x)
    yield rnnc.DataError, lambda: engine.infer(params, x).backward()
    yield rnnc.DataError, lambda: leaky.engine().backward(run)
    yield rnnc.DataError, lambda: engine.loss(params, x)
    yield rnnc.UnknownNameError, lambda: params.updated(Q=x)
    yield rnnc.UnknownNameError, lambda: params.to("torch")
    yield rnnc.DataError, lambda: leaky.init(dtype="float16")
    yield rnnc.DataError, lambda: engine.infer(params, np.broadcast_to(np.float32(0), (2**40, 2, 3)))
    yield rnnc.DataError, lambda: engine.infer(params, x, steps=2**60)


def test_every_error_is_of_its_class_and_can_be_pickled(leaky):
    for at, (kind, work) in enumerate(errors(leaky)):
        with pytest.raises(kind) as found:
            work()
        error = found.value
        assert str(error), at
        if isinstance(error, rnnc.Error):
            again = pickle.loads(pickle.dumps(error))
            assert type(again) is type(error) and str(again) == str(error) and again.code == error.code
            assert not isinstance(error, rnnc.InternalError)
    with pytest.raises(rnnc.SpecError) as found:
        rnnc.parse("cell {")
    assert found.value.diagnostics[0].code == found.value.code and "-->" in str(found.value)


def test_the_command_line_runs_in_the_process_and_by_itself(capfd):
    from rnnc.__main__ import main

    assert main(["list"]) == 0 and "gru" in capfd.readouterr().out
    assert main(["run", "std/none"]) == 3 and "none" in capfd.readouterr().err
    assert main(["run", "--nonsense"]) == 2 and "Usage: rnnc" in capfd.readouterr().err
    done = subprocess.run([sys.executable, "-m", "rnnc", "explain", "E0703"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("error[E0703]")


def test_other_threads_run_while_it_computes(leaky):
    bound = rnnc.std("lstm").bind(I=64, H=128)
    engine, params, x = bound.engine(threads=1), bound.init(), draw(200, 16, 64)
    engine.infer(params, x)
    counted, done = 0, threading.Event()
    thread = threading.Thread(target=lambda: (engine.infer(params, x), done.set()))
    thread.start()
    while not done.is_set():
        counted += 1
    thread.join()
    assert counted > 100


def test_many_calls_leak_nothing(leaky):
    resource = pytest.importorskip("resource")
    engine, params, x = leaky.engine(threads=1), leaky.init(), draw(50, 64, 3)
    work = lambda count: [engine.forward(params, x).backward() for _ in range(count)]
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20):
        engine.forward(params, x).backward()
    before = peak()
    for _ in range(1000):
        engine.forward(params, x).backward()
    # One call has more than 100 kB of results, and as much that is kept.
    assert peak() - before < 20_000


def test_a_forked_child_has_threads_of_its_own(leaky):
    multiprocessing = pytest.importorskip("multiprocessing")
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    engine, params, x = leaky.engine(threads=2), leaky.init(), draw(20, 8, 3)
    expected = engine.infer(params, x).output
    queue = multiprocessing.get_context("fork").Queue()
    child = multiprocessing.get_context("fork").Process(target=lambda: queue.put(engine.infer(params, x).output))
    child.start()
    assert (queue.get(timeout=60) == expected).all()
    child.join(60)
    assert child.exitcode == 0


def test_the_notebook_defines_cells_and_shows_errors_in_place(capsys):
    from rnnc.notebook import register

    class Shell:
        def __init__(self):
            self.names, self.magic = {}, None

        def register_magic_function(self, function, kind, name):
            assert (kind, name) == ("cell", "rnn")
            self.magic = function

        def push(self, names):
            self.names.update(names)

    shell = Shell()
    register(shell)
    shell.magic("", LEAKY)
    first = shell.names["Leaky"]
    assert "<script" not in first._repr_html_() and "Leaky" in first._repr_html_()
    shell.magic("", LEAKY.replace("prev h +", "prev g +"))
    assert shell.names["Leaky"] is first and "<cell 2>" in capsys.readouterr().err


def test_arguments_of_any_kind_never_end_the_interpreter(leaky):
    """Calls with arguments drawn from what nobody would give; each gives a result or an exception of Python."""
    rng = np.random.default_rng(0)
    engine, params = leaky.engine(threads=1), leaky.init()
    values = [
        None, True, -1, 0, 1, 2, 2**31, 2**63, 2**64, -(2**70), 0.5, float("nan"), "", "h", "x", b"\xff", [], [1], (), {}, {"h": 1},
        {"x": None}, {1: 2}, object(), np.nan, np.zeros(()), np.zeros((0, 2, 3)), draw(4, 2, 3), draw(4, 3), draw(2, 5), draw(5),
        np.zeros((4, 2, 3), complex), np.zeros((4, 2, 3), object), np.array(["a"]), np.zeros((1,) * 32), np.full((4, 2, 3), 1e300),
        np.broadcast_to(np.float32(0), (2**40, 2, 3)), np.broadcast_to(0.0, (4, 2**40, 3)), np.zeros((4, 2, 3), "M8[s]"), params,
        {"h": draw(2, 5)}, {"x": draw(4, 2, 3)}, {"state.h": draw(2, 5)}, dict(params), [3, 4], np.array([4, 0]), leaky, rnnc, lambda: 0,
    ]  # fmt: skip
    pick = lambda: values[rng.integers(len(values))]
    keys = ["state", "lengths", "steps", "batch", "train", "seed", "masks", "first_sequence", "first_step", "keep"]
    run = engine.forward(params, draw(4, 2, 3))

    def call():
        kind = rng.integers(7)
        some = {key: pick() for key in keys if rng.random() < 0.15}
        if kind < 3:
            return engine.forward(params if rng.random() < 0.8 else pick(), draw(4, 2, 3) if rng.random() < 0.5 else pick(), **some)
        if kind == 3:
            return run.backward(pick())
        if kind == 4:
            return leaky.cell.bind(pick(), **{"I": pick(), "H": pick()})
        if kind == 5:
            return engine.stream(params, batch=pick() if rng.random() < 0.3 else 2, state=pick()).step(pick())
        return rnnc.parse(LEAKY).cell(pick(), **{"H": pick()}), leaky.params(pick(), layout="own"), rnnc.check(pick())

    outcomes = {"given": 0, "refused": 0}
    with np.errstate(all="ignore"):
        for _ in range(10_000):
            try:
                call()
                outcomes["given"] += 1
            except (rnnc.InternalError, SystemError) as error:
                raise AssertionError("a panic came out") from error
            except (TypeError, ValueError, LookupError, MemoryError, OSError, rnnc.Error):
                outcomes["refused"] += 1
    assert outcomes["given"] > 100 and outcomes["refused"] > 1000
