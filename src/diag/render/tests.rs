use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

use super::{LIMIT, Style, render, render_all};
use crate::diag::{Applicability, Code, Diagnostic};
use crate::text::{FileId, SourceFile, SourceMap, Span};

const SPEC: &str = "cell A {\n  dims I, H\n  input x: [I]\n  state h: [H] = 0\n  \
                    param W: [H, I]\n  h = W @ prev h\n  output h\n}\n";

fn sources(text: &str) -> SourceMap {
    SourceMap::single(SourceFile::new("a.rnn", text))
}

/// The span of the `turn`-th occurrence of `what`.
fn find(text: &str, what: &str, turn: usize) -> Span {
    let (at, _) = text.match_indices(what).nth(turn).expect("the text is in the source");
    Span::new(FileId(0), at, at + what.len())
}

fn shows(diagnostic: &Diagnostic, text: &str, expected: &str) {
    same(&render(diagnostic, &sources(text), Style::Plain), expected);
}

/// The expected text begins on a line of its own and may end with a line end more.
fn same(shown: &str, expected: &str) {
    let expected = expected.strip_prefix('\n').unwrap_or(expected);
    assert_eq!(shown.trim_end_matches('\n'), expected.trim_end_matches('\n'), "\n{shown}\n");
    assert!(shown.lines().all(|it| it == it.trim_end()), "blanks at the end of a line");
}

#[test]
fn a_caret_with_a_label() {
    let fault = Diagnostic::new(Code::UnknownName, find(SPEC, "h", 2), "unknown name `q`")
        .at("not defined");
    shows(
        &fault,
        SPEC,
        "
error[E0201]: unknown name `q`
 --> a.rnn:6:16
  |
6 |   h = W @ prev h
  |                ^ not defined
",
    );
}

#[test]
fn two_labels_and_help() {
    let fault = Diagnostic::new(
        Code::CannotMultiply,
        find(SPEC, "W @ prev h", 0),
        "cannot multiply `W: [H, I]` with `prev h: [H]`: `I` meets `H`",
    )
    .at("`I` meets `H` here")
    .label(find(SPEC, "W", 0), "declared `[H, I]`")
    .help("multiply with `x: [I]`, or declare `W: [H, H]`");
    shows(
        &fault,
        SPEC,
        "
error[E0301]: cannot multiply `W: [H, I]` with `prev h: [H]`: `I` meets `H`
 --> a.rnn:6:7
  |
5 |   param W: [H, I]
  |         - declared `[H, I]`
6 |   h = W @ prev h
  |       ^^^^^^^^^^ `I` meets `H` here
  |
  = help: multiply with `x: [I]`, or declare `W: [H, H]`
",
    );
}

#[test]
fn labels_of_one_line() {
    let fault = Diagnostic::new(Code::CannotMultiply, find(SPEC, "@", 0), "cannot multiply")
        .label(find(SPEC, "W", 1), "this is `[H, I]`")
        .label(find(SPEC, "prev h", 0), "this is `[H]`");
    shows(
        &fault,
        SPEC,
        "
error[E0301]: cannot multiply
 --> a.rnn:6:9
  |
6 |   h = W @ prev h
  |       - ^ ------ this is `[H]`
  |       |
  |       this is `[H, I]`
",
    );
}

#[test]
fn a_fix_with_help_is_a_diff_under_the_help() {
    let spec = "cell A {\n  h = W x\n}\n";
    let gap = find(spec, "W", 0).after();
    let fault = Diagnostic::new(Code::MissingOperator, gap, "missing operator between `W` and `x`")
        .help("write `@` for a product of a matrix and a vector")
        .fix(Applicability::Maybe, gap, " @");
    shows(
        &fault,
        spec,
        "
error[E0102]: missing operator between `W` and `x`
 --> a.rnn:2:8
  |
2 |   h = W x
  |        ^
  |
help: write `@` for a product of a matrix and a vector
  |
2 |   h = W @ x
  |         +
",
    );
}

