//! The level of cells: one box with what enters and leaves.

use super::diagram::{Diagram, Kind, Node, Paint, Pin, Source};
use super::text::{self, Rich};
use super::written;
use crate::ir::{Cell, Leaf};

/// Returns one step as one box.
pub fn diagram(cell: &Cell) -> Diagram {
    let mut whole = Whole::new(cell, false);
    let inputs = (0..cell.inputs.len()).map(Leaf::Input);
    for leaf in inputs.chain((0..cell.masks.len()).map(Leaf::Mask)) {
        let (given, step) = written::given(cell, leaf);
        whole.given(given.pin, &given.name, &step, &given.shape);
    }
    let states = || cell.carries.iter().filter(|it| it.is_state);
    for state in states() {
        whole.given(Pin::Old(vec![1]), &state.name, "t−1", &state.shape.to_string());
    }
    for state in states() {
        let is_output = cell.output(&state.name).is_some();
        whole.result(Pin::New { is_output }, &state.name, "t", &state.shape.to_string());
    }
    for output in cell.outputs.iter().filter(|it| cell.carry(&it.name).is_none()) {
        let shape = cell.step.shape(output.node).to_string();
        whole.result(Pin::Output, &output.name, "t", &shape);
    }
    whole.finish()
}

/// Returns one backward step as one box.
pub fn backward(cell: &Cell) -> Diagram {
    let mut whole = Whole::new(cell, true);
    let states = || cell.carries.iter().filter(|it| it.is_state);
    for state in states() {
        let name = format!("d_next_{}", state.name);
        whole.given(Pin::Old(vec![1]), &name, "", &state.shape.to_string());
    }
    for output in &cell.outputs {
        let shape = cell.step.shape(output.node).to_string();
        whole.given(Pin::Input, &format!("d_out_{}", output.name), "", &shape);
    }
    for state in states() {
        let name = format!("d_prev_{}", state.name);
        whole.result(Pin::New { is_output: false }, &name, "", &state.shape.to_string());
    }
    for input in cell.inputs.iter().filter(|it| it.is_real()) {
        whole.result(Pin::Result, &format!("d_{}", input.name), "", &input.shape.to_string());
    }
    whole.finish()
}

struct Whole {
    diagram: Diagram,
    cell: Node,
    results: Vec<Node>,
}

impl Whole {
    fn new(cell: &Cell, is_backward: bool) -> Whole {
        let mut node = Node::new(Kind::Box(Paint::Activation));
        node.name = Some(cell.name.to_string());
        node.head = Rich::plain(&*cell.name);
        let parameters = text::shape(&cell.parameter_formula().to_string());
        node.lines = vec![Rich::plain(format!("{parameters} parameters"))];
        node.note = cell.doc.first().cloned().unwrap_or_default();
        let backward = if is_backward { ", one step backward" } else { "" };
        let diagram = Diagram {
            name: cell.name.to_string(),
            title: format!("{}{backward}", cell.name),
            nodes: Vec::new(),
            rails: 0,
            words: cell.doc.first().cloned().into_iter().collect(),
            is_backward,
        };
        Whole { diagram, cell: node, results: Vec::new() }
    }

    fn pin(pin: Pin, name: &str, step: &str, shape: &str) -> Node {
        let mut node = Node::new(Kind::Pin(pin));
        node.name = Some(name.to_owned());
        node.head = text::name(name, step);
        node.shape = text::shape(shape);
        node
    }

    fn given(&mut self, pin: Pin, name: &str, step: &str, shape: &str) {
        self.cell.read(Source { node: self.diagram.nodes.len(), port: 0 });
        self.diagram.nodes.push(Whole::pin(pin, name, step, shape));
    }

    fn result(&mut self, pin: Pin, name: &str, step: &str, shape: &str) {
        self.results.push(Whole::pin(pin, name, step, shape));
    }

    fn finish(mut self) -> Diagram {
        let node = self.diagram.nodes.len();
        self.diagram.nodes.push(self.cell);
        for mut result in self.results {
            result.read(Source { node, port: 0 });
            self.diagram.nodes.push(result);
        }
        self.diagram
    }
}
