//! Agreement with other people's implementations, on the vectors in `tests/reference/`; its README
//! says what they are.
//!
//! Every file there is found by itself. Forward values agree to 1e-12 of 1 + |value|, gradients to
//! 1e-10 normwise.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use rnnc::api::{Affixes, Weights, weights};
use rnnc::data::DType;
use rnnc::derive;
use rnnc::exec::{
    Bound, Call, Feed, Gradients, InitialState, Inputs, Masks, Params, Training, Upstream,
    backward, bind, forward,
};
use rnnc::ir::{Arrangement, Env, Layout};
use serde::Deserialize;

#[derive(Deserialize)]
struct Tensor {
    shape: Vec<usize>,
    data: Vec<f64>,
}

type Tensors = BTreeMap<String, Tensor>;

#[derive(Deserialize)]
struct Case {
    #[serde(skip)]
    name: String,
    spec: String,
    /// The cell, where it is none of the library.
    text: Option<String>,
    sizes: BTreeMap<String, i64>,
    /// Numbers, and activations as text.
    hypers: BTreeMap<String, serde_json::Value>,
    lengths: Option<Vec<usize>>,
    inputs: Tensors,
    params: Tensors,
    /// The params as the other implementation stores them, by layout.
    #[serde(default)]
    stored: BTreeMap<String, Tensors>,
    states: Tensors,
    /// The bits of the masks, where the source ran in training.
    masks: Option<Tensors>,
    outputs: Tensors,
    #[serde(rename = "final")]
    last: Tensors,
    upstream: Tensors,
    gradients: Expected,
}

#[derive(Deserialize)]
struct Expected {
    params: Tensors,
    inputs: Tensors,
    states: Tensors,
}

impl Tensor {
    fn array(&self) -> ArrayD<f64> {
        ArrayD::from_shape_vec(IxDyn(&self.shape), self.data.clone()).unwrap()
    }
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let within = |it: &Path| fs::read_dir(it).unwrap().map(|it| it.unwrap().path());
    let mut paths: Vec<_> = within(&folder)
        .filter(|it| it.is_dir())
        .flat_map(|it| within(&it))
        .filter(|it| it.extension().is_some_and(|it| it == "json"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 14, "{} files", paths.len());
    let read = |path: &Path| {
        let mut case: Case = serde_json::from_slice(&fs::read(path).unwrap())
            .unwrap_or_else(|it| panic!("{}: {it}", path.display()));
        case.name = path.file_stem().unwrap().to_string_lossy().into_owned();
        case
    };
    paths.iter().map(|it| read(it)).collect()
}

/// Takes each tensor of a list of names, in its order, and sees that none is left over.
fn listed<'n>(
    case: &str,
    tensors: &Tensors,
    names: impl Iterator<Item = &'n str>,
) -> Vec<Option<ArrayD<f64>>> {
    let mut rest: Vec<&str> = tensors.keys().map(String::as_str).collect();
    let all = names
        .map(|name| {
            rest.retain(|it| *it != name);
            tensors.get(name).map(Tensor::array)
        })
        .collect();
    assert!(rest.is_empty(), "{case}: the spec has no {rest:?}");
    all
}

fn bound(case: &Case) -> Bound {
    let file = rnnc::api::library_file(&case.spec).unwrap_or_else(|| panic!("std/{}", case.spec));
    let source = case.text.as_deref().unwrap_or(file.source);
    let spec = rnnc::Spec::parse(source).unwrap_or_else(|it| panic!("{}: {it}", case.spec));
    // A hyper may decide which branch of a `where` is compiled and a size how often a loop turns, so
    // they are set as users set them, before the check.
    let written =
        |it: &serde_json::Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    let mut set: Vec<_> = case.hypers.iter().map(|(name, value)| (name, written(value))).collect();
    set.extend(case.sizes.iter().map(|(name, size)| (name, size.to_string())));
    let set: Vec<_> = set.iter().map(|(name, it)| (name.as_str(), it.as_str())).collect();
    let cell = spec.configure(None, &set).unwrap_or_else(|it| panic!("{}: {it}", case.name));
    let mut env = Env::default();
    env.sizes.extend(case.sizes.iter().map(|(name, size)| (name.as_str().into(), *size)));
    bind(cell.ir(), env).unwrap_or_else(|it| panic!("{}: {it}", case.name))
}

