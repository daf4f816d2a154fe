//! The functions around the equations: a whole sequence, one step, the start.
//!
//! Every stage is a function. A step calls them one after the other. A sequence calls those of rows once, for all steps,
//! and those of loops step by step; an old value that a stage of rows reads is the row before, so no loop is needed for
//! it. A step beyond the length of its sequence leaves the carried values as they are, and its outputs are 0.

use std::collections::BTreeSet;

use super::expr::{ATOM, Dialect, Kind, PRODUCT, Value, joined};
use super::lines::{call, indent, list, tuple};
use super::lower::{Lead, Lowered, Stage};
use super::names::plain;
use super::python::{Function, Walk};
use super::{Begin, Number, Told};
use crate::ir::{Leaf, Literal, Move, NodeId, Op, Order, Scope, Start};

/// Words that a generated function uses itself.
pub const LOCALS: &[&str] = &[
    "params", "state", "lengths", "valid", "key", "keys", "start", "step", "apply", "init",
    "steps", "batch", "t", "y", "body", "old", "row", "SHAPES", "np", "jnp", "jax", "lax", "math",
    "F", "nn", "torch", "self", "forward", "extra", "dtype",
];

/// The notation of a language for what programs need.
pub trait Style: Dialect {
    /// Returns a call of a function of the file.
    fn call(&self, function: &str, args: &[String]) -> String;
    /// The notation of a loop.
    const SCANS: bool;
    /// Returns an input by default: a number everywhere.
    fn filled(&self, shape: &str, value: &str, is_index: bool) -> String;
    /// Returns a field of the state.
    fn field(&self, carry: usize) -> String;
    /// Returns a new state.
    fn state(&self, values: &[String]) -> Vec<String>;
    /// Returns the mask of valid steps.
    fn valid(&self) -> Vec<String>;
    /// Rows one after the other.
    fn stacked(&self, rows: &str) -> String;
    /// Returns a new, empty list of rows.
    fn no_rows(&self, name: &str) -> String;
    /// Returns the leading axes of a step, as text.
    fn shape_of_batch(&self) -> String;
    /// Returns the leading axes of a sequence, as text.
    fn leading_of_rows(&self) -> String;
    /// Returns a mask of this shape.
    fn mask(&self, mask: usize, at: usize, shape: &str) -> String;
}

/// A program in the making.
pub struct Program<'a, D> {
    /// The walk.
    pub walk: Walk<'a, D>,
    /// The loop-invariant values.
    pub fixed: Option<Function>,
    /// The name and the function of each stage.
    pub stages: Vec<(String, Function)>,
    /// The inputs of a call: required ones first.
    pub inputs: Vec<usize>,
}

