//! How commands end when something is wrong, and that nothing is lost then.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::scratch::{Scratch, wave};

const CELL: &str = "\
cell Leaky {
  dims H
  input x: [H]
  state h: [H]
  param a: [H] init uniform(0.2, 0.9)
  h = a * prev h + x
  output h
}
";

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("leaky.rnn", CELL);
    scratch.write("wrong.rnn", "cell Wrong { state h: []  h = prev h + q  output h }");
    scratch.write("warned.rnn", CELL.replace("input x", "param spare: [H]\n  input x"));
    scratch.write("plain", "a file");
    scratch.array("x.npy", &wave(&[6, 2, 3], 0.0));
    scratch
}

#[test]
fn every_exit_code() {
    let scratch = scratch();
    let mut gap = wave(&[6, 2, 3], 0.0);
    gap[[2, 1, 0]] = f64::NAN;
    scratch.array("gap.npy", &gap);
    for (code, command) in [
        (0, "check leaky.rnn"),
        (0, "check warned.rnn"),
        (0, "run leaky.rnn --input x=x.npy"),
        (0, "--help"),
        (0, "--version"),
        (1, "check wrong.rnn"),
        (1, "check leaky.rnn wrong.rnn leaky.rnn"),
        (1, "check --deny warnings warned.rnn"),
        (1, "run wrong.rnn"),
        (1, "test leaky.rnn"),
        (2, ""),
        (2, "runn leaky.rnn"),
        (2, "run"),
        (2, "run leaky.rnn --frobnicate"),
        (2, "run leaky.rnn --set H"),
        (2, "run leaky.rnn --input y=x.npy"),
        (2, "run leaky.rnn --state q=x.npy"),
        (2, "run leaky.rnn --trace q --save out"),
        (2, "run leaky.rnn --trace h"),
        (2, "run leaky.rnn --cell Other"),
        (2, "run leaky.rnn --input x.npy --input x.npy"),
        (2, "run leaky.rnn --input x.npy --columns a"),
        (2, "run leaky.rnn --input x.npy -o y.csv"),
        (2, "run leaky.rnn --input x.npy -o y.txt"),
        (2, "run leaky.rnn --save out.npz"),
        (2, "run leaky.rnn --partial"),
        (2, "grad leaky.rnn --upstream q=x.npy"),
        (2, "compile leaky.rnn -o leaky.json"),
        (2, "compile leaky.rnn --emit everything"),
        (2, "explain E9999"),
        (2, "test std/gru"),
        (2, "run leaky.rnn -o -"),
        (2, "check - -"),
        (3, "check nowhere.rnn"),
        (3, "check nowhere.rnn wrong.rnn"),
        (1, "check ."),
        (2, "check x.npy"),
        (3, "check std/nothing"),
        (3, "show std/nothing"),
        (3, "run leaky.rnn --input x=nowhere.npy"),
        (3, "run leaky.rnn --params nowhere.safetensors"),
        (3, "run leaky.rnn -o nowhere/y.npy"),
        (3, "run leaky.rnn --save plain"),
        (4, "run leaky.rnn --set H=0"),
        (4, "run leaky.rnn --set Q=1"),
        (4, "run leaky.rnn --set H=1e999"),
        (4, "run leaky.rnn --set H=4 --input x=x.npy"),
        (4, "init leaky.rnn -o p.safetensors"),
        (5, "run leaky.rnn --input x=gap.npy"),
        (5, "grad leaky.rnn --input x=gap.npy"),
    ] {
        let output = scratch.rnnc(command);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert_eq!(output.code, code, "rnnc {command}\n{said}");
        assert!(code == 0 || !output.stderr.is_empty() || command == "test leaky.rnn", "{command}");
    }
    let left: Vec<String> =
        scratch.names(".").into_iter().filter(|it| it.contains("tmp")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_nan_is_placed() {
    let scratch = scratch();
    let mut x = wave(&[6, 2, 3], 0.0);
    x[[4, 0, 0]] = f64::NAN;
    x[[3, 1, 2]] = f64::NAN;
    scratch.array("x.npy", &x);
    let output = scratch.rnnc("run leaky.rnn --input x=x.npy -o y.npy").expect(5);
    let expected = "error[E0709]: `x` is NaN at step 3, sequence 1, unit [2]";
    assert!(output.stderr.contains(expected), "{}", output.stderr);
    // What was computed is there, because it is what the reason is looked for in.
    assert!(scratch.npy("y.npy")[[3, 1, 2]].is_nan());
    assert!(output.stdout.contains("NaN"), "{}", output.stdout);
    let json = scratch.rnnc("run leaky.rnn --input x=x.npy --json").expect(5).json();
    assert_eq!(json["outputs"][0]["max"], "NaN");
}

#[test]
fn colors_only_when_asked_for() {
    let scratch = scratch();
    assert!(!scratch.rnnc("check wrong.rnn").expect(1).stderr.contains('\u{1b}'));
    let always = scratch.rnnc("check wrong.rnn --color always").expect(1);
    assert!(always.stderr.contains('\u{1b}'));
    let mut command = scratch.command();
    let output = command.args(["check", "wrong.rnn"]).env("NO_COLOR", "1").output().unwrap();
    assert!(!String::from_utf8(output.stderr).unwrap().contains('\u{1b}'));
}

#[test]
fn quiet_leaves_errors_warnings_and_data() {
    let scratch = scratch();
    let quiet = scratch.rnnc("run leaky.rnn --quiet").expect(0);
    assert_eq!(quiet.stderr, "");
    assert!(quiet.stdout.contains("outputs"));
    let quiet = scratch.rnnc("check warned.rnn --quiet").expect(0);
    assert!(quiet.stdout.is_empty() && quiet.stderr.contains("W0601"), "{}", quiet.stderr);
    assert!(scratch.rnnc("check wrong.rnn --quiet").expect(1).stderr.contains("E0201"));
}

#[test]
fn one_spec_that_cannot_be_read_does_not_hide_the_others() {
    let scratch = scratch();
    let output = scratch.rnnc("check nowhere.rnn wrong.rnn warned.rnn").expect(3);
    for text in ["nowhere.rnn", "E0201", "W0601"] {
        assert!(output.stderr.contains(text), "{text}: {}", output.stderr);
    }
    let json = scratch.rnnc("check nowhere.rnn wrong.rnn warned.rnn --json").expect(3).json();
    assert_eq!((&json["errors"], &json["warnings"]), (&2.into(), &1.into()));
    assert!(json["failures"][0]["message"].as_str().unwrap().contains("nowhere.rnn"));
    assert_eq!(json["diagnostics"][0]["file"], "wrong.rnn");
}

#[test]
fn specs_come_through_standard_input() {
    let scratch = scratch();
    let from_file = scratch.rnnc("run leaky.rnn").expect(0);
    let from_stdin = scratch.run(["run", "-"], CELL.as_bytes()).expect(0);
    assert_eq!(from_file.stdout, from_stdin.stdout);
    let wrong = scratch.run(["check", "-"], b"cell").expect(1);
    assert!(wrong.stderr.contains("<stdin>:1:"), "{}", wrong.stderr);
    if cfg!(unix) {
        let endless = scratch.rnnc("check /dev/zero").expect(1);
        assert!(endless.stderr.contains("E01"), "{}", endless.stderr);
    }
    let endless = scratch.run(["check", "-"], &vec![b' '; 10 << 20]).expect(1);
    assert!(endless.stderr.contains("E01"), "{}", endless.stderr);
}

#[test]
fn timings_name_the_stages() {
    let scratch = scratch();
    for (command, stages) in [
        ("check leaky.rnn", &["check"][..]),
        ("compile leaky.rnn --emit backward", &["check", "compile"]),
        ("run leaky.rnn", &["check", "read", "forward", "write"]),
        ("grad leaky.rnn", &["check", "read", "derive", "forward", "backward", "write"]),
        ("gradcheck leaky.rnn --seeds 1 --steps 1", &["check", "gradcheck"]),
    ] {
        let output = scratch.rnnc(&format!("{command} --timings --quiet")).expect(0);
        let found: Vec<&str> =
            output.stderr.lines().filter_map(|it| it.split_whitespace().next()).collect();
        assert_eq!(found, stages, "{command}");
        assert!(output.stderr.lines().all(|it| it.ends_with(" ms")), "{}", output.stderr);
    }
}

/// The other end of a pipe may go away at any time.
#[test]
fn a_closed_pipe_is_no_failure() {
    let scratch = scratch();
    let mut child = scratch
        .command()
        .args(["explain"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::with_capacity(8, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("E01"), "{line}");
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use super::*;

    #[test]
    fn pipes_that_close_and_disks_that_are_full() {
        let scratch = scratch();
        for command in ["list", "explain", "show std/lstm", "check wrong.rnn 2>&1", "--help"] {
            let line = format!("set -o pipefail; $rnnc {command} | head -c 1 > /dev/null");
            let output = scratch.shell(&line);
            let allowed = if command.contains("wrong") { [1, 1] } else { [0, 0] };
            assert!(allowed.contains(&output.code), "{command}: {}", output.stderr);
            assert_eq!(output.stderr, "", "{command}");
        }
        let closed = scratch.shell("$rnnc list >&-");
        assert!(!closed.stderr.contains("panicked"), "{}", closed.stderr);
        let closed = scratch.shell("$rnnc check wrong.rnn 2>&-");
        assert_eq!(closed.code, 1);
        let written =
            scratch.shell("$rnnc run leaky.rnn -q -o /dev/stdout | head -c 1 > /dev/null");
        assert_eq!((written.code, written.stderr.as_str()), (0, ""));
        if Path::new("/dev/full").exists() {
            for command in ["list", "run leaky.rnn -q", "run leaky.rnn -q -o /dev/full"] {
                let full = scratch.shell(&format!("$rnnc {command} > /dev/full"));
                assert_eq!(full.code, 3, "{command}: {}", full.stderr);
                assert!(full.stderr.contains("cannot write"), "{command}: {}", full.stderr);
            }
        }
    }

    #[test]
    fn names_need_not_be_utf8() {
        let scratch = scratch();
        let name = OsStr::from_bytes(b"d\xffta.npy");
        if fs::copy(scratch.path("x.npy"), scratch.path("").join(name)).is_err() {
            return; // Not every file system allows such names.
        }
        for option in [&b"x=d\xffta.npy"[..], b"d\xffta.npy"] {
            let arguments = ["run", "leaky.rnn", "--input"].map(OsStr::new);
            let arguments = arguments.into_iter().chain([OsStr::from_bytes(option)]);
            scratch.run(arguments, b"").expect(0);
        }
        let arguments = [OsStr::new("check"), OsStr::from_bytes(b"\xff.rnn")];
        let missing = scratch.run(arguments, b"").expect(3);
        assert!(missing.stderr.contains("no such file"), "{}", missing.stderr);
        let arguments = [&b"run"[..], b"leaky.rnn", b"--set", b"H=\xff"].map(OsStr::from_bytes);
        scratch.run(arguments, b"").expect(2);
    }

    /// A file is there as it was, or as it is meant to be, whatever ends the command.
    #[test]
    fn a_write_that_fails_or_is_cut_off_loses_nothing() {
        let scratch = scratch();
        let large = "--set H=3000 --quiet";
        scratch.write("out/rnnc-save.json", r#"{"files": ["output.h.npy", "state.h.npy"]}"#);
        for (name, command) in [
            ("p.safetensors", format!("init leaky.rnn {large} -o p.safetensors")),
            ("y.npy", format!("run leaky.rnn {large} -o y.npy")),
            ("g.safetensors", format!("grad leaky.rnn {large} -o g.safetensors")),
            ("out/output.h.npy", format!("run leaky.rnn {large} --save out")),
        ] {
            scratch.write(name, "precious");
            // The signal is ignored and the write fails, as on a disk that is full.
            let failed = scratch.shell(&format!("trap '' XFSZ; ulimit -f 4; $rnnc {command}"));
            assert_eq!(failed.code, 3, "{command}: {}", failed.stderr);
            assert!(failed.stderr.contains("cannot write"), "{}", failed.stderr);
            assert_eq!(scratch.text(name), "precious", "{command}");
            // The signal ends the process in the middle of the write.
            let killed = scratch.shell(&format!("ulimit -c 0; ulimit -f 4; $rnnc {command}"));
            assert_ne!(killed.code, 0, "{command}");
            assert_eq!(scratch.text(name), "precious", "{command}");
            // And a later try is not in the way of what is left of it.
            scratch.shell(&format!("$rnnc {command}")).expect(0);
            assert!(scratch.read(name).len() > 4096, "{command}");
        }
    }
}