fn params(case: &Case, bound: &Bound) -> Params<f64> {
    let names = bound.cell().params.iter().map(|it| &*it.name);
    let all = listed(&case.name, &case.params, names);
    let all = all.into_iter().zip(&bound.cell().params);
    let given = |(it, param): (Option<ArrayD<f64>>, &rnnc::ir::Param)| {
        it.unwrap_or_else(|| panic!("{}: no `{}`", case.name, param.name))
    };
    Params::new(all.map(given).collect())
}

struct Results {
    outputs: Vec<ArrayD<f64>>,
    states: Vec<ArrayD<f64>>,
    gradients: Gradients<f64>,
}

fn run(case: &Case, bound: &Bound, params: &Params<f64>) -> Results {
    let cell = bound.cell();
    let carries = || cell.carries.iter().map(|it| &*it.name);
    let feeds = listed(&case.name, &case.inputs, cell.inputs.iter().map(|it| &*it.name));
    let mut inputs = Inputs::new(feeds.into_iter().map(|it| it.map(Feed::Batch)).collect());
    inputs.lengths = case.lengths.clone();
    let state = InitialState(listed(&case.name, &case.states, carries()));
    let masks = match &case.masks {
        None => Masks::Eval,
        Some(masks) => Masks::Train(Training {
            seed: 0,
            first_sequence: 0,
            first_step: 0,
            given: listed(&case.name, masks, cell.masks.iter().map(|it| &*it.name)),
            ..Training::new(0)
        }),
    };
    let call = Call { bound, params, inputs: &inputs, state: &state, masks: &masks };
    let run = forward(call, &[]).unwrap_or_else(|it| panic!("{}: {it}", case.name));

    let states: Vec<String> = carries().map(|it| format!("state.{it}")).collect();
    let names = cell.outputs.iter().map(|it| &*it.name).chain(states.iter().map(String::as_str));
    let mut outputs = listed(&case.name, &case.upstream, names);
    let states = outputs.split_off(cell.outputs.len());
    let adjoint = derive::adjoint(cell);
    let gradients = backward(&run, &adjoint, &Upstream { outputs, states })
        .unwrap_or_else(|it| panic!("{}: {it}", case.name));
    Results { outputs: run.outputs, states: run.states, gradients }
}

/// The greatest difference, relative to 1 + |value|; infinite where a shape or a number is none.
fn apart(actual: &ArrayD<f64>, expected: &Tensor) -> f64 {
    if actual.shape() != expected.shape {
        return f64::INFINITY;
    }
    let pairs = actual.iter().zip(&expected.data);
    let each = pairs.map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() / (1.0 + b.abs()) });
    each.fold(0.0, |worst, it| if it.is_nan() { f64::INFINITY } else { it.max(worst) })
}

/// The norm of the difference over that of what is expected; where that vanishes, the norm itself.
fn normwise(actual: &ArrayD<f64>, expected: &Tensor) -> f64 {
    if actual.shape() != expected.shape {
        return f64::INFINITY;
    }
    let norm = |all: &mut dyn Iterator<Item = f64>| all.map(|it| it * it).sum::<f64>().sqrt();
    let difference = norm(&mut actual.iter().zip(&expected.data).map(|(a, b)| a - b));
    let size = norm(&mut expected.data.iter().copied());
    let error = if size > 0.0 { difference / size } else { difference };
    if error.is_nan() { f64::INFINITY } else { error }
}

