//! Sessions at the command line, one a file of `tests/cases/cli`, with all that is printed in a
//! snapshot.
//!
//! A session is a text of lines:
//!
//! ```text
//! // what the session shows
//! file NAME                          a text file, of the lines below that begin with `| `
//! npy NAME [2, 3] wave               an array of some numbers
//! npy NAME [3] 1 nan 2               an array of these numbers
//! tensors NAME                       a .safetensors, of the lines below: `| W [2, 3] wave`
//! cut NAME 20                        takes that many bytes off the end of a file
//! edit NAME OLD => NEW               replaces a text in a file, which must be there
//! $ rnnc run ..                      a command; 'quotes' join words, `< NAME` is its standard input
//! = 4                                the exit code of the command above
//! cat NAME                           shows a file
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn};
use rnnc::data;
use rnnc::diag::Code;

use crate::scratch::{Scratch, wave};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/cli")
}

fn cases() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "cmd"))
        .collect();
    paths.sort();
    paths
}

/// What was printed in a session, and which commands ended with another code than they should.
struct Played {
    shown: String,
    wrong: Vec<String>,
}

/// Goes through a session.
fn play(path: &Path) -> Played {
    let text = fs::read_to_string(path).unwrap();
    let scratch = Scratch::new();
    let (mut shown, mut wrong) = (String::new(), Vec::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut body = || -> Vec<&str> {
            let mut body = Vec::new();
            while let Some(line) = lines.peek().and_then(|it| it.strip_prefix('|')) {
                body.push(line.strip_prefix(' ').unwrap_or(line));
                lines.next();
            }
            body
        };
        match verb {
            "" | "//" => {}
            "file" => {
                let text: String = body().iter().map(|it| format!("{it}\n")).collect();
                scratch.write(rest, text);
            }
            "npy" => {
                let (name, array) = array(rest);
                scratch.array(name, &array);
            }
            "tensors" => {
                let tensors: Vec<(String, ArrayD<f64>)> = body()
                    .iter()
                    .map(|it| array(it))
                    .map(|(name, array)| (name.to_owned(), array))
                    .collect();
                scratch.write(rest, data::write_safetensors(&tensors, &BTreeMap::new()).unwrap());
            }
            "cut" => {
                let (name, count) = rest.split_once(' ').expect("cut NAME COUNT");
                let mut bytes = scratch.read(name);
                bytes.truncate(bytes.len() - count.parse::<usize>().unwrap());
                scratch.write(name, bytes);
            }
            "edit" => {
                let (name, edit) = rest.split_once(' ').expect("edit NAME OLD => NEW");
                let (old, new) = edit.split_once(" => ").expect("edit NAME OLD => NEW");
                let text = scratch.text(name);
                assert!(text.contains(old), "{}: no {old} in {text}", path.display());
                scratch.write(name, text.replace(old, new));
            }
            "$" => {
                let mut words = words(rest);
                assert_eq!(words.remove(0), "rnnc");
                let mut stdin = Vec::new();
                if let Some(at) = words.iter().position(|it| it == "<") {
                    stdin = scratch.read(&words[at + 1]);
                    words.truncate(at);
                }
                let output = scratch.run(&words, &stdin);
                let code = lines.next().and_then(|it| it.strip_prefix("= ")).expect("= CODE");
                if output.code.to_string() != code {
                    let said = format!("{}{}", output.stdout, output.stderr);
                    let path = path.display();
                    wrong.push(format!("{path}: {line}\nended with {}\n{said}", output.code));
                }
                shown.push_str(&format!("{line}\n{}", output.stdout));
                let stderr = output.stderr.lines().map(|it| format!("! {it}"));
                shown.extend(stderr.map(|it| format!("{}\n", it.trim_end())));
                shown.push_str(&format!("= {code}\n\n"));
            }
            "cat" => shown.push_str(&format!("{line}\n{}\n", scratch.text(rest))),
            _ => panic!("{}: what is `{line}`?", path.display()),
        }
    }
    Played { shown, wrong }
}

/// `NAME [2, 3] wave`, or the numbers in place of the wave.
fn array(text: &str) -> (&str, ArrayD<f64>) {
    let (name, rest) = text.split_once(" [").expect("NAME [SHAPE] VALUES");
    let (shape, values) = rest.split_once(']').expect("NAME [SHAPE] VALUES");
    let sizes = shape.split(',').map(str::trim).filter(|it| !it.is_empty());
    let shape: Vec<usize> = sizes.map(|it| it.parse().unwrap()).collect();
    let array = match values.trim() {
        "wave" => wave(&shape, 0.3),
        values => {
            let values = values.split_whitespace().map(|it| it.parse().unwrap());
            ArrayD::from_shape_vec(IxDyn(&shape), values.collect()).unwrap()
        }
    };
    (name, array)
}

/// Words that blanks separate, or single quotes hold together.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (idx, part) in text.split('\'').enumerate() {
        if idx % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn sessions() {
    let wrong: Vec<String> = cases().iter().flat_map(|it| play(it).wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("../snapshots/cli");
    settings.bind(|| {
        insta::glob!("../cases/cli", "*.cmd", |path| {
            insta::assert_snapshot!("session", play(path).shown);
        });
    });
}

/// What a spec cannot draw by itself is drawn here.
#[test]
fn every_code_of_run_time_is_shown_twice() {
    let shown: Vec<String> = cases().iter().map(|it| play(it).shown).collect();
    for code in Code::ALL.iter().map(|it| it.as_str()).filter(|it| it.starts_with("E07")) {
        let times: usize = shown.iter().map(|it| it.matches(&format!("[{code}]")).count()).sum();
        assert!(times >= 2, "{code} is shown {times} times");
    }
}

#[test]
fn what_is_printed_fits_a_terminal() {
    for path in cases() {
        for line in play(&path).shown.lines() {
            // Messages are sentences, which terminals wrap; commands are as wide as their writer
            // made them; JSON is for programs.
            let is_free = ["! ", "$ ", "cells/", "::", "a.rnn:", "  \"", "    \"", "      \""]
                .iter()
                .any(|it| line.starts_with(it));
            let width = line.chars().count();
            assert!(is_free || width <= 80, "{}: {width} columns: {line}", path.display());
        }
    }
}

#[test]
fn every_snapshot_has_its_session() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/cli");
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        // What a test that fails leaves beside the snapshots is for people to look at.
        if !name.ends_with(".snap") {
            continue;
        }
        let case = name.strip_prefix("session@").and_then(|it| it.strip_suffix(".snap"));
        let case = case.unwrap_or_else(|| panic!("{name} is no snapshot of a session"));
        assert!(self::folder().join(case).is_file(), "{name} is left over");
    }
}
