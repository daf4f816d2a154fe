//! Ranges of small hand-built steps.

use super::*;
use crate::ir::pointwise::open;
use crate::ir::{Carry, Gradient, Mask, Order, Param, Shape};
use crate::text::{Name, Span};

struct Step {
    cell: Cell,
}

impl Step {
    fn new() -> Step {
        let cell = Cell {
            name: "A".into(),
            doc: Vec::new(),
            dims: Vec::new(),
            derived: Vec::new(),
            hypers: Vec::new(),
            inputs: Vec::new(),
            carries: Vec::new(),
            params: Vec::new(),
            masks: Vec::new(),
            step: Graph::default(),
            start: Graph::default(),
            outputs: Vec::new(),
            losses: Vec::new(),
            is_model: false,
            values: Vec::new(),
            shared: Vec::new(),
            layers: Vec::new(),
            layouts: Vec::new(),
        };
        Step { cell }
    }

    fn h() -> Shape {
        Shape(vec![Dim::symbol("H")])
    }

    /// A value that may be anything.
    fn any(&mut self) -> NodeId {
        self.cell.params.push(Param {
            name: format!("p{}", self.cell.params.len()).into(),
            shape: Step::h(),
            init: crate::ir::Init::Const(Const::Number(0.0)),
            trained: true,
            span: Span::default(),
        });
        self.add(Leaf::Param(self.cell.params.len() - 1), &[])
    }

    fn add(&mut self, op: impl Into<Op>, args: &[NodeId]) -> NodeId {
        self.cell.step.add(op, args.to_vec(), Step::h(), Span::default())
    }

    fn f(&mut self, op: Pointwise, args: &[NodeId]) -> NodeId {
        self.cell.step.map(op, args, Span::default())
    }

    fn number(&mut self, value: f64) -> NodeId {
        self.cell.step.number(value, &Step::h(), Span::default())
    }

    fn gate(&mut self) -> NodeId {
        let any = self.any();
        self.f(Pointwise::Sigmoid, &[any])
    }

    fn one_minus(&mut self, z: NodeId) -> NodeId {
        let one = self.number(1.0);
        self.f(Pointwise::Sub, &[one, z])
    }

    fn range(&self, id: NodeId) -> Interval {
        infer(&self.cell, &[id]).nodes[id.idx()]
    }

    fn state(&mut self, start: f64) -> NodeId {
        let node = self.cell.start.number(start, &Step::h(), Span::default());
        self.cell.carries.push(Carry {
            name: Name::from("s"),
            shape: Step::h(),
            index: None,
            is_state: true,
            teacher: None,
            order: Order::Ascending,
            start: Start::Node(node),
            next: NodeId(0),
            span: Span::default(),
        });
        self.add(Leaf::Carry(self.cell.carries.len() - 1), &[])
    }
}

fn unit(it: Interval) {
    assert!(lies_in(&it, &closed(0.0, 1.0)), "{it:?}");
}

fn not_unit(it: Interval) {
    assert!(!lies_in(&it, &closed(0.0, 1.0)), "{it:?}");
}

#[test]
fn activations_have_the_range_of_their_row() {
    let mut step = Step::new();
    let any = step.any();
    let tanh = step.f(Pointwise::Tanh, &[any]);
    assert_eq!(step.range(tanh), open(-1.0, 1.0));
    let square = step.f(Pointwise::Square, &[any]);
    let negative = step.f(Pointwise::Neg, &[square]);
    let decay = step.f(Pointwise::Exp, &[negative]);
    unit(step.range(decay));
    let grown = step.f(Pointwise::Exp, &[square]);
    not_unit(step.range(grown));
}

#[test]
fn equal_gates_in_a_sum_are_seen_as_equal() {
    let mut step = Step::new();
    let (z, a, b) = (step.gate(), step.gate(), step.gate());
    let rest = step.one_minus(z);
    unit(step.range(rest));
    let (left, right) = (step.f(Pointwise::Mul, &[z, a]), step.f(Pointwise::Mul, &[rest, b]));
    let blend = step.f(Pointwise::Add, &[left, right]);
    unit(step.range(blend));
    let sum = step.f(Pointwise::Add, &[z, a]);
    assert_eq!((step.range(sum).lo, step.range(sum).hi), (0.0, 2.0));
    // z + a - z * a, the probability of one or the other.
    let either = step.f(Pointwise::Sub, &[sum, left]);
    unit(step.range(either));
}

#[test]
fn on_lstm_master_gates_stay_gates_and_a_wrong_sign_does_not() {
    // f * w + (m - w) with w = m * i
    let mut step = Step::new();
    let (f, m, i) = (step.gate(), step.gate(), step.gate());
    let w = step.f(Pointwise::Mul, &[m, i]);
    step.cell.step.set_name(w, "w".into());
    let kept = step.f(Pointwise::Mul, &[f, w]);
    let rest = step.f(Pointwise::Sub, &[m, w]);
    let good = step.f(Pointwise::Add, &[kept, rest]);
    unit(step.range(good));
    let wrong = step.f(Pointwise::Sub, &[rest, kept]);
    not_unit(step.range(wrong));
}

