//! Values of keys: what types there are, how they are read and written.

use super::keys::{Key, Kind};

/// A value of a key.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A text or a path.
    Text(String),
    /// A whole number.
    Whole(u64),
    /// A number.
    Real(f64),
    /// True or false.
    Bool(bool),
    /// One of some words.
    Word(&'static str),
    /// Names with what they are given, sorted.
    Map(Vec<(String, String)>),
}

impl Value {
    /// Returns the value as it is written in a file.
    pub fn ron(&self) -> String {
        match self {
            Value::Text(it) => format!("{it:?}"),
            Value::Whole(it) => it.to_string(),
            // Debug writes the shortest text that reads back the same, with a point or an exponent.
            Value::Real(it) => format!("{it:?}"),
            Value::Bool(it) => it.to_string(),
            Value::Word(it) => (*it).to_owned(),
            Value::Map(all) => {
                let all: Vec<String> = all.iter().map(|(a, b)| format!("{a:?}: {b:?}")).collect();
                format!("{{{}}}", all.join(", "))
            }
        }
    }

    /// Returns the value as messages name it.
    pub fn shown(&self) -> String {
        match self {
            Value::Text(it) => it.clone(),
            Value::Real(it) => it.to_string(),
            Value::Map(all) => {
                let all: Vec<String> = all.iter().map(|(a, b)| format!("{a}={b}")).collect();
                all.join(" ")
            }
            Value::Whole(_) | Value::Bool(_) | Value::Word(_) => self.ron(),
        }
    }
}

/// Returns the value that a flag says, or nothing where it empties the key. A map has a text for each name.
pub fn of_flag(key: &Key, texts: &[String]) -> Result<Option<Value>, String> {
    if let Kind::Map(_) = key.kind {
        let pairs = texts.iter().map(|text| match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok((name.trim().to_owned(), value.trim().to_owned()))
            }
            _ => Err(format!("`{}` is `{text}`; write NAME={}", key.name, map_value(key))),
        });
        return map(key, pairs.collect::<Result<_, _>>()?, true).map(Some);
    }
    let text = texts.last().map_or("", String::as_str);
    if text == "none" && key.is_optional() {
        return Ok(None);
    }
    of_text(key, text).map(Some)
}

/// Returns the value of a text without quotes.
pub fn of_text(key: &Key, text: &str) -> Result<Value, String> {
    let wrong = || format!("`{}` is {text}; it is {}", key.name, key.range());
    match key.kind {
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Whole { least } => match text.parse() {
            Ok(it) if it >= least => Ok(Value::Whole(it)),
            Ok(_) | Err(_) => Err(wrong()),
        },
        Kind::Real(range) => match text.parse::<f64>() {
            Ok(it) if range.holds(it) => Ok(Value::Real(it)),
            Ok(_) | Err(_) => Err(wrong()),
        },
        Kind::Bool => text.parse().map(Value::Bool).map_err(|_| wrong()),
        Kind::Word(words) => match words.iter().find(|it| **it == text) {
            Some(it) => Ok(Value::Word(it)),
            None => Err(wrong()),
        },
        Kind::Map(_) => Err(wrong()),
    }
}

/// Returns a map of names, each once; the last of a name wins among flags.
pub fn map(key: &Key, pairs: Vec<(String, String)>, last_wins: bool) -> Result<Value, String> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, value) in pairs {
        match all.iter_mut().find(|it| it.0 == name) {
            Some(it) if last_wins && key.name == "set" => it.1 = value,
            Some(_) => return Err(format!("`{}` says `{name}` twice", key.name)),
            None => all.push((name, value)),
        }
    }
    all.sort();
    Ok(Value::Map(all))
}

/// Returns the name of the values in a map.
fn map_value(key: &Key) -> &'static str {
    match key.kind {
        Kind::Map(value) => value,
        Kind::Text | Kind::Whole { .. } | Kind::Real(_) | Kind::Bool | Kind::Word(_) => "VALUE",
    }
}