#[test]
fn a_fix_without_help_gets_a_title_by_how_sure_it_is() {
    let spec = "# a comment\ncell A {}\n";
    let fault = Diagnostic::new(
        Code::ForeignComment,
        find(spec, "#", 0),
        "comments begin with `//`",
    )
    .fix(Applicability::Certain, find(spec, "#", 0), "//");
    shows(
        &fault,
        spec,
        "
error[E0106]: comments begin with `//`
 --> a.rnn:1:1
  |
1 | # a comment
  | ^
  |
help: write this instead
  |
1 - # a comment
1 + // a comment
",
    );
    let fault = Diagnostic::new(Code::UnknownName, find(spec, "A", 0), "no").fixes(
        Applicability::Maybe,
        vec![(find(spec, "A", 0), "B".into()), (find(spec, "#", 0), "//".into())],
    );
    shows(
        &fault,
        spec,
        "
error[E0201]: no
 --> a.rnn:2:6
  |
2 | cell A {}
  |      ^
  |
help: this may be what you mean
  |
1 ~ // a comment
2 ~ cell B {}
",
    );
}

#[test]
fn tabs_keep_the_caret_in_place_and_count_as_one_column() {
    let spec = "cell A {\n\tlet\ta = b\n}\n";
    let fault = Diagnostic::new(Code::UnknownName, find(spec, "b", 0), "unknown name `b`");
    shows(
        &fault,
        spec,
        "
error[E0201]: unknown name `b`
 --> a.rnn:2:10
  |
2 |     let a = b
  |             ^
",
    );
}

