//! ONNX: what reads no state for all steps at once, and a `Scan` for each loop.
//!
//! | file | what it does |
//! |---|---|
//! | `proto` | messages as bytes |
//! | `graph` | names, constants, nodes; operators that ONNX lacks |
//! | `ops` | the operators of a step |
//! | `scan` | loops, and the values of the step before |

mod graph;
mod ops;
mod proto;
mod scan;

use std::collections::BTreeMap;

use super::lower::Lowered;
use super::names::snake;
use super::{Begin, ExportError, Exported, File, Number, Options, Told, Weights, check_elements};
use crate::ir::{Leaf, NodeId, Op};
use graph::Builder;
use ops::{Value, Walk};
use proto::{Attribute, Axis, Elem, Message, tensor, value};

/// The most bytes that a message may have.
const MOST: u64 = 1 << 31;

/// The newest versions of operators that are written, and the one by default.
pub const OPSETS: std::ops::RangeInclusive<u32> = 15..=21;
/// The version by default.
pub const OPSET: u32 = 17;

/// A model in the making.
struct Model<'a> {
    walk: Walk<'a>,
    options: &'a Options,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    /// The names of inputs, outputs, old and new carried values.
    input_names: Vec<String>,
    output_names: Vec<String>,
    /// The start of each carried value, for each sequence.
    starts: Vec<String>,
    /// The steps that are within their sequences.
    valid: Option<String>,
    lengths: Option<String>,
}

/// Writes the file.
pub fn export(low: &Lowered, options: &Options) -> Result<Exported, ExportError> {
    if options.step {
        low.needs_one_step()?;
    } else {
        low.needs_input()?;
    }
    let bytes: u64 = low.params.iter().map(|it| 4 * it.len() as u64).sum();
    if bytes >= MOST {
        return Err(ExportError::TooLarge(bytes));
    }
    if options.weights == Weights::F16 {
        let is_held = |it: f64| !it.is_finite() || half::f16::from_f64(it).is_finite();
        let matrices = (0..low.params.len()).filter(|it| low.params[*it].ndim() >= 2);
        for at in matrices {
            check_elements(low, at, "f16", is_held)?;
        }
    }
    let mut model = Model::new(low, options);
    model.enter();
    if options.step {
        model.step();
    } else {
        model.sequence();
    }
    let bytes = model.file();
    let cell = &low.cell;
    let symbol = snake(&cell.name);
    let inputs = cell.inputs.iter().enumerate().map(|(at, it)| Told {
        dtype: Some(if it.index.is_some() { "i64" } else { "f32" }),
        default: Some(it.default.as_ref().map(|it| Number::of(low.number(it)))),
        per_sequence: it.per_sequence,
        ..Told::new(&it.name, &model.input_names[at], &low.input_shape(at))
    });
    let outputs = cell.outputs.iter().zip(&model.output_names);
    let outputs = outputs.map(|(it, id)| Told::new(&it.name, id, low.shape(it.node)));
    let states = cell.carries.iter().enumerate().map(|(at, it)| Told {
        dtype: Some(if it.index.is_some() { "i64" } else { "f32" }),
        start: Some(Begin::of(&low.starts[at])),
        ..Told::new(&it.name, &it.name, &low.carry_shape(at))
    });
    let params = cell.params.iter().enumerate().map(|(at, it)| Told {
        trained: Some(it.trained),
        ..Told::new(&it.name, &it.name, low.params[at].shape())
    });
    let told = [inputs.collect(), outputs.collect(), states.collect(), params.collect()];
    let files = vec![File { ending: ".onnx", bytes }];
    let has_loop = low.stages.iter().any(|it| it.order.is_some());
    let operator = (!options.step && has_loop).then_some("Scan");
    Ok(Exported { operator, ..Exported::new(low, symbol, files, told) })
}

