//! Every code block of the documentation does what the text around it says.
//!
//! The word after the fence says what a block is, so that a new one is tested by being written:
//!
//! * `rnn`: a file that checks without errors and warnings; `rnn error=E0301` and `rnn warn=W0602` draw that code first,
//!   the latter without errors. `file=NAME` also writes it into the scratch folder of the page.
//! * `rnn preamble`: the cell into which the `rnn decl` blocks of the page are put, at its comment `// the example`. A
//!   fragment need not use all that it declares. A comment such as `// [N, D]` after a `let` or `gate` must name its shape.
//! * `console`: commands after `$`, each followed by all that it prints, errors and notes included. The commands of a page run
//!   in its scratch folder, one after the other. `exit=N` is the exit code of the last one, 0 if not given. Numbers may
//!   differ by what another machine's `tanh` may round otherwise. `rounding` is for tables of rounding errors: a line counts
//!   up to the first number with a negative exponent.
//! * `csv file=NAME`: a file of the scratch folder.
//! * `sh`, `python`, `c`: shown only. The tests of the Python package run the `python` blocks of `docs/python.md`; those of
//!   `docs/export.md` are run by nobody, but `tests/peers/export.py` calls the same functions.
//! * `ebnf`: the words in quotes are words of the grammar.
//!
//! Pictures that the commands of a page write are those of the same names in `docs/`.
//!
//! `RNNC_DOCS=update cargo test --test docs` writes what the commands print and draw now into the pages and beside them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rnnc::Spec;
use rnnc::data::Folder;
use rnnc::diag::{Code, Diagnostic, Severity};

/// At least so many blocks are there; fewer would mean that the reader of blocks is blind.
const AT_LEAST: usize = 80;

/// Where a fragment goes in the preamble.
const PLACE: &str = "// the example";

/// Commands of the pages that are not run here: they build or test the project itself. `.ci/run`
/// runs them.
const NOT_RUN: &[&str] = &["cargo test", "cargo install --path .", LEARNS];

/// From nothing to a trained model and its predictions.
const LEARNS: &str = "rnnc data mackey-glass --steps 2000 -o mg && rnnc train std/autoregressor --data mg --window 50 --valid 0.2 -o run && rnnc predict run -o predicted.csv";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "md"))
        // The page of the library is generated and has no blocks but formulas; `tests/docgen.rs` compares it.
        .filter(|it| !it.ends_with("cells.md"))
        .collect();
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

/// A fenced block of a page.
#[derive(Debug)]
struct Block {
    /// The line of its first fence, counted from 1.
    line: usize,
    /// `rnn`, `console` and so on.
    kind: String,
    /// The other words after the fence.
    words: Vec<String>,
    body: String,
}

impl Block {
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|it| it == word)
    }

    /// The value of `key=value`.
    fn get(&self, key: &str) -> Option<&str> {
        self.words.iter().find_map(|it| it.strip_prefix(key)?.strip_prefix('='))
    }
}

fn blocks(text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (idx, line) in text.lines().enumerate() {
        let line_number = idx + 1;
        match (line.strip_prefix("```"), open.take()) {
            (Some(""), Some(block)) => blocks.push(block),
            (Some(_), Some(block)) => {
                return Err(format!("the block of line {} is open", block.line));
            }
            (Some(info), None) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let kind =
                    words.next().ok_or(format!("line {line_number}: a block says what it is"))?;
                let words = words.collect();
                open = Some(Block { line: line_number, kind, words, body: String::new() });
            }
            (None, Some(mut block)) => {
                block.body.push_str(line);
                block.body.push('\n');
                open = Some(block);
            }
            (None, None) if line.trim_start().starts_with("```") => {
                return Err(format!("line {line_number}: an indented block is not read"));
            }
            (None, None) => {}
        }
    }
    match open {
        Some(block) => Err(format!("the block of line {} is never closed", block.line)),
        None => Ok(blocks),
    }
}

/// A page while its blocks are tested.
struct Page {
    scratch: tempfile::TempDir,
    preamble: Option<String>,
}

impl Page {
    fn new(blocks: &[Block]) -> Page {
        let preamble = blocks.iter().find(|it| it.has("preamble")).map(|it| it.body.clone());
        Page { scratch: tempfile::tempdir().unwrap(), preamble }
    }

