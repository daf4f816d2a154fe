//! Arrays that are lent in any strides, runs that own what they keep, and what else bindings of other languages need.

use ndarray::{Array, ArrayD, ArrayViewD, IxDyn, Slice};
use rnnc::api::{Affixes, Bundle, CellSpec, weights};
use rnnc::exec::engine::Run;
use rnnc::exec::{
    Bound, Engine, EngineOptions, Feed, FeedView, Gradients, InitialState, Inputs, InputsView,
    Lent, Masks, OnNotFinite, Params, ParamsView, StateView, Stream, Team, Upstream, UpstreamView,
};
use rnnc::ir::Real;
use rnnc::{Spec, SpecError};

fn is_shared_and_sent<T: Send + Sync + 'static>() {}

#[test]
fn engines_runs_streams_and_params_can_be_shared_and_sent() {
    is_shared_and_sent::<Engine>();
    is_shared_and_sent::<Run<f32>>();
    is_shared_and_sent::<Run<f64>>();
    is_shared_and_sent::<Stream<f32>>();
    is_shared_and_sent::<Params<f32>>();
    is_shared_and_sent::<Team>();
}

fn bound(cell: &str) -> Bound {
    let cell = Spec::std(cell).unwrap().configure(None, &[]).unwrap();
    cell.bind([("I", 3), ("H", 4)]).unwrap()
}

fn waves<F: Real>(shape: &[usize], by: f64) -> ArrayD<F> {
    let mut at = 0.0;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        at += by;
        F::of(at.sin())
    })
}

/// The same elements with other strides: every second one of an array of the axes turned round.
fn spread<F: Real>(of: &ArrayD<F>) -> ArrayD<F> {
    let shape: Vec<usize> = of.shape().iter().rev().map(|it| it * 2).collect();
    let mut all = ArrayD::from_elem(IxDyn(&shape), F::nan());
    let mut view = all.view_mut().reversed_axes();
    for axis in 0..of.ndim() {
        view.slice_axis_inplace(ndarray::Axis(axis), Slice::new(0, None, 2));
    }
    view.assign(of);
    all
}

fn spread_view<F>(of: &ArrayD<F>) -> ArrayViewD<'_, F> {
    let mut view = of.view().reversed_axes();
    for axis in 0..of.ndim() {
        view.slice_axis_inplace(ndarray::Axis(axis), Slice::new(0, None, 2));
    }
    view
}

fn bits<F: Real>(gradients: &Gradients<F>) -> Vec<u64> {
    let all = [&gradients.params, &gradients.inputs, &gradients.starts];
    let numbers = all.into_iter().flatten().flatten().flat_map(|it| it.iter());
    numbers.map(|it| Real::to_f64(*it).to_bits()).collect()
}

