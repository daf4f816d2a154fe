//! Drawings of cells: nothing overlaps, nothing is cut off or missing, and they look as they did.

#[path = "graph/measure.rs"]
mod measure;
#[path = "graph/text.rs"]
mod text;
#[path = "graph/xml.rs"]
mod xml;

use std::collections::BTreeMap;

use measure::problems;
use rnnc::graph::diagram::{Kind, Node};
use rnnc::graph::picture::{Picture, picture};
use rnnc::graph::read::Library;
use rnnc::graph::svg::{Theme, svg};
use rnnc::graph::{self, Detail, Diagram, LEGEND};
use rnnc::hir;
use rnnc::{CellSpec, Spec};

/// Wider than this only what is named is.
const WIDE: i32 = 2000;
/// Cells whose equations do not fit in that: solvers with several turns, and long chains.
const WIDE_CELLS: &[&str] = &[
    "haste_layer_norm_lstm",
    "mamba2",
    "gated_delta_net",
    "rwkv6",
    "rwkv7",
    "ct_rnn_rk4",
    "gru_ode",
    "ltc",
    "ode_lstm",
    "hyper_lstm",
];

fn draw(spec: &Spec, cell: &CellSpec, detail: Detail, back: bool, open: &[&str]) -> Diagram {
    let opens = |name: &str| open.iter().any(|it| *it == "all" || *it == name);
    let tree = hir::resolve(spec.program());
    let cells = spec.cells().iter().chain(spec.used_cells()).collect();
    let library = Library { tree: &tree, cells, open: &opens, range: &|_| None };
    graph::draw(&library, cell.ir(), detail, back)
}

fn library(name: &str) -> (Spec, CellSpec) {
    let file = rnnc::api::library_file(name).unwrap_or_else(|| panic!("no {name}"));
    let spec = Spec::parse(file.source).unwrap();
    let cell = spec.configure(None, &[]).unwrap();
    (spec, cell)
}

fn parsed(text: &str) -> (Spec, CellSpec) {
    let spec = Spec::parse(text).unwrap_or_else(|it| panic!("{it}"));
    let cell = spec.configure(None, &[]).unwrap();
    (spec, cell)
}

/// Every library cell at a level, and what is wrong with its drawing.
fn all_of(detail: Detail, back: bool) -> Vec<String> {
    let mut faults = Vec::new();
    for file in rnnc::api::library() {
        let (spec, cell) = library(file.name);
        let diagram = draw(&spec, &cell, detail, back, &[]);
        let picture = picture(&diagram, LEGEND);
        faults.extend(problems(&diagram, &picture).iter().map(|it| format!("{}: {it}", file.name)));
        let text = svg(&diagram, &picture, Theme::Auto, true);
        let again = draw(&spec, &cell, detail, back, &[]);
        let again = svg(&again, &self::picture(&again, LEGEND), Theme::Auto, true);
        assert_eq!(text, again, "{}: other bytes the second time", file.name);
        if let Err(fault) = xml::check(&text) {
            faults.push(format!("{}: {fault}", file.name));
        }
        if detail == Detail::Equations && !back {
            let is_named = WIDE_CELLS.contains(&file.name);
            if (picture.width > WIDE) != is_named {
                faults.push(format!("{}: {} pixels wide", file.name, picture.width));
            }
        }
    }
    faults
}