    /// What is wrong with a block; for a console block also what it should be.
    fn test(&self, block: &Block) -> Result<(), Fault> {
        for word in &block.words {
            let key = word.split('=').next().unwrap();
            let known: &[&str] = match block.kind.as_str() {
                "rnn" => &["error", "warn", "file", "preamble", "decl"],
                "csv" => &["file"],
                "console" => &["exit", "rounding"],
                "sh" | "python" | "c" => &[],
                _ => &[],
            };
            if !known.contains(&key) {
                return Err(Fault::new(format!("unknown word `{word}`")));
            }
        }
        if let Some(name) = block.get("file") {
            fs::write(self.scratch.path().join(name), &block.body).unwrap();
        }
        match block.kind.as_str() {
            "rnn" => self.rnn(block).map_err(Fault::new),
            // Doctests run them: `src/lib.rs`.
            "rust" | "toml" => Ok(()),
            "csv" if block.get("file").is_some() => Ok(()),
            "csv" => Err(Fault::new("a table has a file name".to_owned())),
            "console" => self.console(block),
            "sh" => long(&block.body),
            "c" => Ok(()),
            "ebnf" => grammar(&block.body).map_err(Fault::new),
            // `bindings/python/tests/test_docs.py` runs those of `docs/python.md`, where there is a Python.
            "python" => Ok(()),
            kind => Err(Fault::new(format!("nobody knows how to test `{kind}`"))),
        }
    }

    fn rnn(&self, block: &Block) -> Result<(), String> {
        if block.has("preamble") && !block.body.contains(PLACE) {
            return Err(format!("a preamble has the comment `{PLACE}`"));
        }
        let source = if block.has("decl") {
            let preamble = self.preamble.as_ref().ok_or("a fragment without a preamble")?;
            preamble.replace(PLACE, &format!("\n{}", block.body))
        } else {
            block.body.clone()
        };
        // It may use the files of earlier blocks.
        let path = self.scratch.path().join("block.rnn");
        let folder = Folder::of_file(&path);
        let read = Spec::load(&path.display().to_string(), source.as_bytes(), &folder);
        let found: Vec<Diagnostic> = match &read {
            Ok(spec) => spec.warnings().to_vec(),
            Err(error) => error.diagnostics.clone(),
        };
        // A fragment shows how things are written; what it declares need not be used.
        let unused = [Code::UnusedParam, Code::UnusedName, Code::NeverReadWithPrev];
        let found = found.iter().filter(|it| !(block.has("decl") && unused.contains(&it.code)));
        verdict(block, &found.collect::<Vec<_>>())?;
        match read {
            Ok(spec) if block.has("decl") => shapes(&spec, &block.body),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// What the commands of the page drew, and `docs/` holds under the same name, is the same there.
    fn pictures(&self, update: bool) -> Vec<String> {
        let mut stale = Vec::new();
        for entry in fs::read_dir(self.scratch.path()).unwrap() {
            let drawn = entry.unwrap().path();
            let kept = root().join("docs").join(drawn.file_name().unwrap());
            if drawn.extension().is_none_or(|it| it != "svg") || !kept.exists() {
                continue;
            }
            if update {
                fs::copy(&drawn, &kept).unwrap();
            }
            if fs::read(&drawn).unwrap() != fs::read(&kept).unwrap() {
                stale.push(format!("{} is stale", kept.display()));
            }
        }
        stale.sort();
        stale
    }

    fn console(&self, block: &Block) -> Result<(), Fault> {
        let exit: i32 = match block.get("exit").map(str::parse) {
            None => 0,
            Some(Ok(exit)) => exit,
            Some(Err(_)) => return Err(Fault::new("exit=N with a number".to_owned())),
        };
        let commands: Vec<&str> =
            block.body.lines().filter_map(|it| it.strip_prefix("$ ")).collect();
        if commands.is_empty() {
            return Err(Fault::new("there is no command in the block".to_owned()));
        }
        let mut now = String::new();
        for (idx, command) in commands.iter().enumerate() {
            writeln!(now, "$ {command}").unwrap();
            if NOT_RUN.contains(command) {
                continue;
            }
            let (text, status) = self.run(command).map_err(Fault::new)?;
            now.push_str(&text);
            let expected = if idx + 1 == commands.len() { exit } else { 0 };
            if status != expected {
                return Err(Fault::new(format!("`{command}` exits with {status}:\n{text}")));
            }
        }
        if same_output(&block.body, &now, block.has("rounding")) {
            return Ok(());
        }
        let message = format!("the page says\n{}but it is\n{now}", block.body);
        Err(Fault { message, now: Some(now) })
    }

    /// Runs a command and gives what it prints, notes and errors included, as a terminal shows it.
    fn run(&self, command: &str) -> Result<(String, i32), String> {
        let words = split(command)?;
        let args = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["rnnc", rest @ ..] | ["cargo", "run", "--", rest @ ..] => rest.len(),
            ["cat", name] => {
                let text = fs::read_to_string(self.scratch.path().join(name));
                return text.map(|it| (it, 0)).map_err(|it| format!("{name}: {it}"));
            }
            _ => return Err(format!("`{command}` is no command of rnnc")),
        };
        // Both streams go into one file, so that they stand in the order in which they were
        // written.
        let log = self.scratch.path().join(".log");
        let file = fs::File::create(&log).unwrap();
        let status = Command::new(env!("CARGO_BIN_EXE_rnnc"))
            .args(&words[words.len() - args..])
            .current_dir(self.scratch.path())
            .env_remove("RUST_BACKTRACE")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stderr(file.try_clone().unwrap())
            .stdout(file)
            .status()
            .unwrap();
        let text = fs::read_to_string(&log).unwrap().replace("\r\n", "\n");
        Ok((text, status.code().unwrap_or(-1)))
    }
}

/// Why a block fails.
#[derive(Debug)]
struct Fault {
    message: String,
    /// What the block should be.
    now: Option<String>,
}

impl Fault {
    fn new(message: String) -> Fault {
        Fault { message, now: None }
    }
}

/// Whether two outputs are the same but for the rounding of numbers.
fn same_output(page: &str, now: &str, only_before_small: bool) -> bool {
    let same_line = |(a, b): (&str, &str)| {
        let (a, b) = (pieces(a), pieces(b));
        let is_small = |it: &&str| only_before_small && it.contains("e-") && it.len() > 2;
        let cut = |all: &[&str]| all.iter().position(is_small).unwrap_or(all.len());
        let (n, m) = (cut(&a), cut(&b));
        n == m && a[..n].iter().zip(&b[..m]).all(|(a, b)| a == b || close(a, b))
    };
    page.lines().count() == now.lines().count() && page.lines().zip(now.lines()).all(same_line)
}

/// A line cut into what may be a number and what is not.
fn pieces(line: &str) -> Vec<&str> {
    let of_number = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '+');
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let kind = of_number(first);
        let end = rest.find(|it| of_number(it) != kind).unwrap_or(rest.len());
        pieces.push(&rest[..end]);
        rest = &rest[end..];
    }
    pieces
}

