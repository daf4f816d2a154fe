//! Panels as SVG, on a ground of their own, in the colours of the reader's page.
//!
//! The crate draws in light colours; a style sheet behind the root gives each of them its dark one where the page is dark.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::graph::svg::escaped;
use crate::graph::text::width;

const WIDTH: u32 = 760;
const FONT: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";
/// So many steps of colour has a heat map: runs of one colour are one rectangle.
const LEVELS: usize = 11;

/// Each colour on a light page, and on a dark one.
const GROUND: (RGBColor, &str) = (RGBColor(0xff, 0xff, 0xff), "#12161c");
const INK: (RGBColor, &str) = (RGBColor(0x1b, 0x24, 0x30), "#e8edf3");
const GRID: (RGBColor, &str) = (RGBColor(0xd9, 0xde, 0xe5), "#2a323d");
const LINES: [(RGBColor, &str); 6] = [
    (RGBColor(0x2f, 0x6d, 0xb0), "#7ab4f0"),
    (RGBColor(0xb3, 0x26, 0x1e), "#ff8a80"),
    (RGBColor(0x2e, 0x7d, 0x32), "#7cc47f"),
    (RGBColor(0x7d, 0x5c, 0x00), "#e0b83c"),
    (RGBColor(0x7b, 0x3f, 0xa0), "#c79be8"),
    (RGBColor(0x00, 0x70, 0x69), "#5cc8bd"),
];

/// From low to high: as bright as they are high, for eyes that see no colours, and the same on any ground.
const SCALE: [RGBColor; LEVELS] = [
    RGBColor(0x44, 0x01, 0x54),
    RGBColor(0x48, 0x24, 0x75),
    RGBColor(0x41, 0x44, 0x87),
    RGBColor(0x35, 0x5f, 0x8d),
    RGBColor(0x2a, 0x78, 0x8e),
    RGBColor(0x21, 0x91, 0x8c),
    RGBColor(0x22, 0xa8, 0x84),
    RGBColor(0x44, 0xbf, 0x70),
    RGBColor(0x7a, 0xd1, 0x51),
    RGBColor(0xbd, 0xdf, 0x26),
    RGBColor(0xfd, 0xe7, 0x25),
];

/// The scale of an axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Axis {
    Linear,
    Logarithmic,
}

/// A line through points; where a value is no number it is broken.
pub struct Curve {
    pub label: String,
    pub points: Vec<(f64, f64)>,
    pub is_dashed: bool,
    /// Curves that belong together have the same.
    pub colour: usize,
}

/// Units by steps.
pub struct Map {
    pub title: String,
    pub steps: usize,
    pub units: usize,
    /// The steps and units that one cell is the mean of.
    pub cell: (usize, usize),
    /// For each row of cells, the lowest units first, its values.
    pub cells: Vec<Vec<f64>>,
    pub range: (f64, f64),
}

/// One of the pictures above each other.
pub enum Panel {
    Curves { title: String, across: &'static str, up: &'static str, axis: Axis, curves: Vec<Curve> },
    Map(Map),
}

impl Panel {
    /// Returns the title above it.
    pub fn title(&self) -> &str {
        match self {
            Panel::Curves { title, .. } => title,
            Panel::Map(it) => &it.title,
        }
    }

    /// Returns how many curves are in it.
    pub fn curves(&self) -> usize {
        match self {
            Panel::Curves { curves, .. } => curves.len(),
            Panel::Map(_) => 0,
        }
    }

    fn height(&self) -> u32 {
        match self {
            Panel::Curves { .. } => 320,
            Panel::Map(it) => 90 + (it.cells.len() as u32 * 12).clamp(36, 384),
        }
    }

    /// Describes the panel in words.
    fn told(&self) -> String {
        match self {
            Panel::Map(it) => it.title.clone(),
            Panel::Curves { title, across, curves, .. } => {
                let ends = |it: &Curve| {
                    let mut seen = it.points.iter().filter(|it| it.1.is_finite());
                    let Some(first) = seen.next() else {
                        return format!("{}: no number", it.label);
                    };
                    let last = seen.next_back().unwrap_or(first);
                    let point = |it: &(f64, f64)| format!("{:.3e} at {across} {}", it.1, it.0);
                    format!("{}: {}, {}", it.label, point(first), point(last))
                };
                let all: Vec<String> = curves.iter().map(ends).collect();
                format!("{title}. {}", all.join("; "))
            }
        }
    }
}

/// Returns the least and the greatest of the finite values; 0 and 1 where there are none.
pub fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|it| it.is_finite());
    let found = finite.fold(None, |found: Option<(f64, f64)>, it| {
        Some(found.map_or((it, it), |(low, high)| (low.min(it), high.max(it))))
    });
    found.unwrap_or((0.0, 1.0))
}

