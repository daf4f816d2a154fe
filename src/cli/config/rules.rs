//! The rules about keys that belong together: none is ever without effect in silence.

use super::{Settings, fault};
use crate::cli::error::CliError;

/// The condition under which a key has an effect.
#[derive(Clone, Copy)]
enum Needs {
    /// One of these values of a key of words.
    Word(&'static str, &'static [&'static str]),
    /// A key that is said.
    Key(&'static str),
    /// Data that is no text.
    NoText,
    /// Data that is neither a text nor a table.
    Arrays,
}

/// The condition of each of these keys. The others have an effect always, or the data decides.
const NEEDS: &[(&str, Needs)] = &[
    ("layout", Needs::Key("params")),
    ("prefix", Needs::Key("params")),
    ("suffix", Needs::Key("params")),
    ("partial", Needs::Key("params")),
    ("ignore_extra", Needs::Key("params")),
    ("lengths", Needs::Arrays),
    ("batch_first", Needs::Arrays),
    ("columns", Needs::NoText),
    ("header", Needs::NoText),
    ("decimal", Needs::NoText),
    ("missing", Needs::NoText),
    ("sequence_column", Needs::NoText),
    ("window", Needs::NoText),
    ("stride", Needs::NoText),
    ("stride", Needs::Key("window")),
    ("ahead", Needs::NoText),
    ("scale", Needs::NoText),
    ("shuffle", Needs::NoText),
    ("min_delta", Needs::Key("patience")),
    ("own", Needs::Word("feedback", &["scheduled"])),
    ("own_end", Needs::Word("feedback", &["scheduled"])),
    ("own_shape", Needs::Word("feedback", &["scheduled"])),
    ("own_over", Needs::Word("feedback", &["scheduled"])),
    ("momentum", Needs::Word("optimizer", &["sgd", "rmsprop"])),
    ("dampening", Needs::Word("optimizer", &["sgd"])),
    ("dampening", Needs::Key("momentum")),
    ("nesterov", Needs::Word("optimizer", &["sgd"])),
    ("nesterov", Needs::Key("momentum")),
    ("alpha", Needs::Word("optimizer", &["rmsprop"])),
    ("centered", Needs::Word("optimizer", &["rmsprop"])),
    ("beta1", Needs::Word("optimizer", &["adam", "adamw"])),
    ("beta2", Needs::Word("optimizer", &["adam", "adamw"])),
    ("eps", Needs::Word("optimizer", &["rmsprop", "adam", "adamw"])),
    ("step_size", Needs::Word("schedule", &["step"])),
    ("gamma", Needs::Word("schedule", &["step", "exponential"])),
    ("lr_min", Needs::Word("schedule", &["cosine"])),
];

/// Keys of which one alone can be meant.
const EXCLUDE: &[(&str, &[&str])] = &[
    ("text", &["csv", "input", "target", "lengths"]),
    ("csv", &["lengths"]),
    ("data", &["csv", "text"]),
    (
        "valid",
        &["valid_data", "valid_input", "valid_target", "valid_lengths", "valid_csv", "valid_text"],
    ),
    ("valid_text", &["valid_csv", "valid_input", "valid_target", "valid_lengths"]),
    ("valid_data", &["valid_csv", "valid_text"]),
    ("valid_csv", &["valid_input", "valid_target", "valid_lengths"]),
];

impl Needs {
    /// Returns the reason for which a key has no effect, if it has none.
    fn lacks(self, key: &str, settings: &Settings) -> Option<String> {
        match self {
            Needs::Word(other, words) => {
                let word = settings.word(other)?;
                if words.contains(&word) {
                    return None;
                }
                let all = words.join(" and ");
                Some(match words.len() {
                    0 | 1 => format!("`{key}` belongs to `{other}: {all}`; `{other}` is {word}"),
                    _ => format!("`{key}` belongs to {all}; the {other} is {word}"),
                })
            }
            Needs::Key(other) => {
                let is_set =
                    settings.is_said(other) && settings.value(other) != super::keys::neutral(other);
                (!is_set).then(|| format!("`{key}` has no effect without `{other}`"))
            }
            Needs::NoText => {
                (settings.is_said("text")).then(|| format!("`{key}` has no effect on a text"))
            }
            Needs::Arrays => (settings.is_said("csv") || settings.is_said("text"))
                .then(|| format!("`{key}` is about arrays; the data is a series")),
        }
    }
}

/// Returns true if a key has an effect, as far as the keys alone say.
pub fn applies(settings: &Settings, name: &str) -> bool {
    let mut rows = NEEDS.iter().filter(|it| it.0 == name);
    rows.all(|(_, needs)| needs.lacks(name, settings).is_none())
}

/// Refuses keys that exclude each other, and keys that others leave without effect.
pub fn check(settings: &Settings) -> Result<(), CliError> {
    for (one, others) in EXCLUDE {
        let said = |name: &str| {
            settings
                .said(name)
                .filter(|it| it.value.is_some() && it.value != super::keys::neutral(name))
        };
        if said(one).is_none() {
            continue;
        }
        if let Some((other, it)) = others.iter().find_map(|it| Some((it, said(it)?))) {
            let message = format!("`{one}` and `{other}` exclude each other");
            return Err(fault(Some(&it.origin), &message));
        }
    }
    for (name, needs) in NEEDS {
        if let Some(why) = needs.lacks(name, settings) {
            settings.clash(name, &why)?;
        }
    }
    let needed = match settings.word("schedule") {
        Some("step") => Some("step_size"),
        Some("exponential") => Some("gamma"),
        _ => None,
    };
    if let Some(name) = needed.filter(|it| settings.value(it).is_none()) {
        let word = settings.word("schedule").unwrap_or_default();
        return Err(settings.fault("schedule", &format!("`schedule: {word}` needs `{name}`")));
    }
    if settings.is("nesterov") && settings.real("dampening") != Some(0.0) {
        return Err(settings.fault("nesterov", "`nesterov` and `dampening` exclude each other"));
    }
    if settings.real("lr_min") > settings.real("lr") && settings.word("schedule") == Some("cosine")
    {
        return Err(settings.fault("lr_min", "`lr_min` is above `lr`"));
    }
    if let Some(text) = settings.text("memory") {
        crate::cli::values::bytes(&text)
            .map_err(|it| settings.fault("memory", &format!("`memory` is {text}; {it}")))?;
        if settings.word("engine") != Some("fast") || settings.word("dtype") == Some("f64") {
            let why = "`memory` belongs to the fast engine, which computes in f32";
            return Err(settings.fault("memory", why));
        }
    }
    if settings.value("epochs").is_none() && settings.value("steps").is_none() {
        let message = "neither `epochs` nor `steps` says when the training ends";
        return Err(settings.fault("epochs", message));
    }
    Ok(())
}
