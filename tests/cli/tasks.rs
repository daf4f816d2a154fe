//! `rnnc data`: what each task writes, and what it refuses.

use crate::scratch::Scratch;

#[test]
fn a_test_without_a_result_has_the_reason_in_its_document() {
    let scratch = Scratch::new();
    scratch.write("bad.rnn", "cell A { state h: [H] h = prev h output h }");
    for (file, reason) in [("nofile.rnn", "nofile.rnn"), ("bad.rnn", "error[E")] {
        let run = scratch.rnnc(&format!("test {file} --json"));
        assert_ne!(run.code, 0);
        let told = run.json()["specs"][0]["message"].as_str().unwrap().to_owned();
        assert!(told.contains(reason), "{told}");
    }
}

#[test]
fn a_task_is_a_folder_with_its_figures() {
    let scratch = Scratch::new();
    let told = scratch.rnnc("data parity --sequences 20 -o p").expect(0).stdout;
    assert!(told.starts_with("p: 20 sequences, and 2 for validation\n"), "{told}");
    let files = ["input.step.npy", "input.x.npy", "target.odd.npy"];
    assert_eq!(scratch.names("p"), [&files[..], &["task.json", "valid"]].concat());
    assert_eq!(scratch.names("p/valid"), files);
    assert_eq!(scratch.npy("p/input.x.npy").shape(), [20, 20, 1]);
    assert_eq!(scratch.npy("p/valid/target.odd.npy").shape(), [20, 2]);
    let about: serde_json::Value = serde_json::from_str(&scratch.text("p/task.json")).unwrap();
    assert_eq!((&about["version"], &about["task"]), (&1.into(), &"parity".into()));
    assert_eq!(about["options"]["valid"], 2);
    assert_eq!(about["baseline"]["nats"], std::f64::consts::LN_2);
    // Nothing else is left, and the same words give the same bytes.
    assert_eq!(scratch.names("."), ["p"]);
    scratch.rnnc("data parity --sequences 20 -o q").expect(0);
    for name in files.iter().map(|it| (*it).to_owned()).chain(["task.json".to_owned()]) {
        assert_eq!(scratch.read(&format!("p/{name}")), scratch.read(&format!("q/{name}")));
    }
}

#[test]
fn series_are_tables_and_texts() {
    let scratch = Scratch::new();
    scratch.rnnc("data lorenz --steps 4 -o l").expect(0);
    assert_eq!(scratch.names("l"), ["series.csv", "task.json"]);
    let table = scratch.text("l/series.csv");
    assert!(table.starts_with("x,y,z\n13.136517,10.573496,35.63051\n"), "{table}");
    assert_eq!(table.lines().count(), 5);
    scratch.rnnc("data markov --steps 50 --symbols 3 -o m").expect(0);
    let text = scratch.text("m/text.txt");
    assert!(text.len() == 50 && text.bytes().all(|it| (b'a'..=b'c').contains(&it)), "{text}");
}

#[test]
fn tasks_say_what_they_cannot_do() {
    let scratch = Scratch::new();
    let refused = |line: &str, code: i32, message: &str| {
        let said = scratch.rnnc(line).expect(code).stderr;
        assert_eq!(said, format!("error: {message}\n"), "{line}");
    };
    scratch.write("full/notes", "mine");
    refused("data sine -o full", 3, "full is not empty; name a new folder with -o");
    assert_eq!(scratch.names("full"), ["notes"]);
    refused("data lorenz --seed 3 -o l", 2, "--seed: `lorenz` has --steps");
    refused(
        "data copy --symbols 0 -o c",
        2,
        "--symbols is 0; it is a whole number of 1 to 1048576",
    );
    let known = scratch.rnnc("data copper -o c").expect(2).stderr;
    assert!(known.contains("invalid value 'copper'") && known.contains("'copy'"), "{known}");
    scratch.write("file", "mine");
    refused(
        "data sine -o file/below",
        3,
        "cannot write file/below: a part of the path is no folder",
    );
    assert_eq!(scratch.names("."), ["file", "full"]);
}

/// An empty folder is filled; one that can take no files is told before anything is computed.
#[cfg(unix)]
#[test]
fn folders_that_are_there_are_filled_or_refused() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("d")).unwrap();
    scratch.rnnc("data reber --sequences 3 --valid 0 -o d").expect(0);
    assert_eq!(
        scratch.names("d"),
        ["input.token.npy", "lengths.npy", "target.next.npy", "task.json"]
    );
}