/// What differs, forward and backward: what it is and by how much.
fn faults(case: &Case, bound: &Bound, results: &Results) -> Vec<String> {
    let cell = bound.cell();
    let mut faults = Vec::new();
    let mut see = |what: String, error: f64, bound: f64| {
        if error > bound {
            faults.push(format!("{what}: {error:e}"));
        }
    };
    let at = |position: Option<usize>, what: &str, name: &str| {
        position.unwrap_or_else(|| panic!("{}: no {what} `{name}`", case.name))
    };
    for (name, expected) in &case.outputs {
        let actual = &results.outputs[at(cell.output(name), "output", name)];
        see(format!("output {name}"), apart(actual, expected), 1e-12);
    }
    for (name, expected) in &case.last {
        let actual = &results.states[at(cell.carry(name), "state", name)];
        see(format!("final {name}"), apart(actual, expected), 1e-12);
    }
    let mut gradient = |name: String, actual: &Option<ArrayD<f64>>, expected: &Tensor| {
        let error = actual.as_ref().map_or(f64::INFINITY, |it| normwise(it, expected));
        see(format!("gradient of {name}"), error, 1e-10);
    };
    for (name, expected) in &case.gradients.params {
        let at = at(cell.param(name), "param", name);
        gradient(name.clone(), &results.gradients.params[at], expected);
    }
    for (name, expected) in &case.gradients.inputs {
        let at = at(cell.input(name), "input", name);
        gradient(format!("input {name}"), &results.gradients.inputs[at], expected);
    }
    for (name, expected) in &case.gradients.states {
        let at = at(cell.carry(name), "state", name);
        gradient(format!("state {name}"), &results.gradients.starts[at], expected);
    }
    faults
}

#[test]
fn other_implementations_give_the_same_numbers() {
    for case in cases() {
        // A vector that leaves gradients out would prove less than it seems to.
        let bound = bound(&case);
        let cell = bound.cell();
        let trained = cell.params.iter().filter(|it| it.trained).count();
        let real = cell.inputs.iter().filter(|it| it.index.is_none());
        let real = real.filter(|it| case.inputs.contains_key(&*it.name)).count();
        assert_eq!(case.gradients.params.len(), trained, "{}", case.name);
        assert_eq!(case.gradients.inputs.len(), real, "{}", case.name);
        assert_eq!(case.gradients.states.len(), case.states.len(), "{}", case.name);
        let given = case.masks.as_ref().map_or(cell.masks.len(), |it| it.len());
        assert_eq!(given, cell.masks.len(), "{}: all masks or none", case.name);
        let results = run(&case, &bound, &params(&case, &bound));
        assert_eq!(faults(&case, &bound, &results), [""; 0], "{}", case.name);
    }
}

impl Case {
    /// Whether two params do the same, so that the numbers cannot tell that they changed places: those
    /// that only occur as a sum, and those of a gate that a hyper turns off.
    fn does_not_tell(&self, a: &str, b: &str) -> bool {
        let gradients = &self.gradients.params;
        let (Some(a), Some(b)) = (gradients.get(a), gradients.get(b)) else { return false };
        normwise(&a.array(), b) < 1e-12
    }

    /// Whether a param has no part in the numbers.
    fn leaves_out(&self, param: &str) -> bool {
        self.gradients.params.get(param).is_some_and(|it| it.data.iter().all(|it| *it == 0.0))
    }
}

