//! Text to tree: what parses, what the messages say about the rest, and that no text does harm.

#[path = "syntax/random.rs"]
mod random;

use proptest::prelude::{ProptestConfig, any, proptest};
use rnnc::diag::{Code, Diagnostic, has_errors};
use rnnc::syntax::{ast, decode, erase_spans, parse, print, print_expr};
use rnnc::text::{FileId, SourceFile};

fn read(text: &str) -> (ast::File, Vec<Diagnostic>) {
    let source = SourceFile::new("test.rnn", text);
    let (tree, diagnostics) = parse(&source, FileId(0));
    for diagnostic in &diagnostics {
        let labels = diagnostic.labels.iter().map(|it| it.span);
        let edits = diagnostic.fix.iter().flat_map(|it| it.edits.iter().map(|it| it.0));
        for span in std::iter::once(diagnostic.span).chain(labels).chain(edits) {
            assert!(
                text.get(span.range()).is_some(),
                "{} `{}`: span {span:?} does not fit the text",
                diagnostic.code.as_str(),
                diagnostic.message
            );
        }
    }
    (tree, diagnostics)
}

/// The diagnostics, one a line: code, line and column, message.
fn messages(text: &str) -> Vec<String> {
    let source = SourceFile::new("test.rnn", text);
    let show = |it: &Diagnostic| {
        let place = source.line_column(it.span.start);
        format!("{} {}:{} {}", it.code.as_str(), place.line, place.column, it.message)
    };
    read(text).1.iter().map(show).collect()
}

/// A good text, printed: the form that reading and printing again leaves as it is.
#[track_caller]
fn printed(text: &str) -> String {
    let (mut tree, diagnostics) = read(text);
    assert_eq!(diagnostics, [], "{text}");
    let once = print(&tree);
    let (mut again, diagnostics) = read(&once);
    assert_eq!(diagnostics, [], "{once}");
    assert_eq!(print(&again), once);
    erase_spans(&mut tree);
    erase_spans(&mut again);
    assert_eq!(tree, again);
    once
}

const EVERYTHING: &str = include_str!("syntax/everything.rnn");

#[test]
fn every_construct_is_read_and_printed() {
    insta::assert_snapshot!("everything", printed(EVERYTHING));
}

#[test]
fn unary_minus_and_powers_bind_as_the_reference_says() {
    let tree = |text: &str| {
        let file = read(&format!("fn f(a) = {text}")).0;
        let [ast::Item::Function(function)] = &file.items[..] else { panic!("one function") };
        grouped(&function.body)
    };
    assert_eq!(tree("-a ^ 2"), "-[a ^ 2]");
    assert_eq!(tree("2 ^ -x @ y"), "[[2 ^ -x] @ y]");
    assert_eq!(tree("a ^ b ^ c"), "[a ^ [b ^ c]]");
    assert_eq!(tree("a @ -b @ c"), "[a @ [-b @ c]]");
    assert_eq!(tree("a - b - c < d * e / f"), "[[a - b - c] < [d * e / f]]");
    assert_eq!(tree("- -a[0] + b"), "[--a + b]");
}

/// The tree of operators, with brackets around each node.
fn grouped(expr: &ast::Expr) -> String {
    match &expr.kind {
        ast::ExprKind::Neg(_, inner) => format!("-{}", grouped(inner)),
        ast::ExprKind::Binary(op, _, left, right) => {
            format!("[{} {} {}]", grouped(left), op.symbol(), grouped(right))
        }
        ast::ExprKind::Chain(first, rest) => {
            let rest = rest.iter().map(|it| format!(" {} {}", it.0.symbol(), grouped(&it.2)));
            format!("[{}{}]", grouped(first), rest.collect::<String>())
        }
        ast::ExprKind::Index(base, _) => grouped(base),
        _ => print_expr(expr),
    }
}

#[test]
fn three_slips_give_three_errors() {
    let text = "cell A {\n  h = W x\n  parma U: [H]\n  let a = (b + c\n  let d = a\n}\n";
    let found = messages(text);
    assert_eq!(
        found,
        [
            "E0102 2:9 missing operator between `W` and `x`",
            "E0114 3:3 unknown declaration `parma`; did you mean `param`?",
            "E0104 4:11 `(` is never closed",
        ]
    );
    // What is right beside them is read.
    let (tree, _) = read(text);
    assert!(print(&tree).contains("let d = a"));
}

