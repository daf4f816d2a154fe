//! Help, manual pages, completions, version, and how much is said.

use crate::scratch::Scratch;

/// The commands that the help of rnnc lists.
fn commands(scratch: &Scratch) -> Vec<String> {
    let help = scratch.rnnc("--help").expect(0).stdout;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter(|it| !it.starts_with("   "));
    let names: Vec<String> = names.map(|it| first_word(it).to_owned()).collect();
    assert!(names.len() > 20, "{names:?}");
    names
}

fn first_word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

/// The examples of a help text; a line that ends in `\` goes on in the next.
fn examples(help: &str) -> Vec<String> {
    let text = help.split("\nExamples:\n").nth(1).unwrap_or_else(|| panic!("no examples\n{help}"));
    let text = text.split("\n\n").next().unwrap().replace("\\\n", "");
    text.lines().map(|it| it.trim().to_owned()).collect()
}

#[test]
fn help_fits_a_terminal_and_is_the_same_however_it_is_asked_for() {
    let scratch = Scratch::new();
    let whole = scratch.rnnc("--help").expect(0).stdout;
    let mut all = vec![whole];
    for name in commands(&scratch).iter().filter(|it| *it != "help") {
        let help = scratch.rnnc(&format!("{name} --help")).expect(0).stdout;
        for same in [format!("help {name}"), format!("help {name} --help")] {
            assert_eq!(scratch.rnnc(&same).expect(0).stdout, help, "{same}");
        }
        all.extend([help, scratch.rnnc(&format!("{name} -h")).expect(0).stdout]);
    }
    for help in all {
        let wide = help.lines().find(|it| it.chars().count() > 80);
        assert_eq!(wide, None);
    }
    scratch.rnnc("help nothing").expect(2);
}

/// Each example runs in an empty folder, after those above it.
#[cfg(unix)]
#[test]
fn examples_run_as_they_are_printed() {
    let names = commands(&Scratch::new());
    let names = names.iter().filter(|it| *it != "help").map(String::as_str);
    for name in names.chain([""]) {
        let scratch = Scratch::new();
        let help = scratch.rnnc(&format!("{name} --help")).expect(0).stdout;
        let lines = examples(&help);
        assert!(lines.iter().any(|it| it.starts_with(format!("rnnc {name}").trim_end())), "{help}");
        for line in lines {
            let shown = format!("in the help of `{name}`: {line}");
            if line.starts_with("man ") {
                assert!(scratch.path(line.split(' ').nth(1).unwrap()).exists(), "{shown}");
                continue;
            }
            let ran = scratch.shell(&format!("rnnc() {{ \"$rnnc\" \"$@\"; }}; {line}"));
            assert_eq!(ran.code, 0, "{shown}\n{}{}", ran.stdout, ran.stderr);
        }
    }
}

#[test]
fn options_are_under_headings() {
    let scratch = Scratch::new();
    let headings = ["Cell:", "Weights:", "Data:", "Tables:", "Running:", "Results:"];
    for name in ["run", "grad"] {
        let help = scratch.rnnc(&format!("{name} -h")).expect(0).stdout;
        let found: Vec<&str> = help.lines().filter(|it| headings.contains(it)).collect();
        assert_eq!(found, headings, "{help}");
        let general = help.split("\nOptions:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        let flags: Vec<&str> =
            general.split_whitespace().filter(|it| it.starts_with("--")).collect();
        assert_eq!(flags, ["--quiet", "--verbose", "--color", "--help"], "{help}");
    }
}

#[test]
fn tables_fit_narrow_terminals() {
    let scratch = Scratch::new();
    for (columns, commands) in [
        (
            "80",
            &["list", "explain", "run std/hyper_lstm", "grad std/lstm", "compile std/rwkv6"][..],
        ),
        (
            "60",
            &["list", "explain", "run std/lstm", "grad std/lstm", "gradcheck std/lstm --seeds 1"],
        ),
        ("40", &["list", "explain"]),
    ] {
        for command in commands {
            let mut process = scratch.command();
            let output = process.env("COLUMNS", columns).args(command.split(' ')).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && text.lines().count() > 3, "{command}: {text}");
            let limit: usize = columns.parse().unwrap();
            let wide = text.lines().find(|it| it.chars().count() > limit);
            assert_eq!(wide, None, "{command} at {columns}");
        }
    }
    // A pipe has no width: a line each, for grep.
    let list = scratch.command().env_remove("COLUMNS").arg("list").output().unwrap();
    let text = String::from_utf8(list.stdout).unwrap();
    assert!(text.lines().any(|it| it.starts_with("std/flashrnn_elman ") && it.len() > 80));
}