#[test]
fn params_that_change_places_are_noticed_in_every_file() {
    // The params of two layers change places in more ways than are worth the time.
    for case in cases().into_iter().filter(|it| it.text.is_none() || it.name.ends_with("_1")) {
        let bound = bound(&case);
        let cell = bound.cell();
        let right = params(&case, &bound);
        let mut swaps = 0;
        for a in 0..cell.params.len() {
            for b in 0..a {
                let (first, second) = (&cell.params[a].name, &cell.params[b].name);
                if right.arrays()[a].shape() != right.arrays()[b].shape()
                    || case.does_not_tell(first, second)
                {
                    continue;
                }
                let mut swapped = right.clone();
                swapped.arrays_mut().swap(a, b);
                let results = run(&case, &bound, &swapped);
                let faults = faults(&case, &bound, &results);
                assert!(!faults.is_empty(), "{}: {first} and {second} changed places", case.name);
                swaps += 1;
            }
        }
        // Where nothing can change places, rows do.
        for (param, array) in cell.params.iter().zip(right.arrays()) {
            if array.ndim() < 2 || case.leaves_out(&param.name) {
                continue;
            }
            let at = cell.param(&param.name).unwrap();
            let mut turned = right.clone();
            turned.arrays_mut()[at].invert_axis(ndarray::Axis(0));
            let results = run(&case, &bound, &turned);
            let faults = faults(&case, &bound, &results);
            assert!(!faults.is_empty(), "{}: the rows of {} are turned", case.name, param.name);
            swaps += 1;
        }
        assert!(swaps > 0, "{}", case.name);
    }
}

#[test]
fn every_cell_of_the_library_has_a_vector() {
    let cases = cases();
    for file in rnnc::api::library() {
        assert!(cases.iter().any(|it| it.spec == file.name), "no vector for std/{}", file.name);
    }
}

#[test]
fn every_layout_of_the_library_is_proved_by_stored_tensors() {
    let cases = cases();
    for case in &cases {
        // Layouts of layers are those of other cells.
        let source = rnnc::api::library_file(&case.spec).unwrap().source;
        let own = |it: &&Layout| source.contains(&format!("layout {} {{", it.name));
        for layout in bound(case).cell().layouts.iter().filter(own) {
            let proved = |it: &Case| it.spec == case.spec && it.stored.contains_key(&*layout.name);
            assert!(cases.iter().any(proved), "std/{}: layout {}", case.spec, layout.name);
        }
    }
}

/// The params that stored tensors hold by a layout; what the layout leaves out is as in the case.
fn through(
    case: &Case,
    bound: &Bound,
    layout: &Layout,
    tensors: &Tensors,
) -> Result<Params<f64>, rnnc::Error> {
    let (what, cell) = (format!("{} {}", case.name, layout.name), bound.cell());
    let tensor = |it: &Tensor| rnnc::data::Tensor {
        shape: it.shape.clone(),
        dtype: DType::F64,
        values: it.array(),
    };
    let tensors = tensors.iter().map(|(name, it)| (name.clone(), tensor(it)));
    let found = Weights::find(cell, layout.clone(), &Affixes::default(), tensors)?;
    assert_eq!(found.missing(cell), [""; 0], "{what}");
    assert_eq!(found.extra(), [""; 0], "{what}");
    let read = found.params(cell, bound.env())?;
    let own = params(case, bound).into_arrays();
    Ok(Params::new(read.into_iter().zip(own).map(|(it, own)| it.unwrap_or(own)).collect()))
}

/// Whether params give the outputs and the final states of the case.
fn gives_the_outputs(case: &Case, bound: &Bound, params: &Params<f64>) -> bool {
    let results = run(case, bound, params);
    let forward = faults(case, bound, &results);
    !forward.iter().any(|it| it.starts_with("output") || it.starts_with("final"))
}