impl<'a, D: Style> Program<'a, D> {
    /// Writes the functions of all stages.
    pub fn new(mut walk: Walk<'a, D>) -> Program<'a, D> {
        let low = walk.low;
        let fixed = walk.fixed();
        let loops: Vec<bool> = low.stages.iter().map(|it| it.order.is_some()).collect();
        let mut names: Vec<String> = Vec::new();
        for (at, is_loop) in loops.iter().enumerate() {
            let word = match (is_loop, loops[..at].contains(&true), loops[at..].contains(&true)) {
                (true, ..) => "_loop",
                (false, false, _) => "_before",
                (false, true, true) => "_between",
                (false, true, false) => "_after",
            };
            let same = names
                .iter()
                .filter(|it| it.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_') == word);
            let count = same.count() + 1;
            names.push(if count == 1 { word.to_owned() } else { format!("{word}_{count}") });
        }
        let functions: Vec<Function> = low.stages.iter().map(|it| walk.stage(it)).collect();
        let is_optional = |it: &usize| low.cell.inputs[*it].default.is_some();
        let all = 0..low.cell.inputs.len();
        let (optional, mut inputs): (Vec<usize>, Vec<usize>) = all.partition(is_optional);
        inputs.extend(optional);
        Program { walk, fixed, stages: names.into_iter().zip(functions).collect(), inputs }
    }

    /// Returns the facts.
    pub fn low(&self) -> &'a Lowered {
        self.walk.low
    }

    /// Returns the identifier of an input; one that nobody reads has one, too.
    pub fn input(&self, input: usize) -> String {
        let low = self.low();
        let node =
            low.graph().ids().find(|it| low.graph().node(*it).op == Op::Leaf(Leaf::Input(input)));
        match node {
            Some(it) => self.walk.id(it).to_owned(),
            None => plain(&low.cell.inputs[input].name),
        }
    }

    /// Returns the input that tells the number of steps and sequences.
    pub fn telling(&self) -> usize {
        let is_rows = |it: &&usize| !self.low().cell.inputs[**it].per_sequence;
        self.inputs.iter().find(is_rows).copied().unwrap_or(0)
    }

    /// Writes the values of carries after a step; `rows` writes how a row of an earlier stage is read. `rows` says how a row of
    /// an earlier stage is read.
    fn new_value(&self, carry: usize, batch: &str, at: &dyn Fn(NodeId) -> String) -> String {
        let low = self.low();
        let next = low.cell.carries[carry].next;
        if low.lead[next.idx()] == Lead::Rows {
            return at(next);
        }
        self.spread(next, batch)
    }

    /// Returns a value that is the same for rows, repeated over leading axes.
    fn spread(&self, id: NodeId, leading: &str) -> String {
        let low = self.low();
        let value = self.plain(id);
        let shape = low.shape(id).to_vec();
        let own = self.walk.lang.shape(&shape);
        let whole = joined(leading, &own);
        self.walk.lang.repeat(&value, &whole)
    }

    /// Returns the value of a node that is no row.
    fn plain(&self, id: NodeId) -> Value {
        let low = self.low();
        let node = low.graph().node(id);
        match &node.op {
            Op::Leaf(Leaf::Param(it)) => {
                Value { text: self.walk.lang.param(*it), ..self.walk.outside(id) }
            }
            Op::Literal(Literal::Scalar(it)) => {
                let number = self.walk.number(low.number(it));
                let text = self.walk.lang.scalar(&number.text);
                Value { text, prec: PRODUCT, kind: Kind::Real, ..number }
            }
            Op::Literal(it) => {
                let numbers = match it {
                    Literal::Array(all) => {
                        all.iter().map(|it| self.walk.number(low.number(it)).text).collect()
                    }
                    _ => Vec::new(),
                };
                let text = self.walk.lang.literal(it, low.shape(id), &numbers);
                Value { text, ..self.walk.outside(id) }
            }
            // What only repeats is repeated once more.
            Op::Move(Move::Expand(_)) if low.inline[id.idx()] && node.args.len() == 1 => {
                let inner = self.plain(node.args[0]);
                let own = self.walk.lang.shape(low.shape(id));
                let text = self.walk.lang.repeat(&inner, &own);
                Value { text, prec: ATOM, ..self.walk.outside(id) }
            }
            _ => self.walk.outside(id),
        }
    }

    fn fixed_call(&self) -> Vec<String> {
        let Some(fixed) = &self.fixed else { return Vec::new() };
        let args: Vec<String> = fixed.reads.iter().map(|it| self.walk.id(*it).to_owned()).collect();
        let gives: Vec<String> =
            fixed.gives.iter().map(|it| self.walk.id(*it).to_owned()).collect();
        vec![format!("{} = {}", list(&gives), self.walk.lang.call("_fixed", &args))]
    }

    fn masks(&self, is_step: bool) -> Vec<String> {
        let low = self.low();
        let mut lines = Vec::new();
        for (at, mask) in low.cell.masks.iter().enumerate() {
            let op = Op::Leaf(Leaf::Mask(at));
            let Some(node) = low.graph().ids().find(|it| low.graph().node(*it).op == op) else {
                continue;
            };
            let own = low.concrete(&mask.shape);
            let mut shape: Vec<String> = match (mask.scope, is_step) {
                (Scope::Run, _) => Vec::new(),
                (Scope::Step, false) => vec!["steps".to_owned(), "batch".to_owned()],
                (Scope::Sequence, _) | (Scope::Step, true) => vec!["batch".to_owned()],
            };
            shape.extend(own.iter().map(usize::to_string));
            let text = self.walk.lang.mask(at, lines.len(), &tuple(&shape));
            lines.push(format!("{} = {text}", self.walk.id(node)));
        }
        lines
    }

    /// Returns true if something reads a mask.
    pub fn uses_mask(&self, mask: usize) -> bool {
        let is_it = |it: &crate::ir::Node| it.op == Op::Leaf(Leaf::Mask(mask));
        self.low().graph().nodes().iter().any(is_it)
    }

    fn defaults(&self, is_step: bool) -> Vec<String> {
        let low = self.low();
        let mut lines = Vec::new();
        for input in &self.inputs {
            let it = &low.cell.inputs[*input];
            let Some(default) = &it.default else { continue };
            let mut shape: Vec<String> = match is_step || it.per_sequence {
                true => vec!["batch".to_owned()],
                false => vec!["steps".to_owned(), "batch".to_owned()],
            };
            shape.extend(low.input_shape(*input).iter().map(usize::to_string));
            let number = low.number(default);
            let is_index = it.index.is_some();
            let number =
                if is_index { format!("{number:.0}") } else { self.walk.number(number).text };
            let id = self.input(*input);
            lines.push(format!("if {id} is None:"));
            lines.push(format!(
                "    {id} = {}",
                self.walk.lang.filled(&tuple(&shape), &number, is_index)
            ));
        }
        lines
    }

    /// Returns the body of a step, up to the outputs and the new state.
    pub fn step(&self) -> (Vec<String>, Vec<String>, Vec<String>) {
        let low = self.low();
        let mut lines = self.defaults(true);
        lines.extend(self.masks(true));
        if !low.cell.carries.is_empty() {
            lines.push("if state is None:".to_owned());
            lines.push(format!(
                "    state = {}",
                self.walk.lang.call("start", &["batch".to_owned()])
            ));
        }
        lines.extend(self.fixed_call());
        for (carry, id) in self.old_values() {
            lines.push(format!("{id} = {}", self.walk.lang.field(carry)));
        }
        for (name, function) in &self.stages {
            if function.gives.is_empty() {
                continue;
            }
            let args: Vec<String> =
                function.reads.iter().map(|it| self.walk.id(*it).to_owned()).collect();
            let gives: Vec<String> =
                function.gives.iter().map(|it| self.walk.id(*it).to_owned()).collect();
            lines.push(format!("{} = {}", list(&gives), self.walk.lang.call(name, &args)));
        }
        let batch = self.walk.lang.shape_of_batch();
        let id = |id: NodeId| self.walk.id(id).to_owned();
        let outputs = low.cell.outputs.iter().map(|it| match low.lead[it.node.idx()] {
            Lead::Rows => id(it.node),
            Lead::Sequence if !low.inline[it.node.idx()] => id(it.node),
            Lead::Sequence | Lead::Once => self.spread(it.node, &batch),
        });
        let states = (0..low.cell.carries.len()).map(|it| self.new_value(it, &batch, &id));
        (lines, outputs.collect(), states.collect())
    }

    /// Returns the old values that somebody reads.
    fn old_values(&self) -> Vec<(usize, String)> {
        let low = self.low();
        let all = (0..low.cell.carries.len()).filter_map(|carry| {
            let leaf = low.leaf_of_carry(carry)?;
            Some((carry, self.walk.id(leaf).to_owned()))
        });
        all.collect()
    }

    /// Returns true if the rows of a node are read outside of its stage.
    fn wanted_rows(&self, own: usize, id: NodeId) -> bool {
        let low = self.low();
        let others = || self.stages.iter().enumerate().filter(|it| it.0 != own);
        let is_read = |id: NodeId| others().any(|it| it.1.1.reads.contains(&id));
        let is_output = |id: NodeId| low.cell.outputs.iter().any(|it| it.node == id);
        let old = low.cell.carries.iter().enumerate().any(|(carry, it)| {
            let leaf = low.leaf_of_carry(carry);
            it.next == id
                && (low.held[carry] || leaf.is_some_and(|it| is_read(it) || is_output(it)))
        });
        // What is held may be the old value of what is held.
        let held = low.cell.carries.iter().enumerate().any(|(carry, it)| {
            low.held[carry]
                && matches!(low.graph().node(it.next).op, Op::Leaf(Leaf::Carry(other))
                    if low.cell.carries[other].next == id)
        });
        is_read(id) || is_output(id) || old || held
    }

    /// Returns the body of a sequence, up to the outputs and the final state.
    pub fn sequence(&mut self) -> (Vec<String>, Vec<String>, Vec<String>) {
        let low = self.low();
        let mut lines = self.defaults(false);
        if !low.cell.carries.is_empty() {
            lines.push("if state is None:".to_owned());
            lines.push(format!(
                "    state = {}",
                self.walk.lang.call("start", &["batch".to_owned()])
            ));
        }
        let cut: Vec<String> = (self.inputs.iter())
            .filter(|it| !low.cell.inputs[**it].per_sequence)
            .map(|it| {
                let id = self.input(*it);
                format!("    {id} = _cut({id}, valid)")
            })
            .collect();
        self.walk.helpers.insert("cut");
        lines.extend(self.walk.lang.valid());
        lines.extend(cut);
        lines.extend(self.masks(false));
        lines.extend(self.fixed_call());
        let mut rows =
            Rows { known: BTreeSet::new(), finals: vec![String::new(); low.cell.carries.len()] };
        for at in 0..self.stages.len() {
            self.stage(at, &mut rows, &mut lines);
        }
        let whole = self.walk.lang.leading_of_rows();
        let mut outputs = Vec::new();
        for output in low.cell.outputs.iter() {
            let text = self.rows_of(output.node, &mut rows, &mut lines, &whole);
            outputs.push(format!("_cut({text}, valid)"));
        }
        let mut states = Vec::new();
        for (carry, it) in low.cell.carries.iter().enumerate() {
            if rows.finals[carry].is_empty() {
                let text = self.rows_of(it.next, &mut rows, &mut lines, &whole);
                let (helper, args) = match it.order {
                    Order::Ascending => ("last", format!("{text}, lengths")),
                    Order::Descending => ("first", format!("{text}, lengths")),
                };
                self.walk.helpers.insert(helper);
                rows.finals[carry] = format!("_{helper}({}, {args})", self.walk.lang.field(carry));
            }
            states.push(rows.finals[carry].clone());
        }
        (lines, outputs, states)
    }

    /// Returns the text of a node for all steps.
    fn rows_of(
        &mut self,
        id: NodeId,
        rows: &mut Rows,
        lines: &mut Vec<String>,
        whole: &str,
    ) -> String {
        let low = self.low();
        match low.graph().node(id).op {
            _ if low.lead[id.idx()] != Lead::Rows => self.spread(id, whole),
            Op::Leaf(Leaf::Carry(carry)) => {
                self.shift(carry, rows, lines, whole);
                self.walk.id(id).to_owned()
            }
            _ => self.walk.id(id).to_owned(),
        }
    }

    /// Makes the old values of all steps of a carried value.
    fn shift(&mut self, carry: usize, rows: &mut Rows, lines: &mut Vec<String>, whole: &str) {
        let low = self.low();
        let Some(leaf) = low.leaf_of_carry(carry) else { return };
        if !rows.known.insert(leaf) {
            return;
        }
        let it = &low.cell.carries[carry];
        let text = self.rows_of(it.next, rows, lines, whole);
        let start = self.walk.lang.field(carry);
        let (helper, args) = match it.order {
            Order::Ascending => ("shift", format!("{start}, {text}")),
            Order::Descending => ("shift_back", format!("{start}, {text}, valid")),
        };
        self.walk.helpers.insert(helper);
        lines.push(format!("{} = _{helper}({args})", self.walk.id(leaf)));
    }

    fn stage(&mut self, at: usize, rows: &mut Rows, lines: &mut Vec<String>) {
        let low = self.low();
        let whole = self.walk.lang.leading_of_rows();
        let stage: &Stage = &low.stages[at];
        let (name, reads, gives) = {
            let (name, function) = &self.stages[at];
            (name.clone(), function.reads.clone(), function.gives.clone())
        };
        for read in &reads {
            if let Op::Leaf(Leaf::Carry(carry)) = low.graph().node(*read).op
                && !stage.carries.contains(&carry)
            {
                self.shift(carry, rows, lines, &whole);
            }
        }
        let ids: Vec<String> = gives.iter().map(|it| self.walk.id(*it).to_owned()).collect();
        let Some(order) = stage.order else {
            if !gives.is_empty() {
                let args: Vec<String> =
                    reads.iter().map(|it| self.walk.id(*it).to_owned()).collect();
                lines.push(format!("{} = {}", list(&ids), self.walk.lang.call(&name, &args)));
            }
            return;
        };
        self.walk.helpers.insert("keep");
        let is_own = |id: &NodeId| matches!(low.graph().node(*id).op, Op::Leaf(Leaf::Carry(it)) if stage.carries.contains(&it));
        // Carried values of this loop have an identifier, be they read or not.
        let mut olds: Vec<String> = Vec::new();
        for carry in &stage.carries {
            olds.push(match low.leaf_of_carry(*carry) {
                Some(leaf) => self.walk.id(leaf).to_owned(),
                None => self.walk.names.fresh(&format!("prev_{}", low.cell.carries[*carry].name)),
            });
        }
        for (old, carry) in olds.iter().zip(&stage.carries) {
            lines.push(format!("{old} = {}", self.walk.lang.field(*carry)));
        }
        let by_row: Vec<NodeId> = reads
            .iter()
            .copied()
            .filter(|it| !is_own(it) && low.lead[it.idx()] == Lead::Rows)
            .collect();
        let kept: Vec<NodeId> =
            gives.iter().copied().filter(|it| self.wanted_rows(at, *it)).collect();
        let kept: Vec<String> = kept.iter().map(|it| self.walk.id(*it).to_owned()).collect();
        let batch = self.walk.lang.shape_of_batch();
        let scans = D::SCANS;
        let indexed = |id: NodeId| {
            let own = self.walk.id(id);
            let is_row = by_row.contains(&id) && !scans;
            if is_row { format!("{own}[t]") } else { own.to_owned() }
        };
        let args: Vec<String> = reads.iter().map(|it| indexed(*it)).collect();
        let news: Vec<String> =
            stage.carries.iter().map(|it| self.new_value(*it, &batch, &indexed)).collect();
        let mut body = Vec::new();
        if !gives.is_empty() {
            body.push(format!("{} = {}", list(&ids), self.walk.lang.call(&name, &args)));
        }
        if scans {
            let mut taken: Vec<String> =
                by_row.iter().map(|it| self.walk.id(*it).to_owned()).collect();
            let rows_in: Vec<String> = taken.iter().cloned().chain(["valid".to_owned()]).collect();
            taken.push("valid_t".to_owned());
            let mut inner =
                vec![format!("{} = old", tuple(&olds)), format!("{} = row", tuple(&taken))];
            inner.extend(body);
            let news: Vec<String> = news
                .iter()
                .zip(&olds)
                .map(|(new, old)| format!("_keep(valid_t, {new}, {old})"))
                .collect();
            inner.extend(call("return (", &[tuple(&news), tuple_or_empty(&kept)], ""));
            let function = if at == 0 { "body".to_owned() } else { format!("body_{at}") };
            lines.push(format!("def {function}(old, row):"));
            lines.extend(indent(&inner, 1));
            let reverse = if order.is_ascending() { "" } else { ", reverse=True" };
            let given = tuple_or_empty(&kept);
            let target = if kept.is_empty() { "_".to_owned() } else { given };
            lines.extend(call(
                &format!("{}, {target} = lax.scan(", tuple(&olds)),
                &[function, tuple(&olds), tuple(&rows_in), format!("length=steps{reverse}")],
                "",
            ));
        } else {
            for id in &kept {
                lines.push(self.walk.lang.no_rows(&format!("rows_{id}")));
            }
            let range =
                if order.is_ascending() { "range(steps)" } else { "range(steps - 1, -1, -1)" };
            lines.push(format!("for t in {range}:"));
            body.extend(kept.iter().map(|it| format!("rows_{it}.append({it})")));
            let news: Vec<String> = news
                .iter()
                .zip(&olds)
                .map(|(new, old)| format!("_keep(valid, t, {new}, {old})"))
                .collect();
            match (&olds[..], &news[..]) {
                ([old], [new]) => body.push(format!("{old} = {new}")),
                _ => body.extend(call(&format!("{} = (", list(&olds)), &news, "")),
            }
            lines.extend(indent(&body, 1));
            for id in &kept {
                let rows = if order.is_ascending() {
                    format!("rows_{id}")
                } else {
                    format!("rows_{id}[::-1]")
                };
                lines.push(format!("{id} = {}", self.walk.lang.stacked(&rows)));
            }
        }
        for (carry, old) in stage.carries.iter().zip(&olds) {
            // The same word is used for the rows of old values.
            let is_shifted = self.reads_rows(*carry, at);
            if is_shifted {
                lines.push(format!("last{} = {old}", old.trim_start_matches("prev")));
                rows.finals[*carry] = format!("last{}", old.trim_start_matches("prev"));
            } else {
                rows.finals[*carry] = old.clone();
            }
        }
    }

    /// Returns true if the old values of a carried value are read for all steps.
    fn reads_rows(&self, carry: usize, own: usize) -> bool {
        let low = self.low();
        let Some(leaf) = low.leaf_of_carry(carry) else { return false };
        let outputs = low.cell.outputs.iter().any(|it| it.node == leaf);
        let held =
            low.cell.carries.iter().enumerate().any(|(at, it)| low.held[at] && it.next == leaf);
        let mut others = self.stages.iter().enumerate().filter(|it| it.0 != own);
        outputs || held || others.any(|it| it.1.1.reads.contains(&leaf))
    }

    /// Writes the starts, as texts for a batch.
    pub fn starts(&mut self) -> Vec<String> {
        let low = self.low();
        let batch = self.walk.lang.shape_of_batch();
        let mut all = Vec::new();
        for (carry, it) in low.cell.carries.iter().enumerate() {
            let mut from = it;
            let node = loop {
                match from.start {
                    Start::Node(id) => break id,
                    Start::SameAs(other) => from = &low.cell.carries[other],
                }
            };
            let shape = low.carry_shape(carry);
            let own = self.walk.lang.shape(&shape);
            let whole = joined(&batch, &own);
            let value = self.walk.start(&low.cell.start, node, &low.start_shapes);
            let is_index = it.index.is_some();
            all.push(match value.kind {
                Kind::Number(number) => {
                    let text = if is_index { format!("{number:.0}") } else { value.text.clone() };
                    self.walk.lang.filled(&whole, &text, is_index)
                }
                Kind::Truth | Kind::Index | Kind::Real => {
                    let leading = batch.clone();
                    self.walk.repeated(value, &shape, Lead::Rows, Some(&leading)).text
                }
            });
        }
        all
    }

    /// Describes inputs, outputs, states and weights.
    pub fn told(&self, state_ids: &[String], param_ids: &[String]) -> [Vec<Told>; 4] {
        let low = self.low();
        let mut inputs: Vec<Told> = Vec::new();
        for (at, it) in low.cell.inputs.iter().enumerate() {
            let mut told = Told::new(&it.name, &self.input(at), &low.input_shape(at));
            told.dtype = Some(if it.index.is_some() { "i64" } else { "f32" });
            told.per_sequence = it.per_sequence;
            told.default = Some(it.default.as_ref().map(|it| Number::of(low.number(it))));
            inputs.push(told);
        }
        let outputs = low
            .cell
            .outputs
            .iter()
            .map(|it| Told::new(&it.name, &plain(&it.name), low.shape(it.node)));
        let states = low.cell.carries.iter().enumerate().map(|(at, it)| {
            let mut told = Told::new(&it.name, &state_ids[at], &low.carry_shape(at));
            told.dtype = Some(if it.index.is_some() { "i64" } else { "f32" });
            told.start = Some(Begin::of(&low.starts[at]));
            told
        });
        let params = low.cell.params.iter().enumerate().map(|(at, it)| {
            let mut told = Told::new(&it.name, &param_ids[at], low.params[at].shape());
            told.trained = Some(it.trained);
            told
        });
        [inputs, outputs.collect(), states.collect(), params.collect()]
    }
}

/// The rows that a sequence has so far.
struct Rows {
    /// The old values that are there for all steps.
    known: BTreeSet<NodeId>,
    /// The final value of each carried value, once it is known.
    finals: Vec<String>,
}

fn tuple_or_empty(all: &[String]) -> String {
    if all.is_empty() { "()".to_owned() } else { tuple(all) }
}
