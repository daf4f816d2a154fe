//! The level of equations: an activation and the sum below it are one box, what meets element by
//! element is a circle.
//!
//! `n = tanh(W @ x + r * (U @ prev h))` is a box `n = tanh` over `W x + □` and a circle `×` whose
//! line comes in at the square.

use super::diagram::{Diagram, Kind, Node, Paint, Pin, Source};
use super::order;
use super::picture::{BODY, WRAP};
use super::rails;
use super::sketch::{Expr, ExprId, Fixed, Level, Matrix, Sketch, Value};
use super::text::{self, Rich};

/// The greatest width at which a fixed operand is written beside a sign.
const BESIDE: i32 = 60;
/// More of a formula is not told under the pointer.
const NOTE: usize = 160;

/// Draws a step.
pub fn diagram(sketch: &Sketch) -> Diagram {
    let rails = rails::of_sketch(sketch);
    let mut on_rail = vec![None; sketch.exprs.len()];
    let mut paths = Vec::new();
    for (state, path) in rails.into_iter().enumerate() {
        for it in path.iter().flatten() {
            on_rail[*it] = Some(paths.len());
        }
        if path.is_some() {
            paths.push((state, Vec::new()));
        }
    }
    let shapes: Vec<&str> =
        sketch.defs.iter().map(|it| &*it.shape).filter(|it| !it.is_empty()).collect();
    let mut builder = Builder {
        sketch,
        nodes: Vec::new(),
        on_rail,
        paths,
        exprs: vec![None; sketch.exprs.len()],
        defs: vec![None; sketch.defs.len()],
        given: vec![None; sketch.given.len()],
        layers: vec![None; sketch.layers.len()],
        skipped: vec![None; sketch.skipped.len()],
        has_shapes: shapes.windows(2).any(|it| it[0] != it[1]),
    };
    builder.all();
    let mut diagram = Diagram {
        name: sketch.name.clone(),
        title: sketch.title.clone(),
        nodes: builder.nodes,
        rails: 0,
        words: sketch.words.clone(),
        is_backward: sketch.is_backward,
    };
    for (_, path) in builder.paths {
        // A value that got a second name on its way has a box for it, and no straight path.
        let linked =
            |it: &[usize]| diagram.nodes[it[1]].reads.iter().any(|read| read.from.node == it[0]);
        if path.windows(2).all(linked) {
            diagram.mark_rail(&path);
        }
    }
    diagram
}

pub(super) struct Builder<'a> {
    pub sketch: &'a Sketch,
    pub nodes: Vec<Node>,
    /// The rail that an expression lies on.
    pub on_rail: Vec<Option<usize>>,
    /// For each rail its state, and the nodes on it in order.
    paths: Vec<(usize, Vec<usize>)>,
    exprs: Vec<Option<Source>>,
    defs: Vec<Option<Source>>,
    given: Vec<Option<usize>>,
    layers: Vec<Option<usize>>,
    skipped: Vec<Option<usize>>,
    has_shapes: bool,
}

