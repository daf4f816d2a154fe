//! What an editor asks: definitions, references and types at every place of every file, right or wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rnnc::api::{Loaded, load};
use rnnc::check::{Analysis, Type, analyse};
use rnnc::data::Folder;
use rnnc::diag::Code;
use rnnc::hir::{Owner, Target, walk};
use rnnc::text::{FileId, SourceMap, Span};

const FIRST: FileId = FileId(0);

/// All specs below a folder.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|it| it == "rnn") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder}");
    found
}

fn read(path: &Path) -> Loaded {
    let folder = Folder::of_file(path);
    load(&path.display().to_string(), &fs::read(path).unwrap(), &folder)
}

fn text(sources: &SourceMap) -> &str {
    &sources.file(FIRST).text
}

/// Asks everything at every byte, and checks that a name is spelled as its definition.
fn ask(analysis: &Analysis<'_>, sources: &SourceMap, name: &str) -> (usize, usize) {
    let (mut defined, mut typed) = (0, 0);
    for byte in 0..=text(sources).len() as u32 + 1 {
        typed += usize::from(analysis.type_at(FIRST, byte).is_some());
        let Some(reference) = analysis.reference_at(FIRST, byte) else { continue };
        let Some(definition) = analysis.definition_at(FIRST, byte) else {
            let built_in = matches!(reference.target, Target::Builtin(_) | Target::Parameter(_));
            assert!(built_in, "{name}: {reference:?} has no definition");
            continue;
        };
        defined += 1;
        let (here, there) = (sources.snippet(reference.span), sources.snippet(definition));
        // Letters that only look Latin are read as what they look like.
        assert!(here == there || !here.is_ascii(), "{name}: {reference:?}");
        assert!(analysis.references(reference.target).any(|it| it.span == definition), "{name}");
    }
    (defined, typed)
}

#[test]
fn every_place_of_every_file_can_be_asked() {
    let (mut defined, mut typed) = (0, 0);
    for folder in ["specs", "tests/cases/fail", "tests/cases/ok", "tests/cases/warn"] {
        for path in files(folder) {
            let loaded = read(&path);
            let analysis = analyse(&loaded.program);
            let found = ask(&analysis, &loaded.sources, &path.display().to_string());
            defined += found.0;
            typed += found.1;
        }
    }
    // Most bytes of these files belong to comments, numbers and signs.
    assert!(defined > 50_000 && typed > 80_000, "{defined} {typed}");
}

/// Words that are no names in their places.
const WORDS: &[&str] = &[
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
    "index",
    "init",
    "per",
    "step",
    "sequence",
    "run",
    "over",
    "from",
    "for",
    "in",
    "at",
    "last",
    "first",
    "teacher",
    "like",
    "shares",
    "backward",
    "derivative",
    "optional",
];

/// The names of a text, without comments and strings, each with its place.
fn names(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let code = &line[..line.find("//").unwrap_or(line.len())];
        if !code.trim_start().starts_with("use ") {
            let mut at = 0;
            let is_letter = |it: char| it.is_ascii_alphanumeric() || it == '_';
            for piece in code.split_inclusive(|it| !is_letter(it)) {
                let word = piece.trim_end_matches(|it| !is_letter(it));
                let quoted = code[..at].matches('"').count() % 2 == 1;
                if word.starts_with(|it: char| it.is_ascii_alphabetic()) && !quoted {
                    found.push((start + at, word));
                }
                at += piece.len();
            }
        }
        start += line.len();
    }
    found
}

#[test]
fn every_name_of_a_spec_has_a_meaning() {
    let mut n_names = 0;
    for path in files("specs") {
        let loaded = read(&path);
        let analysis = analyse(&loaded.program);
        let text = text(&loaded.sources);
        let tree = &analysis.tree;
        // Stored tensors belong to other frameworks.
        let layouts = tree.cells.iter().flat_map(|it| &it.layouts).map(|it| it.decl);
        let foreign: Vec<usize> = layouts
            .flat_map(|it| {
                let rows = it.rows.iter().flat_map(|it| &it.names).map(|it| it.span.start);
                rows.chain([it.name.span.start])
            })
            .map(|it| it as usize)
            .collect();
        for (at, name) in names(text) {
            let reference = analysis.reference_at(FIRST, at as u32);
            let known = reference.is_some_and(|it| it.span.range() == (at..at + name.len()));
            let is_word = WORDS.contains(&name) || foreign.contains(&at);
            assert!(known || is_word, "{}: `{name}` at {at}", path.display());
            n_names += usize::from(known);
        }
    }
    assert!(n_names > 10_000, "{n_names}");
}

#[test]
fn every_expression_of_a_spec_has_a_type() {
    let (mut n_exprs, mut n_ranges) = (0, 0);
    for path in files("specs") {
        let loaded = read(&path);
        let analysis = analyse(&loaded.program);
        for cell in &analysis.tree.cells {
            walk::cell(cell, &mut |expr| {
                let typed = analysis.type_of(expr.id);
                let span = expr.span();
                let shown = loaded.sources.snippet(span);
                assert!(typed.is_some(), "{}: `{shown}` of {}", path.display(), cell.name());
                n_exprs += 1;
                n_ranges += usize::from(typed.is_some_and(|it| it.range.is_some()));
            });
            for (def, it) in cell.defs.pairs() {
                let id = analysis
                    .tree
                    .cells
                    .ids()
                    .find(|id| std::ptr::eq(&analysis.tree.cells[*id], cell));
                let typed = analysis.type_of_def(id.unwrap(), def);
                assert!(typed.is_some(), "{}: {}", path.display(), it.name.name);
            }
        }
    }
    assert!(n_exprs > 10_000 && n_ranges > 500, "{n_exprs} {n_ranges}");
}