/// Draws panels above each other.
pub fn svg(panels: &[Panel]) -> Result<String, String> {
    let heights: Vec<u32> = panels.iter().map(Panel::height).collect();
    let mut text = String::new();
    let size = (WIDTH, heights.iter().sum());
    let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
    let drawn = || -> Result<(), Fault> {
        root.fill(&GROUND.0)?;
        let mut rest = root.clone();
        for (panel, height) in panels.iter().zip(heights) {
            let (area, below) = rest.split_vertically(height);
            rest = below;
            match panel {
                Panel::Curves { title, across, up, axis, curves } => {
                    let area = legend(&titled(&area, title)?, curves)?;
                    lines(&area, [across, up], *axis, curves)?;
                }
                Panel::Map(it) => map(&titled(&area, &it.title)?, it)?,
            }
        }
        root.present()
    };
    drawn().map_err(|it| format!("cannot draw: {it}"))?;
    drop(root);
    Ok(dressed(&text, panels))
}

type Fault = DrawingAreaErrorKind<std::io::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn font(size: u32) -> TextStyle<'static> {
    (FONT, size).into_font().color(&INK.0)
}

/// Writes a title, and returns what is left below it.
fn titled<'a>(area: &Area<'a>, title: &str) -> Result<Area<'a>, Fault> {
    let (head, rest) = area.split_vertically(28);
    head.draw(&Text::new(title.to_owned(), (16, 10), font(14)))?;
    Ok(rest)
}

/// Returns a range that is not empty, with room at both ends.
fn padded((low, high): (f64, f64), room: f64) -> std::ops::Range<f64> {
    let room = if low < high { (high - low) * room } else { low.abs().max(1.0) * 0.5 };
    low - room..high + room
}

/// Returns the style of a curve: a colour that comes again is dashed.
fn look(curve: &Curve) -> (ShapeStyle, bool) {
    let (colour, _) = LINES[curve.colour % LINES.len()];
    (colour.stroke_width(2), curve.is_dashed || curve.colour >= LINES.len())
}

/// Says what curves are called, in rows above them, and returns what is left.
fn legend<'a>(area: &Area<'a>, curves: &[Curve]) -> Result<Area<'a>, Fault> {
    let mut places = Vec::new();
    let (mut x, mut y) = (16, 0);
    for curve in curves {
        let wide = 30 + width(&curve.label, 12) + 18;
        if x > 16 && x + wide > WIDTH as i32 {
            (x, y) = (16, y + 18);
        }
        places.push((x, y));
        x += wide;
    }
    let (head, rest) = area.split_vertically(y + 18);
    for (curve, (x, y)) in curves.iter().zip(places) {
        let (style, is_dashed) = look(curve);
        let ends: &[(i32, i32)] = if is_dashed { &[(0, 6), (9, 15), (18, 24)] } else { &[(0, 24)] };
        for (from, to) in ends {
            head.draw(&PathElement::new(vec![(x + from, y + 8), (x + to, y + 8)], style))?;
        }
        head.draw(&Text::new(curve.label.clone(), (x + 30, y + 2), font(12)))?;
    }
    Ok(rest)
}

fn lines(
    area: &Area<'_>,
    [across, up]: [&str; 2],
    axis: Axis,
    curves: &[Curve],
) -> Result<(), Fault> {
    // On a logarithmic axis the logarithms are drawn, and powers written beside them.
    let height = |it: f64| match axis {
        Axis::Linear => it,
        Axis::Logarithmic => it.log10(),
    };
    let all = || curves.iter().flat_map(|it| &it.points);
    let x = padded(bounds(all().map(|it| it.0)), 0.0);
    let y = padded(bounds(all().map(|it| height(it.1))), 0.05);
    let near = (y.end - y.start) * 1e-9;
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(72)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .axis_style(INK.0)
        .bold_line_style(GRID.0)
        .light_line_style(TRANSPARENT)
        .label_style(font(12))
        .axis_desc_style(font(12))
        .x_desc(across)
        .y_desc(up)
        .x_label_formatter(&|it| number(*it))
        .y_label_formatter(&|it| match axis {
            // Sums of ticks miss 0 by a rounding.
            Axis::Linear => number(if it.abs() < near { 0.0 } else { *it }),
            Axis::Logarithmic => {
                let text = format!("{:.1e}", 10f64.powf(*it));
                number(text.parse().unwrap_or(f64::NAN))
            }
        })
        .draw()?;
    for curve in curves {
        let (style, is_dashed) = look(curve);
        let points: Vec<(f64, f64)> = curve.points.iter().map(|it| (it.0, height(it.1))).collect();
        for part in points.split(|it| !it.1.is_finite()).filter(|it| !it.is_empty()) {
            let points = part.iter().copied();
            match (part, is_dashed) {
                ([one], _) => chart.draw_series([Circle::new(*one, 2, style.filled())])?,
                (_, true) => chart.draw_series(DashedLineSeries::new(points, 6, 4, style))?,
                (_, false) => chart.draw_series(LineSeries::new(points, style))?,
            };
        }
    }
    Ok(())
}