#[test]
fn stored_tensors_hold_the_params() {
    let mut layouts = 0;
    for case in cases() {
        let bound = bound(&case);
        let own = params(&case, &bound);
        for (name, tensors) in &case.stored {
            let what = format!("{} {name}", case.name);
            let layout = bound.cell().layout(name).unwrap_or_else(|| panic!("no layout: {what}"));
            let read = through(&case, &bound, &layout, tensors);
            let read = read.unwrap_or_else(|it| panic!("{what}: {it}"));
            // A layout that adds biases reads other params, and the cell must not see a difference.
            let written = if layout.is_one_to_one() {
                assert_eq!(read.arrays(), own.arrays(), "{what}");
                weights::stored(bound.env(), &layout, &Affixes::default(), own.arrays()).unwrap()
            } else {
                assert!(gives_the_outputs(&case, &bound, &read), "{what}");
                weights::stored(bound.env(), &layout, &Affixes::default(), read.arrays()).unwrap()
            };
            if case.text.is_some() {
                // Layers are numbered in the file, and written under their own names.
                let tensor = |it: &ArrayD<f64>| Tensor {
                    shape: it.shape().to_vec(),
                    data: it.iter().copied().collect(),
                };
                let written = written.iter().map(|(name, it)| (name.clone(), tensor(it))).collect();
                let again = through(&case, &bound, &layout, &written).unwrap();
                assert_eq!(again.arrays(), own.arrays(), "{what}");
            } else {
                for (name, array) in written {
                    assert_eq!(array, tensors[&name].array(), "{what}: {name}");
                }
            }
            layouts += 1;
        }
    }
    assert!(layouts >= 20, "{layouts}");
}

/// An arrangement with two of its params exchanged.
fn exchanged(value: &Arrangement, a: usize, b: usize) -> Arrangement {
    let other = |it: usize| {
        if it == a {
            b
        } else if it == b {
            a
        } else {
            it
        }
    };
    let all = |parts: &[Arrangement]| parts.iter().map(|it| exchanged(it, a, b)).collect();
    match value {
        Arrangement::Param(it) => Arrangement::Param(other(*it)),
        Arrangement::Zeros(shape) => Arrangement::Zeros(shape.clone()),
        Arrangement::Sum(params) => Arrangement::Sum(params.iter().map(|it| other(*it)).collect()),
        Arrangement::Join(axis, parts) => Arrangement::Join(*axis, all(parts)),
        Arrangement::Stack(parts) => Arrangement::Stack(all(parts)),
        Arrangement::Reshape(shape, inner) => {
            Arrangement::Reshape(shape.clone(), Box::new(exchanged(inner, a, b)))
        }
        Arrangement::Permute(order, inner) => {
            Arrangement::Permute(order.clone(), Box::new(exchanged(inner, a, b)))
        }
    }
}

/// The order of the gates is what every converter gets wrong: each exchange of two blocks of a
/// tensor is seen in the numbers.
#[test]
fn blocks_of_a_layout_that_change_places_are_noticed() {
    let mut exchanges = 0;
    for case in cases().iter().filter(|it| it.lengths.is_none()) {
        let bound = bound(case);
        let params = &bound.cell().params;
        for (name, tensors) in &case.stored {
            let layout = bound.cell().layout(name).unwrap();
            for (at, row) in layout.rows.iter().enumerate() {
                let held = row.params();
                // Of a sum the first param is read, and the others become 0 wherever they stand.
                let sums = row.value.sums();
                let zero = |it: &usize| sums.iter().any(|sum| sum[1..].contains(it));
                let pairs = held
                    .iter()
                    .enumerate()
                    .flat_map(|(k, a)| held[..k].iter().map(move |b| (*a, *b)));
                for (a, b) in pairs {
                    let (first, second) = (&params[a], &params[b]);
                    let alike =
                        case.does_not_tell(&first.name, &second.name) || zero(&a) && zero(&b);
                    if first.shape != second.shape || alike {
                        continue;
                    }
                    let mut wrong = layout.clone();
                    wrong.rows[at].value = exchanged(&row.value, a, b);
                    let read = through(case, &bound, &wrong, tensors).unwrap();
                    let what = format!("{} {name}: {} and {}", case.name, first.name, second.name);
                    assert!(!gives_the_outputs(case, &bound, &read), "{what} changed places");
                    exchanges += 1;
                }
            }
        }
    }
    assert!(exchanges >= 100, "{exchanges}");
}