#[test]
fn failures_are_told_in_words() {
    let cases = [
        ("h = a + b )", "E0101 1:20 `)` closes nothing"),
        ("let a =", "E0101 1:17 expected a value, found `}`"),
        ("h = U @ r * h", "E0103 1:16 `@` and `*` need parentheses here"),
        ("h = a / U @ r", "E0103 1:20 `@` and `/` need parentheses here"),
        ("h = a < b < c", "E0112 1:20 comparisons do not chain"),
        ("h = 2 b", "E0102 1:16 missing operator between `2` and `b`"),
        ("h = W prev h", "E0102 1:16 missing operator between `W` and `prev h`"),
        ("h = a\n(b)", "E0102 2:1 missing operator between `a` and `(b)`"),
        ("let gate = 1", "E0110 1:14 `gate` is a reserved word and cannot be a name"),
        ("h = if a", "E0110 1:14 there is no `if` in this language"),
        ("h = prev (a + b)", "E0205 1:14 `prev` takes a name, not an expression"),
        ("h = prev tanh(a)", "E0205 1:14 `prev` takes a name, not an expression"),
        ("h == a", "E0101 1:12 an equation is written with `=`"),
        ("h := a", "E0101 1:12 an equation is written with `=`"),
        ("h = a;", "E0101 1:15 a statement ends by itself; remove `;`"),
        ("h = a ** 2", "E0101 1:16 powers are written `^`"),
        ("h = a && b", "E0101 1:16 there is no `&&`"),
        ("h = 1e999", "E0108 1:14 number `1e999` is too large"),
        ("h = .5", "E0108 1:14 number `.5` has no digit before its point"),
        ("h = σ", "E0107 1:14 name `σ` holds letters outside ASCII"),
        ("h = a × b", "E0105 1:16 character `×` (U+00D7) is not allowed here"),
        ("h = a\u{A0}", "E0105 1:15 blank outside ASCII U+00A0 is not allowed here"),
        (
            "h = a // \u{202E}",
            "E0105 1:19 control of the text direction U+202E is not allowed here",
        ),
        ("h = \0a", "E0105 1:14 NUL character U+0000 is not allowed here"),
        ("h = \ra", "E0105 1:14 carriage return U+000D is not allowed here"),
        ("h = a # why", "E0106 1:16 a comment begins with `//`, not `#`"),
        ("h = a /* why */", "E0106 1:16 a comment begins with `//`, not `/*`"),
        ("h = f(a]", "E0104 1:15 `(` is closed by `]`"),
        (
            "mask d: [H] = p per turn",
            "E0101 1:30 expected `step`, `sequence` or `run`, found `turn`",
        ),
        ("yield 3", "E0101 1:10 `yield` may only end the body of a `fold`"),
    ];
    for (text, expected) in cases {
        let newline = if text.contains("//") || text.contains('#') { "\n" } else { " " };
        assert_eq!(messages(&format!("cell A {{ {text}{newline}}}")), [expected], "{text:?}");
    }
}

#[test]
fn the_readings_of_an_ambiguous_product_can_be_pasted() {
    for text in ["U @ r * h", "a * U @ r", "a @ b @ c * d / e @ f", "a * -b @ c + d"] {
        let (_, diagnostics) = read(&format!("fn f(a) = {text}"));
        let help = diagnostics[0].help.as_deref().expect("both readings");
        let readings: Vec<&str> = help.split('`').skip(1).step_by(2).collect();
        assert_eq!(readings.len(), 2, "{help}");
        for reading in readings {
            printed(&format!("fn f(a) = {reading}"));
        }
    }
}

/// Applies the fix of the only diagnostic.
#[track_caller]
fn mended(text: &str) -> String {
    let (_, diagnostics) = read(text);
    let [diagnostic] = &diagnostics[..] else {
        panic!("one diagnostic of {text}: {diagnostics:?}")
    };
    let mut edits = diagnostic.fix.as_ref().expect("a fix").edits.clone();
    edits.sort_by_key(|it| std::cmp::Reverse(it.0));
    let mut result = text.to_owned();
    for (span, replacement) in edits {
        result.replace_range(span.range(), &replacement);
    }
    result
}

