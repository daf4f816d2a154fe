//! The tree itself: who may use whom, how long files are, which words must not stand in it.

#[path = "support/uses.rs"]
mod uses;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rnnc::syntax::ast::Item;

/// Who may use whom. The table is the architecture; change it only together with ARCHITECTURE.md.
const MAY_USE: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("diag", &["text"]),
    ("syntax", &["text", "diag"]),
    ("ir", &["text", "diag"]),
    ("hir", &["text", "diag", "syntax", "ir"]),
    ("check", &["text", "diag", "syntax", "ir", "hir"]),
    ("mend", &["text", "diag", "syntax", "check"]),
    ("derive", &["text", "diag", "ir"]),
    ("plan", &["text", "diag", "ir", "derive"]),
    ("exec", &["text", "diag", "ir", "derive", "plan"]),
    ("data", &["text", "diag"]),
    ("train", &["text", "diag", "ir", "derive", "plan", "exec", "data"]),
    (
        "api",
        &[
            "text", "diag", "syntax", "ir", "hir", "check", "mend", "derive", "exec", "data",
            "train",
        ],
    ),
    ("export", &["text", "diag", "ir", "derive", "plan", "exec", "data"]),
    ("docgen", &["text", "diag", "syntax", "ir", "hir"]),
    ("graph", &["text", "ir", "hir", "derive"]),
    (
        "cli",
        &[
            "text", "diag", "syntax", "ir", "hir", "check", "mend", "derive", "plan", "exec",
            "data", "train", "api", "export", "docgen", "graph",
        ],
    ),
];

/// Stages that ARCHITECTURE.md names as still to come.
const LATER: &[&str] = &[];

/// Files of over 500 lines that are one table or one list.
const LONG: &[&str] = &[];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|it| it == "rs")
                && path.file_name().is_some_and(|it| it != "tests.rs")
            {
                // Unit tests, in a file of their own or at the end of one, may use everything.
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join("src"), &mut files);
    files
}

/// The code of a file without comments and without its unit tests, which may use everything.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]").next().unwrap();
    body.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

fn stage(path: &Path) -> Option<String> {
    let inner = path.strip_prefix(root().join("src")).unwrap();
    let mut parts = inner.components();
    let first = parts.next()?.as_os_str().to_string_lossy().into_owned();
    parts.next().is_some().then_some(first)
}

