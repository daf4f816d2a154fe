//! Specs of several files: what `use` finds, what it refuses, and that a compiled cell holds it all.
//!
//! Each folder of `tests/cases/use` is a spec, `main.rnn` with what it uses. Its first line says what it draws, as in
//! the other cases; places in files that are used begin with their name, as in `E0212 at lib/gates.rnn:1:1`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rnnc::data::Folder;
use rnnc::diag::render::{LIMIT, Style, render_all};
use rnnc::diag::{Diagnostic, json};
use rnnc::syntax::MAX_SOURCE;
use rnnc::text::SourceMap;
use rnnc::{Artifact, Resolver, Spec, SpecError, UseError};

/// What the compiler says about a spec.
struct Read {
    spec: Option<Spec>,
    diagnostics: Vec<Diagnostic>,
    sources: SourceMap,
}

impl Read {
    fn new(name: &str, bytes: &[u8], resolver: &dyn Resolver) -> Read {
        match Spec::load(name, bytes, resolver) {
            Ok(spec) => {
                let (diagnostics, sources) = (spec.warnings().to_vec(), spec.sources().clone());
                Read { spec: Some(spec), diagnostics, sources }
            }
            Err(SpecError { diagnostics, sources }) => Read { spec: None, diagnostics, sources },
        }
    }

    /// A spec on disk. Messages name its files from its own folder, wherever that is.
    fn file(path: &Path) -> Read {
        let files = Renamed { folder: Folder::of_file(path), prefix: prefix(path) };
        Read::new("main.rnn", &fs::read(path).expect("a case can be read"), &files)
    }

    /// The codes and places, as the first line of a case has them.
    fn found(&self) -> String {
        let places: Vec<String> = (self.diagnostics.iter())
            .map(|it| {
                let place = self.sources.place(it.span);
                let file = match it.span.file.0 {
                    0 => String::new(),
                    _ => format!("{}:", self.sources.file(it.span.file).name),
                };
                format!("{} at {file}{}:{}", it.code.as_str(), place.line, place.column)
            })
            .collect();
        places.join(", ")
    }

    fn messages(&self) -> Vec<&str> {
        self.diagnostics.iter().map(|it| it.message.as_str()).collect()
    }
}

/// A folder whose names do not depend on where the tests stand.
struct Renamed {
    folder: Folder,
    prefix: String,
}

fn prefix(path: &Path) -> String {
    let text = path.display().to_string();
    text.strip_suffix("main.rnn").expect("a case is called so").to_owned()
}

impl Resolver for Renamed {
    fn locate(&self, from: &str, path: &str) -> Result<String, UseError> {
        let name = Resolver::locate(&self.folder, &format!("{}{from}", self.prefix), path)?;
        Ok(name.strip_prefix(&self.prefix).expect("names begin alike").to_owned())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, UseError> {
        Resolver::read(&self.folder, &format!("{}{name}", self.prefix))
    }
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/use");
    let entries = fs::read_dir(folder).expect("the cases");
    let mut cases: Vec<PathBuf> = entries.map(|it| it.expect("an entry").path()).collect();
    cases.sort();
    cases
}

fn name(case: &Path) -> String {
    case.file_name().expect("a folder").to_string_lossy().into_owned()
}

#[test]
fn specs_of_several_files_draw_what_they_say() {
    let mut wrong = Vec::new();
    let (mut right, mut errors) = (0, 0);
    for case in cases() {
        let path = case.join("main.rnn");
        let bytes = fs::read(&path).expect("a case has a main.rnn");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let said = text.lines().next().unwrap_or_default();
        let said = said.strip_prefix("// ").unwrap_or_default();
        let read = Read::file(&path);
        if read.found() != said {
            let shown = render_all(&read.diagnostics, &read.sources, Style::Plain, LIMIT);
            let found = read.found();
            wrong.push(format!("{}\n  says  {said}\n  found {found}\n{shown}", name(&case)));
        }
        assert_eq!(said.is_empty(), name(&case).starts_with("ok_"), "{}", name(&case));
        right += usize::from(read.spec.is_some());
        errors += usize::from(read.spec.is_none());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(right >= 8 && errors >= 25, "{right} right, {errors} wrong");
}

/// The whole messages, for people to read.
#[test]
fn messages() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("snapshots/use");
    settings.bind(|| {
        for case in cases() {
            let read = Read::file(&case.join("main.rnn"));
            if !read.diagnostics.is_empty() {
                let shown = render_all(&read.diagnostics, &read.sources, Style::Plain, LIMIT);
                insta::assert_snapshot!(name(&case), shown);
            }
        }
    });
}

#[test]
fn every_snapshot_has_its_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for entry in fs::read_dir(root.join("snapshots/use")).expect("the snapshots") {
        let file = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let case = file.strip_suffix(".snap").unwrap_or_else(|| panic!("{file} is no snapshot"));
        assert!(root.join("cases/use").join(case).is_dir(), "{file}");
    }
}