#[test]
fn fixes_lead_to_texts_that_parse() {
    let cases = [
        ("h = W x", "h = W @ x"),
        ("h = 2 b", "h = 2 * b"),
        ("parma W: [H]", "param W: [H]"),
        ("h = а + 1", "h = a + 1"),
        ("h = σ(x)", "h = sigmoid(x)"),
        ("h = σ + x", "h = sigma + x"),
        ("h = 5. + x", "h = 5.0 + x"),
        ("h = x ** 2", "h = x ^ 2"),
        ("h := x", "h = x"),
        ("h == x", "h = x"),
        ("h = x;", "h = x"),
        ("prev h = x", "h = x"),
        ("h = a # b\n", "h = a // b\n"),
        ("h = a /* b\n c */\n", "h = a // b\n//  c \n"),
        ("h = sum(v over D)", "h = sum(v, over D)"),
        ("h = prev (a + b)", "let v = a + b\n  h = prev v"),
        ("h = a − b", "h = a - b"),
    ];
    for (wrong, right) in cases {
        let after = mended(&format!("cell A {{ {wrong} }}"));
        assert_eq!(after, format!("cell A {{ {right} }}"));
        printed(&after);
    }
}

#[test]
fn a_statement_begins_wherever_its_word_stands() {
    let text = "cell A { dims H state h: [H] gate z = sigmoid(h) h = a init = b per = c output h }";
    assert_eq!(printed(text).lines().count(), 9);
    // `backward`, `teacher` and the like are names where they begin an equation.
    printed(
        "model A { layer a = B(x = e)\n backward = 3 feedback y: [1] = 0 teacher y\n at = last }",
    );
    // Keywords end where names end.
    printed("cell A { lettuce = 1 inputs = dimsum + prevent + fnord }");
}

#[test]
fn documentation_stays_with_what_it_documents() {
    let text = "/// One.\n///\n///  Two.\ncell A {\n  /// H.\n  dims H // not this\n}\n";
    assert_eq!(printed(text), text.replace(" // not this", ""));
    assert_eq!(
        messages("cell A {\n  dims H\n  /// a\n  /// b\n}\n/// c\n"),
        ["W0607 3:3 this comment documents nothing", "W0607 6:1 this comment documents nothing"]
    );
}

#[test]
fn bytes_become_text() {
    assert_eq!(decode(b"\xEF\xBB\xBFcell").as_deref(), Ok("cell"));
    let error = decode(b"\xEF\xBB\xBFab\xFF").expect_err("not UTF-8");
    assert_eq!((error.offset, &*error.message), (5, "byte 0xFF at offset 5 is not UTF-8"));
    assert_eq!(error.diagnostic(FileId(0)).code, Code::BadCharacter);
    assert!(decode(b"\xFF\xFEc\0").is_err_and(|it| it.message.contains("UTF-16")));
    // A mark anywhere else is a blank that nobody sees.
    assert_eq!(messages("cell A {}\u{FEFF}").len(), 1);
}

#[test]
fn files_without_an_item_are_errors() {
    for text in ["", "\n", "// nothing\n", "// no line end"] {
        assert_eq!(messages(text), ["E0111 1:1 the file holds no item"]);
    }
    printed("cell A { dims H\r\n  h = a\r\n}\r\n");
    printed("cell A { dims H }");
}

