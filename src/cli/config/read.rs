//! The file of a configuration: one RON struct, every key optional.
//!
//! A RON reader says where a text stops being RON, but not where each key and value began, and messages name that. So the
//! struct is cut into its fields here, by strings, comments and brackets alone; the value of each field is then read by `ron`.

use super::keys::{self, Kind};
use super::value::{self, Value};
use super::{Key, Origin, Said, Settings, fault};
use crate::cli::error::CliError;

/// A field of the struct: its key, and the places of key and value.
struct Field<'a> {
    key: &'a str,
    at: usize,
    value: &'a str,
    value_at: usize,
}

/// Reads a file with its name for messages.
pub fn file(name: &str, text: &str) -> Result<Settings, CliError> {
    let origin = |at: usize| {
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before[before.rfind('\n').map_or(0, |it| it + 1)..].chars().count() + 1;
        Origin::File(name.to_owned(), line, column)
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let fields = fields(text).map_err(|(at, message)| fault(Some(&origin(at)), &message))?;
    let mut settings = Settings::default();
    for field in fields {
        let place = origin(field.at);
        let known = keys::KEYS.iter().find(|it| it.name == field.key).ok_or_else(|| {
            let hint = match keys::nearest(field.key) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`rnnc train --help` lists all".to_owned(),
            };
            fault(Some(&place), &format!("unknown key `{}`; {hint}", field.key))
        })?;
        let value = read(known, field.value)
            .map_err(|message| fault(Some(&origin(field.value_at)), &message))?;
        if settings.said.contains_key(known.name) {
            return Err(fault(Some(&place), &format!("`{}` is said twice", known.name)));
        }
        settings.said.insert(known.name, Said { value, origin: place });
    }
    Ok(settings)
}

/// Returns the value of a field, or nothing for `None`.
fn read(key: &Key, text: &str) -> Result<Option<Value>, String> {
    let text = text.trim();
    let text = match text.strip_prefix("Some(").and_then(|it| it.strip_suffix(')')) {
        Some(inner) if key.is_optional() => inner.trim(),
        Some(_) | None => text,
    };
    if (text == "None" || text == "none") && key.is_optional() {
        return Ok(None);
    }
    let wrong = || format!("`{}` is {text}; it is {}", key.name, key.range());
    let value = match key.kind {
        Kind::Text => Value::Text(ron::from_str::<String>(text).map_err(|_| wrong())?),
        Kind::Map(_) => value::map(key, pairs(text).ok_or_else(wrong)?, false)?,
        // Digits may be parted by `_`, which no flag has.
        Kind::Whole { .. } => {
            let number = ron::from_str::<u64>(text).map_err(|_| wrong())?;
            value::of_text(key, &number.to_string())?
        }
        Kind::Real(_) => {
            let number = ron::from_str::<f64>(text).map_err(|_| wrong())?;
            value::of_text(key, &number.to_string())?
        }
        Kind::Bool | Kind::Word(_) => value::of_text(key, text)?,
    };
    Ok(Some(value))
}

/// Returns the entries of a map. A value may be a number or a word where a text would say the same.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    // A map keeps the last of two entries of one name; how many there are is seen from the list that is read with it.
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut all = Vec::new();
    for (at, end) in split(inner, b',').ok()? {
        let entry = inner[at..end].trim();
        if entry.is_empty() {
            continue;
        }
        let parts = split(entry, b':').ok()?;
        let [(_, name_end), (value_at, _), ..] = parts[..] else { return None };
        let name = ron::from_str::<String>(entry[..name_end].trim()).ok()?;
        let value = entry[value_at..].trim();
        let value = match value.starts_with(['"', 'r']) && value.ends_with(['"', '#']) {
            true => ron::from_str::<String>(value).ok()?,
            false if value.contains(['"', '{', '[', '(']) || value.is_empty() => return None,
            false => value.to_owned(),
        };
        all.push((name, value));
    }
    Some(all)
}

/// Cuts the struct into its fields. An error has its place.
fn fields(text: &str) -> Result<Vec<Field<'_>>, (usize, String)> {
    let start = skip(text, 0);
    let end = text.len();
    if !text[start..].starts_with('(') {
        return Err((start, "a configuration is one struct: `( key: value, .. )`".to_owned()));
    }
    let close = closing(text, start)?;
    let after = skip(text, close + 1);
    if after < end {
        return Err((after, "nothing follows the `)` of a configuration".to_owned()));
    }
    let body = start + 1;
    let inner = &text[..close];
    let mut fields: Vec<Field<'_>> = Vec::new();
    let parts = split(&inner[body..], b',').map_err(|(at, it)| (body + at, it))?;
    for (from, to) in parts {
        let (from, to) = (skip(inner, body + from), body + to);
        if from >= to {
            continue;
        }
        let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
        let length = inner[from..to].find(|it| !is_word(it)).unwrap_or(to - from);
        let colon = skip(inner, from + length);
        if length == 0 || !inner[colon..].starts_with(':') {
            return Err((from, "expected `key: value`".to_owned()));
        }
        let at = skip(inner, colon + 1);
        let value = uncommented(&inner[at.min(to)..to]);
        fields.push(Field { key: &inner[from..from + length], at: from, value, value_at: at });
    }
    Ok(fields)
}

/// Returns a value without the comments and blanks behind it.
fn uncommented(value: &str) -> &str {
    let mut end = 0;
    let mut at = 0;
    while at < value.len() {
        let next = skip(value, at);
        if next > at {
            at = next;
            continue;
        }
        at = token(value, at).unwrap_or(value.len());
        end = at;
    }
    &value[..end]
}

/// Returns the place after blanks and comments.
fn skip(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_start().len();
        at += blank;
        let rest = &text[at..];
        let comment = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |it| it + 2)
        } else {
            return at;
        };
        at += comment;
    }
}

/// Returns the place after a string, or after one character; nothing where a string is not closed.
fn token(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    if let Some(raw) = rest.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = at + 1 + hashes + 1;
            return text[body..].find(&end).map(|it| body + it + end.len());
        }
    }
    if !rest.starts_with('"') {
        return Some(at + rest.chars().next().map_or(1, char::len_utf8));
    }
    let mut escaped = false;
    for (idx, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + idx + 1),
            _ => {}
        }
    }
    None
}

/// Returns the bracket that closes the one at a place.
fn closing(text: &str, open: usize) -> Result<usize, (usize, String)> {
    let mut stack = Vec::new();
    let mut at = open;
    while at < text.len() {
        let next = skip(text, at);
        if next > at {
            at = next;
            continue;
        }
        match text.as_bytes()[at] {
            b'(' | b'[' | b'{' => stack.push(at),
            b')' | b']' | b'}' => {
                stack.pop();
                if stack.is_empty() {
                    return Ok(at);
                }
            }
            _ => {}
        }
        at = token(text, at).ok_or((at, "this text is not closed".to_owned()))?;
    }
    Err((open, "this `(` is not closed".to_owned()))
}

/// Returns the pieces of a text between separators that are in no bracket and no string.
fn split(text: &str, separator: u8) -> Result<Vec<(usize, usize)>, (usize, String)> {
    let mut pieces = Vec::new();
    let (mut from, mut depth, mut at) = (0, 0usize, 0);
    while at < text.len() {
        let next = skip(text, at);
        if next > at {
            at = next;
            continue;
        }
        match text.as_bytes()[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            it if it == separator && depth == 0 => {
                pieces.push((from, at));
                from = at + 1;
            }
            _ => {}
        }
        at = token(text, at).ok_or((at, "this text is not closed".to_owned()))?;
    }
    pieces.push((from, text.len()));
    Ok(pieces)
}
