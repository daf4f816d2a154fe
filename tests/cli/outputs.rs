//! Nothing is lost: no output goes where something is read, two never go to one place, and what cannot be written is told
//! before anything is computed.

use std::fs;

use crate::scratch::{Scratch, wave};

const LEAKY: &str = "cell Leaky { dims H input x: [H] state h: [H] param a: [H] init uniform(0.2, 0.9) \
                     h = a * prev h + half(x) output h }\n";

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("half.rnn", "fn half(x) = 0.5 * x\n");
    scratch.write("m.rnn", format!("use \"half.rnn\"\n{LEAKY}"));
    scratch.array("x.npy", &wave(&[3, 2], 0.1));
    scratch.array("h.npy", &wave(&[2], 0.2));
    scratch.array("l.npy", &ndarray::arr1(&[3.0]).into_dyn());
    scratch.rnnc("init m.rnn --set H=2 -o p.safetensors").expect(0);
    scratch.rnnc("compile m.rnn -o m.ron").expect(0);
    scratch.rnnc("run m.rnn --input x.npy --save out --seed 1").expect(0);
    scratch
}

/// All files with what they hold.
fn files(scratch: &Scratch) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in ["", "out"] {
        for name in scratch.names(folder) {
            let path = format!("{folder}/{name}");
            let path = path.trim_start_matches('/').to_owned();
            if scratch.path(&path).is_file() {
                files.push((path.clone(), scratch.read(&path)));
            }
        }
    }
    files
}

#[test]
fn no_output_goes_where_something_is_read() {
    let scratch = scratch();
    #[cfg(unix)]
    {
        fs::hard_link(scratch.path("x.npy"), scratch.path("hard.npy")).unwrap();
        std::os::unix::fs::symlink("x.npy", scratch.path("soft.npy")).unwrap();
        std::os::unix::fs::symlink("p.safetensors", scratch.path("soft.safetensors")).unwrap();
        // Endings stop most slips, and a link has any ending.
        std::os::unix::fs::symlink("m.rnn", scratch.path("m.npy")).unwrap();
        std::os::unix::fs::symlink("half.rnn", scratch.path("half.npy")).unwrap();
    }
    // That one cannot be written either is not what is told.
    let mut locked = fs::metadata(scratch.path("l.npy")).unwrap().permissions();
    locked.set_readonly(true);
    fs::set_permissions(scratch.path("l.npy"), locked).unwrap();
    let before = files(&scratch);
    let mut commands = vec![
        ("run m.rnn --input x.npy -o x.npy", "it is read"),
        ("run m.rnn --input x.npy -o ./x.npy", "it is x.npy, which is read"),
        ("run m.rnn --input x.npy -o out/../x.npy", "it is x.npy, which is read"),
        ("run m.rnn --input x.npy --state h=h.npy -o h.npy", "it is read"),
        ("run m.rnn --input x.npy --lengths l.npy -o l.npy", "it is read"),
        ("run m.rnn --input x.npy --state h=out/state.h.npy --save out", "it is read"),
        // An array of an earlier run would be removed.
        ("run m.rnn --input out/output.h.npy --save out", "it is read"),
        ("run m.rnn --input x.npy --params p.safetensors --save p.safetensors", "it is read"),
        ("grad m.rnn --input x.npy --params p.safetensors -o p.safetensors", "it is read"),
        ("convert m.rnn p.safetensors -o p.safetensors", "it is read"),
        ("compile m.ron -o ./m.ron", "it is m.ron, which is read"),
    ];
    if cfg!(unix) {
        commands.extend([
            ("run m.rnn --input hard.npy -o x.npy", "it is hard.npy, which is read"),
            ("run m.rnn --input x.npy -o hard.npy", "it is x.npy, which is read"),
            ("run m.rnn --input x.npy -o soft.npy", "it is x.npy, which is read"),
            ("run m.rnn --input soft.npy -o x.npy", "it is soft.npy, which is read"),
            ("run m.rnn --input x.npy -o m.npy", "it is m.rnn, which is read"),
            ("run m.rnn --input x.npy -o half.npy", "it is half.rnn, which is read"),
            (
                "grad m.rnn --input x.npy --params soft.safetensors -o p.safetensors",
                "which is read",
            ),
        ]);
    }
    for (command, why) in commands {
        let output = scratch.rnnc(command);
        assert_eq!(output.code, 2, "{command}\n{}{}", output.stdout, output.stderr);
        assert!(output.stderr.contains(why), "{command}\n{}", output.stderr);
        assert!(output.stdout.is_empty(), "{command} was computed");
        assert!(files(&scratch) == before, "{command} wrote something");
    }
    #[cfg(unix)]
    {
        let command = "$rnnc run m.rnn --input - -o x.npy < x.npy";
        assert_eq!(scratch.shell(command).code, 2, "standard input is a file, too");
        assert!(files(&scratch) == before);
    }
}