/// Texts that are long or deep in one way each, of about `n` parts.
fn hostile(n: usize) -> Vec<(&'static str, String)> {
    let cell = |body: String| format!("cell A {{\n{body}\n}}\n");
    let many = |part: &str| part.repeat(n);
    let equation = |value: String| cell(format!("  h = {value}"));
    vec![
        ("sum", equation(format!("a{}", many(" + b")))),
        ("product", equation(format!("a{}", many(" * b")))),
        ("matrix", equation(format!("a{}", many(" @ b")))),
        ("both", equation(format!("a{}", many(" @ b * c")))),
        ("power", equation(format!("a{}", many(" ^ b")))),
        ("comparison", equation(format!("a{}", many(" < b")))),
        ("minus", equation(format!("{}a", many("-")))),
        ("round", equation(many("("))),
        ("square", equation(many("["))),
        ("curly", many("{")),
        ("calls", equation(many("f("))),
        ("lookups", equation(many("a["))),
        ("closed", equation(format!("{}a{}", many("("), many(")")))),
        ("closing", equation(many(")"))),
        ("crossed", equation(many("(]"))),
        ("indices", equation(format!("a{}", many("[0]")))),
        ("fields", equation(format!("a{}", many(".b")))),
        ("called", equation(format!("a{}", many("(b)")))),
        ("arguments", equation(format!("f(a{})", many(", b = c")))),
        ("prev", equation(many("prev "))),
        ("names", equation(many("ab "))),
        ("name", equation(many("ab"))),
        ("digits", equation(many("12"))),
        ("comment", format!("// {}", many("x"))),
        ("declarations", cell(many("  let a = b\n"))),
        ("broken", cell(many("  let a = b c\n"))),
        ("unknown", cell(many("  parma W: [H]\n"))),
        ("unclosed", cell(many("  let a = f(b\n"))),
        ("nested prev", cell(many("  h = prev (a + b)\n"))),
        ("bidi", cell(many("\u{202E}"))),
        ("signs", cell(many("?"))),
        ("quotes", cell(many("\""))),
        ("blocks", cell(many("/* */ "))),
        ("block", cell(many("/* "))),
        ("hashes", many("#\n")),
        ("greek", equation(many("σ + "))),
        ("overflow", equation(many("1e999 + "))),
        ("nul", many("\0")),
        ("returns", many("\r")),
        ("docs", many("/// a\n")),
        ("cells", many("cell A { dims H }\n")),
        ("open cells", many("cell A {\n")),
        ("folds", cell(format!("let s = {}", many("fold s from x for i in 0 .. 1 { let s = ")))),
        ("items", many("x y\n")),
    ]
}

#[test]
fn hostile_texts_give_a_shallow_tree_or_few_errors() {
    for (name, text) in hostile(20_000) {
        let (tree, diagnostics) = read(&text);
        assert!(!diagnostics.is_empty() || !tree.items.is_empty(), "{name}");
        assert!(diagnostics.len() <= 1000, "{name}: {}", diagnostics.len());
        // Printing recurses, and so do all later stages; the tree must allow it.
        let again = print(&tree);
        if !has_errors(&diagnostics) {
            assert_eq!(print(&read(&again).0), again, "{name}");
        }
    }
}

#[test]
fn nesting_is_limited_and_the_limit_can_be_reached() {
    let nested = |open: &str, close: &str, n: usize| {
        messages(&format!("fn f(a) = {}a{}", open.repeat(n), close.repeat(n)))
    };
    for (open, close) in [
        ("(", ")"),
        ("f(", ")"),
        ("[", "]"),
        ("a[", "]"),
        ("f(x, over D, k = ", ")"),
        ("prev(a, ", ")"),
    ] {
        assert_eq!(nested(open, close, 255), [""; 0], "{open}");
        let found = nested(open, close, 257);
        assert_eq!(found.len(), 1, "{open}");
        assert!(found[0].starts_with("E0109 "), "{open}: {found:?}");
    }
    for chain in ["-", "a ^ ", "a @ "] {
        let text = |n: usize| format!("fn f(a) = {}a", chain.repeat(n));
        assert_eq!(messages(&text(256)), [""; 0], "{chain}");
        let found = messages(&text(257));
        assert_eq!(found, ["E0109 1:11 the expression is nested more than 256 deep"], "{chain}");
    }
    // Of a sum, the length is no depth.
    assert_eq!(messages(&format!("fn f(a) = a{}", " + a".repeat(10_000))), [""; 0]);
}

#[test]
fn too_large_a_text_is_not_read() {
    let text = " ".repeat(rnnc::syntax::MAX_SOURCE + 1);
    assert_eq!(
        messages(&text),
        ["E0109 1:1 the file holds 4194305 bytes; at most 4194304 are read"]
    );
}