#[test]
fn squares_are_enclosed_and_not_only_their_corners() {
    // z - z^2 is 0 at both corners and 1/4 between; z^2 - z is negative there.
    let mut step = Step::new();
    let z = step.gate();
    let square = step.f(Pointwise::Square, &[z]);
    let hump = step.f(Pointwise::Sub, &[z, square]);
    unit(step.range(hump));
    let dip = step.f(Pointwise::Sub, &[square, z]);
    let range = step.range(dip);
    assert!(range.lo <= -0.25 && range.hi >= 0.0 && range.lo >= -1.0, "{range:?}");
}

#[test]
fn stabilised_exponential_gates_are_at_most_one() {
    // exp(i - max(f + m, i)) and exp(f + m - max(f + m, i))
    let mut step = Step::new();
    let (i, f, m) = (step.any(), step.any(), step.any());
    let kept = step.f(Pointwise::Add, &[f, m]);
    let most = step.f(Pointwise::Max, &[kept, i]);
    let most = step.add(Gradient::StopGrad, &[most]);
    for (value, ok) in [(i, true), (kept, true), (f, false)] {
        let less = step.f(Pointwise::Sub, &[value, most]);
        let gate = step.f(Pointwise::Exp, &[less]);
        assert_eq!(lies_in(&step.range(gate), &closed(0.0, 1.0)), ok);
    }
}

#[test]
fn shares_of_a_positive_sum_are_gates() {
    let mut step = Step::new();
    let (a, b) = (step.any(), step.any());
    let (ea, eb) = (step.f(Pointwise::Exp, &[a]), step.f(Pointwise::Exp, &[b]));
    let sum = step.f(Pointwise::Add, &[ea, eb]);
    let share = step.f(Pointwise::Div, &[ea, sum]);
    unit(step.range(share));
    let other = step.f(Pointwise::Div, &[eb, ea]);
    not_unit(step.range(other));
    let small = step.number(1e-6);
    let more = step.f(Pointwise::Add, &[sum, small]);
    let share = step.f(Pointwise::Div, &[eb, more]);
    unit(step.range(share));
}

#[test]
fn running_sums_and_sums_of_weights_are_gates() {
    let mut step = Step::new();
    let any = step.any();
    let weights = step.add(Along::Softmax(vec![0]), &[any]);
    let running = step.add(Along::CumSum { axis: 0, reverse: false }, &[weights]);
    unit(step.range(running));
    let rest = step.one_minus(running);
    unit(step.range(rest));
    let gate = step.gate();
    let weighted = step.f(Pointwise::Mul, &[weights, gate]);
    let scalar = Shape::scalar();
    let op = Op::Along(Along::Reduce(Reduction::Sum, vec![0]));
    let mean = step.cell.step.add(op.clone(), vec![weighted], scalar.clone(), Span::default());
    unit(step.range(mean));
    let sum = step.cell.step.add(op, vec![gate], scalar.clone(), Span::default());
    not_unit(step.range(sum));
    let size = step.cell.step.size(&Dim::symbol("H"), Span::default());
    let mean =
        step.cell.step.add(Op::Map(Pointwise::Div), vec![sum, size], scalar, Span::default());
    unit(step.range(mean));
}

#[test]
fn states_are_bounded_by_induction_and_only_then() {
    // s = z * prev s + (1 - z) * g stays in [0, 1] from 0.5, not from 2.
    for (start, ok) in [(0.5, true), (2.0, false)] {
        let mut step = Step::new();
        let (z, g) = (step.gate(), step.gate());
        let old = step.state(start);
        let rest = step.one_minus(z);
        let (left, right) = (step.f(Pointwise::Mul, &[z, old]), step.f(Pointwise::Mul, &[rest, g]));
        let new = step.f(Pointwise::Add, &[left, right]);
        step.cell.carries[0].next = new;
        assert_eq!(lies_in(&step.range(old), &closed(0.0, 1.0)), ok);
    }
    // s = prev s + g grows.
    let mut step = Step::new();
    let g = step.gate();
    let old = step.state(0.0);
    let new = step.f(Pointwise::Add, &[old, g]);
    step.cell.carries[0].next = new;
    assert_eq!(step.range(old), closed(0.0, f64::INFINITY));
}

#[test]
fn skip_rnn_update_probability_is_a_gate() {
    // s = g * d + (1 - g) * (prev s + min(d, 1 - prev s))
    let mut step = Step::new();
    let d = step.gate();
    let old = step.state(1.0);
    let g = step.f(Pointwise::Round, &[old]);
    let room = step.one_minus(old);
    let more = step.f(Pointwise::Min, &[d, room]);
    let grown = step.f(Pointwise::Add, &[old, more]);
    step.cell.step.set_name(grown, "grown".into());
    let rest = step.one_minus(g);
    let (left, right) = (step.f(Pointwise::Mul, &[g, d]), step.f(Pointwise::Mul, &[rest, grown]));
    let new = step.f(Pointwise::Add, &[left, right]);
    step.cell.carries[0].next = new;
    unit(step.range(new));
    unit(step.range(g));
}

