//! Compiled artifacts: they stand for their source everywhere, and damaged ones are refused.

use crate::scratch::Scratch;

const CELL: &str = "\
/// A leaky sum.
cell Leaky {
  dims H
  hyper a = 0.5
  input x: [H]
  state h: [H]
  h = a * prev h + x
  output h
}
cell Other { dims H  input x: [H]  state h: [H]  h = prev h + x  output h }
";

fn compiled() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("leaky.rnn", CELL);
    scratch.rnnc("compile leaky.rnn --cell Leaky --set a=0.25 --set H=2 -o a.ron").expect(0);
    scratch
}

#[test]
fn an_artifact_stands_for_its_source() {
    let scratch = compiled();
    let set = "leaky.rnn --cell Leaky --set a=0.25 --set H=2";
    for command in ["run", "grad", "gradcheck --seeds 1 --steps 3", "compile --emit forward"] {
        let source = scratch.rnnc(&format!("{command} {set}")).expect(0);
        let artifact = scratch.rnnc(&format!("{command} a.ron")).expect(0);
        assert_eq!(source.stdout, artifact.stdout, "{command}");
    }
    assert_eq!(scratch.rnnc("show a.ron").expect(0).stdout, CELL);
    scratch.rnnc("check a.ron").expect(0);
    let tree = scratch.rnnc("compile a.ron --emit ast").expect(0).stdout;
    assert_eq!(tree, scratch.rnnc("compile leaky.rnn --emit ast").expect(0).stdout);
    scratch.rnnc("compile a.ron -o b.ron").expect(0);
    assert_eq!(scratch.text("a.ron"), scratch.text("b.ron"));
}

#[test]
fn what_is_set_later_wins() {
    let scratch = compiled();
    let source = scratch.rnnc("run leaky.rnn --cell Leaky --set H=2 --set a=0.75").expect(0);
    let artifact = scratch.rnnc("run a.ron --set a=0.75").expect(0);
    assert_eq!(source.stdout, artifact.stdout);
}

#[test]
fn an_artifact_has_snapshots_beside_it() {
    let scratch = compiled();
    scratch.rnnc("test a.ron").expect(1);
    scratch.rnnc("test a.ron --update").expect(0);
    scratch.rnnc("test a.ron").expect(0);
    let snapshot = scratch.text("snapshots/a.snap");
    assert!(snapshot.contains("== Leaky run") && !snapshot.contains("Other"), "{snapshot}");
}

/// Every damage is found out, with one message and without a panic.
#[test]
fn damaged_artifacts_are_refused() {
    let scratch = compiled();
    let sound = scratch.text("a.ron");
    let mut damaged = vec![
        ("nothing", String::new()),
        ("a later format", sound.replacen("format: 2", "format: 3", 1)),
        ("another source", sound.replacen("a * prev h", "a + prev h", 1)),
        ("a source that does not parse", sound.replacen("a * prev h", "a * * h", 1)),
        ("another setting", sound.replacen("\"0.25\"", "\"0.5\"", 1)),
        ("an unknown setting", sound.replacen("\"a\"", "\"q\"", 1)),
        ("an unknown field", sound.replacen("format: 2", "format: 2, more: 2", 1)),
        (
            "a flood of settings",
            sound.replacen("(\"a\", \"0.25\")", &"(\"a\", \"0.25\"), ".repeat(70_000), 1),
        ),
        ("text behind", format!("{sound} 1")),
        ("parentheses", "(".repeat(10 << 20)),
        ("brackets within", format!("(format: 2, cell: {}", "[".repeat(1 << 20))),
        ("a name with controls", sound.replacen("leaky.rnn", "\\u{1b}[2Jleaky", 1)),
    ];
    // Each number of the graph, one at a time, would take long; the first digits of each line do.
    let mut at = 0;
    for line in sound.split_inclusive('\n') {
        let digit = line.find(|it: char| it.is_ascii_digit());
        let in_graph = at > sound.find("cell: (").expect("the graph");
        if let (Some(digit), true) = (digit, in_graph) {
            let mut text = sound.clone();
            let old = &text[at + digit..=at + digit];
            let new = if old == "7" { "8" } else { "7" };
            text.replace_range(at + digit..=at + digit, new);
            damaged.push(("a digit of the graph", text));
        }
        at += line.len();
    }
    assert!(damaged.len() > 15, "the graph has lines with numbers");
    damaged.truncate(60);
    for (what, text) in &damaged {
        assert_ne!(*text, sound, "{what}");
        scratch.write("bad.ron", text);
        let output = scratch.rnnc("run bad.ron").expect(4);
        assert!(output.stderr.starts_with("error[E0710]: bad.ron: "), "{what}: {}", output.stderr);
        assert!(!output.stderr.contains('\u{1b}'), "{what}");
        assert!(output.stderr.len() < 2000, "{what}: {} bytes", output.stderr.len());
    }
    scratch.write("bad.ron", b"\xff\xfe(");
    let output = scratch.rnnc("check bad.ron").expect(4);
    assert!(output.stderr.contains("E0710"), "{}", output.stderr);
}

#[test]
fn an_artifact_that_is_cut_off_is_refused_at_every_length() {
    let scratch = compiled();
    let sound = scratch.text("a.ron");
    let step = sound.len() / 40;
    for length in (0..sound.len() - 1).step_by(step) {
        scratch.write("bad.ron", &sound[..length]);
        let output = scratch.rnnc("check bad.ron").expect(4);
        assert!(output.stderr.contains("E0710"), "{length}: {}", output.stderr);
    }
}

/// A NaN equals nothing, not even the one that was written.
#[test]
fn a_constant_that_is_no_number_is_the_same_when_read() {
    let scratch = Scratch::new();
    scratch.write("nan.rnn", "cell N { input x: []  hyper a = inf - inf  output y = a * x }");
    scratch.rnnc("compile nan.rnn -o nan.ron").expect(0);
    assert!(scratch.text("nan.ron").contains("NaN"), "{}", scratch.text("nan.ron"));
    scratch.rnnc("compile nan.ron").expect(0);
}