/// Whether both are numbers with a point, equal as far as rounding in f32 lets one tell. Counts and
/// places must be equal.
fn close(a: &str, b: &str) -> bool {
    let fractions = a.contains('.') && b.contains('.');
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) if fractions => (a - b).abs() <= 2e-5 * a.abs().max(1.0),
        (Ok(_), Ok(_)) | (Ok(_), Err(_)) | (Err(_), Ok(_)) | (Err(_), Err(_)) => false,
    }
}

/// Whether the diagnostics are those that the block announces.
fn verdict(block: &Block, found: &[&Diagnostic]) -> Result<(), String> {
    let say = || -> Vec<String> {
        found.iter().map(|it| format!("{} {}", it.code.as_str(), it.message)).collect()
    };
    let first_error = found.iter().find(|it| it.code.severity() == Severity::Error);
    let (expected, first) = match (block.get("error"), block.get("warn")) {
        (Some(_), Some(_)) => return Err("either error= or warn=".to_owned()),
        (Some(code), None) => (code, first_error),
        (None, Some(code)) if first_error.is_none() => (code, found.first()),
        (None, Some(code)) => return Err(format!("announces {code}, draws {:?}", say())),
        (None, None) if found.is_empty() => return Ok(()),
        (None, None) => return Err(format!("draws {:?}", say())),
    };
    if first.is_some_and(|it| it.code.as_str() == expected) {
        Ok(())
    } else {
        Err(format!("announces {expected}, draws {:?}", say()))
    }
}

