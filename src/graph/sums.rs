//! Sums in boxes: which terms are written there, and which come by a line.

use super::diagram::{Kind, Node, Pin, Source};
use super::equations::Builder;
use super::sketch::{Expr, ExprId, Level, Matrix, Value, at_least};
use super::text::{self, Rich};

/// A written formula and how tightly it binds.
type Written = (Rich, Level);

impl Builder<'_> {
    /// Returns true if a term can be written in a box: a fixed factor times a value, or a value.
    pub(super) fn is_simple(&self, id: ExprId) -> bool {
        let sketch = self.sketch;
        let fixed = |id: ExprId| sketch.fixed(id).is_some();
        match &sketch.exprs[id] {
            Expr::Fixed(_) | Expr::Value(_) => true,
            Expr::Product(all) => {
                let rest: Vec<ExprId> = all.iter().copied().filter(|it| !fixed(*it)).collect();
                matches!(rest[..], [one] if self.is_simple(one))
            }
            Expr::Quotient(a, b) => fixed(*b) && self.is_simple(*a),
            Expr::Matrix(Matrix::Apply, a, b) => {
                fixed(*a) && self.is_simple(*b) || fixed(*b) && self.is_simple(*a)
            }
            Expr::Matrix(Matrix::Outer | Matrix::Dot, a, b) => {
                fixed(*a) && self.is_value(*b) || fixed(*b) && self.is_value(*a)
            }
            Expr::Power(a, b) => fixed(*b) && self.is_value(*a),
            Expr::Compare(_, a, b) => {
                let plain = |it: ExprId| fixed(it) || self.is_value(it);
                plain(*a) && plain(*b)
            }
            Expr::Index(of, _) => self.is_simple(*of),
            Expr::Linear(_, of, _) => self.is_value(*of),
            Expr::Sum(_)
            | Expr::Extreme(..)
            | Expr::Call(..)
            | Expr::Move(..)
            | Expr::Gather(..) => false,
        }
    }

    fn is_value(&self, id: ExprId) -> bool {
        matches!(self.sketch.exprs[id], Expr::Value(_))
    }

    /// Returns a name as text.
    pub(super) fn spoken(&self, value: &Value) -> Rich {
        match value {
            Value::Pin(pin, back) => {
                let given = &self.sketch.given[*pin];
                let step = match &given.pin {
                    Pin::Old(_) | Pin::Feedback if !self.sketch.is_backward => {
                        self.sketch.step(*back)
                    }
                    _ => String::new(),
                };
                text::name(&given.name, &step)
            }
            Value::Def(def) => {
                let def = &self.sketch.defs[*def];
                text::name(&def.name, &def.below)
            }
            Value::Layer(layer, port) => {
                let point = if port.starts_with('[') { "" } else { "." };
                Rich::plain(format!("{}{point}{port}", self.sketch.layers[*layer].name))
            }
            Value::Skipped(at, port) => {
                Rich::plain(self.sketch.skipped[*at].results[*port].as_str())
            }
        }
    }

    /// Returns an expression as the text of a sum; what cannot be written is a square, and the node reads it by a line.
    pub(super) fn sum_text(&mut self, id: ExprId, node: &mut Node) -> Rich {
        let sketch = self.sketch;
        let Expr::Sum(terms) = &sketch.exprs[id] else { return self.write(id, node).0 };
        self.terms_text(terms, node)
    }

    /// Returns a term; a square where it comes by a line.
    fn write(&mut self, id: ExprId, node: &mut Node) -> Written {
        let sketch = self.sketch;
        if self.is_simple(id) {
            return self.write_simple(id, node);
        }
        let factor = |it: ExprId| sketch.fixed(it).map(|it| (it.text.clone(), it.level, &it.reads));
        match &sketch.exprs[id] {
            Expr::Matrix(matrix, a, b) => {
                let sign = match matrix {
                    Matrix::Apply => " ",
                    Matrix::Outer => " ⊗ ",
                    Matrix::Dot => " · ",
                };
                if let Some((text, level, once)) = factor(*a) {
                    self.feed(node, &[*b]);
                    self.feed_once(node, once);
                    let text = at_least(text, level, Level::Product);
                    return (text.then(&Rich::plain(format!("{sign}□"))), Level::Product);
                }
                if let Some((text, level, once)) = factor(*b) {
                    self.feed(node, &[*a]);
                    self.feed_once(node, once);
                    let text = at_least(text, level, Level::Power);
                    return (Rich::plain(format!("□{sign}")).then(&text), Level::Product);
                }
            }
            Expr::Product(all) => {
                let (fixed, rest): (Vec<ExprId>, Vec<ExprId>) =
                    all.iter().partition(|it| sketch.fixed(**it).is_some());
                if let ([first, ..], [one]) = (&fixed[..], &rest[..]) {
                    let is_scalar = sketch.fixed(*first).is_some_and(|it| it.is_scalar);
                    let mut text = Rich::default();
                    for it in &fixed {
                        if let Some((factor, level, once)) = factor(*it) {
                            self.feed_once(node, once);
                            text.push(&at_least(factor, level, Level::Power));
                            text.put(if is_scalar { " · " } else { " ⊙ " });
                        }
                    }
                    self.feed(node, &[*one]);
                    text.put("□");
                    return (text, Level::Product);
                }
            }
            Expr::Quotient(a, b) => {
                if let Some((text, level, once)) = factor(*b) {
                    self.feed(node, &[*a]);
                    self.feed_once(node, once);
                    let text = at_least(text, level, Level::Power);
                    return (Rich::plain("□ / ").then(&text), Level::Product);
                }
            }
            Expr::Linear(text, of, once) => {
                self.feed(node, &[*of]);
                self.feed_once(node, once);
                return (text.clone(), Level::Product);
            }
            Expr::Fixed(_)
            | Expr::Value(_)
            | Expr::Sum(_)
            | Expr::Extreme(..)
            | Expr::Power(..)
            | Expr::Compare(..)
            | Expr::Call(..)
            | Expr::Move(..)
            | Expr::Index(..)
            | Expr::Gather(..) => {}
        }
        self.feed(node, &[id]);
        (Rich::plain("□"), Level::Atom)
    }

    fn write_simple(&mut self, id: ExprId, node: &mut Node) -> Written {
        let sketch = self.sketch;
        match &sketch.exprs[id] {
            Expr::Fixed(fixed) => {
                self.feed_once(node, &fixed.reads);
                (fixed.text.clone(), fixed.level)
            }
            Expr::Value(value) => {
                self.feed(node, &[id]);
                (self.spoken(value), Level::Atom)
            }
            Expr::Product(all) => {
                let mut out = Rich::default();
                for (at, it) in all.iter().enumerate() {
                    let scalar = |it: &ExprId| sketch.fixed(*it).is_some_and(|it| it.is_scalar);
                    if at > 0 {
                        let near = scalar(it) || scalar(&all[at - 1]);
                        out.put(if near { " · " } else { " ⊙ " });
                    }
                    let (text, level) = self.write_simple(*it, node);
                    out.push(&at_least(text, level, Level::Product));
                }
                (out, Level::Product)
            }
            Expr::Quotient(a, b) => self.pair(*a, " / ", *b, node, Level::Product),
            Expr::Matrix(matrix, a, b) => {
                let sign = match matrix {
                    Matrix::Apply => " ",
                    Matrix::Outer => " ⊗ ",
                    Matrix::Dot => " · ",
                };
                self.pair(*a, sign, *b, node, Level::Product)
            }
            Expr::Power(a, b) => {
                let is_square = sketch.fixed(*b).is_some_and(|it| it.text.letters() == "2");
                if is_square {
                    let (of, level) = self.write_simple(*a, node);
                    let squared = at_least(of, level, Level::Atom).then(&Rich::plain("²"));
                    return (squared, Level::Power);
                }
                self.pair(*a, " ^ ", *b, node, Level::Power)
            }
            Expr::Compare(sign, a, b) => {
                self.pair(*a, &format!(" {sign} "), *b, node, Level::Comparison)
            }
            Expr::Index(of, text) => {
                let (of, level) = self.write_simple(*of, node);
                (at_least(of, level, Level::Atom).then(text), Level::Atom)
            }
            Expr::Linear(text, of, once) => {
                let (of, _) = self.write_simple(*of, node);
                self.feed_once(node, once);
                (text.fill(&of), Level::Product)
            }
            Expr::Sum(_)
            | Expr::Extreme(..)
            | Expr::Call(..)
            | Expr::Move(..)
            | Expr::Gather(..) => (Rich::plain("□"), Level::Atom),
        }
    }

    fn pair(&mut self, a: ExprId, sign: &str, b: ExprId, node: &mut Node, level: Level) -> Written {
        let (a, level_a) = self.write_simple(a, node);
        let (b, level_b) = self.write_simple(b, node);
        let strict = match level {
            Level::Comparison => Level::Sum,
            Level::Sum | Level::Product | Level::Power | Level::Atom => Level::Power,
        };
        let left = at_least(a, level_a, if level == Level::Power { Level::Atom } else { level });
        let right = if sign == " " { Level::Product } else { strict };
        (left.then(&Rich::plain(sign)).then(&at_least(b, level_b, right)), level)
    }

    /// Returns a sum that is no argument: a box when all of it can be written, else a circle.
    pub(super) fn sum(&mut self, id: ExprId, terms: &[(bool, ExprId)], on_rail: bool) -> Source {
        let sketch = self.sketch;
        let fixed = |it: ExprId| sketch.fixed(it).is_some();
        let all_simple = terms.iter().all(|it| self.is_simple(it.1));
        // `1 − z`, `−z`
        let lone: Vec<&(bool, ExprId)> = terms.iter().filter(|it| !fixed(it.1)).collect();
        if let [(is_minus, one)] = lone[..]
            && (!all_simple || self.is_value(*one))
            && terms.len() <= 2
        {
            let constant = terms.iter().find(|it| fixed(it.1));
            let text = constant.and_then(|it| sketch.fixed(it.1)).map(|it| it.text.clone());
            let narrow = text.as_ref().is_none_or(|it| it.width(super::picture::HEAD) <= 60);
            let minus = constant.is_some_and(|it| it.0);
            let plain = all_simple && !is_minus && !on_rail;
            if narrow && !plain {
                let mut head = text.clone().unwrap_or_default();
                if minus {
                    head = Rich::plain("−").then(&head);
                }
                head.put(match (is_minus, head.is_empty()) {
                    (true, true) => "−",
                    (true, false) => " −",
                    (false, _) => " +",
                });
                let mut node = Node::new(Kind::Operator);
                node.function = Some(head.letters());
                node.head = head;
                self.feed(&mut node, &[*one]);
                if let Some(once) = constant.and_then(|it| sketch.fixed(it.1)) {
                    self.feed_once(&mut node, &once.reads);
                }
                return self.push(node, id);
            }
        }
        if all_simple && !on_rail {
            let node = self.boxed(None, &[id], &Rich::default());
            return self.push(node, id);
        }
        // What can be written goes into one box, all else comes by lines of its own.
        let by_line = |it: &(bool, ExprId)| {
            !self.is_simple(it.1) || self.is_value(it.1) || self.on_rail[it.1].is_some()
        };
        let (lines, written): (Vec<_>, Vec<_>) = terms.iter().copied().partition(by_line);
        let mut reads: Vec<(bool, Source)> =
            lines.iter().map(|it| (it.0, self.build(it.1))).collect();
        if !written.is_empty() {
            let mut node = Node::new(Kind::Box(super::diagram::Paint::Linear));
            let text = self.terms_text(&written, &mut node);
            node.lines = text.wrap(super::picture::BODY, super::picture::WRAP);
            node.note = node.lines.iter().map(Rich::letters).collect::<Vec<_>>().join(" ");
            self.nodes.push(node);
            reads.push((false, Source { node: self.nodes.len() - 1, port: 0 }));
        }
        let (minus, plus): (Vec<_>, Vec<_>) = reads.into_iter().partition(|it| it.0);
        let sources = |all: &[(bool, Source)]| all.iter().map(|it| it.1).collect::<Vec<Source>>();
        let (plus, minus) = (sources(&plus), sources(&minus));
        let sign = |sign: &str, reads: &[Source]| {
            let mut node = Node::new(Kind::Operator);
            node.function = Some(sign.to_owned());
            node.head = Rich::plain(sign);
            reads.iter().for_each(|it| node.read(*it));
            node
        };
        let many = plus.len() + minus.len() > 2;
        if minus.is_empty() {
            let node = sign("+", &plus);
            return self.push(node, id);
        }
        if many && !on_rail {
            // A minus is drawn where the subtracted value enters.
            let mut node = sign("+", &plus);
            for it in minus {
                node.read(it);
                if let Some(read) = node.reads.iter_mut().find(|read| read.from == it) {
                    read.is_minus = true;
                }
            }
            return self.push(node, id);
        }
        let first = match plus[..] {
            [] => None,
            [one] => Some(one),
            [..] => {
                let node = sign("+", &plus);
                Some(self.push(node, id))
            }
        };
        let mut reads: Vec<Source> = first.into_iter().collect();
        reads.extend(&minus);
        let mut node = sign("−", &reads);
        node.is_ordered = true;
        self.push(node, id)
    }

    /// Returns the text of some terms.
    fn terms_text(&mut self, terms: &[(bool, ExprId)], node: &mut Node) -> Rich {
        let mut out = Rich::default();
        for (at, (is_minus, term)) in terms.iter().enumerate() {
            out.put(match (at, is_minus) {
                (0, false) => "",
                (0, true) => "−",
                (_, false) => " + ",
                (_, true) => " − ",
            });
            let (text, level) = self.write(*term, node);
            out.push(&at_least(text, level, if *is_minus { Level::Product } else { Level::Sum }));
        }
        out
    }
}