/// What an editor sees while somebody types: files that end anywhere, and files that lack a word.
#[test]
fn incomplete_files_can_be_asked() {
    let mut defined = 0;
    let mut named = 0;
    for path in files("specs") {
        let loaded = read(&path);
        let text = text(&loaded.sources);
        let whole = analyse(&loaded.program);
        let boundary = |at: usize| (at..=text.len()).find(|it| text.is_char_boundary(*it)).unwrap();
        let mut spoilt = Vec::new();
        for part in 1..4 {
            let before = &text[..boundary(part * text.len() / 4)];
            spoilt.extend([before.to_owned(), format!("{before}\n}}")]);
        }
        let words = names(text);
        for part in 1..3 {
            let (at, word) = words[part * words.len() / 3];
            spoilt.push(format!("{}{}", &text[..at], &text[at + word.len()..]));
        }
        for spoilt in spoilt {
            let name = path.display().to_string();
            let loaded = load(&name, spoilt.as_bytes(), &Folder::of_file(&path));
            let analysis = analyse(&loaded.program);
            defined += ask(&analysis, &loaded.sources, &name).0;
            if !text.starts_with(&spoilt) {
                continue;
            }
            // Nobody asks for what is not written yet.
            for it in &analysis.diagnostics {
                let early = [Code::NoOutput, Code::NoEquation, Code::UnknownName, Code::UnusedName];
                assert!(!early.contains(&it.code), "{name}: {it:?} of {spoilt}");
            }
            // What was declared before the declaration that the cut goes through is known.
            let decls = whole.tree.cells.iter().flat_map(|it| &it.ast.decls).map(|it| it.span);
            let mut cut = spoilt.len() as u32;
            for decl in decls.filter(|it| it.file == FIRST) {
                if decl.start < cut && cut < decl.end {
                    cut = decl.start;
                }
            }
            let of_cell =
                |it: &Target| matches!(it, Target::Def(..) | Target::Local(Owner::Cell(_), _));
            let before = |it: Span| it.file == FIRST && it.end <= cut;
            let names = whole.tree.references.iter();
            for it in names.filter(|it| it.is_definition && before(it.span) && of_cell(&it.target))
            {
                named += 1;
                let found = analysis.definition_at(FIRST, it.span.start);
                assert_eq!(found, Some(it.span), "{name}: {it:?}, cut at {cut}");
            }
        }
    }
    assert!(defined > 10_000, "{defined}");
    assert!(named > 3_000, "{named}");
}

/// The type at a marked place, as text.
fn types(source: &str) -> BTreeMap<String, String> {
    let folder = Folder::current();
    let loaded = load("t.rnn", source.as_bytes(), &folder);
    let analysis = analyse(&loaded.program);
    names(source)
        .into_iter()
        .filter_map(|(at, name)| {
            let typed = analysis.type_at(FIRST, at as u32)?;
            let text = match &typed.type_ {
                Type::Real(shape) => shape.to_string(),
                Type::Index(below) => format!("index[{below}]"),
                Type::Size => "size".to_owned(),
                Type::Activation => "activation".to_owned(),
            };
            Some((name.to_owned(), text))
        })
        .collect()
}

#[test]
fn a_cell_with_errors_has_the_types_that_can_be_told() {
    let found = types(
        "cell A { dims I, H input x: [I] input token: index[I] state h: [H] param W: [H, I], T: [I, H]
           hyper act = tanh
           let e = W @ x let wrong = W @ h let unknown = q + 1 let t = T[token]
           h = act(e) + unknown output h }",
    );
    let of = |name: &str| found.get(name).map(String::as_str);
    assert_eq!(of("x"), Some("[I]"));
    assert_eq!(of("e"), Some("[H]"));
    assert_eq!(of("token"), Some("index[I]"));
    assert_eq!(of("t"), Some("[H]"));
    assert_eq!(of("tanh"), Some("activation"));
    assert_eq!(of("I"), Some("size"));
    assert_eq!((of("q"), of("wrong")), (None, None));
}

#[test]
fn models_have_definitions_and_types() {
    let source = "model M { dims H = 4 input x: [3] target y: [1] feedback f: [1] = 0 teacher y
        param W: [1, 3] f = W @ x + prev f loss square(f[0] - y[0]) at last }";
    let found = types(source);
    assert_eq!(found["f"], "[1]");
    assert_eq!(found["y"], "[1]");
    let folder = Folder::current();
    let loaded = load("t.rnn", source.as_bytes(), &folder);
    let analysis = analyse(&loaded.program);
    let teacher = source.find("teacher y").unwrap() + "teacher ".len();
    let target = analysis.reference_at(FIRST, teacher as u32).unwrap().target;
    let places: Vec<usize> = analysis.references(target).map(|it| it.span.start as usize).collect();
    let target = source.find("y: [1]").unwrap();
    assert_eq!(places, [target, teacher, source.find("y[0]").unwrap()]);
}