/// Lent arrays of any strides give the very numbers of owned ones, in both engines, and backward takes them again.
fn strides<F: Real>(cell: &str, options: EngineOptions, lengths: Option<Vec<usize>>) {
    let bound = bound(cell);
    let engine = bound.engine(options).unwrap();
    let params = bound.init::<F>(3).unwrap();
    let x: ArrayD<F> = waves(&[5, 2, 3], 0.7);
    let mut inputs = Inputs::new(vec![Some(Feed::Batch(x.clone()))]);
    inputs.lengths = lengths.clone();
    let starts: Vec<ArrayD<F>> =
        bound.carry_shapes().iter().map(|it| waves(&[&[2], &it[..]].concat(), 0.3)).collect();
    let state = InitialState(starts.iter().cloned().map(Some).collect());
    let up: ArrayD<F> = waves(&[5, 2, 4], 0.9);
    let mut upstream = Upstream::ones(bound.cell().outputs.len(), starts.len());
    upstream.outputs[0] = Some(up.clone());
    let whole = engine.forward(&params, &inputs, &state).unwrap();
    let expected = engine.backward(&whole, &upstream).unwrap();

    let (wide_x, wide_up) = (spread(&x), spread(&up));
    let wide_params: Vec<ArrayD<F>> = params.arrays().iter().map(spread).collect();
    let wide_starts: Vec<ArrayD<F>> = starts.iter().map(spread).collect();
    let lent = || {
        let mut inputs = InputsView::new(vec![Some(FeedView::Batch(spread_view(&wide_x)))]);
        inputs.lengths = lengths.as_deref();
        Lent {
            params: ParamsView::new(wide_params.iter().map(spread_view).collect()),
            inputs,
            state: StateView(wide_starts.iter().map(|it| Some(spread_view(it))).collect()),
        }
    };
    let run = engine.forward_lent(lent(), &Masks::Eval).unwrap();
    assert_eq!(run.outputs, whole.outputs);
    assert_eq!(run.states, whole.states);
    let views = UpstreamView {
        outputs: vec![Some(spread_view(&wide_up))],
        ..UpstreamView::zeros(1, starts.len())
    };
    // What was lent is gone.
    let fault = engine.backward_from(&run, &views).unwrap_err().to_string();
    assert!(fault.contains("backward_with"), "{fault}");
    // In another thread, for the run borrows nothing.
    let found = std::thread::scope(|scope| {
        let work = || engine.backward_with(&run, lent(), &views).unwrap();
        scope.spawn(work).join().unwrap()
    });
    assert_eq!(bits(&found), bits(&expected), "{cell}");
    let inferred = engine.infer_lent(lent(), &Masks::Eval).unwrap();
    assert_eq!(inferred.outputs, whole.outputs);

    let short: ArrayD<F> = waves(&[4, 2, 3], 0.7);
    let mut other = lent();
    other.inputs.feeds = vec![Some(FeedView::Batch(short.view()))];
    let fault = engine.backward_with(&run, other, &views).unwrap_err().to_string();
    assert_eq!(fault, "input `x` has another shape than in the forward run");
    let mut other = lent();
    other.state.0[0] = None;
    let fault = engine.backward_with(&run, other, &views).unwrap_err().to_string();
    assert_eq!(fault, "initial state `h` has another shape than in the forward run");
    // The errors left what the run kept where it was.
    assert_eq!(bits(&engine.backward_with(&run, lent(), &views).unwrap()), bits(&expected));
}

#[test]
fn lent_arrays_of_any_strides_give_the_same_numbers() {
    for lengths in [None, Some(vec![2, 5])] {
        for cell in ["gru", "lstm"] {
            strides::<f32>(cell, EngineOptions::default(), lengths.clone());
            strides::<f32>(cell, EngineOptions::reference(), lengths.clone());
            strides::<f64>(cell, EngineOptions::default(), lengths.clone());
        }
        let mut bounded = EngineOptions::default();
        bounded.memory = Some(15_000);
        bounded.threads = 1;
        strides::<f32>("gru", bounded, lengths);
    }
}

/// A run that outlives its engine's handle and everything that it was given.
fn owned(engine: Engine, bound: &Bound) -> (Run<f32>, Engine) {
    let params = bound.init::<f32>(1).unwrap();
    let inputs = Inputs::new(vec![Some(Feed::Batch(waves(&[4, 2, 3], 0.7)))]);
    let run = engine.forward(&params, &inputs, &InitialState::declared(1)).unwrap();
    (run, engine)
}

#[test]
fn a_run_owns_what_it_keeps() {
    let bound = bound("gru");
    let (run, engine) = owned(bound.engine(EngineOptions::default()).unwrap(), &bound);
    let upstream = Upstream::ones(1, 1);
    let here = engine.backward(&run, &upstream).unwrap();
    let there = std::thread::spawn(move || engine.backward(&run, &upstream).unwrap());
    assert_eq!(bits(&there.join().unwrap()), bits(&here));
    // Changing params after a run does not change the run.
    let engine = bound.engine(EngineOptions::default()).unwrap();
    let mut params = bound.init::<f32>(1).unwrap();
    let inputs = Inputs::new(vec![Some(Feed::Batch(waves(&[4, 2, 3], 0.7)))]);
    let run = engine.forward(&params, &inputs, &InitialState::declared(1)).unwrap();
    params.arrays_mut().iter_mut().for_each(|it| it.fill(9.0));
    assert_eq!(bits(&engine.backward(&run, &Upstream::ones(1, 1)).unwrap()), bits(&here));
    // A run of another engine is refused.
    let other = bound.engine(EngineOptions::default()).unwrap();
    assert!(other.backward(&run, &Upstream::ones(1, 1)).is_err());
}