#[test]
fn outputs_do_not_meet_and_their_endings_fit() {
    let scratch = scratch();
    let before = files(&scratch);
    for (command, why) in [
        ("grad m.rnn --input x.npy -o g.csv --flow g.csv", "write .safetensors"),
        ("grad m.rnn --input x.npy -o g --flow ./g", "-o is written to the same file"),
        (
            "run m.rnn --input x.npy -o out/output.h.npy --save out",
            "-o is written to the same file",
        ),
        ("run m.rnn --input x.npy -o s.safetensors --save s.safetensors", "write .npy or .csv"),
        ("run m.rnn --input x.npy -o s --save ./s", "-o is written to the same file"),
        ("init m.rnn --set H=2 -o m.rnn", "write .safetensors"),
        ("init m.rnn --set H=2 -o p.npy", "write .safetensors"),
        ("convert m.rnn p.safetensors -o q.pt", "write .safetensors"),
        ("grad m.rnn --input x.npy --flow f.npy", "write .csv"),
        ("run m.rnn --input x.npy -o y.safetensors", "write .npy or .csv"),
        ("run m.rnn --input x.npy --save y.tsv", "not of a .tsv"),
        ("run m.rnn --input x.npy --save -", "write the name of a folder"),
        ("init m.rnn --set H=2 -o -", "write -o /dev/stdout"),
        ("grad m.rnn --input x.npy --flow -", "write --flow /dev/stdout"),
    ] {
        let output = scratch.rnnc(command);
        // A folder that a file of its name was announced for is told when it cannot be made.
        assert_eq!(output.code, 2, "{command}\n{}{}", output.stdout, output.stderr);
        assert!(output.stderr.contains(why), "{command}\n{}", output.stderr);
        assert!(output.stdout.is_empty(), "{command} was computed");
        assert!(files(&scratch) == before, "{command} wrote something");
    }
}

#[test]
fn what_cannot_be_written_is_told_before_anything_is_computed() {
    let scratch = scratch();
    scratch.write("plain", "");
    fs::create_dir(scratch.path("folder.npy")).unwrap();
    let mut commands = vec![
        "run m.rnn --input x.npy -o no/y.npy",
        "run m.rnn --input x.npy -o folder.npy",
        "run m.rnn --input x.npy --save plain",
        "run m.rnn --input x.npy --save plain/deep",
        "grad m.rnn --input x.npy -o no/g.safetensors",
        "grad m.rnn --input x.npy --flow no/f.csv",
        "init m.rnn --set H=2 -o no/p.safetensors",
        "convert m.rnn p.safetensors -o no/q.safetensors",
        "compile m.rnn -o no/m.ron",
    ];
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let locked = scratch.path("locked.npy");
        fs::write(&locked, "").unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o444)).unwrap();
        commands.push("run m.rnn --input x.npy -o locked.npy");
    }
    for command in commands {
        let output = scratch.rnnc(command);
        assert_eq!(output.code, 3, "{command}\n{}{}", output.stdout, output.stderr);
        assert!(output.stderr.contains("cannot write"), "{command}\n{}", output.stderr);
        assert!(output.stdout.is_empty(), "{command} was computed");
    }
    assert!(scratch.names("").iter().all(|it| !it.contains(".tmp.")), "probes are left over");
}

#[cfg(unix)]
#[test]
fn a_pipe_gets_the_array_alone() {
    let scratch = scratch();
    scratch.rnnc("run m.rnn --input x.npy -o y.npy").expect(0);
    for json in ["", "--json"] {
        let line = format!("$rnnc run m.rnn --input x.npy -o /dev/stdout {json} > z.npy");
        let output = scratch.shell(&line).expect(0);
        assert_eq!(scratch.read("z.npy"), scratch.read("y.npy"));
        assert!(output.stderr.contains("Leaky"), "the summary is said: {}", output.stderr);
    }
}