/// What every text must lead to: a tree or an error, with spans that fit (`read` looks at them),
/// and a tree that prints as a text without errors when there were none.
fn survives(text: &str) {
    let (tree, diagnostics) = read(text);
    assert!(!tree.items.is_empty() || has_errors(&diagnostics), "{text:?}");
    let once = print(&tree);
    if !has_errors(&diagnostics) {
        let (again, diagnostics) = read(&once);
        assert!(!has_errors(&diagnostics), "{once}");
        assert_eq!(print(&again), once);
    }
}

const SOUP: &[&str] = &[
    "cell",
    "model",
    "activation",
    "fn",
    "use",
    "dims",
    "hyper",
    "input",
    "state",
    "param",
    "const",
    "mask",
    "gate",
    "let",
    "output",
    "layer",
    "target",
    "feedback",
    "loss",
    "layout",
    "prev",
    "fold",
    "yield",
    "pi",
    "inf",
    "init",
    "per",
    "step",
    "teacher",
    "like",
    "shares",
    "backward",
    "at",
    "last",
    "over",
    "for",
    "in",
    "from",
    "index",
    "derivative",
    "if",
    "import",
    "a",
    "W_1",
    "A",
    "h",
    "2",
    "0.5",
    "1e999",
    ".5",
    "3x",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "=",
    "==",
    "=",
    ":",
    ",",
    "+",
    "-",
    "*",
    "/",
    "@",
    "^",
    "<",
    "!=",
    "..",
    ".",
    ";",
    "#",
    "//",
    "///",
    "/*",
    "*/",
    "\"",
    "'",
    "\n",
    "\n",
    "\n",
    "\r",
    "\0",
    "α",
    "ß",
    "漢",
    "−",
    "\u{202E}",
    "\u{A0}",
    "?",
    "&&",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_do_no_harm(bytes: Vec<u8>) {
        if let Ok(text) = decode(&bytes) {
            survives(&text);
        }
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_words_do_no_harm(words in proptest::collection::vec(0..SOUP.len(), 0..60), inside: bool) {
        let words: Vec<&str> = words.into_iter().map(|it| SOUP[it]).collect();
        survives(&words.join(" "));
        survives(&words.concat());
        if inside {
            survives(&format!("cell A {{ {} }}", words.join(" ")));
        }
    }

    #[test]
    fn random_trees_are_printed_and_read_again(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let file = random::Random::new(&bytes).file();
        let text = print(&file);
        let (mut again, diagnostics) = read(&text);
        assert_eq!(diagnostics, [], "{text}");
        erase_spans(&mut again);
        assert_eq!(again, file, "{text}");
        assert_eq!(print(&again), text);
    }
}

#[test]
fn a_missing_word_is_found_or_leaves_a_right_text() {
    let words: Vec<(usize, &str)> = EVERYTHING
        .char_indices()
        .filter(|(at, it)| {
            let name = |it: char| it.is_ascii_alphanumeric() || it == '_';
            let before = EVERYTHING[..*at].chars().next_back();
            !(it.is_whitespace() || name(*it) && before.is_some_and(name))
        })
        .map(|(at, _)| {
            let rest = &EVERYTHING[at..];
            let length = rest
                .find(|it: char| !it.is_ascii_alphanumeric() && it != '_')
                .unwrap_or(rest.len());
            (at, &rest[..length.max(rest.chars().next().map_or(1, char::len_utf8))])
        })
        .collect();
    for (at, word) in words {
        survives(&format!("{}{}", &EVERYTHING[..at], &EVERYTHING[at + word.len()..]));
        // Twice the same word is no better.
        survives(&format!("{} {word} {}", &EVERYTHING[..at], &EVERYTHING[at..]));
        // And neither is a file that ends there.
        survives(&EVERYTHING[..at]);
    }
}

#[test]
fn every_cell_of_the_library_is_read_and_printed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry of specs").path();
        if path.extension().is_some_and(|it| it == "rnn") {
            printed(&std::fs::read_to_string(&path).expect("a text file"));
        }
    }
}