#[test]
fn the_version_says_what_it_is() {
    let scratch = Scratch::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(scratch.rnnc("-V").expect(0).stdout, format!("rnnc {version}\n"));
    let long = scratch.rnnc("--version").expect(0).stdout;
    assert_eq!(scratch.rnnc("version").expect(0).stdout, long);
    assert!(long.starts_with(&format!("rnnc {version}")), "{long}");
    let json = scratch.rnnc("version --json").expect(0).json();
    assert_eq!(json["version"], version);
    let path = json["path"].as_str().unwrap();
    assert!(["avx512", "avx2", "portable"].contains(&path));
    assert!(long.contains(&format!("\nkernels: {path}\nfeatures: ")), "{long}");
    assert!(json["features"].as_array().unwrap().iter().any(|it| it == "cli"));
    match (json["commit"].as_str(), json["date"].as_str()) {
        (Some(commit), Some(date)) => assert!(long.contains(&format!(" ({commit} {date})\n"))),
        (commit, date) => assert_eq!((commit, date), (None, None)),
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let scratch = Scratch::new();
    scratch.rnnc("man pages/man1").expect(0);
    let mut expected: Vec<String> = commands(&scratch)
        .iter()
        .filter(|it| *it != "help")
        .map(|it| format!("rnnc-{it}.1"))
        .chain(["rnnc.1".to_owned()])
        .collect();
    expected.sort();
    assert_eq!(scratch.names("pages/man1"), expected);
    let page = scratch.text("pages/man1/rnnc-train.1");
    for part in [
        ".TH rnnc-train 1",
        "\n.SH NAME\n",
        "\n.SH SYNOPSIS\n",
        "\n\\fB\\-\\-window\\fR",
        "\n.SH \"EXAMPLES\"\n.nf\n  rnnc data parity \\-\\-sequences",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    // The same bytes again, on any machine.
    let before = scratch.read("pages/man1/rnnc.1");
    scratch.rnnc("-q man pages/man1").expect(0);
    assert_eq!(scratch.read("pages/man1/rnnc.1"), before);
    assert!(!String::from_utf8(before).unwrap().contains("avx"));
    scratch.write("file", "");
    for (folder, message) in
        [("-", "several files; name a folder"), ("file", "file is a file; name")]
    {
        let said = scratch.rnnc(&format!("man {folder}")).expect(2);
        assert!(said.stderr.contains(message), "{}", said.stderr);
    }
    assert_eq!(scratch.names("."), ["file", "pages"]);
}

/// Returns the words that bash offers for the last of some words.
#[cfg(unix)]
fn offered(scratch: &Scratch, words: &[&str]) -> Vec<String> {
    let line = format!(
        ". ./rnnc.bash; COMP_WORDS=({}); COMP_CWORD={}; _rnnc rnnc {} {}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2],
    );
    scratch.shell(&line).stdout.lines().map(str::to_owned).collect()
}

#[cfg(unix)]
#[test]
fn completions_know_cells_layouts_and_codes() {
    let scratch = Scratch::new();
    scratch.write("rnnc.bash", scratch.rnnc("completions bash").expect(0).stdout);
    assert_eq!(offered(&scratch, &["rnnc", "gradc"]), ["gradcheck"]);
    assert_eq!(offered(&scratch, &["rnnc", "run", "std/gru_b"]), ["std/gru_before"]);
    assert_eq!(offered(&scratch, &["rnnc", "train", "std/char"]), ["std/char_lm"]);
    assert_eq!(offered(&scratch, &["rnnc", "run", "std/gru", "--layout", "ker"]), ["keras"]);
    assert_eq!(offered(&scratch, &["rnnc", "convert", "--to", "ow"]), ["own"]);
    let targets = ["onnx", "pytorch", "jax", "numpy", "c"];
    assert_eq!(offered(&scratch, &["rnnc", "export", "--to", "''"]), targets);
    assert_eq!(offered(&scratch, &["rnnc", "export", "--name", "std/gr"]), [""]);
    assert_eq!(offered(&scratch, &["rnnc", "explain", "E0301"]), ["E0301"]);
    assert_eq!(offered(&scratch, &["rnnc", "check", "--allow", "W0602"]), ["W0602"]);
    assert_eq!(offered(&scratch, &["rnnc", "check", "--allow", "E0301"]), [""]);
    assert_eq!(offered(&scratch, &["rnnc", "check", "--deny", "warn"]), ["warnings"]);
    for (shell, part) in [
        ("zsh", "_alternative 'cells:library cell:(std/"),
        ("zsh", ":_rnnc_specs'"),
        ("fish", "__fish_rnnc_using_subcommand explain\" -a \""),
        ("powershell", "'--layout'"),
    ] {
        let script = scratch.rnnc(&format!("completions {shell}")).expect(0).stdout;
        assert!(script.contains(part), "{shell}: {part}");
    }
    let zsh = scratch.rnnc("completions zsh").expect(0).stdout;
    assert_eq!(zsh.matches("(std/").count(), 1, "a list hides the files");
}

#[test]
fn verbose_tells_what_is_read_drawn_and_chosen() {
    let scratch = Scratch::new();
    scratch.write("x.csv", "1,2,3\n4,5,6\n");
    scratch.write("lib/gates.rnn", "fn twice(v) = 2 * v\n");
    scratch.write(
        "my.rnn",
        "use \"lib/gates.rnn\"\ncell A {\n  dims I\n  input x: [I]\n  param w: [I]\n  output y = twice(w * x)\n}\n",
    );
    let command = "run my.rnn --input x.csv --set I=3 --threads 1";
    let told = scratch.rnnc(&format!("{command} -v")).expect(0);
    for part in [
        "info: read my.rnn, ",
        "info: read lib/gates.rnn, 20 bytes\n",
        "info: read x.csv, 12 bytes\n",
        "info: chose `A` with I = 3\n",
        "info: sizes I = 3\n",
        "info: input `x` is [2, 1, 3]\n",
        "info: 1 param with 3 elements\n",
        "note: no --params given: drawn from seed 0\n",
        "info: chose the fast engine, ",
        ", 1 thread\n",
    ] {
        assert!(told.stderr.contains(part), "{part}\n{}", told.stderr);
    }
    let plain = scratch.rnnc(command).expect(0);
    assert_eq!(plain.stdout, told.stdout);
    assert!(!plain.stderr.contains("info: "), "{}", plain.stderr);
    assert_eq!(scratch.rnnc(&format!("{command} -q")).expect(0).stderr, "");
    scratch.rnnc(&format!("{command} -q -v")).expect(2);
}