impl<'a> Model<'a> {
    fn new(low: &'a Lowered, options: &'a Options) -> Model<'a> {
        let mut graph = Builder::new(options.opset);
        let inputs = low.cell.inputs.iter().map(|it| graph.fresh(&it.name)).collect::<Vec<_>>();
        let outputs =
            low.cell.outputs.iter().map(|it| match inputs.iter().any(|own| **own == *it.name) {
                true => graph.fresh(&format!("output.{}", it.name)),
                false => graph.fresh(&it.name),
            });
        let output_names = outputs.collect();
        let walk = Walk {
            low,
            graph,
            values: vec![BTreeMap::new()],
            rows: if options.step { 1 } else { 2 },
            leading: vec![None, None, None],
            once: low.once(),
            half: options.weights == Weights::F16,
        };
        Model {
            walk,
            options,
            inputs: Vec::new(),
            outputs: Vec::new(),
            input_names: inputs,
            output_names,
            starts: Vec::new(),
            valid: None,
            lengths: None,
        }
    }

    fn elem(is_index: bool) -> Elem {
        if is_index { Elem::Int64 } else { Elem::Float }
    }

    /// Makes the inputs, the mask of valid steps, and the starts.
    fn enter(&mut self) {
        let low = self.walk.low;
        let is_step = self.options.step;
        let cell = &low.cell;
        let is_rows = |at: &usize| !cell.inputs[*at].per_sequence;
        let required = |at: &usize| cell.inputs[*at].default.is_none();
        let all = || (0..cell.inputs.len()).filter(is_rows);
        let telling = all().find(required).or_else(|| all().next());
        for (at, it) in cell.inputs.iter().enumerate() {
            let own = low.input_shape(at);
            let mut axes = match is_step || it.per_sequence {
                true => vec![Axis::Symbol("B")],
                false => vec![Axis::Symbol("T"), Axis::Symbol("B")],
            };
            let lead = axes.len();
            axes.extend(own.iter().map(|it| Axis::Size(*it)));
            let elem = Model::elem(it.index.is_some());
            self.inputs.push(value(&self.input_names[at], elem, &axes));
            if let (Some(default), true) = (&it.default, self.options.defaults) {
                let shape: Vec<usize> =
                    vec![1; lead].into_iter().chain(own.iter().copied()).collect();
                let count = shape.iter().product::<usize>();
                let number = low.number(default);
                let data = initial(&vec![number; count], elem);
                self.walk.graph.initializers.push(tensor(
                    &self.input_names[at],
                    elem,
                    &shape,
                    &data,
                ));
            }
        }
        // The numbers of steps and of sequences are those of an input that must be given.
        let shape_of = |graph: &mut Builder, name: &str, from: i64, to: i64| {
            let all = [("start", Attribute::Int(from)), ("end", Attribute::Int(to))];
            graph.add("Shape", &[name], &all)
        };
        if let Some(telling) = telling {
            let name = self.input_names[telling].clone();
            if is_step {
                self.walk.leading[1] = Some(shape_of(&mut self.walk.graph, &name, 0, 1));
            } else {
                self.walk.leading[1] = Some(shape_of(&mut self.walk.graph, &name, 1, 2));
                self.walk.leading[2] = Some(shape_of(&mut self.walk.graph, &name, 0, 2));
            }
        }
        if self.options.lengths {
            let name = self.walk.graph.fresh("lengths");
            self.inputs.push(value(&name, Elem::Int64, &[Axis::Symbol("B")]));
            let all = self.walk.leading[2].clone().unwrap_or_default();
            let first = self.walk.graph.int(0);
            let steps = self.walk.graph.add("Gather", &[&all, &first], &[]);
            let one = self.walk.graph.int(1);
            let range = self.walk.graph.add("Range", &[&first, &steps, &one], &[]);
            let range = self.walk.graph.unsqueeze(&range, &[1]);
            self.valid = Some(self.walk.graph.add("Less", &[&range, &name], &[]));
            self.lengths = Some(name);
        }
        self.begin_states();
        for (at, it) in cell.inputs.iter().enumerate() {
            let Some(node) = self.leaf(Leaf::Input(at)) else { continue };
            let lead = if it.per_sequence { 1 } else { self.walk.rows };
            let shape = low.input_shape(at);
            let elem = Model::elem(it.index.is_some());
            let mut own =
                Value { name: self.input_names[at].clone(), lead, shape: shape.clone(), elem };
            if it.default.is_some() && Some(at) != telling {
                // A default has leading axes of size 1.
                own.lead = 0;
                own = self.walk.whole(&own, &shape, lead);
            }
            if !it.per_sequence {
                own.name = self.cut(&own);
            }
            self.walk.values[0].insert(node, own);
        }
    }

    /// Makes the inputs of carried values.
    fn begin_states(&mut self) {
        let low = self.walk.low;
        for (at, it) in low.cell.carries.iter().enumerate() {
            let own = low.carry_shape(at);
            let elem = Model::elem(it.index.is_some());
            let name = self.walk.graph.fresh(&format!("prev.{}", it.name));
            let axes: Vec<Axis> = std::iter::once(Axis::Symbol("B"))
                .chain(own.iter().map(|it| Axis::Size(*it)))
                .collect();
            self.inputs.push(value(&name, elem, &axes));
            if self.options.step {
                if self.walk.leading[1].is_none() {
                    let all = [("start", Attribute::Int(0)), ("end", Attribute::Int(1))];
                    self.walk.leading[1] = Some(self.walk.graph.add("Shape", &[&name], &all));
                }
                self.starts.push(name.clone());
                if let Some(node) = self.leaf(Leaf::Carry(at)) {
                    let value = Value { name, lead: 1, shape: own, elem };
                    self.walk.values[0].insert(node, value);
                }
                continue;
            }
            if self.options.defaults {
                let shape: Vec<usize> = std::iter::once(1).chain(own.iter().copied()).collect();
                let all: Vec<f64> = low.starts[at].iter().copied().collect();
                self.walk.graph.initializers.push(tensor(
                    &name,
                    elem,
                    &shape,
                    &initial(&all, elem),
                ));
            }
            let value = Value { name, lead: 0, shape: own.clone(), elem };
            self.starts.push(self.walk.whole(&value, &own, 1).name);
        }
    }

    /// Zeros beyond the end of a sequence.
    fn cut(&mut self, it: &Value) -> String {
        let Some(valid) = self.valid.clone() else { return it.name.clone() };
        let axes: Vec<i64> = (2..2 + it.shape.len() as i64).collect();
        let graph = &mut self.walk.graph;
        let valid = if axes.is_empty() { valid } else { graph.unsqueeze(&valid, &axes) };
        let zero = graph.zero(it.elem);
        graph.add("Where", &[&valid, &it.name, &zero], &[])
    }

    fn leaf(&self, leaf: Leaf) -> Option<NodeId> {
        let low = self.walk.low;
        low.graph()
            .ids()
            .find(|it| low.needed[it.idx()] && low.graph().node(*it).op == Op::Leaf(leaf))
    }

    fn step(&mut self) {
        let low = self.walk.low;
        for stage in &low.stages {
            self.walk.compute(&stage.nodes);
        }
        for (at, output) in low.cell.outputs.iter().enumerate() {
            let own = self.walk.value(output.node);
            let whole = self.walk.whole(&own, low.shape(output.node), 1);
            self.give(&self.output_names[at].clone(), &whole);
        }
        for (at, it) in low.cell.carries.iter().enumerate() {
            let own = self.walk.value(it.next);
            let whole = self.walk.whole(&own, &low.carry_shape(at), 1);
            self.give(&format!("state.{}", it.name), &whole);
        }
    }

    /// Makes a value an output of the model.
    fn give(&mut self, name: &str, it: &Value) {
        self.walk.graph.named("Identity", &[&it.name], name, &[]);
        let mut axes = match it.lead {
            2 => vec![Axis::Symbol("T"), Axis::Symbol("B")],
            _ => vec![Axis::Symbol("B")],
        };
        axes.extend(it.shape.iter().map(|it| Axis::Size(*it)));
        self.outputs.push(value(name, it.elem, &axes));
    }

    fn file(&mut self) -> Vec<u8> {
        let low = self.walk.low;
        let mut graph = Message::default();
        self.walk.graph.end().iter().for_each(|it| graph.message(1, it));
        graph.text(2, &low.cell.name);
        self.walk.graph.initializers.iter().for_each(|it| graph.message(5, it));
        graph.text(10, &low.cell.doc.join("\n"));
        self.inputs.iter().for_each(|it| graph.message(11, it));
        self.outputs.iter().for_each(|it| graph.message(12, it));
        let mut model = Message::default();
        model.number(1, 8);
        model.text(2, "rnnc");
        model.text(3, env!("CARGO_PKG_VERSION"));
        model.message(7, &graph);
        let mut opset = Message::default();
        opset.text(1, "");
        opset.number(2, u64::from(self.options.opset));
        model.message(8, &opset);
        let states: Vec<String> = low.cell.carries.iter().map(|it| it.name.to_string()).collect();
        let mut entries = vec![("rnnc.cell".to_owned(), low.cell.name.to_string())];
        entries
            .push(("rnnc.states".to_owned(), serde_json::to_string(&states).unwrap_or_default()));
        for (it, start) in low.cell.carries.iter().zip(&low.starts) {
            let start = match Begin::of(start) {
                Begin::All(Number::Word(word)) => word.to_owned(),
                other => serde_json::to_string(&other).unwrap_or_default(),
            };
            entries.push((format!("rnnc.start.{}", it.name), start));
        }
        for (key, text) in entries {
            let mut entry = Message::default();
            entry.text(1, &key);
            entry.text(2, &text);
            model.message(14, &entry);
        }
        model.into_bytes()
    }
}

/// Returns the bytes of an initializer.
fn initial(values: &[f64], elem: Elem) -> Vec<u8> {
    match elem {
        Elem::Int64 => values.iter().flat_map(|it| (*it as i64).to_le_bytes()).collect(),
        Elem::Half => values.iter().flat_map(|it| half::f16::from_f64(*it).to_le_bytes()).collect(),
        Elem::Float | Elem::Bool => {
            values.iter().flat_map(|it| (*it as f32).to_le_bytes()).collect()
        }
    }
}