/// Returns a heat map, and beside it what its colours mean.
fn map(area: &Area<'_>, map: &Map) -> Result<(), Fault> {
    let (left, right) = area.split_horizontally(WIDTH - 84);
    let (low, high) = map.range;
    let level = |value: f64| {
        let at = ((value - low) / (high - low) * LEVELS as f64).floor();
        at.clamp(0.0, LEVELS as f64 - 1.0) as usize
    };
    let (x, y) = (0.0..map.steps as f64, 0.0..map.units as f64);
    let mut chart = ChartBuilder::on(&left)
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(INK.0)
        .label_style(font(12))
        .axis_desc_style(font(12))
        .x_desc("step")
        .y_desc("unit")
        .x_label_formatter(&|it| number(*it))
        .y_label_formatter(&|it| number(*it))
        .draw()?;
    let edge = |at: usize, each: usize, all: usize| (at * each).min(all) as f64;
    for (row, values) in map.cells.iter().enumerate() {
        let levels: Vec<Option<usize>> =
            values.iter().map(|it| it.is_finite().then(|| level(*it))).collect();
        let mut start = 0;
        for run in levels.chunk_by(|a, b| a == b) {
            let end = start + run.len();
            if let Some(level) = run[0] {
                let corner = |at: usize, row: usize| {
                    (edge(at, map.cell.0, map.steps), edge(row, map.cell.1, map.units))
                };
                let corners = [corner(start, row), corner(end, row + 1)];
                chart.draw_series([Rectangle::new(corners, SCALE[level].filled())])?;
            }
            start = end;
        }
    }
    let (top, bottom) = (12, right.dim_in_pixel().1 as i32 - 52);
    let at = |level: usize| bottom - (bottom - top) * level as i32 / LEVELS as i32;
    for (level, colour) in SCALE.iter().enumerate() {
        right.draw(&Rectangle::new([(4, at(level + 1)), (20, at(level))], colour.filled()))?;
    }
    let place = |v: VPos| font(12).pos(Pos::new(HPos::Left, v));
    right.draw(&Text::new(number(high), (26, top), place(VPos::Top)))?;
    right.draw(&Text::new(number(low), (26, bottom), place(VPos::Bottom)))
}

/// Returns a number at an axis, as short as it can be.
fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(9.99e-4..1e6).contains(&size) {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.3}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Says what is shown, and gives each colour its dark one.
fn dressed(text: &str, panels: &[Panel]) -> String {
    let told: Vec<String> = panels.iter().map(Panel::told).collect();
    let told = escaped(&told.join("\n"));
    let mut style = String::new();
    for ((RGBColor(r, g, b), dark), what) in
        [GROUND, INK, GRID].iter().chain(&LINES).flat_map(|it| [(it, "fill"), (it, "stroke")])
    {
        style.push_str(&format!("[{what}=\"#{r:02X}{g:02X}{b:02X}\"]{{{what}:{dark}}}"));
    }
    let head =
        format!("<title>{told}</title><style>@media(prefers-color-scheme:dark){{{style}}}</style>");
    let at = text.find('>').map_or(0, |it| it + 1);
    format!("{} role=\"img\">{head}{}", text[..at].trim_end_matches('>'), &text[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: Vec<(f64, f64)>) -> Panel {
        let curves = vec![Curve { label: "a < b".to_owned(), points, is_dashed: false, colour: 0 }];
        let title = "loss".to_owned();
        Panel::Curves { title, across: "update", up: "loss", axis: Axis::Linear, curves }
    }

    #[test]
    fn the_same_bytes_twice_and_dark_colours_for_all_light_ones() {
        let panel = || curve(vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 0.5), (3.0, 0.25)]);
        let text = svg(&[panel()]).unwrap();
        assert_eq!(text, svg(&[panel()]).unwrap());
        assert!(text.contains("<title>loss. a &lt; b: 1.000e0 at update 0, 2.500e-1 at update 3"));
        assert!(text.contains("a &lt; b") && !text.contains("a < b"));
        let style = &text[..text.find("</style>").unwrap()];
        for colour in text.split("=\"#").skip(1).map(|it| &it[..6]) {
            assert!(style.contains(colour), "{colour} has no dark one");
        }
    }

    #[test]
    fn one_point_and_none_are_drawn() {
        for points in
            [vec![(5.0, 2.0)], vec![(0.0, f64::NAN)], vec![(0.0, f64::INFINITY), (1.0, 3.0)]]
        {
            assert!(svg(&[curve(points)]).unwrap().ends_with("</svg>\n"));
        }
    }

    #[test]
    fn equal_neighbours_of_a_heat_map_are_one_rectangle() {
        let map = |values: Vec<f64>| {
            Panel::Map(Map {
                title: "z".to_owned(),
                steps: values.len(),
                units: 1,
                cell: (1, 1),
                cells: vec![values],
                range: (0.0, 1.0),
            })
        };
        let count = |values| svg(&[map(values)]).unwrap().matches("<rect").count();
        let one = count(vec![0.5; 40]);
        assert_eq!(count(vec![0.1, 0.1, 0.9, 0.9]), one + 1);
        assert_eq!(count(vec![0.1, f64::NAN, 0.9, 0.9]), one + 1);
    }

    #[test]
    fn numbers_at_axes_are_short() {
        let shown = [0.0, 0.25, 100.0, 1e-9, 2e7, -0.5].map(number);
        assert_eq!(shown, ["0", "0.25", "100", "1e-9", "2e7", "-0.5"]);
    }
}