impl Builder<'_> {
    fn all(&mut self) {
        // What is given comes in the order of the text, read or not.
        for pin in 0..self.sketch.given.len() {
            self.pin(pin);
        }
        for rail in 0..self.paths.len() {
            if let Some(old) = self.sketch.states[self.paths[rail].0].old {
                let pin = self.pin(old);
                self.paths[rail].1.push(pin);
            }
        }
        // What is read comes before its reader, so that no chain of names needs a deep stack.
        for value in order::of(self.sketch) {
            self.value(&value);
        }
        for (at, state) in self.sketch.states.iter().enumerate() {
            let from = self.value(&state.next);
            let pin = Pin::New { is_output: state.is_output };
            let note = format!("new {}, carried to the next step", state.name);
            let end = self.end(pin, &state.name, &state.shape, from, note);
            if let Some((_, path)) = self.paths.iter_mut().find(|it| it.0 == at) {
                path.push(end);
            }
        }
        for (name, shape, value) in &self.sketch.outputs {
            let from = self.value(value);
            self.end(Pin::Output, name, shape, from, format!("output {name}"));
        }
        for (name, shape, value) in &self.sketch.results {
            let from = self.value(value);
            self.end(Pin::Result, name, shape, from, name.clone());
        }
        self.gradients();
    }

    /// Draws the gradients of params: a box for those that read the same values.
    fn gradients(&mut self) {
        let mut groups: Vec<(Vec<Source>, Node)> = Vec::new();
        for (name, id) in &self.sketch.gradients {
            let mut node = Node::new(Kind::Box(Paint::Linear));
            let text = self.sum_text(*id, &mut node);
            let line = text::name(name, "").then(&Rich::plain(" += ")).then(&text);
            let reads: Vec<Source> = node.reads.iter().map(|it| it.from).collect();
            let lines = line.wrap(BODY, WRAP);
            match groups.iter_mut().find(|it| it.0 == reads) {
                Some((_, group)) => group.lines.extend(lines),
                None => {
                    node.lines = lines;
                    node.note = "gradients, summed over steps and sequences".to_owned();
                    groups.push((reads, node));
                }
            }
        }
        self.nodes.extend(groups.into_iter().map(|it| it.1));
    }

    fn end(&mut self, pin: Pin, name: &str, shape: &str, from: Source, note: String) -> usize {
        let mut node = Node::new(Kind::Pin(pin));
        node.name = Some(name.to_owned());
        let step = if self.sketch.is_backward { "" } else { "t" };
        node.head = text::name(name, step);
        node.shape = text::shape(shape);
        node.note = note;
        node.read(from);
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn pin(&mut self, idx: usize) -> usize {
        if let Some(node) = self.given[idx] {
            return node;
        }
        let given = &self.sketch.given[idx];
        let step = match (&given.pin, self.sketch.is_backward) {
            (_, true) => String::new(),
            (Pin::Constant, _) => String::new(),
            (Pin::Old(steps), false) => match steps[..] {
                [first, .., last] if last - first == steps.len() as u32 - 1 && steps.len() > 2 => {
                    format!("{} … {}", self.sketch.step(first), self.sketch.step(last))
                }
                [..] => steps.iter().map(|it| self.sketch.step(*it)).collect::<Vec<_>>().join(", "),
            },
            (Pin::Feedback, false) => "t−1".to_owned(),
            (_, false) => "t".to_owned(),
        };
        let mut node = Node::new(Kind::Pin(given.pin.clone()));
        node.name = Some(given.name.clone());
        node.head = text::name(&given.name, &step);
        node.shape = text::shape(&given.shape);
        node.note = given.note.clone();
        node.span = given.span;
        self.nodes.push(node);
        self.given[idx] = Some(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn value(&mut self, value: &Value) -> Source {
        match value {
            Value::Pin(pin, _) => Source { node: self.pin(*pin), port: 0 },
            Value::Def(def) => self.def(*def),
            Value::Layer(layer, name) => {
                let ports = &self.sketch.layers[*layer].ports;
                let port = ports.iter().position(|it| it == name).unwrap_or(0);
                Source { node: self.layer(*layer), port }
            }
            Value::Skipped(at, port) => Source { node: self.skip(*at), port: *port },
        }
    }

    /// Returns a named value: the node of what it is, under its name.
    fn def(&mut self, idx: usize) -> Source {
        if let Some(source) = self.defs[idx] {
            return source;
        }
        let def = &self.sketch.defs[idx];
        let source = if def.is_once {
            let mut node = Node::new(Kind::Box(Paint::Linear));
            // What forward kept is told; what is computed of params is called so.
            node.lines = match self.sketch.fixed(def.value) {
                Some(it) if self.sketch.is_backward => it.text.wrap(BODY, WRAP),
                Some(_) | None => vec![Rich::plain("(once)")],
            };
            self.nodes.push(node);
            Source { node: self.nodes.len() - 1, port: 0 }
        } else {
            let source = self.build(def.value);
            let node = &self.nodes[source.node];
            let is_own = node.name.is_none() && node.ports.len() == 1;
            if is_own { source } else { self.alias(def.value, source) }
        };
        let states = &self.sketch.states;
        let is_new = states.iter().any(|it| it.next == Value::Def(idx) && it.name == def.name);
        let node = &mut self.nodes[source.node];
        node.name = Some(match def.below.as_str() {
            "" => def.name.clone(),
            below => format!("{}.{below}", def.name),
        });
        node.shape = text::shape(&def.shape);
        node.note = note(&def.note);
        node.span = def.span;
        let mut head = text::name(&def.name, &def.below);
        match node.kind {
            Kind::Box(_) => {
                if self.has_shapes && !node.shape.is_empty() {
                    head.put(&format!(" {}", node.shape));
                }
                if !node.head.is_empty() {
                    head.put(" = ");
                }
                node.head = head.then(&node.head);
            }
            // A new state has its name where it leaves.
            Kind::Operator | Kind::Move if !is_new => {
                head.put(" = ");
                node.head = head.then(&node.head);
            }
            Kind::Operator | Kind::Move => {}
            Kind::Pin(_) | Kind::Layer(_) | Kind::Frame(_) => {}
        }
        if def.is_gate && matches!(node.kind, Kind::Box(_)) {
            node.kind = Kind::Box(Paint::Gate);
        }
        self.defs[idx] = Some(source);
        source
    }

    /// Another name of a value.
    fn alias(&mut self, of: ExprId, source: Source) -> Source {
        let mut node = Node::new(Kind::Box(Paint::Linear));
        let written = match &self.sketch.exprs[of] {
            Expr::Value(value) => self.spoken(value),
            _ => Rich::plain("□"),
        };
        node.lines = vec![written];
        node.read(source);
        self.nodes.push(node);
        Source { node: self.nodes.len() - 1, port: 0 }
    }

    fn skip(&mut self, at: usize) -> usize {
        if let Some(node) = self.skipped[at] {
            return node;
        }
        let it = &self.sketch.skipped[at];
        let mut node = Node::new(Kind::Box(Paint::Linear));
        node.head = Rich::plain(format!("⋯ {}", it.turns));
        node.lines = vec![Rich::plain("turns alike")];
        node.function = Some("turns".to_owned());
        node.ports = it.results.clone();
        node.note = format!("{} turns of the loop that are not drawn", it.turns);
        for id in &it.reads {
            let source = self.build(*id);
            node.read(source);
        }
        self.nodes.push(node);
        self.skipped[at] = Some(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn layer(&mut self, idx: usize) -> usize {
        if let Some(node) = self.layers[idx] {
            return node;
        }
        let layer = &self.sketch.layers[idx];
        let inner = layer.inner.as_deref().map(|it| {
            let mut inner = it.clone();
            for port in &layer.ports {
                let known = inner.states.iter().any(|it| it.name == *port)
                    || inner.outputs.iter().any(|it| it.0 == *port);
                let def = inner.defs.iter().position(|it| it.name == *port);
                if let (false, Some(def)) = (known, def) {
                    let shape = inner.defs[def].shape.clone();
                    inner.results.push((port.clone(), shape, Value::Def(def)));
                }
            }
            for (name, is_old, _) in &layer.args {
                // An old state that is given comes from outside.
                let given = inner.given.iter_mut();
                let old = |it: &&mut super::sketch::Given| {
                    *is_old && it.name == *name && matches!(it.pin, Pin::Old(_))
                };
                given.filter(old).for_each(|it| it.pin = Pin::Old(vec![1]));
            }
            diagram(&inner)
        });
        let times = if layer.count > 1 { format!(" × {}", layer.count) } else { String::new() };
        let way = if layer.is_reversed { ", backward" } else { "" };
        let mut node = Node::new(match &inner {
            Some(inner) => Kind::Frame(Box::new(inner.clone())),
            None => Kind::Layer(layer.states.clone()),
        });
        node.name = Some(layer.name.clone());
        node.function = Some(layer.cell.clone());
        node.head = text::name(&layer.name, "")
            .then(&Rich::plain(format!("{times} = {}{way}", layer.cell)));
        node.lines = vec![Rich::plain(layer.parameters.as_str())];
        node.ports = layer.ports.clone();
        node.note = layer.note.clone();
        node.span = layer.span;
        if node.ports.is_empty() {
            node.ports.push(String::new());
        }
        node.is_reversed = layer.is_reversed;
        let old = if layer.is_reversed { "t+1" } else { "t−1" };
        for (name, is_old, id) in &layer.args {
            let source = self.build(*id);
            let label = text::name(name, if *is_old { old } else { "" });
            let to = match &inner {
                None => Some(node.lines.len() - 1),
                Some(inner) => inner.nodes.iter().position(|it| match &it.kind {
                    Kind::Pin(Pin::Old(_)) => *is_old && it.name.as_ref() == Some(name),
                    Kind::Pin(pin) => pin.is_given() && !is_old && it.name.as_ref() == Some(name),
                    Kind::Box(_)
                    | Kind::Operator
                    | Kind::Move
                    | Kind::Layer(_)
                    | Kind::Frame(_) => false,
                }),
            };
            if to.is_some() {
                node.lines.push(label);
                // Each place of a layer has a line of its own, be it from one value.
                let read =
                    super::diagram::Read { from: source, is_minus: false, to, is_rail: false };
                node.reads.push(read);
            }
        }
        if inner.is_some() {
            node.lines.clear();
        }
        self.nodes.push(node);
        self.layers[idx] = Some(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    pub(super) fn push(&mut self, mut node: Node, id: ExprId) -> Source {
        if node.note.is_empty() {
            node.note = note(&self.sketch.sources[id]);
        }
        let at = self.nodes.len();
        if let Some(rail) = self.on_rail[id] {
            // On a rail its own operand is among what it reads.
            if let Some(before) = self.paths[rail].1.last().copied()
                && node.reads.iter().any(|it| it.from.node == before)
            {
                self.paths[rail].1.push(at);
            }
        }
        self.nodes.push(node);
        Source { node: at, port: 0 }
    }

    /// Returns the node of an expression.
    pub(super) fn build(&mut self, id: ExprId) -> Source {
        if let Some(source) = self.exprs[id] {
            return source;
        }
        let source = self.make(id);
        self.exprs[id] = Some(source);
        source
    }

    fn make(&mut self, id: ExprId) -> Source {
        let sketch = self.sketch;
        let on_rail = self.on_rail[id].is_some();
        let node = match &sketch.exprs[id] {
            Expr::Value(value) => return self.value(value),
            Expr::Sum(terms) => return self.sum(id, terms, on_rail),
            Expr::Fixed(_) | Expr::Linear(..) => self.boxed(None, &[id], &Rich::default()),
            Expr::Call(function, args, more) => self.call(function, args, more),
            Expr::Product(all) => {
                let fixed = self.beside(all, Level::Product);
                let rest: Vec<ExprId> =
                    all.iter().copied().filter(|it| sketch.fixed(*it).is_none()).collect();
                let number = all.iter().all(|it| sketch.fixed(*it).is_none_or(is_number));
                // `2 ×` is a sign, `a ⊙ v` is a sum of one term.
                if rest.len() == 1 && !number && !on_rail {
                    self.boxed(None, &[id], &Rich::default())
                } else {
                    self.operator("×", fixed.unwrap_or_default(), all, false)
                }
            }
            Expr::Quotient(a, b) => {
                let simple = self.is_simple(id) && !on_rail;
                match (sketch.fixed(*a), sketch.fixed(*b)) {
                    (None, Some(_)) if simple => self.boxed(None, &[id], &Rich::default()),
                    (None, None) => self.operator("÷", Rich::default(), &[*a, *b], true),
                    (Some(it), _) => {
                        let before = it.at_least(Level::Product).then(&Rich::plain(" ÷"));
                        self.written(before, &it.reads, &[*b])
                    }
                    (None, Some(it)) => {
                        let behind = Rich::plain("÷ ").then(&it.at_least(Level::Power));
                        self.written(behind, &it.reads, &[*a])
                    }
                }
            }
            Expr::Matrix(matrix, a, b) => match (sketch.fixed(*a), sketch.fixed(*b)) {
                (None, None) => {
                    let sign = match matrix {
                        Matrix::Apply => "@",
                        Matrix::Outer => "⊗",
                        Matrix::Dot => "·",
                    };
                    self.operator(sign, Rich::default(), &[*a, *b], true)
                }
                (Some(_), _) | (_, Some(_)) => self.boxed(None, &[id], &Rich::default()),
            },
            Expr::Extreme(sign, all) => {
                let fixed = self.beside(all, Level::Comparison).unwrap_or_default();
                self.operator(sign, fixed, all, false)
            }
            Expr::Power(a, b) => match (sketch.fixed(*a), sketch.fixed(*b)) {
                (None, None) => self.operator("^", Rich::default(), &[*a, *b], true),
                (_, Some(_)) if self.is_simple(id) => self.boxed(None, &[id], &Rich::default()),
                (None, Some(it)) if it.text.letters() == "2" => {
                    self.written(Rich::plain("□²"), &it.reads, &[*a])
                }
                (None, Some(it)) => {
                    let text = Rich::plain("□ ^ ").then(&it.at_least(Level::Power));
                    self.written(text, &it.reads, &[*a])
                }
                (Some(it), _) => {
                    let text = it.at_least(Level::Atom).then(&Rich::plain(" ^ □"));
                    self.written(text, &it.reads, &[*b])
                }
            },
            Expr::Compare(sign, a, b) => match (sketch.fixed(*a), sketch.fixed(*b)) {
                (None, Some(it)) => {
                    let text = Rich::plain(format!("{sign} ")).then(&it.text);
                    self.written(text, &it.reads, &[*a])
                }
                (Some(it), None) => {
                    let text = it.text.clone().then(&Rich::plain(format!(" {sign}")));
                    self.written(text, &it.reads, &[*b])
                }
                (None, None) | (Some(_), Some(_)) => {
                    self.operator(sign, Rich::default(), &[*a, *b], true)
                }
            },
            Expr::Move(text, of) => self.moved(text.clone(), &[*of]),
            Expr::Index(of, text) => match self.is_simple(id) {
                true => self.boxed(None, &[id], &Rich::default()),
                false => self.moved(text.clone(), &[*of]),
            },
            Expr::Gather(text, all) => {
                let mut node = self.moved(Rich::plain(text.as_str()), all);
                node.is_ordered = true;
                node
            }
        };
        self.push(node, id)
    }

    /// Returns the fixed ones of some operands as text beside a sign, `None` when it would be too wide.
    fn beside(&self, all: &[ExprId], least: Level) -> Option<Rich> {
        let fixed = all.iter().filter_map(|it| self.sketch.fixed(*it));
        let text = Rich::join(fixed.map(|it| it.at_least(least)), " · ");
        (text.width(super::picture::HEAD) <= BESIDE).then_some(text)
    }

    fn moved(&mut self, text: Rich, all: &[ExprId]) -> Node {
        let mut node = Node::new(Kind::Move);
        node.head = text;
        node.function = Some(node.head.letters());
        self.feed(&mut node, all);
        node
    }

    /// Returns a pill with a text and a line.
    fn written(&mut self, text: Rich, once: &[usize], all: &[ExprId]) -> Node {
        let mut node = Node::new(Kind::Operator);
        node.function = Some(text.letters());
        node.head = text;
        self.feed(&mut node, all);
        self.feed_once(&mut node, once);
        node
    }

    /// Returns a circle that the changing operands enter; fixed ones are written beside its sign.
    fn operator(&mut self, sign: &str, fixed: Rich, all: &[ExprId], is_ordered: bool) -> Node {
        let mut node = Node::new(Kind::Operator);
        node.function = Some(sign.to_owned());
        node.is_ordered = is_ordered;
        let before = matches!(sign, "max" | "min");
        node.head = match (fixed.is_empty(), before) {
            (true, _) => Rich::plain(sign),
            (false, true) => Rich::plain(format!("{sign} ")).then(&fixed),
            (false, false) => fixed.clone().then(&Rich::plain(format!(" {sign}"))),
        };
        let wide = fixed.is_empty();
        let sketch = self.sketch;
        let lines: Vec<ExprId> =
            (all.iter().copied()).filter(|it| sketch.fixed(*it).is_none() || wide).collect();
        self.feed(&mut node, &lines);
        for it in all.iter().filter_map(|it| sketch.fixed(*it)) {
            self.feed_once(&mut node, &it.reads);
        }
        // The product of a value with itself has one line.
        if node.reads.len() == 1 && lines.len() == 2 && sign == "×" {
            node.head = Rich::plain("□²");
        }
        node
    }

    pub(super) fn feed(&mut self, node: &mut Node, all: &[ExprId]) {
        for id in all {
            let source = self.build(*id);
            node.read(source);
        }
    }

    pub(super) fn feed_once(&mut self, node: &mut Node, once: &[usize]) {
        for def in once {
            let source = self.def(*def);
            node.read(source);
        }
    }

    /// Returns a box for a function and its arguments.
    fn call(&mut self, function: &str, args: &[ExprId], more: &Rich) -> Node {
        let mut node = self.boxed(Some(function), args, more);
        node.function = Some(function.to_owned());
        node
    }

    /// Returns a box with a function over what it is applied to.
    pub(super) fn boxed(&mut self, function: Option<&str>, args: &[ExprId], more: &Rich) -> Node {
        let mut node = Node::new(Kind::Box(match function {
            Some("sigmoid") => Paint::Gate,
            Some(_) => Paint::Activation,
            None => Paint::Linear,
        }));
        if let Some(function) = function {
            node.head = Rich::plain(if function == "sigmoid" { "σ" } else { function });
        }
        let mut parts = Vec::new();
        for id in args {
            parts.push(self.sum_text(*id, &mut node));
        }
        let mut text = Rich::join(parts, ", ");
        if !more.is_empty() {
            text.put(", ");
            text.push(more);
        }
        if text.letters() != "□" {
            node.lines = text.wrap(BODY, WRAP);
        }
        node
    }
}

fn is_number(it: &Fixed) -> bool {
    it.level >= Level::Power && text::is_number(it.text.letters().trim_start_matches('−'))
}

fn note(text: &str) -> String {
    match text.char_indices().nth(NOTE) {
        Some((at, _)) => format!("{} …", &text[..at]),
        None => text.to_owned(),
    }
}