/// Compares the shapes of lets and gates with the comments after them.
fn shapes(spec: &Spec, fragment: &str) -> Result<(), String> {
    let cell = spec.cells().first().ok_or("there is no cell")?;
    for line in fragment.lines() {
        let Some((code, comment)) = line.split_once("//") else { continue };
        let comment = comment.trim();
        let mut words = code.split_whitespace();
        let (Some("let" | "gate"), Some(name)) = (words.next(), words.next()) else { continue };
        if !comment.starts_with('[') {
            continue;
        }
        let value = cell.values.iter().find(|it| &*it.name == name);
        let value = value.ok_or(format!("there is no value `{name}`"))?;
        let shape = cell.step.shape(value.node).to_string();
        if shape != comment {
            return Err(format!("`{name}` is {shape}, the page says {comment}"));
        }
    }
    Ok(())
}

/// Commands that take too long to be run here: each is one that rnnc has.
fn long(body: &str) -> Result<(), Fault> {
    for line in body.lines().filter(|it| !it.is_empty() && !it.starts_with('#')) {
        let command = line.split("rnnc ").nth(1).and_then(|it| it.split_whitespace().next());
        let output = Command::new(env!("CARGO_BIN_EXE_rnnc")).args(command).arg("--help").output();
        if command.is_none() || !output.unwrap().status.success() {
            return Err(Fault::new(format!("`{line}` is no command of rnnc")));
        }
    }
    Ok(())
}

/// The words in quotes stand in the grammar too.
fn grammar(ebnf: &str) -> Result<(), String> {
    let grammar = fs::read_to_string(root().join("grammar/rnn.pest")).unwrap();
    let mut quoted = ebnf.split('"').skip(1).step_by(2);
    match quoted.find(|it| !grammar.contains(&format!("\"{it}\""))) {
        Some(word) => Err(format!("the grammar does not know \"{word}\"")),
        None => Ok(()),
    }
}