#[test]
fn stages_use_only_the_stages_before_them() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut faults = Vec::new();
    for path in sources() {
        let Some(stage) = stage(&path) else { continue };
        let may = allowed.get(stage.as_str()).unwrap_or_else(|| panic!("no row for `{stage}`"));
        let code = code(&fs::read_to_string(&path).unwrap());
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + 7..];
            let used: Vec<String> = match rest.strip_prefix('{') {
                Some(list) => list
                    .split('}')
                    .next()
                    .unwrap()
                    .split(',')
                    .map(|it| it.trim().split("::").next().unwrap().to_owned())
                    .collect(),
                None => {
                    vec![rest.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect()]
                }
            };
            for used in used {
                let known = allowed.contains_key(used.as_str());
                if known && used != stage && !may.contains(&used.as_str()) {
                    faults.push(format!("{}: `{stage}` uses `{used}`", path.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_the_command_line_prints_and_only_it_and_data_touch_files() {
    let mut faults = Vec::new();
    for path in sources() {
        let stage = stage(&path).unwrap_or_default();
        let code = code(&fs::read_to_string(&path).unwrap());
        let prints = ["println!", "eprintln!", "print!(", "eprint!(", "io::stdout", "io::stderr"];
        let touches = ["std::fs", "File::open", "File::create"];
        for word in prints {
            if stage != "cli" && code.contains(word) {
                faults.push(format!("{}: {word}", path.display()));
            }
        }
        for word in touches {
            if stage != "cli" && stage != "data" && code.contains(word) {
                faults.push(format!("{}: {word}", path.display()));
            }
        }
        let kernel = path.starts_with(root().join("src/exec/kernels"));
        if code.contains("unsafe ") && !kernel {
            faults.push(format!("{}: unsafe", path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The files of these stages can be read in an order in which each uses only what was read before.
#[test]
fn files_of_a_stage_use_each_other_in_one_direction() {
    let name = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect::<Vec<String>>();
    for stage in ["hir", "check"] {
        let mut modules = BTreeMap::new();
        for path in sources().iter().filter(|it| self::stage(it).as_deref() == Some(stage)) {
            let inner = path.strip_prefix(root().join("src")).unwrap().with_extension("");
            let parts = inner.components().map(|it| it.as_os_str().to_string_lossy().into_owned());
            let module: Vec<String> = parts.filter(|it| it != "mod").collect();
            if !module.iter().any(|it| it == "tests") {
                modules.insert(module, code(&fs::read_to_string(path).unwrap()));
            }
        }
        let uses = uses::Files::new(modules).uses();
        // Uses that are seen: through a re-export of a folder, through one of all names, of a module by its name.
        for (from, to) in [
            (&["check", "cell"][..], &["check", "layer", "store"][..]),
            (&["check", "cell"], &["check", "carries"]),
            (&["hir", "expr"], &["hir", "id"]),
            (&["hir", "items"], &["hir", "resolve"]),
        ] {
            if stage == from[0] {
                assert!(uses[&name(from)].contains(&name(to)), "{from:?} uses {to:?}");
            }
        }
        let cycles = uses::cycles(uses);
        assert!(cycles.is_empty(), "{}", cycles.join("\n"));
    }
}

/// Names are looked up once, by `hir`. What reads them in the text's tree after it would resolve them a second time; what
/// edits or prints texts asks `hir/written.rs`.
#[test]
fn names_are_read_from_the_texts_tree_by_hir_alone() {
    let mut seen = 0;
    let mut faults = Vec::new();
    for path in sources() {
        let stage = stage(&path).unwrap_or_default();
        let code = code(&fs::read_to_string(&path).unwrap());
        let reads =
            ["ExprKind::Path", "ExprKind::Prev", "ExprKind::Call", "DeclKind::", "Arg::Named"];
        for word in
            reads.iter().chain(&["TypeKind::", "ast::DimKind"]).filter(|it| code.contains(**it))
        {
            match stage.as_str() {
                // These make the tree, or try edits of a text that has errors.
                "syntax" | "mend" => {}
                "hir" => seen += 1,
                _ => faults.push(format!("{}: {word}", path.display())),
            }
        }
    }
    assert!(seen > 5, "hir reads names");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_are_short_enough_to_read() {
    let mut faults = Vec::new();
    for path in sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        if lines > 600 && !LONG.contains(&name.as_str()) {
            faults.push(format!("{name}: {lines} lines"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Doc comments that are still to be rewritten. The number only falls.
const CLAUSES_LEFT: usize = 156;

/// A doc comment says what a thing is or does: a function "Returns the rows that ..", a field is "The rows that ..". A clause such
/// as "Which rows .." or "Whether it .." is no sentence, and hides the verb.
#[test]
fn doc_comments_begin_with_a_verb_or_a_noun() {
    let clauses = ["What", "How", "Whether", "Where", "Which", "When", "Why", "Who"];
    let mut faults = Vec::new();
    let mut count = 0;
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let mut was_doc = false;
        for (idx, line) in text.lines().enumerate() {
            let doc = line.trim_start();
            let doc = doc.strip_prefix("///").or_else(|| doc.strip_prefix("//!"));
            let begins = doc.filter(|_| !was_doc).map(str::trim_start);
            was_doc = doc.is_some();
            count += usize::from(begins.is_some());
            let first = begins.and_then(|it| it.split_whitespace().next());
            if first.is_some_and(|it| clauses.contains(&it)) {
                faults.push(format!("{}:{}: {}", path.display(), idx + 1, line.trim()));
            }
        }
    }
    assert!(count > 5_000, "only {count} doc comments found");
    assert!(faults.len() <= CLAUSES_LEFT, "{}\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_code_map_says_who_may_use_whom() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let row = |line: &str| -> Option<(String, Vec<String>)> {
        let [stage, _, uses] =
            line.strip_prefix("| `")?.strip_suffix('|')?.split(" | ").collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let stage = stage.strip_suffix("/`")?.to_owned();
        Some((stage, quoted(uses)))
    };
    let mut above: Vec<String> = Vec::new();
    let rows: Vec<(String, Vec<String>)> = map.lines().filter_map(row).collect();
    assert_eq!(rows.len(), MAY_USE.len(), "{rows:?}");
    for ((stage, written), (expected, may)) in rows.iter().zip(MAY_USE) {
        assert_eq!(stage, expected);
        // The command line is the last row and may use all others.
        if stage == "cli" {
            assert_eq!(above, *may);
        } else {
            assert_eq!(*written, *may, "{stage}");
            assert!(may.iter().all(|it| above.iter().any(|stage| stage == it)), "{stage}");
        }
        above.push(stage.clone());
    }
}

/// The crates of a section of Cargo.toml.
fn crates(manifest: &str, section: &str) -> Vec<String> {
    let body = manifest.split(&format!("\n[{section}]\n")).nth(1).expect("the section is there");
    let lines = body.lines().take_while(|it| !it.starts_with('['));
    let names = lines.filter_map(|it| it.split_once(" = "));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// What stands between backticks in a text.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_dependency_has_its_reason_and_every_reason_its_dependency() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut used = crates(&manifest, "dependencies");
    used.extend(crates(&manifest, "dev-dependencies"));
    used.sort();
    assert!(used.len() > 10, "{used:?}");
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = page.split("\n## Dependencies\n").nth(1).expect("the section is there");
    let rows = table.lines().filter_map(|it| it.strip_prefix("| `"));
    let first = rows.map(|it| format!("`{}", it.split('|').next().unwrap()));
    let mut reasoned: Vec<String> = first.flat_map(|it| quoted(&it)).collect();
    reasoned.sort();
    assert_eq!(used, reasoned);
}

#[test]
fn files_that_the_pages_name_are_there() {
    let mut faults = Vec::new();
    for page in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "docs/guide.md",
        "docs/language.md",
        "docs/data.md",
        "docs/export.md",
        "docs/training.md",
        "docs/experiments.md",
    ] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        // Examples of commands name files that the reader makes.
        let prose: String =
            text.split("```").step_by(2).flat_map(str::lines).flat_map(|it| [it, "\n"]).collect();
        let folder = Path::new(page).parent().unwrap();
        let links = prose.split("](").skip(1).map(|it| it.split(')').next().unwrap());
        for link in links.filter(|it| !it.contains("://") && !it.starts_with('#')) {
            let file = link.split('#').next().unwrap();
            if !root().join(folder).join(file).exists() {
                faults.push(format!("{page}: {link}"));
            }
        }
        if page == "ARCHITECTURE.md" {
            let code = |it: &String| it.ends_with(".rs") || it.ends_with('/');
            for name in quoted(&prose).into_iter().filter(code) {
                let there = root().join(&name).exists() || root().join("src").join(&name).exists();
                if there == LATER.contains(&name.as_str()) {
                    faults.push(format!("{page}: {name}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_cell_of_the_library_says_who_published_it_and_when() {
    for file in rnnc::api::library() {
        let doc: String = file
            .source
            .lines()
            .map_while(|it| it.strip_prefix("///"))
            .collect::<Vec<_>>()
            .join("\n");
        let year = |it: &str| it.len() == 4 && it.parse().is_ok_and(|it: u32| it > 1980);
        let words = || doc.split(|it: char| !it.is_ascii_alphanumeric());
        assert!(words().any(year), "std/{} names no year", file.name);
        let first = doc.lines().next().unwrap_or_default();
        assert!(first.trim_end().ends_with('.'), "std/{}: one line first: {first}", file.name);
    }
}

/// A model may use any two files of the library, and all items of both share their names.
#[test]
fn no_two_files_of_the_library_define_the_same_name() {
    let mut known = BTreeMap::new();
    for file in rnnc::api::library() {
        let spec = rnnc::Spec::parse(file.source).unwrap();
        for item in &spec.tree().items {
            let name = match item {
                Item::Cell(it) => &it.name.name,
                Item::Activation(it) => &it.name.name,
                Item::Function(it) => &it.name.name,
                Item::Use(_) => continue,
            };
            let other = known.insert(name.to_string(), file.name);
            assert_eq!(other, None, "`{name}` stands in std/{} too", file.name);
        }
    }
}
