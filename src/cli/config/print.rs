//! Printing a configuration, with a comment for each key.

use super::keys::{Default, KEYS, Key};
use super::{Settings, rules};

/// Returns the configuration as a file. A key without a value, or without effect beside the others, is a comment.
pub fn print(settings: &Settings) -> String {
    let mut text = String::from("(\n");
    let mut group = "";
    for key in KEYS {
        if key.group != group {
            group = key.group;
            text.push_str(&format!("    // {group}\n\n"));
        }
        text.push_str(&format!("    // {}: {}", key.help, key.range()));
        if let Some(words) = default(key) {
            text.push_str(&format!("; {words} where nobody says"));
        }
        text.push('\n');
        let value = match settings.said(key.name) {
            Some(said) => Some(said.value.clone()),
            None if rules::applies(settings, key.name) => settings.value(key.name).map(Some),
            None => None,
        };
        match value {
            Some(Some(value)) => {
                text.push_str(&format!("    {}: {},\n\n", key.name, value.ron()));
            }
            Some(None) => text.push_str(&format!("    {}: None,\n\n", key.name)),
            None => text.push_str(&format!("    // {}: ..,\n\n", key.name)),
        }
    }
    text.truncate(text.len() - 1);
    text.push_str(")\n");
    text
}

fn default(key: &Key) -> Option<&'static str> {
    match key.default {
        Default::None => None,
        Default::Is(text) | Default::Depends(text) => Some(text),
    }
}