#[test]
fn nothing_from_outside_gives_zeros_and_engines_share_a_team() {
    let bound = bound("lstm");
    let mut options = EngineOptions::default();
    let team = Team::new(2);
    options.team = Some(team.clone());
    let engines = [(); 2].map(|()| bound.engine(options.clone()).unwrap());
    let params = bound.init::<f32>(1).unwrap();
    let inputs = Inputs::new(vec![Some(Feed::Batch(waves(&[4, 2, 3], 0.7)))]);
    let runs: Vec<Vec<u64>> = engines
        .iter()
        .map(|it| {
            let run = it.forward(&params, &inputs, &InitialState::declared(2)).unwrap();
            let zeros = it.backward_from(&run, &UpstreamView::zeros(1, 2)).unwrap();
            assert!(zeros.params.iter().flatten().flatten().all(|it| *it == 0.0));
            let ones = it.backward_from(&run, &UpstreamView::ones(1, 2)).unwrap();
            assert!(ones.params.iter().flatten().flatten().any(|it| *it != 0.0));
            bits(&ones)
        })
        .collect();
    assert_eq!(runs[0], runs[1]);
    assert_eq!(team.parts(), 2);
}

#[test]
fn what_is_not_finite_flows_on_where_nobody_looks() {
    let bound = bound("gru");
    let params = bound.init::<f32>(1).unwrap();
    let mut x: ArrayD<f32> = waves(&[4, 2, 3], 0.7);
    x[[2, 1, 0]] = f32::NAN;
    let inputs = Inputs::new(vec![Some(Feed::Batch(x))]);
    for base in [EngineOptions::default(), EngineOptions::reference()] {
        let mut flow = base.clone();
        flow.not_finite = OnNotFinite::Flow;
        for (options, finds) in [(base, true), (flow, false)] {
            let engine = bound.engine(options).unwrap();
            let run = engine.forward(&params, &inputs, &InitialState::declared(1)).unwrap();
            assert_eq!(run.not_finite.is_some(), finds);
            assert!(run.outputs[0][[3, 1, 0]].is_nan());
        }
    }
}

#[test]
fn any_named_values_can_be_outputs() -> Result<(), rnnc::Error> {
    let cell = Spec::std("lstm")?.cell("Lstm")?;
    let both = cell.with_outputs(&["c", "h"])?;
    let bound = both.bind([("I", 3), ("H", 4)])?;
    let engine = bound.engine(EngineOptions::default()).unwrap();
    let params = bound.init::<f32>(1).unwrap();
    let inputs = Inputs::new(vec![Some(Feed::Batch(waves(&[4, 2, 3], 0.7)))]);
    let run = engine.forward(&params, &inputs, &InitialState::declared(2)).unwrap();
    assert_eq!(run.outputs[0].index_axis(ndarray::Axis(0), 3), run.states[1]);
    assert_eq!(run.outputs[1].index_axis(ndarray::Axis(0), 3), run.states[0]);
    // Ones for `c` at every step: the gradient of the forget gate is that of the sum of all cells.
    let gradients = engine.backward(&run, &Upstream::ones(2, 2)).unwrap();
    assert!(gradients.params.iter().flatten().flatten().any(|it| *it != 0.0));
    for (names, what) in [(&["nope"][..], "nope"), (&["c", "c"], "twice"), (&[], "needs an output")]
    {
        let fault = cell.with_outputs(names).unwrap_err().to_string();
        assert!(fault.contains(what), "{fault}");
    }
    let again = CellSpec::from_ir(both.ir().clone(), both.sources().clone())?;
    assert_eq!(again.ir(), both.ir());
    let mut broken = both.ir().clone();
    let again = broken.carries[0].shape.0[0].clone();
    broken.carries[0].shape.0.push(again);
    assert!(CellSpec::from_ir(broken, both.sources().clone()).is_err());
    Ok(())
}

#[test]
fn a_bundle_is_the_spec_again() -> Result<(), rnnc::Error> {
    let spec = Spec::std("char_lm")?;
    let text = Bundle::new(&spec, None, &[]).to_text();
    let again = Bundle::from_text(&text)?.spec()?;
    assert_eq!(again.cells(), spec.cells());
    assert_eq!(again.used_cells(), spec.used_cells());
    let lstm = Spec::std("std/lstm")?;
    let text = Bundle::new(&lstm, Some("Lstm"), &[("H", "5")]).to_text();
    assert!(text.len() < 4000, "{}", text.len());
    let cell = Bundle::from_text(&text)?.cell()?;
    assert_eq!(cell.bind([("I", 3)])?.carry_shapes()[0], [5]);
    assert!(Bundle::from_text("{}").is_err());
    let broken = text.replacen("\"uses\":[1]", "\"uses\":[7]", 1);
    assert!(broken == text || Bundle::from_text(&broken)?.spec().is_err());
    Ok(())
}