#[test]
fn line_ends_of_two_characters() {
    let spec = "cell A {\r\n  let a = b\r\n}\r\n";
    let fault = Diagnostic::new(Code::UnknownName, find(spec, "b\r\n", 0), "unknown name `b`")
        .label(find(spec, "A {\r\n  let", 0), "from here")
        .at("up to here");
    shows(
        &fault,
        spec,
        "
error[E0201]: unknown name `b`
 --> a.rnn:2:11
  |
1 |   cell A {
  |  ______-
2 | |   let a = b
  | |     -     ^ up to here
  | |_____|
  |       from here
",
    );
}

#[test]
fn a_long_line_is_cut_around_the_caret() {
    let terms: Vec<String> = (0..100_000).map(|it| format!("x{it}")).collect();
    let spec = format!("cell A {{ let a = {} }}", terms.join(" + "));
    let fault = Diagnostic::new(Code::UnknownName, find(&spec, "x50000", 0), "unknown name")
        .label(find(&spec, "A", 0), "in this cell")
        .label(find(&spec, "x50003", 0), "and here");
    shows(
        &fault,
        &spec,
        "
error[E0201]: unknown name
 --> a.rnn:1:438908
  |
1 | ...49997 + x49998 + x49999 + x50000 + x50001 + x50002 + x50003 + x500...
  | --- in this cell             ^^^^^^                     ------ and here
",
    );
    let fault = Diagnostic::new(Code::UnclosedBracket, find(&spec, "{", 0), "first")
        .label(find(&spec, "}", 0), "last");
    shows(
        &fault,
        &spec,
        "
error[E0104]: first
 --> a.rnn:1:8
  |
1 | cell A { let a = x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9 +...
  |        ^                                                          --- last
",
    );
    let all = Span::new(FileId(0), 9, spec.len());
    shows(
        &Diagnostic::new(Code::TooLarge, all, "all"),
        &spec,
        "
error[E0109]: all
 --> a.rnn:1:10
  |
1 | cell A { let a = x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9 +...
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
",
    );
    let end = Span::new(FileId(0), spec.len(), spec.len());
    shows(
        &Diagnostic::new(Code::UnexpectedToken, end, "end"),
        &spec,
        "
error[E0101]: end
 --> a.rnn:1:888907
  |
1 | ...2 + x99993 + x99994 + x99995 + x99996 + x99997 + x99998 + x99999 }
  |                                                                      ^
",
    );
}

#[test]
fn controls_and_marks_of_direction_are_made_visible() {
    let spec = "let a\u{202e} = \u{1b}[31mb\u{0} // é\u{200b}\n";
    let fault =
        Diagnostic::new(Code::BadCharacter, find(spec, "\u{202e}", 0), "\u{1b}[0mU+202E \u{202e}")
            .label(find(spec, "\u{200b}", 0), "here\ntoo");
    shows(
        &fault,
        spec,
        "
error[E0105]: ␛[0mU+202E �
 --> a.rnn:1:6
  |
1 | let a� = ␛[31mb␀ // é�
  |      ^               - here too
",
    );
}

#[test]
fn the_end_of_a_file_and_an_empty_one() {
    let at = |byte| Span::new(FileId(0), byte, byte);
    let spec = "cell A {\n  dims I\n";
    let fault = Diagnostic::new(Code::UnclosedBracket, find(spec, "{", 0), "`{` is never closed")
        .label(at(spec.len()), "the file ends here");
    shows(
        &fault,
        spec,
        "
error[E0104]: `{` is never closed
 --> a.rnn:1:8
  |
1 | cell A {
  |        ^
2 |   dims I
3 |
  | - the file ends here
",
    );
    shows(
        &Diagnostic::new(Code::UnexpectedToken, at(18), "end"),
        spec,
        "
error[E0101]: end
 --> a.rnn:3:1
  |
3 |
  | ^
",
    );
    shows(
        &Diagnostic::new(Code::EmptyFile, at(0), "nothing here"),
        "",
        "
error[E0111]: nothing here
 --> a.rnn:1:1
  |
1 |
  | ^
",
    );
}

#[test]
fn spans_of_several_lines() {
    let fault = Diagnostic::new(Code::NoOutput, find(SPEC, SPEC.trim(), 0), "no output");
    shows(
        &fault,
        SPEC,
        "
error[E0402]: no output
 --> a.rnn:1:1
  |
1 | / cell A {
2 | |   dims I, H
3 | |   input x: [I]
4 | |   state h: [H] = 0
... |
7 | |   output h
8 | | }
  | |_^
",
    );
    let spec = format!("cell A {{\n{}}}\n", "  dims I\n".repeat(200));
    let all = Span::new(FileId(0), 7, spec.len());
    shows(
        &Diagnostic::new(Code::UnclosedBracket, all, "all"),
        &spec,
        "
error[E0104]: all
 --> a.rnn:1:8
  |
1 | cell A {
  |        ^
",
    );
}

#[test]
fn a_label_far_away_and_one_in_another_file() {
    let spec = format!("cell A {{\n{}}}\n", "  dims I\n".repeat(5000));
    let mut sources = sources(&spec);
    let other = sources.add(SourceFile::new("lib/b.rnn", "fn f(a) = a\n"));
    let fault = Diagnostic::new(Code::DefinedTwice, find(&spec, "I", 2500), "`I` twice")
        .label(find(&spec, "I", 0), "first here")
        .label(Span::new(other, 3, 4), "and a function")
        .fix(Applicability::Maybe, Span::new(other, 3, 4), "g");
    same(
        &render(&fault, &sources, Style::Plain),
        "
error[E0202]: `I` twice
    --> a.rnn:2502:8
     |
2502 |   dims I
     |        ^
     |
    ::: a.rnn:2:8
     |
   2 |   dims I
     |        - first here
     |
    ::: lib/b.rnn:1:4
     |
   1 | fn f(a) = a
     |    - and a function
     |
help: this may be what you mean
    --> lib/b.rnn:1:4
     |
   1 - fn f(a) = a
   1 + fn g(a) = a
",
    );
}

#[test]
fn colors_are_escape_sequences_around_the_same_text() {
    let fault = Diagnostic::new(Code::UnknownName, find(SPEC, "W", 1), "unknown name `W`")
        .help("no")
        .fix(Applicability::Maybe, find(SPEC, "W", 1), "U");
    let plain = render(&fault, &sources(SPEC), Style::Plain);
    let color = render(&fault, &sources(SPEC), Style::Color);
    assert!(color.contains("\x1b[1m\x1b[91merror[E0201]"), "{color:?}");
    assert_eq!(
        color.lines().map(super::bare).collect::<Vec<_>>(),
        plain.lines().collect::<Vec<_>>()
    );
}

#[test]
fn spans_that_do_not_fit_are_clamped() {
    let text = "é\n日本語 x\r\n\n\ta";
    for start in 0..text.len() + 4 {
        for end in start..text.len() + 4 {
            for file in [0, 1, 9] {
                let span = Span::new(FileId(file), start, end);
                let fault = Diagnostic::new(Code::BadNumber, span, "m")
                    .label(Span::new(FileId(0), end, end + 1), "l")
                    .label(Span::new(FileId(1), 0, start), "")
                    .fix(Applicability::Certain, span, "\u{0}é");
                let mut sources = sources(text);
                sources.add(SourceFile::new("empty", ""));
                let shown = render(&fault, &sources, Style::Plain);
                assert!(shown.starts_with("error[E0108]: m"), "{shown}");
            }
        }
    }
    let nowhere = Diagnostic::new(Code::BadNumber, Span::default(), "m").help("none");
    same(
        &render(&nowhere, &SourceMap::default(), Style::Plain),
        "
error[E0108]: m
 |
 = help: none
",
    );
}

#[test]
fn the_summary_counts_what_was_found_and_what_was_left_out() {
    let error = |turn| Diagnostic::new(Code::UnknownName, find(SPEC, "H", turn), "unknown");
    let warning = Diagnostic::new(Code::UnusedParam, find(SPEC, "W", 0), "never used");
    let map = sources(SPEC);
    assert_eq!(render_all(&[], &map, Style::Plain, LIMIT), "");
    same(
        &render_all(std::slice::from_ref(&warning), &map, Style::Plain, LIMIT),
        "
warning[W0601]: never used
 --> a.rnn:5:9
  |
5 |   param W: [H, I]
  |         ^

warning: `a.rnn`: 1 warning
",
    );
    let all = [warning.clone(), error(0), error(1), warning.clone()];
    same(
        &render_all(&all, &map, Style::Plain, 1),
        "
error[E0201]: unknown
 --> a.rnn:2:11
  |
2 |   dims I, H
  |           ^

... and 1 more error, 2 more warnings

error: could not compile `a.rnn`: 2 errors, 2 warnings
",
    );
    assert!(
        render_all(&all, &map, Style::Plain, LIMIT)
            .ends_with("\n\nerror: could not compile `a.rnn`: 2 errors, 2 warnings\n")
    );
    let all = vec![error(0); 33];
    assert!(
        render_all(&all, &map, Style::Plain, LIMIT).ends_with(
            "\n\n... and 13 more errors\n\nerror: could not compile `a.rnn`: 33 errors\n"
        )
    );
}

#[test]
fn a_name_of_a_megabyte_does_not_fill_the_screen() {
    let name = "q".repeat(1 << 20);
    let spec = format!("let a = {name}\n");
    let fault =
        Diagnostic::new(Code::UnknownName, find(&spec, &name, 0), format!("unknown name `{name}`"));
    shows(
        &fault,
        &spec,
        "
error[E0201]: unknown name `qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq...qqqqqqqqqqqqqqqqqqqqqqqq`
 --> a.rnn:1:9
  |
1 | let a = qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq...
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
",
    );
}

proptest! {
    /// Whatever the text and wherever the spans: no panic, clean lines of bounded width, and the
    /// same text twice.
    #[test]
    fn any_text_and_any_spans_render(
        text in "([ -~\\t\\r\\né日\u{202e}\u{0}\u{200d}👩]|word |let x = y\\n){0,300}",
        spans in prop::collection::vec((0_usize..700, 0_usize..700, 0_u16..3), 1..6),
        edits in prop::collection::vec((0_usize..700, 0_usize..40, "[ab\\n\\t]{0,4}"), 0..4),
    ) {
        let mut sources = sources(&text);
        sources.add(SourceFile::new("other.rnn", text.chars().rev().collect::<String>()));
        let span = |&(start, end, file): &(usize, usize, u16)| {
            Span::new(FileId(file), start.min(end), start.max(end))
        };
        let mut fault = Diagnostic::new(Code::BadNumber, span(&spans[0]), "message").at("here");
        for place in &spans[1..] {
            fault = fault.label(span(place), "label");
        }
        let edits = edits.iter().map(|(at, length, new)| {
            (Span::new(FileId(0), *at, at + length), new.clone())
        });
        let fault = fault.fixes(Applicability::Maybe, edits.collect());
        let shown = render(&fault, &sources, Style::Plain);
        prop_assert_eq!(&shown, &render(&fault, &sources, Style::Plain));
        for line in shown.lines() {
            prop_assert!(line.chars().count() <= 160, "{}", line);
            prop_assert!(!line.contains(['\u{202e}', '\0', '\t', '\r', super::MARK]), "{}", line);
            prop_assert_eq!(line, line.trim_end_matches(' '));
        }
        prop_assert!(shown.lines().count() < 400);
    }
}

#[test]
fn a_message_costs_the_same_in_a_file_of_any_size() {
    let spec = format!("cell A {{\n{}}}\n", "  let a = b + c\n".repeat(100_000));
    let map = sources(&spec);
    let fault = Diagnostic::new(Code::UnknownName, find(&spec, "b", 99_000), "unknown name `b`")
        .label(find(&spec, "A", 0), "here");
    // The fastest of some, for a busy machine must not fail this.
    let times = (0..20).map(|_| {
        let start = std::time::Instant::now();
        render(&fault, &map, Style::Plain);
        start.elapsed()
    });
    let fastest = times.min().expect("there are twenty");
    assert!(fastest.as_millis() < 5, "{fastest:?} for one message");
}