/// The words of a command; what stands between single quotes is one.
fn split(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    for (idx, part) in command.split('\'').enumerate() {
        if idx % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    let has_odd = |it: &String| it.contains(['"', '|', '>', '<', '$', '\\', ';']);
    match words.iter().find(|it| has_odd(it)) {
        Some(word) => Err(format!("`{word}` would need a shell")),
        None => Ok(words),
    }
}

/// The text of a page with other bodies in the blocks of these lines.
fn replaced(text: &str, blocks: &[Block], bodies: &[(usize, String)]) -> String {
    let mut out = String::new();
    let mut lines = text.lines().enumerate();
    while let Some((idx, line)) = lines.next() {
        writeln!(out, "{line}").unwrap();
        if let Some((_, body)) = bodies.iter().find(|it| it.0 == idx + 1) {
            let block = blocks.iter().find(|it| it.line == idx + 1).unwrap();
            out.push_str(body);
            for _ in block.body.lines() {
                lines.next();
            }
        }
    }
    out
}

#[test]
fn every_block_of_the_pages_holds() {
    let update = std::env::var_os("RNNC_DOCS").is_some_and(|it| it == "update");
    let mut faults = Vec::new();
    let mut count = 0;
    for path in pages() {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap_or_else(|it| panic!("{name}: {it}"));
        let blocks = blocks(&text).unwrap_or_else(|it| panic!("{name}: {it}"));
        count += blocks.len();
        let page = Page::new(&blocks);
        let mut bodies = Vec::new();
        for block in &blocks {
            match page.test(block) {
                Ok(()) => {}
                Err(Fault { now: Some(now), .. }) if update => bodies.push((block.line, now)),
                Err(fault) => faults.push(format!("{name}:{}: {}", block.line, fault.message)),
            }
        }
        if !bodies.is_empty() {
            fs::write(&path, replaced(&text, &blocks, &bodies)).unwrap();
        }
        faults.extend(page.pictures(update).iter().map(|it| format!("{name}: {it}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(count >= AT_LEAST, "only {count} blocks found");
}

#[test]
fn the_commands_that_are_not_run_here_are_those_of_the_gate() {
    let gate = fs::read_to_string(root().join(".ci/run")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(gate.contains("\ncargo test --locked\n") && readme.contains("\n$ cargo test\n"));
    assert!(gate.contains("\ncargo run --locked --quiet -- run std/gru\n"));
    assert!(readme.contains("\n$ cargo run -- run std/gru\n"));
    assert!(gate.contains(&format!("{LEARNS}\n")) && readme.contains(&format!("\n$ {LEARNS}\n")));
}

/// What [`Page::test`] says about a page of these blocks.
fn tested(text: &str) -> Vec<Result<(), String>> {
    let blocks = blocks(text).unwrap();
    let page = Page::new(&blocks);
    blocks.iter().map(|it| page.test(it).map_err(|it| it.message)).collect()
}

#[test]
fn wrong_blocks_are_caught() {
    let cell = "cell A {\n  dims H\n  input x: [H]\n  output y = tanh(x)\n\n  // the example\n}\n";
    let one = |info: &str, body: &str| {
        let page = format!("```rnn preamble\n{cell}```\n\n```{info}\n{body}```\n");
        let mut results = tested(&page);
        assert_eq!(results.remove(0), Ok(()));
        results.remove(0)
    };
    let caught = |info: &str, body: &str, part: &str| {
        let message = one(info, body).unwrap_err();
        assert!(message.contains(part), "{message}");
    };
    assert_eq!(one("rnn", cell), Ok(()));
    caught("rnn error=E0301", cell, "announces E0301, draws []");
    caught("rnn warn=W0602", cell, "announces W0602, draws []");
    caught("rnn", &cell.replace("tanh(x)", "tanh x"), "E0102");
    caught("rnn error=E0101", &cell.replace("tanh(x)", "tanh x"), "draws [\"E0102");
    caught("perl", "print 1\n", "nobody knows how to test `perl`");
    caught("rnn eror=E0301", cell, "unknown word");
    assert_eq!(one("rnn decl", "let a = 2 * x  // [H]\n"), Ok(()));
    caught("rnn decl", "let a = 2 * x  // []\n", "`a` is [H], the page says []");
    caught("rnn decl", "gate g = tanh(x)\n", "W0602");
    caught("console", "$ rnnc explain E9999\n", "exits with");
    caught("console", "$ rnnc explain E0101\nsomething else\n", "the page says");
    caught("console", "$ ls\n", "no command of rnnc");
    caught("console", "rnnc list\n", "no command in the block");
    caught("ebnf", "a = \"if\"\n", "does not know \"if\"");
    assert!(blocks("```rnn\n").is_err());
    assert!(blocks("```\n```\n").is_err());
    assert!(blocks("  ```rnn\n  ```\n").is_err());
}

#[test]
fn outputs_may_differ_by_rounding_and_by_nothing_else() {
    let same = |a: &str, b: &str| same_output(a, b, false);
    assert!(same("h [4] 0.12345 -0.5\n", "h [4] 0.12346 -0.5\n"));
    assert!(!same("h [4] 0.12345\n", "h [4] 0.12445\n"));
    assert!(!same("h [4] 0.12345\n", "h [5] 0.12345\n"));
    assert!(!same("h 0.12345\n", "g 0.12345\n"));
    assert!(!same("h 0.12345\n", "h  0.12345\n"));
    assert!(!same("h 0.12345\n", "h 0.12345\nh\n"));
    assert!(!same("V 3e-16 [0]\n", "V 3e-16 [1]\n"));
    assert!(same_output("V 3e-16 [0]\n", "V 5e-16 [1]\n", true));
    assert!(!same_output("V 3e-16 [0]\n", "W 3e-16 [0]\n", true));
}

#[test]
fn updating_changes_nothing_but_the_body() {
    let text = "# A\n\n```console\n$ rnnc list\nold\nlines\n```\n\nend\n";
    let new = replaced(text, &blocks(text).unwrap(), &[(3, "$ rnnc list\nnew\n".to_owned())]);
    assert_eq!(new, "# A\n\n```console\n$ rnnc list\nnew\n```\n\nend\n");
}

/// The part of a link after `#` that leads to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it.to_ascii_lowercase() }).collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut faults = Vec::new();
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("](") {
            let link = text[at + 2..].split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let found = fs::read_to_string(&target).is_ok_and(|text| {
                let headings = text.lines().filter(|it| it.starts_with('#'));
                let mut anchors = headings.map(|it| anchor(it.trim_start_matches('#').trim()));
                part.is_empty() || anchors.any(|it| it == part)
            });
            if !found {
                faults.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_readme_is_short() {
    let text = fs::read_to_string(Path::new(&root()).join("README.md")).unwrap();
    assert!(text.lines().count() <= 130);
}
