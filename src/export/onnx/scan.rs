//! A sequence: stages of rows in the outer graph, a `Scan` for each loop.

use super::Model;
use super::ops::Value;
use super::proto::{Attribute, Axis, Elem, Message, value};
use crate::export::lower::{Lead, Stage};
use crate::ir::{Leaf, NodeId, Op, Order};

impl Model<'_> {
    /// Writes all stages, outputs and final states.
    pub(super) fn sequence(&mut self) {
        let low = self.walk.low;
        let mut finals: Vec<Option<Value>> = vec![None; low.cell.carries.len()];
        for stage in &low.stages {
            for read in &stage.reads {
                if let Op::Leaf(Leaf::Carry(carry)) = low.graph().node(*read).op
                    && !stage.carries.contains(&carry)
                {
                    self.shift(carry);
                }
            }
            match stage.order {
                None => self.walk.compute(&stage.nodes),
                Some(order) => self.scan(stage, order, &mut finals),
            }
        }
        for (at, output) in low.cell.outputs.iter().enumerate() {
            let rows = self.rows(output.node);
            let name = self.cut(&rows);
            self.give(&self.output_names[at].clone(), &Value { name, ..rows });
        }
        for (at, it) in low.cell.carries.iter().enumerate() {
            let own = match finals[at].take() {
                Some(known) => known,
                None => self.last(at),
            };
            self.give(&format!("state.{}", it.name), &own);
        }
    }

    /// Returns a node for all steps and sequences.
    fn rows(&mut self, id: NodeId) -> Value {
        let low = self.walk.low;
        if let Op::Leaf(Leaf::Carry(carry)) = low.graph().node(id).op {
            self.shift(carry);
        }
        let own = self.walk.value(id);
        self.walk.whole(&own, low.shape(id), 2)
    }

    /// Returns the start of a carried value with an axis of one step.
    fn start(&mut self, carry: usize) -> String {
        let start = self.starts[carry].clone();
        self.walk.graph.unsqueeze(&start, &[0])
    }

    /// The rows of the step before, the start among them, and how many own axes they have.
    fn shift(&mut self, carry: usize) {
        let low = self.walk.low;
        let Some(leaf) = low.leaf_of_carry(carry) else { return };
        if self.walk.values[0].contains_key(&leaf) {
            return;
        }
        let it = &low.cell.carries[carry];
        let rows = self.rows(it.next);
        let start = self.start(carry);
        let axis = [("axis", Attribute::Int(0))];
        let name = match it.order {
            Order::Ascending => {
                let all = self.walk.graph.add("Concat", &[&start, &rows.name], &axis);
                self.walk.graph.slice(&all, 0, 0, -1)
            }
            Order::Descending => {
                let all = self.walk.graph.add("Concat", &[&rows.name, &start], &axis);
                let after = self.walk.graph.slice(&all, 0, 1, i64::MAX);
                match self.valid.clone() {
                    None => after,
                    Some(valid) => {
                        // The step after the last one of a sequence is the start.
                        let graph = &mut self.walk.graph;
                        let first = graph.slice(&valid, 0, 0, 1);
                        let never = graph.add("Xor", &[&first, &first], &[]);
                        let all = graph.add("Concat", &[&valid, &never], &axis);
                        let goes_on = graph.slice(&all, 0, 1, i64::MAX);
                        let axes: Vec<i64> = (2..2 + rows.shape.len() as i64).collect();
                        let goes_on = if axes.is_empty() {
                            goes_on
                        } else {
                            graph.unsqueeze(&goes_on, &axes)
                        };
                        graph.add("Where", &[&goes_on, &after, &start], &[])
                    }
                }
            }
        };
        self.walk.values[0].insert(leaf, Value { name, ..rows });
    }

    /// Returns the value of the last step of what only holds back rows.
    fn last(&mut self, carry: usize) -> Value {
        let low = self.walk.low;
        let it = &low.cell.carries[carry];
        let rows = self.rows(it.next);
        let start = self.start(carry);
        let (axis, lengths) = ([("axis", Attribute::Int(0))], self.lengths.clone());
        let graph = &mut self.walk.graph;
        let name = match (it.order, lengths) {
            (Order::Ascending, None) => {
                let all = graph.add("Concat", &[&start, &rows.name], &axis);
                let at = graph.int(-1);
                graph.add("Gather", &[&all, &at], &axis)
            }
            (Order::Ascending, Some(lengths)) => {
                let all = graph.add("Concat", &[&start, &rows.name], &axis);
                let (zero, one) = (graph.int(0), graph.int(1));
                let batch = self.walk.leading[1].clone().unwrap_or_default();
                let graph = &mut self.walk.graph;
                let batch = graph.add("Gather", &[&batch, &zero], &[]);
                let range = graph.add("Range", &[&zero, &batch, &one], &[]);
                let (step, own) = (graph.unsqueeze(&lengths, &[1]), graph.unsqueeze(&range, &[1]));
                let at = graph.add("Concat", &[&step, &own], &[("axis", Attribute::Int(1))]);
                graph.add("GatherND", &[&all, &at], &[])
            }
            (Order::Descending, lengths) => {
                let all = graph.add("Concat", &[&rows.name, &start], &axis);
                let at = graph.int(0);
                let first = graph.add("Gather", &[&all, &at], &axis);
                match lengths {
                    None => first,
                    Some(lengths) => {
                        let zero = graph.int(0);
                        let any = graph.add("Greater", &[&lengths, &zero], &[]);
                        let axes: Vec<i64> = (1..1 + rows.shape.len() as i64).collect();
                        let any = if axes.is_empty() { any } else { graph.unsqueeze(&any, &axes) };
                        let start = self.starts[carry].clone();
                        self.walk.graph.add("Where", &[&any, &first, &start], &[])
                    }
                }
            }
        };
        Value { name, lead: 1, ..rows }
    }

    /// Writes a loop.
    fn scan(&mut self, stage: &Stage, order: Order, finals: &mut [Option<Value>]) {
        let low = self.walk.low;
        let is_own = |id: &NodeId| matches!(low.graph().node(*id).op, Op::Leaf(Leaf::Carry(it)) if stage.carries.contains(&it));
        let mut by_row: Vec<NodeId> = (stage.reads.iter().copied())
            .filter(|it| !is_own(it) && low.lead[it.idx()] == Lead::Rows)
            .collect();
        let mut given: Vec<Value> = by_row.iter().map(|it| self.rows(*it)).collect();
        if by_row.is_empty() && self.valid.is_none() {
            // A Scan must read rows to know how many there are.
            let input = (0..low.cell.inputs.len()).find(|it| !low.cell.inputs[*it].per_sequence);
            let any = input.map(|it| Value {
                name: self.input_names[it].clone(),
                lead: 2,
                shape: low.input_shape(it),
                elem: Model::elem(low.cell.inputs[it].index.is_some()),
            });
            given.extend(any);
        }
        self.walk.graph.begin();
        self.walk.values.push(Default::default());
        self.walk.rows = 1;
        let (mut inputs, mut outer) = (Vec::new(), Vec::new());
        let mut olds = Vec::new();
        let mut declare = |name: &str, elem: Elem, shape: &[usize]| {
            let axes = std::iter::once(Axis::Unset).chain(shape.iter().map(|it| Axis::Size(*it)));
            inputs.push(value(name, elem, &axes.collect::<Vec<_>>()));
        };
        for carry in &stage.carries {
            let it = &low.cell.carries[*carry];
            let (shape, elem) = (low.carry_shape(*carry), Model::elem(it.index.is_some()));
            let name = self.walk.graph.fresh(&format!("old.{}", it.name));
            declare(&name, elem, &shape);
            outer.push(self.starts[*carry].clone());
            let old = Value { name, lead: 1, shape, elem };
            if let (Some(leaf), Some(known)) =
                (low.leaf_of_carry(*carry), self.walk.values.last_mut())
            {
                known.insert(leaf, old.clone());
            }
            olds.push(old);
        }
        let mut scanned = 0;
        let valid = self.valid.clone().map(|valid| {
            let name = self.walk.graph.fresh("valid");
            declare(&name, Elem::Bool, &[]);
            outer.push(valid);
            scanned += 1;
            name
        });
        by_row.truncate(given.len());
        for (at, rows) in given.iter().enumerate() {
            let name = self.walk.graph.fresh(&format!("{}.t", rows.name));
            declare(&name, rows.elem, &rows.shape);
            outer.push(rows.name.clone());
            scanned += 1;
            if let (Some(id), Some(known)) = (by_row.get(at), self.walk.values.last_mut()) {
                known.insert(*id, Value { name, lead: 1, ..rows.clone() });
            }
        }
        self.walk.compute(&stage.nodes);
        let (mut results, mut names, mut outs) = (Vec::new(), Vec::new(), Vec::new());
        let result = |this: &mut Self, it: &Value, outs: &mut Vec<Message>| {
            let name = this.walk.graph.fresh("out");
            this.walk.graph.named("Identity", &[&it.name], &name, &[]);
            let axes =
                std::iter::once(Axis::Unset).chain(it.shape.iter().map(|it| Axis::Size(*it)));
            outs.push(value(&name, it.elem, &axes.collect::<Vec<_>>()));
        };
        for (carry, old) in stage.carries.iter().zip(&olds) {
            let it = &low.cell.carries[*carry];
            let new = self.walk.value(it.next);
            let mut new = self.walk.whole(&new, &old.shape, 1);
            if let Some(valid) = &valid {
                let axes: Vec<i64> = (1..1 + old.shape.len() as i64).collect();
                let graph = &mut self.walk.graph;
                let valid =
                    if axes.is_empty() { valid.clone() } else { graph.unsqueeze(valid, &axes) };
                new.name = graph.add("Where", &[&valid, &new.name, &old.name], &[]);
            }
            result(self, &new, &mut outs);
            let name = self.walk.graph.fresh(&format!("last.{}", it.name));
            results.push(name.clone());
            finals[*carry] = Some(Value { name, ..new });
        }
        for id in &stage.gives {
            let own = self.walk.value(*id);
            let whole = self.walk.whole(&own, low.shape(*id), 1);
            result(self, &whole, &mut outs);
            let name = low.graph().node(*id).name.as_deref().unwrap_or("rows").to_owned();
            let name = self.walk.graph.fresh(&format!("{name}.all"));
            results.push(name.clone());
            names.push((*id, Value { name, lead: 2, ..whole }));
        }
        let mut body = Message::default();
        self.walk.graph.end().iter().for_each(|it| body.message(1, it));
        body.text(2, "step");
        inputs.iter().for_each(|it| body.message(11, it));
        outs.iter().for_each(|it| body.message(12, it));
        self.walk.values.pop();
        self.walk.rows = 2;
        let mut attributes =
            vec![("body", Attribute::Graph(body)), ("num_scan_inputs", Attribute::Int(scanned))];
        if !order.is_ascending() {
            attributes.push(("scan_input_directions", Attribute::Ints(vec![1; scanned as usize])));
            attributes.push(("scan_output_directions", Attribute::Ints(vec![1; names.len()])));
        }
        self.walk.graph.several("Scan", &outer, &results, &attributes);
        for (id, it) in names {
            self.walk.values[0].insert(id, it);
        }
    }
}