/// Params that are read through a layout are linear in the stored tensors, so differences give its gradient exactly.
#[test]
fn gradients_go_through_layouts() -> Result<(), rnnc::Error> {
    let cell = Spec::std("lstm")?.cell("Lstm")?;
    let bound = cell.bind([("I", 3), ("H", 4)])?;
    for name in bound.cell().layouts.iter().map(|it| it.name.to_string()) {
        let layout = weights::layout(bound.cell(), &name)?;
        let affixes = Affixes::default();
        let params = bound.init::<f64>(1).unwrap();
        let stored = weights::stored(bound.env(), &layout, &affixes, params.arrays())?;
        // A linear function of params: its gradient is known.
        let slopes: Vec<ArrayD<f64>> =
            params.arrays().iter().map(|it| waves(it.shape(), 0.77)).collect();
        let views: Vec<_> = slopes.iter().map(|it| Some(it.view())).collect();
        let found =
            weights::stored_gradients(bound.cell(), bound.env(), &layout, &affixes, &views)?;
        let names: Vec<&String> = stored.iter().map(|it| &it.0).collect();
        assert_eq!(found.iter().map(|it| &it.0).collect::<Vec<_>>(), names);
        let listed = weights::names(bound.cell(), &layout, &affixes, false)?;
        assert_eq!(listed.iter().map(|it| &it.0).collect::<Vec<_>>(), names);
        let value = |stored: &[(String, ArrayD<f64>)]| -> f64 {
            let tensors = stored.iter().map(|(name, it)| {
                let (shape, values) = (it.shape().to_vec(), it.clone());
                (name.clone(), rnnc::data::Tensor { shape, dtype: rnnc::data::DType::F64, values })
            });
            let read = api_find(&cell, &layout, tensors.collect()).unwrap();
            let read = read.params::<f64>(bound.cell(), bound.env()).unwrap();
            let terms =
                read.iter().zip(&slopes).filter_map(|(it, by)| Some((it.as_ref()? * by).sum()));
            terms.sum()
        };
        for (tensor, (_, gradient)) in found.iter().enumerate() {
            for at in [0, gradient.len() / 2, gradient.len() - 1] {
                let mut moved = stored.clone();
                *moved[tensor].1.iter_mut().nth(at).unwrap() += 1.0;
                let difference = value(&moved) - value(&stored);
                let own = *gradient.iter().nth(at).unwrap();
                assert!(
                    (difference - own).abs() < 1e-9,
                    "{name} {tensor} {at}: {difference} {own}"
                );
            }
        }
    }
    Ok(())
}

fn api_find(
    cell: &CellSpec,
    layout: &rnnc::ir::Layout,
    tensors: Vec<(String, rnnc::data::Tensor)>,
) -> Result<rnnc::api::Weights, rnnc::Error> {
    rnnc::api::Weights::find(cell.ir(), layout.clone(), &Affixes::default(), tensors)
}

#[test]
fn a_check_of_gradients_can_be_stopped() -> Result<(), SpecError> {
    use rnnc::exec::gradcheck::{CheckError, Options, gradcheck_with};
    let spec = Spec::parse(
        "cell A { dims H  input x: [H]  param a: [H]  state h: [H]  h = a * prev h + x  output h }",
    )?;
    let mut told = 0;
    let stopped = gradcheck_with(spec.main().unwrap(), &Options::default(), &mut |done, all| {
        assert!(done < all);
        told += 1;
        if told == 3 {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    });
    assert_eq!((stopped, told), (Err(CheckError::Stopped), 3));
    Ok(())
}

#[test]
fn the_command_line_is_a_function() {
    let words = |all: &[&str]| all.iter().map(Into::into).collect::<Vec<std::ffi::OsString>>();
    assert_eq!(rnnc::cli::run(words(&["explain", "E0703", "--quiet"])), 0);
    assert_eq!(rnnc::cli::run(words(&["no-such-command"])), 2);
    assert_eq!(rnnc::cli::run(words(&["check", "no/such/file.rnn"])), 3);
    let _: Array<f32, IxDyn> = ArrayD::zeros(IxDyn(&[0]));
}