#[test]
fn masks_and_hypers_are_known() {
    let mut step = Step::new();
    step.cell.masks.push(Mask {
        name: "d".into(),
        shape: Step::h(),
        probability: Const::Number(0.5),
        scope: crate::ir::Scope::Step,
        span: Span::default(),
    });
    step.cell.hypers.push(crate::ir::Hyper {
        name: "a".into(),
        kind: HyperKind::Number(Const::Number(0.25)),
        span: Span::default(),
    });
    let mask = step.add(Leaf::Mask(0), &[]);
    let hyper = step.cell.step.constant(Const::Hyper("a".into()), Span::default());
    let hyper = step.cell.step.fill(hyper, &Step::h(), Span::default());
    let product = step.f(Pointwise::Mul, &[mask, hyper]);
    assert_eq!((step.range(product).lo, step.range(product).hi), (0.0, 0.25));
    let scaled = step.f(Pointwise::Div, &[mask, hyper]);
    assert_eq!((step.range(scaled).lo, step.range(scaled).hi), (0.0, 4.0));
}

#[test]
fn a_repeated_axis_is_another_element() {
    // a_i - a_j is not 0.
    let mut step = Step::new();
    let a = step.gate();
    let square = Shape(vec![Dim::symbol("H"), Dim::symbol("H")]);
    let rows = step.cell.step.expand(a, vec![0], square.clone(), Span::default());
    let columns = step.cell.step.expand(a, vec![1], square.clone(), Span::default());
    let same = step.f(Pointwise::Sub, &[rows, rows]);
    assert_eq!((step.range(same).lo, step.range(same).hi), (0.0, 0.0));
    let differ = step.f(Pointwise::Sub, &[rows, columns]);
    assert_eq!((step.range(differ).lo, step.range(differ).hi), (-1.0, 1.0));
}

#[test]
fn long_sums_take_linear_time() {
    let mut step = Step::new();
    let mut sum = step.gate();
    for _ in 0..20_000 {
        let next = step.gate();
        sum = step.f(Pointwise::Add, &[sum, next]);
    }
    not_unit(step.range(sum));
}

#[test]
fn phases_and_bell_curves_are_gates() {
    let mut step = Step::new();
    let (t, tau) = (step.any(), step.any());
    let tau = step.f(Pointwise::Exp, &[tau]);
    let rest = step.f(Pointwise::Mod, &[t, tau]);
    let phase = step.f(Pointwise::Div, &[rest, tau]);
    unit(step.range(phase));
    not_unit(step.range(rest));
    let square = step.f(Pointwise::Square, &[t]);
    let one = step.number(1.0);
    let more = step.f(Pointwise::Add, &[one, square]);
    let root = step.f(Pointwise::Rsqrt, &[more]);
    unit(step.range(root));
    let root = step.f(Pointwise::Rsqrt, &[square]);
    not_unit(step.range(root));
    let far = step.f(Pointwise::Div, &[square, tau]);
    let near = step.f(Pointwise::Neg, &[far]);
    let bell = step.f(Pointwise::Exp, &[near]);
    unit(step.range(bell));
    let isru = step.f(Pointwise::Isru, &[t, one]);
    assert_eq!(step.range(isru), open(-1.0, 1.0));
}

#[test]
fn the_ranges_of_the_table_hold_for_values_inside() {
    // A small generator of our own, so that a failure names the same numbers again.
    let mut seed = 1u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1u64 << 53) as f64
    };
    for row in crate::ir::pointwise::table() {
        for turn in 0..2000 {
            let mut intervals = Vec::new();
            let mut values = Vec::new();
            for (lo, hi) in &row.sample[..row.op.arity()] {
                let (a, b) = (lo + (hi - lo) * random(), lo + (hi - lo) * random());
                let range = match turn % 4 {
                    0 => closed(*lo, *hi),
                    1 => closed(*lo, f64::INFINITY),
                    _ => closed(a.min(b), a.max(b)),
                };
                let most = if range.hi.is_finite() { range.hi } else { *hi };
                values.push((range.lo + (most - range.lo) * random()).clamp(range.lo, most));
                intervals.push(range);
            }
            let value = row.op.eval(&values);
            let range = tidy((row.range)(&intervals));
            let slack = 1e-12 * (1.0 + value.abs());
            assert!(
                range.lo - slack <= value && value <= range.hi + slack,
                "{}({values:?}) of {intervals:?} is {value}, not in {range:?}",
                row.op.name()
            );
        }
    }
}
