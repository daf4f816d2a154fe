//! Names and formulas as papers write them, and colours that stand out.

use rnnc::graph::text::{formula, name, shape, width};

fn written(text: &str) -> String {
    formula(text, &|_| None).letters()
}

#[test]
fn formulas_read_as_in_papers() {
    assert_eq!(written("W_f @ x + U_f @ prev h"), "W_f x + U_f h_t−1");
    assert_eq!(written("-exp(A_log) * prev(dt, 2)"), "−exp(A_log) ⊙ dt_t−2");
    assert_eq!(written("2 * alpha - 1e-3 / (b <= 3)"), "2 · α − 1e-3 / (b ≤ 3)");
    assert_eq!(written("transpose(W) @ d_n"), "Wᵀ d_n");
}

#[test]
fn names_have_what_belongs_below_them_below() {
    assert_eq!(name("W_f", "").0.len(), 2);
    assert_eq!(name("log_f", "").0.len(), 1);
    assert_eq!(name("h2", "t−1").letters(), "h_2_t−1");
    assert_eq!(name("beta", "").letters(), "β");
}

#[test]
fn shapes_are_short() {
    assert_eq!(shape("[2 * M, N * K]"), "[2M, N·K]");
    assert_eq!(width("ii", 100), 56);
}

#[test]
fn lines_break_at_blanks_and_keep_signs_with_what_follows() {
    let text = formula("W_f @ x + U_f @ prev h + b_f + d_f", &|_| None);
    let lines = text.wrap(12, 80);
    let lines: Vec<String> = lines.iter().map(|it| it.letters()).collect();
    assert_eq!(lines, ["W_f x", "+ U_f h_t−1", "+ b_f + d_f"]);
    let lines = formula("outer(d_n, prev h) + k ^ 2 + U @ x", &|_| None).wrap(12, 60);
    let lines: Vec<String> = lines.iter().map(|it| it.letters()).collect();
    assert_eq!(lines, ["d_n ⊗ h_t−1", "+ k²", "+ U x"]);
}

/// The relative luminance of `#rgb` or `#rrggbb`.
fn luminance(colour: &str) -> f64 {
    let digits = colour.trim_start_matches('#');
    let wide: String = match digits.len() {
        3 => digits.chars().flat_map(|it| [it, it]).collect(),
        _ => digits.to_owned(),
    };
    let part = |at: usize| {
        let value = u8::from_str_radix(&wide[at..at + 2], 16).unwrap();
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// What a rule of a style says of a class: its fill or stroke.
fn colour<'a>(style: &'a str, class: &str, what: &str) -> &'a str {
    let rules = style.split('}').filter_map(|it| it.split_once('{'));
    let found = rules
        .filter(|it| it.0 == class)
        .find_map(|it| it.1.split(';').find_map(|it| it.strip_prefix(what)?.strip_prefix(':')));
    found.unwrap_or_else(|| panic!("{class} has no {what}"))
}

#[test]
fn text_lines_and_borders_stand_out() {
    assert!((contrast("#000", "#ffffff") - 21.0).abs() < 1e-9);
    let (spec, cell) = super::library("gru");
    let diagram = super::draw(&spec, &cell, super::Detail::Equations, false, &[]);
    for theme in [super::Theme::Light, super::Theme::Dark] {
        let text = super::svg(&diagram, &super::picture(&diagram, super::LEGEND), theme, true);
        let style = text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let fill = |class| colour(style, class, "fill");
        for class in [".b", ".c", ".g", ".n", ".l", ".o", ".p"] {
            for ink in ["text", ".d"] {
                assert!(contrast(fill(ink), fill(class)) >= 7.0, "{ink} on {class}");
            }
        }
        for class in [".w", ".r"] {
            assert!(contrast(colour(style, class, "stroke"), fill(".c")) >= 4.5, "{class}");
        }
        for class in [".c", ".g", ".n", ".l"] {
            assert!(contrast(colour(style, class, "stroke"), fill(".c")) >= 3.0, "{class}");
        }
    }
}