/// A compiled cell is whole: it checks without the files it came from, and says the same.
#[test]
fn artifacts_hold_all_files() {
    let mut seen = 0;
    for case in cases() {
        let Some(spec) = Read::file(&case.join("main.rnn")).spec else { continue };
        for cell in spec.cells().iter().chain(spec.used_cells()) {
            let artifact = Artifact::new(&spec, Some(&cell.name), &[]).unwrap();
            let text = artifact.to_ron();
            let again = Artifact::from_ron(&text).unwrap_or_else(|it| panic!("{it}\n{text}"));
            assert_eq!(again.to_ron(), text);
            let found = again.spec().unwrap();
            assert_eq!(found.sources(), spec.sources());
            assert_eq!(found.program().uses, spec.program().uses);
            assert_eq!(found.cell(&cell.name).unwrap().ir(), cell);
            seen += usize::from(spec.sources().files().len() > 1);
        }
    }
    assert!(seen >= 8, "{seen}");
}

#[test]
fn artifacts_whose_files_do_not_fit_are_damaged() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/use/ok_diamond");
    let spec = Read::file(&folder.join("main.rnn")).spec.unwrap();
    let text = Artifact::new(&spec, None, &[]).unwrap().to_ron();
    let damaged = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in\n{text}");
        let error = Artifact::from_ron(&text.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.code().map(|it| it.as_str()), Some("E0710"));
        error.to_string()
    };
    let not_those = "the files in it are not those that its source uses";
    for (from, to) in [("        3,\n", "        9,\n"), ("        3,\n", "")] {
        let message = damaged(from, to);
        assert!(message.contains(not_those), "{message}");
    }
    assert!(damaged("fn base(v) = tanh(v)", "fn base(v) = sin(v)").contains("the graph"));
    assert!(damaged("fn base(v) = tanh(v)", "fn bass(v) = tanh(v)").contains("E0203"));
    assert!(damaged("\"left.rnn\"", "\"le\\nft.rnn\"").contains("no name"));
}

/// Files in memory, with a count of how often each is read.
struct Memory {
    files: BTreeMap<String, Vec<u8>>,
    reads: RefCell<Vec<String>>,
}

impl Memory {
    fn new(files: impl IntoIterator<Item = (String, String)>) -> Memory {
        let files = files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
        Memory { files, reads: RefCell::default() }
    }
}

