//! A drawing as SVG: no script, no font of its own, whole pixels, short names.

use std::fmt::Write as _;

use super::diagram::{Diagram, Kind, Paint};
use super::picture::{Anchor, Label, Picture, Shown, Tip};
use super::text::Rich;

/// In which colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Theme {
    /// Those of the reader: dark where the page is.
    Auto,
    /// On white.
    Light,
    /// On black.
    Dark,
}

/// The colours of one theme.
struct Palette {
    ground: &'static str,
    cell: &'static str,
    frame: &'static str,
    ink: &'static str,
    faint: &'static str,
    line: &'static str,
    rail: &'static str,
    gate: [&'static str; 2],
    activation: [&'static str; 2],
    linear: [&'static str; 2],
    operator: &'static str,
}

const LIGHT: Palette = Palette {
    ground: "#fff",
    cell: "#f7f8fa",
    frame: "#7d8797",
    ink: "#1b2430",
    faint: "#3d4857",
    line: "#44505f",
    rail: "#b3261e",
    gate: ["#fff1c9", "#a67c00"],
    activation: ["#dcebfb", "#2f6db0"],
    linear: ["#eceff3", "#7b8796"],
    operator: "#fff",
};

const DARK: Palette = Palette {
    ground: "#12161c",
    cell: "#1a2029",
    frame: "#6b7787",
    ink: "#e8edf3",
    faint: "#cdd5de",
    line: "#aab6c4",
    rail: "#ff8a80",
    gate: ["#4a3b0c", "#e0b83c"],
    activation: ["#15365a", "#7ab4f0"],
    linear: ["#2a323d", "#8794a3"],
    operator: "#1a2029",
};

impl Palette {
    /// Returns the rules of the classes: `b` ground, `c` cell, `t` text, `d` fainter text, `w` wires, `r` rails, `a` arrows of
    /// wires, `q` those of rails, `g` gates, `n` activations, `l` sums, `o` operators, `p` operators of a rail.
    fn css(&self) -> String {
        let Palette { ground, cell, frame, ink, faint, line, rail, .. } = self;
        let [gate, activation, linear] = [self.gate, self.activation, self.linear];
        let operator = self.operator;
        format!(
            ".b{{fill:{ground}}}.c{{fill:{cell};stroke:{frame}}}text{{fill:{ink}}}.d{{fill:{faint}}}\
             .w{{stroke:{line}}}.r{{stroke:{rail}}}.a{{fill:{line}}}.q{{fill:{rail}}}\
             .g{{fill:{};stroke:{}}}.n{{fill:{};stroke:{}}}.l{{fill:{};stroke:{}}}\
             .o{{fill:{operator};stroke:{line}}}.p{{fill:{operator};stroke:{rail}}}",
            gate[0], gate[1], activation[0], activation[1], linear[0], linear[1],
        )
    }
}

const SHARED: &str = "text{text-anchor:middle;font-size:13px}.w,.r{fill:none;stroke-width:1.3}\
                      .r{stroke-width:3}.k{stroke-dasharray:5 4}.s{font-size:72%}\
                      .x{text-anchor:end}.i{text-anchor:start}.c,.g,.n,.l{stroke-width:1.3}\
                      .o,.p{stroke-width:1.5}";

/// Writes a drawing. Without `ground` it has that of the page.
pub fn svg(diagram: &Diagram, picture: &Picture, theme: Theme, ground: bool) -> String {
    let (width, height) = (picture.width, picture.height);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" font-family=\"DejaVu Sans, Verdana, Helvetica, Arial, sans-serif\">\n\
         <title>{}</title>\n<desc>{}</desc>\n<style>{SHARED}",
        escaped(&format!("One step of {}", diagram.title)),
        escaped(&diagram.words.join("; ")),
    );
    match theme {
        Theme::Light => out.push_str(&LIGHT.css()),
        Theme::Dark => out.push_str(&DARK.css()),
        Theme::Auto => {
            out.push_str(&LIGHT.css());
            let _ = write!(out, "@media(prefers-color-scheme:dark){{{}}}", DARK.css());
        }
    }
    out.push_str("</style>\n");
    if ground {
        out.push_str("<rect class=\"b\" width=\"100%\" height=\"100%\"/>\n");
    }
    let frame = &picture.frame;
    let _ = writeln!(
        out,
        "<rect class=\"c\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"10\"/>",
        frame.x, frame.y, frame.width, frame.height
    );
    // Frames of layers lie below all lines.
    for node in picture.nodes.iter().filter(|it| matches!(it.node.kind, Kind::Frame(_))) {
        shape(&mut out, node);
    }
    lines(&mut out, picture);
    for node in picture.nodes.iter().filter(|it| !matches!(it.node.kind, Kind::Frame(_))) {
        shape(&mut out, node);
    }
    picture.labels.iter().for_each(|it| label(&mut out, it, it.size < 13));
    out.push_str("</svg>\n");
    out
}

/// Rails, then all lines of a value as one path, then arrows and dots.
fn lines(out: &mut String, picture: &Picture) {
    let mut wires: std::collections::BTreeMap<(bool, bool, (usize, usize)), String> =
        std::collections::BTreeMap::new();
    let mut marks = [String::new(), String::new()];
    for line in &picture.lines {
        let path = wires.entry((!line.is_rail, line.is_dashed, line.source)).or_default();
        for piece in &line.pieces {
            let (from, to) = (piece.from, piece.to);
            let _ = match from.1 == to.1 {
                true => write!(path, "M{} {}H{}", from.0, from.1, to.0),
                false => write!(path, "M{} {}V{}", from.0, from.1, to.1),
            };
        }
        for ((x, y), tip) in &line.tips {
            let mark = &mut marks[usize::from(line.is_rail)];
            let _ = match tip {
                Tip::Right => write!(mark, "M{x} {y}l-7-3.6v7.2z"),
                Tip::Left => write!(mark, "M{x} {y}l7-3.6v7.2z"),
                Tip::Up => write!(mark, "M{x} {y}l-3.6 7h7.2z"),
            };
        }
        for (x, y) in &line.dots {
            let on_rail = line.has_rail_dots && picture.is_on_rail(*x, *y);
            let mark = &mut marks[usize::from(on_rail)];
            let _ = write!(mark, "M{} {y}a3 3 0 1 0 6 0a3 3 0 1 0-6 0z", x - 3);
        }
    }
    for ((is_wire, is_dashed, _), path) in &wires {
        let class = if *is_wire { "w" } else { "r" };
        let dashed = if *is_dashed { " k" } else { "" };
        let _ = writeln!(out, "<path class=\"{class}{dashed}\" d=\"{path}\"/>");
    }
    for (class, mark) in ["a", "q"].iter().zip(&marks) {
        if !mark.is_empty() {
            let _ = writeln!(out, "<path class=\"{class}\" d=\"{mark}\"/>");
        }
    }
}

fn shape(out: &mut String, shown: &Shown) {
    let node = &shown.node;
    let id = match &node.name {
        Some(_) => format!(" id=\"eq-{}\"", escaped(&shown.id)),
        None => String::new(),
    };
    let _ = write!(out, "<g{id}>");
    if !node.note.is_empty() {
        let _ = write!(out, "<title>{}</title>", escaped(&node.note));
    }
    let on_rail = node.rail.is_some();
    let look = match &node.kind {
        Kind::Box(Paint::Gate) => Some(("g", 7)),
        Kind::Box(Paint::Activation) => Some(("n", 7)),
        Kind::Box(Paint::Linear) => Some(("l", 2)),
        Kind::Operator => Some((if on_rail { "p" } else { "o" }, 13)),
        Kind::Move => Some((if on_rail { "p" } else { "l" }, 13)),
        Kind::Layer(_) => Some(("n", 10)),
        Kind::Frame(_) => Some(("c", 10)),
        Kind::Pin(_) => None,
    };
    if let Some((class, round)) = look {
        let rect = &shown.rect;
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{round}\"/>",
            rect.x, rect.y, rect.width, rect.height
        );
    }
    shown.labels.iter().for_each(|it| label(out, it, it.size < 13));
    out.push_str("</g>\n");
}

fn label(out: &mut String, label: &Label, is_faint: bool) {
    let mut class: Vec<&str> = Vec::new();
    match label.anchor {
        Anchor::Start => class.push("i"),
        Anchor::Middle => {}
        Anchor::End => class.push("x"),
    }
    if is_faint {
        class.push("d");
    }
    let class = match class.join(" ") {
        none if none.is_empty() => none,
        all => format!(" class=\"{all}\""),
    };
    let size = match label.size {
        13 => String::new(),
        size => format!(" style=\"font-size:{size}px\""),
    };
    let _ = write!(
        out,
        "<text{class} x=\"{}\" y=\"{}\"{size}>{}</text>",
        label.x,
        label.y,
        spans(&label.text)
    );
}

/// Subscripts are three pixels lower.
fn spans(text: &Rich) -> String {
    let mut out = String::new();
    let mut is_low = false;
    for piece in text.0.iter().filter(|it| !it.text.is_empty()) {
        let letters = escaped(&piece.text);
        let _ = match (piece.is_low, is_low) {
            (true, false) => write!(out, "<tspan class=\"s\" dy=\"3\">{letters}</tspan>"),
            (true, true) => write!(out, "<tspan class=\"s\">{letters}</tspan>"),
            (false, true) => write!(out, "<tspan dy=\"-3\">{letters}</tspan>"),
            (false, false) => write!(out, "{letters}"),
        };
        is_low = piece.is_low;
    }
    out
}

/// Text for XML.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // What is no letter of XML cannot be written at all.
            it if it.is_control() || matches!(it, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            it => out.push(it),
        }
    }
    out
}