#[test]
fn a_folder_holds_the_arrays_of_one_run_and_what_is_not_ours() {
    let scratch = scratch();
    scratch.write("out/mine.npy", "kept");
    scratch.write("out/output.old.npy", "kept");
    scratch.rnnc("run m.rnn --input x.npy --save out").expect(0);
    let two = "cell Two { dims H input x: [H] state s: [H] s = 0.5 * prev s + x output s }";
    scratch.write("two.rnn", two);
    let run = scratch.rnnc("run two.rnn --input x.npy --save out").expect(0);
    assert!(run.stderr.contains("removed 2 of an earlier run"), "{}", run.stderr);
    assert_eq!(
        scratch.names("out"),
        ["mine.npy", "output.old.npy", "output.s.npy", "rnnc-save.json", "state.s.npy"]
    );
    let list: serde_json::Value =
        serde_json::from_slice(&scratch.read("out/rnnc-save.json")).unwrap();
    assert_eq!(list["files"], serde_json::json!(["output.s.npy", "state.s.npy"]));
    assert_eq!(list["origin"]["cell"], "Two");
    // A list that names what is elsewhere, or a list that is none, removes nothing.
    scratch.write("keep.npy", "kept");
    let ours = r#"{"files": ["../keep.npy", "/keep.npy", "mine.txt", "..", "output.s.npy", "state.s.npy"]}"#;
    for odd in [ours, "{"] {
        scratch.write("out/rnnc-save.json", odd);
        if odd == "{" {
            // Nothing then tells whose arrays are there.
            scratch.rnnc("run two.rnn --input x.npy --save out").expect(2);
            std::fs::remove_file(scratch.path("out/output.s.npy")).unwrap();
            std::fs::remove_file(scratch.path("out/state.s.npy")).unwrap();
        }
        scratch.rnnc("run two.rnn --input x.npy --save out").expect(0);
        assert_eq!(scratch.read("keep.npy"), b"kept");
        assert_eq!(scratch.names("out").len(), 5);
    }
}

#[test]
fn a_saved_array_never_takes_the_place_of_a_file_that_rnnc_did_not_write() {
    let scratch = scratch();
    scratch.write("sv/output.s.npy", "keep");
    for list in [None, Some(r#"{"files": ["state.s.npy"]}"#)] {
        if let Some(list) = list {
            scratch.write("sv/rnnc-save.json", list);
        }
        let two = "cell Two { dims H input x: [H] state s: [H] s = 0.5 * prev s + x output s }";
        scratch.write("two.rnn", two);
        let run = scratch.rnnc("run two.rnn --input x.npy --save sv").expect(2);
        assert!(run.stderr.contains("another folder"), "{}", run.stderr);
        assert_eq!(scratch.text("sv/output.s.npy"), "keep");
    }
}

#[test]
fn a_written_file_says_where_it_comes_from() {
    let scratch = scratch();
    scratch.rnnc("run m.rnn --input x.npy --params p.safetensors --save s.safetensors").expect(0);
    scratch.rnnc("grad m.rnn --input x.npy --seed 7 -o g.safetensors").expect(0);
    scratch.rnnc("convert m.rnn p.safetensors -o c.safetensors").expect(0);
    for (file, command) in [("p", "init"), ("s", "run"), ("g", "grad"), ("c", "convert")] {
        let bytes = scratch.read(&format!("{file}.safetensors"));
        let read = rnnc::data::read_safetensors_with_metadata(&bytes).unwrap().metadata;
        assert_eq!(read["rnnc"], env!("CARGO_PKG_VERSION"));
        assert_eq!((&*read["cell"], &*read["dims"]), ("Leaky", "H=2"));
        assert!(read["command"].starts_with(&format!("rnnc {command} m.rnn ")), "{read:?}");
        let seed = match file {
            "g" => Some("7"),
            "c" => None,
            _ => Some("0"),
        };
        assert_eq!(read.get("seed").map(String::as_str), seed);
    }
}

/// `test --update` announces its snapshots as other commands do what they write.
#[cfg(unix)]
#[test]
fn snapshots_are_not_written_over_what_is_read() {
    let scratch = Scratch::new();
    let cell = "cell A { input x: [] output y = tanh(x) }";
    scratch.write("a.rnn", cell);
    scratch.rnnc("compile a.rnn -o a.ron").expect(0);
    let said = scratch.rnnc("test --update a.rnn a.ron").expect(2);
    assert!(said.stderr.contains("would be the snapshot of a.rnn and of a.ron"), "{}", said.stderr);
    scratch.write("snapshots/b.snap", "");
    std::os::unix::fs::symlink("../a.rnn", scratch.path("snapshots/a.snap")).unwrap();
    let said = scratch.rnnc("test --update a.rnn").expect(2);
    assert!(said.stderr.contains("what is read is not written over"), "{}", said.stderr);
    assert_eq!(scratch.text("a.rnn"), cell);
    std::fs::remove_file(scratch.path("snapshots/a.snap")).unwrap();
    scratch.rnnc("test --update a.rnn").expect(0);
    scratch.rnnc("test --update a.rnn").expect(0);
    scratch.rnnc("test a.rnn").expect(0);
}
