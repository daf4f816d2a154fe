use super::keys::KEYS;
use super::*;

fn of_file(text: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    settings.add_file("run.ron", text).map_err(|it| it.to_string())?;
    settings.check().map_err(|it| it.to_string())?;
    Ok(settings)
}

fn of_flags(flags: &[(&'static str, &str)]) -> Result<Settings, String> {
    let flags: Vec<(&'static str, Vec<String>)> =
        flags.iter().map(|(name, text)| (*name, vec![(*text).to_owned()])).collect();
    let settings = Settings::new(&flags).map_err(|it| it.to_string())?;
    settings.check().map_err(|it| it.to_string())?;
    Ok(settings)
}

#[track_caller]
fn refused(text: &str, message: &str) {
    assert_eq!(of_file(text).unwrap_err(), message, "{text}");
}

#[test]
fn a_file_is_one_struct_with_comments() {
    let text = "// mine\n(\n  text: r#\"a \"b\".txt\"#, /* a, b */ set: {\"H\": \"128\", \"dt\": 0.5, \"act\": relu},\n  lr: 2e-3,
  bptt: Some(50), clip: None, batch: 1_000, nesterov: true, momentum: 0.9, // end\n  optimizer: sgd\n)\n";
    let settings = of_file(text).unwrap();
    assert_eq!(settings.text("text").unwrap(), "a \"b\".txt");
    let set = [("H", "128"), ("act", "relu"), ("dt", "0.5")];
    assert_eq!(settings.map("set"), set.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!((settings.real("lr"), settings.whole("bptt")), (Some(0.002), Some(50)));
    assert_eq!((settings.value("clip"), settings.whole("batch")), (None, Some(1000)));
    assert_eq!(settings.word("optimizer"), Some("sgd"));
    assert_eq!(settings.whole("epochs"), Some(10));
    // `steps` alone switches `epochs` off.
    let settings = of_file("(steps: 5)").unwrap();
    assert_eq!((settings.whole("epochs"), settings.whole("steps")), (None, Some(5)));
}

#[test]
fn faults_have_their_line_and_column() {
    refused(
        "(\n    text: \"a\",\n    bach: 3,\n)",
        "run.ron:3:5: unknown key `bach`; did you mean `batch`?",
    );
    refused("(xyzzyx: 3)", "run.ron:1:2: unknown key `xyzzyx`; `rnnc train --help` lists all");
    refused("(\n  batch: 0)", "run.ron:2:10: `batch` is 0; it is a whole number of at least 1");
    refused("(batch: \"3\")", "run.ron:1:9: `batch` is \"3\"; it is a whole number of at least 1");
    refused(
        "(momentum: 1.0)",
        "run.ron:1:12: `momentum` is 1; it is a number of at least 0 and below 1",
    );
    refused("(lr: inf)", "run.ron:1:6: `lr` is inf; it is a number of at least 0");
    refused(
        "(optimizer: adan)",
        "run.ron:1:13: `optimizer` is adan; it is sgd, rmsprop, adam or adamw",
    );
    refused("(lr: None)", "run.ron:1:6: `lr` is None; it is a number of at least 0");
    refused("(batch: 3, batch: 4)", "run.ron:1:12: `batch` is said twice");
    refused("(set: {\"H\": 1, \"H\": 2})", "run.ron:1:7: `set` says `H` twice");
    refused("(text: \"a)", "run.ron:1:8: this text is not closed");
    refused("(batch: 3", "run.ron:1:1: this `(` is not closed");
    refused("(batch: 3) 4", "run.ron:1:12: nothing follows the `)` of a configuration");
    refused("batch: 3", "run.ron:1:1: a configuration is one struct: `( key: value, .. )`");
    refused("(batch = 3)", "run.ron:1:2: expected `key: value`");
    refused("(é: 3)", "run.ron:1:2: expected `key: value`");
}

#[test]
fn no_key_is_without_effect() {
    let of = |flags: &[(&'static str, &str)]| of_flags(flags).unwrap_err();
    assert_eq!(
        of(&[("momentum", "0.9")]),
        "`momentum` belongs to sgd and rmsprop; the optimizer is adam"
    );
    assert_eq!(of(&[("batch", "0")]), "`batch` is 0; it is a whole number of at least 1");
    assert_eq!(
        of(&[("gamma", "0.5")]),
        "`gamma` belongs to step and exponential; the schedule is constant"
    );
    assert_eq!(
        of(&[("own_end", "0.5")]),
        "`own_end` belongs to `feedback: scheduled`; `feedback` is teacher"
    );
    assert_eq!(of(&[("window", "3"), ("text", "a")]), "`window` has no effect on a text");
    assert_eq!(of(&[("ahead", "1"), ("text", "a")]), "`ahead` has no effect on a text");
    assert_eq!(of(&[("scale", "minmax"), ("text", "a")]), "`scale` has no effect on a text");
    assert_eq!(of(&[("stride", "2"), ("csv", "a")]), "`stride` has no effect without `window`");
    assert_eq!(of(&[("layout", "pytorch")]), "`layout` has no effect without `params`");
    assert_eq!(of(&[("min_delta", "0.1")]), "`min_delta` has no effect without `patience`");
    assert_eq!(
        of(&[("nesterov", "true"), ("optimizer", "sgd")]),
        "`nesterov` has no effect without `momentum`"
    );
    assert_eq!(of(&[("text", "a"), ("csv", "b")]), "`text` and `csv` exclude each other");
    assert_eq!(
        of(&[("valid", "0.1"), ("valid_text", "b")]),
        "`valid` and `valid_text` exclude each other"
    );
    assert_eq!(of(&[("schedule", "step")]), "`schedule: step` needs `step_size`");
    assert_eq!(
        of(&[("epochs", "none")]),
        "neither `epochs` nor `steps` says when the training ends"
    );
    assert_eq!(
        of(&[("memory", "much")]),
        "`memory` is much; write a whole number, or one with K, M or G, such as 64M"
    );
    // What is so anyway may be said.
    for fine in [("shuffle", "false"), ("stride", "1"), ("scale", "none")] {
        assert!(of_flags(&[fine, ("text", "a")]).is_ok(), "{fine:?}");
    }
    assert!(of_flags(&[("momentum", "0"), ("valid", "0"), ("valid_text", "v")]).is_ok());
}

#[test]
fn flags_win_over_the_file() {
    let mut settings = Settings::new(&[("lr", vec!["0.5".to_owned()])]).unwrap();
    settings.add_file("run.ron", "(lr: 0.1, batch: 7)").unwrap();
    assert_eq!((settings.real("lr"), settings.whole("batch")), (Some(0.5), Some(7)));
    let set = ["H=3", "H=4"].map(str::to_owned).to_vec();
    assert_eq!(
        Settings::new(&[("set", set)]).unwrap().map("set"),
        [("H".to_owned(), "4".to_owned())]
    );
    let twice = ["x=a", "x=b"].map(str::to_owned).to_vec();
    assert!(Settings::new(&[("input", twice)]).is_err());
}

#[test]
fn what_is_printed_means_the_same() {
    let all: &[&[(&'static str, &str)]] = &[
        &[],
        &[("text", "a \"b\"\\c"), ("lr", "0.002"), ("seed", "7"), ("clip", "none")],
        &[
            ("csv", "a.csv"),
            ("optimizer", "rmsprop"),
            ("momentum", "0.1"),
            ("set", "act=leaky_relu(0.2)"),
        ],
        &[("feedback", "scheduled"), ("own_end", "0.5"), ("schedule", "step"), ("step_size", "9")],
        &[("steps", "100"), ("optimizer", "adamw"), ("epochs", "none"), ("valid_every", "7")],
    ];
    for flags in all {
        let settings = of_flags(flags).unwrap();
        let printed = settings.print();
        let again = of_file(&printed).unwrap();
        assert_eq!(again.print(), printed);
        for key in KEYS {
            assert_eq!(again.value(key.name), settings.value(key.name), "{}", key.name);
        }
        // Each key is told once, as a key or as a comment.
        for key in KEYS {
            let lines = printed.lines().map(|it| it.trim().trim_start_matches("// "));
            let told = lines.filter(|it| it.starts_with(&format!("{}: ", key.name))).count();
            assert_eq!(told, 1, "{}", key.name);
        }
    }
}

#[test]
fn every_default_is_in_its_range_and_every_name_is_its_own() {
    let mut names: Vec<&str> = KEYS.iter().map(|it| it.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KEYS.len());
    let settings = Settings::default();
    for key in KEYS {
        if let keys::Default::Is(_) = key.default {
            assert!(settings.value(key.name).is_some(), "{}", key.name);
        }
        assert!(!key.help.ends_with('.') && !key.group.is_empty(), "{}", key.name);
    }
}

#[test]
fn every_key_is_in_the_page_about_training() {
    let page = include_str!("../../../docs/training.md");
    for key in KEYS {
        assert!(page.contains(&format!("`{}`", key.name)), "{}", key.name);
    }
}