#[test]
fn equations_of_the_library_are_drawn_without_fault() {
    let faults = all_of(Detail::Equations, false);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn operators_of_the_library_are_drawn_without_fault() {
    let faults = all_of(Detail::Operators, false);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn backward_steps_of_the_library_are_drawn_without_fault() {
    let faults = all_of(Detail::Equations, true);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let faults = all_of(Detail::Operators, true);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn whole_cells_are_drawn_without_fault() {
    let faults = all_of(Detail::Cell, false);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let faults = all_of(Detail::Cell, true);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Every named value of a cell has one box, and nothing else has its name.
#[test]
fn every_definition_has_exactly_one_box() {
    let mut faults = Vec::new();
    for file in rnnc::api::library() {
        let (spec, cell) = library(file.name);
        let diagram = draw(&spec, &cell, Detail::Equations, false, &[]);
        let mut boxes: BTreeMap<&str, usize> = BTreeMap::new();
        let is_box = |it: &&Node| !matches!(it.kind, Kind::Pin(_));
        for node in diagram.nodes.iter().filter(is_box) {
            if let Some(name) = &node.name {
                *boxes.entry(name).or_default() += 1;
            }
        }
        let repeated = boxes.iter().filter(|it| *it.1 > 1);
        faults.extend(repeated.map(|it| format!("{}: {} has {} boxes", file.name, it.0, it.1)));
        for value in &cell.ir().values {
            let name = &*value.name;
            let is_turn = name.contains(['[', '.']);
            let is_given = cell.ir().input(name).is_some();
            if !is_turn && !is_given && !boxes.contains_key(name) {
                faults.push(format!("{}: {name} has no box", file.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn shown(name: &str, diagram: &Diagram) -> Picture {
    let picture = picture(diagram, LEGEND);
    let found = problems(diagram, &picture);
    assert!(found.is_empty(), "{name}: {}", found.join("\n"));
    picture
}

/// What is in a drawing, a line a node: how it looks, where it is, what it reads.
fn told(diagram: &Diagram, picture: &Picture) -> String {
    let mut out = format!("{} {} x {}\n", diagram.title, picture.width, picture.height);
    for (at, it) in picture.nodes.iter().enumerate() {
        let node = &it.node;
        let text: Vec<String> = std::iter::once(&node.head)
            .chain(&node.lines)
            .map(|it| it.letters())
            .filter(|it| !it.is_empty())
            .collect();
        let rail = node.rail.map(|it| format!(" rail {it}")).unwrap_or_default();
        let reads: Vec<String> = (picture.edges.iter())
            .filter(|it| it.to == at)
            .map(|it| picture.nodes[it.from].id.clone())
            .collect();
        let rect = &it.rect;
        out.push_str(&format!(
            "{} {}{rail} [{}] at {},{} of {} x {} <- {}\n",
            it.id,
            node.word(),
            text.join(" | "),
            rect.x,
            rect.y,
            rect.width,
            rect.height,
            reads.join(", ")
        ));
    }
    out
}

fn snapshot(name: &str, diagram: &Diagram) {
    let picture = shown(name, diagram);
    insta::assert_snapshot!(name, told(diagram, &picture));
}

#[test]
fn library_cells_look_as_they_did() {
    for name in ["gru", "lstm", "slstm", "nas_torchrecurrent", "mamba", "ct_rnn_rk4"] {
        let (spec, cell) = library(name);
        snapshot(name, &draw(&spec, &cell, Detail::Equations, false, &[]));
    }
    let (spec, cell) = library("lstm");
    snapshot("lstm_operators", &draw(&spec, &cell, Detail::Operators, false, &[]));
    snapshot("lstm_backward", &draw(&spec, &cell, Detail::Equations, true, &[]));
    snapshot("lstm_cell", &draw(&spec, &cell, Detail::Cell, false, &[]));
}

/// The very bytes of one drawing.
#[test]
fn the_svg_of_a_gru_is_what_it_was() {
    let (spec, cell) = library("gru");
    let diagram = draw(&spec, &cell, Detail::Equations, false, &[]);
    insta::assert_snapshot!(svg(&diagram, &picture(&diagram, LEGEND), Theme::Auto, true));
}

const LAYERS: &str = "
cell Leaky {
  dims  I, H
  hyper k = 0.9
  input x: [I], gain: [] = 1
  state h: [H]
  param W: [H, I]
  let v = gain * (W @ x)
  h = tanh(v) + k * prev h
  output h
}
cell Encoder {
  dims  E, H, L = 3
  input e: [E]
  state last: [H]
  layer a = Leaky(x = e, H = 2 * H, k = 0.5)
  layer b[L] = Leaky(x = a, H = H)
  layer c = Leaky(x = b, H = H, prev h = prev last)
  last = c
  output y = b + b[0] + prev b[1].h, a.v, c
}
";

#[test]
fn layers_and_stacks_open() {
    let (spec, cell) = parsed(LAYERS);
    snapshot("layers", &draw(&spec, &cell, Detail::Equations, false, &[]));
    snapshot("layers_open", &draw(&spec, &cell, Detail::Equations, false, &["a", "b"]));
    let all = draw(&spec, &cell, Detail::Equations, false, &["all"]);
    shown("all", &all);
    for detail in [Detail::Operators, Detail::Cell] {
        shown("layers", &draw(&spec, &cell, detail, false, &[]));
        shown("layers", &draw(&spec, &cell, detail, true, &[]));
    }
    shown("layers", &draw(&spec, &cell, Detail::Equations, true, &[]));
}

/// A loop of more turns than are drawn, masks, several delays, and what is computed of params alone.
#[test]
fn loops_masks_and_delays() {
    let text = "cell Long {
      dims H
      hyper turns = 7
      input x: [H]
      state h: [H]
      param U: [H, H], D: [7, H]
      mask keep: [H] = bernoulli(0.8) per step
      let Q = matmul(U, U)
      let late = x + prev(x, 2) + prev(x, 5)
      h = fold v from prev h * keep for k in 0 .. turns {
        gate g = sigmoid(Q @ v + D[k])
        yield g * v + (1 - g) * late
      }
      output h
    }";
    let (spec, cell) = parsed(text);
    snapshot("long_loop", &draw(&spec, &cell, Detail::Equations, false, &[]));
}

/// An input that is given once for a sequence has no step, and says what it is.
#[test]
fn an_input_per_sequence_has_no_step() {
    let text = "cell Site {
      dims H
      input x: [H]
      input site: [H] per sequence
      state h: [H]
      param U: [H, H]
      h = prev h + tanh(x + U @ site)
      output h
    }";
    let (spec, cell) = parsed(text);
    for detail in [Detail::Equations, Detail::Operators, Detail::Cell] {
        let diagram = draw(&spec, &cell, detail, false, &[]);
        let picture = shown("site", &diagram);
        let text = svg(&diagram, &picture, Theme::Light, true);
        assert!(text.contains("[H], per sequence") && text.contains(">site<"), "{text}");
    }
}

/// What is subtracted keeps its sign, and which operand is which can be seen.
#[test]
fn signs_stand_where_they_belong() {
    let text = "cell Signs {
      dims H
      input x, y: [H]
      state s, t: [H]
      let a = x * y - tanh(x) + exp(y) - sigmoid(x)
      s = prev s - a - y * x
      t = (prev t + 1) * x / (2 + a * y)
      output s, z = x * x + a / y, w = min(a, 0.5) - 3
    }";
    let (spec, cell) = parsed(text);
    snapshot("signs", &draw(&spec, &cell, Detail::Equations, false, &[]));
}

/// What one reads of another may go on for as long as it likes.
#[test]
fn a_long_chain_needs_no_deep_stack() {
    let mut text = "cell Chain { dims H input x: [H] state h: [H] let v0 = x".to_owned();
    for at in 1..20_000 {
        text.push_str(&format!("\n let v{at} = tanh(v{})", at - 1));
    }
    text.push_str("\n h = prev h + v19999 output h }");
    let (spec, cell) = parsed(&text);
    for detail in [Detail::Equations, Detail::Operators] {
        assert!(draw(&spec, &cell, detail, false, &[]).size() >= 20_000);
    }
    assert!(draw(&spec, &cell, Detail::Equations, true, &[]).size() >= 20_000);
}

const MODEL: &str = "model Forecast {
  dims I, H
  input x: [I]
  target load: [1]
  feedback y: [1] = 0 teacher load
  state h: [H]
  param W: [H, I], U: [H, H], v: [H, 1], R: [1, H]
  h = prev h + tanh(W @ x + v @ prev y)
  y = R @ h + prev y
  loss mse(y, load)
}";

/// A model as far as its tree says: targets, a feedback that is no straight path, the loss.
#[test]
fn a_model_shows_what_it_is_trained_on() {
    let source = rnnc::text::SourceFile::new("model.rnn", MODEL);
    let (tree, faults) = rnnc::syntax::parse(&source, rnnc::text::FileId(0));
    assert!(faults.is_empty(), "{faults:?}");
    let program = hir::Program::single(tree);
    let tree = hir::resolve(&program);
    let library = Library { tree: &tree, cells: Vec::new(), open: &|_| false, range: &|_| None };
    let model = library.cell("Forecast").unwrap();
    let diagram = graph::equations::diagram(&graph::read::sketch(&library, model, None));
    assert_eq!(diagram.rails, 1);
    snapshot("model", &diagram);
}

/// A checked model is drawn at every level, and backward by its loss.
#[test]
fn a_model_is_drawn_at_every_level() {
    let (spec, cell) = parsed(MODEL);
    for detail in [Detail::Equations, Detail::Operators, Detail::Cell] {
        let diagram = draw(&spec, &cell, detail, false, &[]);
        let picture = shown("model", &diagram);
        let text = svg(&diagram, &picture, Theme::Light, true);
        assert!(text.contains("[1], target"), "{text}");
        assert_eq!(text.contains("feedback"), detail != Detail::Cell, "{text}");
        let back = draw(&spec, &cell, detail, true, &[]);
        shown("model backward", &back);
        assert!(graph::dot::dot(&back).contains("d_out_loss"));
    }
}

/// A layer that runs from the end of a sequence says so, closed and open: what it reads of its past is the next step's.
#[test]
fn a_backward_layer_reads_the_next_step() {
    let text = "cell Unit { dims H input x: [H] state h: [H] h = tanh(x) + 0.5 * prev h output h }
    cell Both {
      dims H
      input x: [H]
      layer forth = Unit(x = x, H = H)
      layer back = Unit(x = x, H = H) backward
      output forth, back
    }";
    let source = rnnc::text::SourceFile::new("both.rnn", text);
    let (tree, faults) = rnnc::syntax::parse(&source, rnnc::text::FileId(0));
    assert!(faults.is_empty(), "{faults:?}");
    let program = hir::Program::single(tree);
    let tree = hir::resolve(&program);
    for is_open in [false, true] {
        let open = |_: &str| is_open;
        let library = Library { tree: &tree, cells: Vec::new(), open: &open, range: &|_| None };
        let cell = library.cell("Both").unwrap();
        let diagram = graph::equations::diagram(&graph::read::sketch(&library, cell, None));
        let picture = shown("both", &diagram);
        let text = svg(&diagram, &picture, Theme::Light, true);
        let dot = graph::dot::dot(&diagram);
        assert!(dot.contains("forth = Unit\"") && dot.contains("back = Unit, backward\""), "{dot}");
        assert_eq!(text.matches(">t+1<").count(), 1, "{text}");
        assert_eq!(text.matches(">t−1<").count(), 1, "{text}");
    }
}

/// The straight path of the memory survives backward; the hidden state has none.
#[test]
fn a_straight_path_is_straight_backward_too() {
    let (spec, cell) = library("lstm");
    let forward = draw(&spec, &cell, Detail::Equations, false, &[]);
    let backward = draw(&spec, &cell, Detail::Equations, true, &[]);
    let on_rail = |it: &Diagram| -> Vec<String> {
        let on = it.nodes.iter().filter(|it| it.rail.is_some());
        on.map(|it| it.head.letters()).collect()
    };
    assert_eq!(forward.rails, 1);
    assert_eq!(backward.rails, 1);
    assert_eq!(on_rail(&forward), ["c_t−1", "×", "+", "c_t"]);
    assert_eq!(on_rail(&backward).len(), 4, "{:?}", on_rail(&backward));
    // NAS squashes its memory at every step.
    let (spec, cell) = library("nas_torchrecurrent");
    assert_eq!(draw(&spec, &cell, Detail::Equations, false, &[]).rails, 0);
}

#[test]
fn other_formats_name_every_box_and_line() {
    let (spec, cell) = parsed(LAYERS);
    let diagram = draw(&spec, &cell, Detail::Equations, false, &["a"]);
    let (lines, boxes) = (count(&diagram, |it| it.reads.len()), count(&diagram, |_| 1));
    let dot = graph::dot::dot(&diagram);
    assert_eq!(dot.matches(" -> ").count(), lines);
    assert_eq!(dot.matches("[label=").count() + dot.matches("subgraph").count(), boxes);
    let mermaid = graph::mermaid::mermaid(&diagram);
    let arrows = ["-->", "==>", "-.->"].iter().map(|it| mermaid.matches(it).count());
    assert_eq!(arrows.sum::<usize>(), lines);
    let picture = picture(&diagram, LEGEND);
    let json = graph::json::json(&diagram, &picture, "equations", cell.sources());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["nodes"].as_array().unwrap().len(), boxes);
    assert_eq!(json["edges"].as_array().unwrap().len(), lines);
    assert!(json["nodes"][0]["span"]["line"].is_number());
}

/// A sum over all nodes, those of opened layers too.
fn count(diagram: &Diagram, of: fn(&Node) -> usize) -> usize {
    let each = |it: &Node| {
        of(it)
            + match &it.kind {
                Kind::Frame(inner) => count(inner, of),
                _ => 0,
            }
    };
    diagram.nodes.iter().map(each).sum()
}

/// The measure itself sees what is wrong.
#[test]
fn the_measure_sees_faults() {
    let (spec, cell) = library("gru");
    let diagram = draw(&spec, &cell, Detail::Equations, false, &[]);
    let good = picture(&diagram, LEGEND);
    let at = |it: &Picture, name: &str| it.nodes.iter().position(|it| it.id == name).unwrap();
    let seen = |change: &dyn Fn(&mut Picture), word: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let found = problems(&diagram, &bad).join("\n");
        assert!(found.contains(word), "{word}: {found}");
    };
    assert_eq!(problems(&diagram, &good), [""; 0]);
    let (r, z) = (at(&good, "r"), at(&good, "z"));
    let (x, h) = (at(&good, "input-x"), at(&good, "old-h"));
    seen(&|it| it.nodes[r].rect = it.nodes[z].rect, "overlap");
    seen(&|it| it.nodes[r].labels[0].y = it.nodes[z].labels[0].y, "out of its box");
    seen(&|it| it.width = 300, "cut off");
    seen(&|it| it.lines.iter_mut().for_each(|it| it.tips.truncate(1)), "arrives");
    let exchanged = |it: &mut Picture| {
        let (from, to) = (it.nodes[x].rect.y, it.nodes[h].rect.y);
        assert!(from != to);
        let lines = it.lines.iter_mut().filter(|it| it.source == (x, 0) && !it.is_dashed);
        for piece in lines.flat_map(|it| &mut it.pieces) {
            piece.from.1 += to - from;
            piece.to.1 += to - from;
        }
    };
    seen(&exchanged, "run into each other");
    let without = |it: &mut Picture| {
        let long = it.lines.iter_mut().filter(|it| it.pieces.len() > 2);
        long.for_each(|it| _ = it.pieces.remove(1));
    };
    seen(&without, "joined");
}