impl Resolver for Memory {
    fn locate(&self, _from: &str, path: &str) -> Result<String, UseError> {
        match self.files.contains_key(path) {
            true => Ok(path.to_owned()),
            false => Err(UseError::Missing),
        }
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, UseError> {
        self.reads.borrow_mut().push(name.to_owned());
        self.files.get(name).cloned().ok_or(UseError::Missing)
    }
}

const MAIN: &str = "use \"f0.rnn\"\ncell A { input x: [] output y = f0(x) }";

/// `f0` that uses `f1` that uses ... up to `f(count - 1)`.
fn chain(count: usize) -> Memory {
    Memory::new((0..count).map(|at| {
        let next = at + 1;
        let text = match next < count {
            true => format!("use \"f{next}.rnn\"\nfn f{at}(v) = f{next}(v)"),
            false => format!("fn f{at}(v) = tanh(v)"),
        };
        (format!("f{at}.rnn"), text)
    }))
}

#[test]
fn chains_of_files_have_a_limit() {
    let main = MAIN.as_bytes();
    assert_eq!(Read::new("main.rnn", main, &chain(63)).found(), "");
    let long = Read::new("main.rnn", main, &chain(64));
    assert_eq!(long.found(), "E0109 at f62.rnn:1:1");
    assert_eq!(long.messages(), ["`f63.rnn` cannot be used: a chain of files holds at most 64"]);
}

#[test]
fn specs_have_a_limit_of_files_and_each_is_read_once() {
    let files = |count: usize| {
        let names = (1..count).map(|it| format!("f{it}.rnn"));
        let memory = Memory::new(names.clone().map(|it| {
            let function = it.replace(".rnn", "(v) = v");
            (
                it,
                format!("use \"f1.rnn\"\nfn {function}")
                    .replace("use \"f1.rnn\"\nfn f1(", "fn f1("),
            )
        }));
        let main: String = names.map(|it| format!("use \"{it}\"\n")).collect();
        (format!("{main}fn main(v) = f1(v)"), memory)
    };
    let (main, memory) = files(256);
    assert_eq!(Read::new("main.rnn", main.as_bytes(), &memory).found(), "");
    let mut reads = memory.reads.into_inner();
    assert_eq!(reads.len(), 255);
    reads.sort();
    reads.dedup();
    assert_eq!(reads.len(), 255);
    let (main, memory) = files(258);
    let read = Read::new("main.rnn", main.as_bytes(), &memory);
    assert_eq!(read.found(), "E0109 at 256:1, E0109 at 257:1");
    assert_eq!(read.messages()[0], "`f256.rnn` cannot be used: a spec has at most 256 files");
}

/// Each `use` asks the disk, so a file that holds nothing else must not hold it up.
#[test]
fn specs_have_a_limit_of_uses() {
    let of = |count: usize| "use \"f0.rnn\"\n".repeat(count) + "fn f(v) = v";
    let memory = || Memory::new([("f0.rnn".to_owned(), "fn g(v) = v".to_owned())]);
    let found = Read::new("main.rnn", of(4096).as_bytes(), &memory());
    assert!(found.spec.is_some() && found.diagnostics.len() == 4095, "each but the first is idle");
    let found = Read::new("main.rnn", of(100_000).as_bytes(), &memory());
    assert_eq!(found.found(), "E0109 at 4097:1");
    let message = "`f0.rnn` cannot be used: the files of a spec hold at most 4096 `use` items";
    assert_eq!(found.messages(), [message]);
}

#[test]
fn files_have_a_size_limit_each_and_together() {
    let with_comment = |name: &str, bytes: usize| {
        let code = format!("fn {name}(v) = tanh(v)\n//");
        let comment = "x".repeat(bytes - code.len());
        (format!("{name}.rnn"), code + &comment)
    };
    let whole = Memory::new([with_comment("f0", MAX_SOURCE)]);
    assert_eq!(Read::new("main.rnn", MAIN.as_bytes(), &whole).found(), "");
    let long = Memory::new([with_comment("f0", MAX_SOURCE + 1)]);
    // What could not be read may define `f0`, so only the size is reported.
    assert_eq!(Read::new("main.rnn", MAIN.as_bytes(), &long).found(), "E0109 at f0.rnn:1:1");

    let many = Memory::new((0..4).map(|it| with_comment(&format!("f{it}"), MAX_SOURCE)));
    let uses: String = (1..4).map(|it| format!("use \"f{it}.rnn\"\n")).collect();
    let read = Read::new("main.rnn", format!("{uses}{MAIN}").as_bytes(), &many);
    assert_eq!(read.found(), "E0109 at 4:1");
    let total = 16 << 20;
    let message =
        format!("`f0.rnn` cannot be used: the files of a spec hold at most {total} bytes");
    assert_eq!(read.messages(), [message]);
}

#[test]
fn a_spec_by_itself_uses_the_library_alone() {
    let read = |text: &str| match Spec::parse(text) {
        Ok(spec) => spec.used_cells().iter().map(|it| it.name.to_string()).collect(),
        Err(error) => error.diagnostics.into_iter().map(|it| it.message).collect::<Vec<_>>(),
    };
    assert_eq!(read("use std/lstm\nfn f(v) = v"), ["Lstm"]);
    let message = "cannot use `gates.rnn`: `<source>` was read by itself, without other files";
    assert_eq!(read("use \"gates.rnn\"\nfn f(v) = v"), [message]);
}

#[test]
fn json_names_the_file_of_each_place() {
    let main =
        "use \"gates.rnn\"\nfn gate_of(v) = v\ncell A { input x: [] output y = gate_of(x, w) }";
    let gates = Memory::new([("gates.rnn".to_owned(), "fn gate_of(v) = v + u".to_owned())]);
    let read = Read::new("main.rnn", main.as_bytes(), &gates);
    let report = json::report(&read.diagnostics, &read.sources);
    let files: Vec<(&str, &str)> =
        report.diagnostics.iter().map(|it| (it.code.as_str(), it.file.as_str())).collect();
    assert_eq!(files[0], ("E0202", "main.rnn"));
    assert_eq!(report.diagnostics[0].labels[0].file.as_deref(), Some("gates.rnn"));
    assert!(files[1..].iter().all(|it| it.1 == "main.rnn"), "{files:?}");
}

/// A named cell of a used file is there, but only the own one needs no name.
#[test]
fn cells_of_used_files_are_had_by_name() {
    let spec = Spec::parse("use std/lstm\nuse std/gru\nfn f(v) = v").unwrap();
    assert_eq!(spec.cell("Gru").unwrap().ir().name, "Gru".into());
    assert_eq!(
        spec.configure(None, &[]).unwrap_err().to_string(),
        "which cell? the file holds no cell, and uses `Lstm`, `Gru`"
    );
    let set = spec.configure(Some("Lstm"), &[("H", "7")]).unwrap();
    let default = |name: &str| set.ir().dims.iter().find(|it| &*it.name == name).unwrap().default;
    assert_eq!((default("H"), default("I")), (Some(7), None));
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    const GATES: &str = "fn gate_of(v) = sigmoid(v)";
    const MAIN: &str = "use \"gates.rnn\"\ncell A { input x: [] output y = gate_of(x) }";

    /// A folder `spec` with a `main.rnn`, in a scratch folder.
    fn scratch(main: &str) -> (tempfile::TempDir, PathBuf) {
        let outside = tempfile::tempdir().unwrap();
        let spec = outside.path().join("spec");
        fs::create_dir(&spec).unwrap();
        fs::write(spec.join("main.rnn"), main).unwrap();
        (outside, spec)
    }

    fn read(folder: &Path) -> Vec<String> {
        let read = Read::file(&folder.join("main.rnn"));
        read.messages().into_iter().map(str::to_owned).collect()
    }

    const OUT: &str = "cannot use `gates.rnn`: it leads out of the folder of the file that uses it";

    #[test]
    fn that_lead_out_are_refused() {
        let (outside, spec) = scratch(MAIN);
        fs::write(outside.path().join("gates.rnn"), GATES).unwrap();
        symlink("../gates.rnn", spec.join("gates.rnn")).unwrap();
        assert_eq!(read(&spec), [OUT]);
        // A sibling whose name begins alike is outside too.
        let sibling = outside.path().join("specs");
        fs::create_dir(&sibling).unwrap();
        fs::write(sibling.join("gates.rnn"), GATES).unwrap();
        fs::remove_file(spec.join("gates.rnn")).unwrap();
        symlink(sibling.join("gates.rnn"), spec.join("gates.rnn")).unwrap();
        assert_eq!(read(&spec), [OUT]);
    }

    #[test]
    fn folders_that_lead_out_are_refused() {
        let (outside, spec) = scratch(&MAIN.replace("gates.rnn", "lib/gates.rnn"));
        fs::create_dir(outside.path().join("lib")).unwrap();
        fs::write(outside.path().join("lib/gates.rnn"), GATES).unwrap();
        symlink("../lib", spec.join("lib")).unwrap();
        assert_eq!(read(&spec), [OUT.replace("gates.rnn", "lib/gates.rnn")]);
    }

    #[test]
    fn that_stay_inside_are_followed_and_name_the_same_file() {
        let both =
            "use \"gates.rnn\"\nuse \"real/g.rnn\"\ncell A { input x: [] output y = gate_of(x) }";
        let (_outside, spec) = scratch(both);
        fs::create_dir(spec.join("real")).unwrap();
        fs::write(spec.join("real/g.rnn"), GATES).unwrap();
        symlink("real/g.rnn", spec.join("gates.rnn")).unwrap();
        assert_eq!(read(&spec), ["`real/g.rnn` is used twice"]);
        // What a used file uses stays below its own folder.
        fs::write(spec.join("real/g.rnn"), format!("use \"h.rnn\"\n{GATES}")).unwrap();
        fs::write(spec.join("h.rnn"), "fn h(v) = v").unwrap();
        symlink("../h.rnn", spec.join("real/h.rnn")).unwrap();
        assert_eq!(read(&spec), [OUT.replace("gates.rnn", "h.rnn")]);
    }

    #[test]
    fn that_lead_nowhere_or_in_a_ring_are_errors() {
        let (_outside, spec) = scratch(MAIN);
        symlink("nowhere.rnn", spec.join("gates.rnn")).unwrap();
        assert_eq!(read(&spec), ["cannot use `gates.rnn`: there is no such file"]);
        fs::remove_file(spec.join("gates.rnn")).unwrap();
        symlink("gates.rnn", spec.join("gates.rnn")).unwrap();
        let found = read(&spec);
        assert!(found[0].starts_with("cannot use `gates.rnn`: it cannot be read: "), "{found:?}");
    }

    /// Opening a pipe would wait for somebody to write into it.
    #[test]
    fn pipes_and_devices_are_not_opened() {
        let (_outside, spec) = scratch(MAIN);
        let pipe = spec.join("gates.rnn");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(read(&spec), ["cannot use `gates.rnn`: it is no regular file"]);
        fs::remove_file(&pipe).unwrap();
        symlink("/dev/zero", &pipe).unwrap();
        assert_eq!(read(&spec), [OUT]);
    }

    /// A spec that is a link uses what stands beside the link, and knows itself through it.
    #[test]
    fn to_the_spec_itself_are_the_spec() {
        let (_outside, spec) = scratch("");
        fs::remove_file(spec.join("main.rnn")).unwrap();
        let text = "use \"gates.rnn\"\ncell A { input x: [] output y = gate_of(x) }";
        fs::write(spec.join("real.rnn"), text).unwrap();
        symlink("real.rnn", spec.join("main.rnn")).unwrap();
        fs::write(spec.join("gates.rnn"), format!("use \"real.rnn\"\n{GATES}")).unwrap();
        let circle = "`main.rnn` uses itself: main.rnn -> gates.rnn -> main.rnn";
        assert_eq!(read(&spec), [circle]);
    }
}
