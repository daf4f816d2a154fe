//! The configuration of a training: one table of keys, which makes the flags, reads the file and prints what is meant.
//!
//! `--lr 0.002` and `lr: 0.002` in a file are the same key with the same range; a flag wins. A value knows where it was said, so
//! every message names the flag's key or the line and column. What is read here is text, numbers and words alone: data and models
//! are looked at later, with [`Settings::clash`] for keys that they leave without effect.

mod flags;
mod keys;
mod print;
mod read;
mod rules;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use flags::{Eval, Flags, Generate, Predict, Train};
pub use keys::Key;
pub use value::Value;

use super::error::CliError;
use crate::diag::Code;

/// The flag or file that a value comes from.
#[derive(Clone, PartialEq, Debug)]
pub enum Origin {
    /// On the command line.
    Flag,
    /// In a file: its name, the line and the column.
    File(String, usize, usize),
}

/// A value that was said; nothing where an optional key was emptied.
#[derive(Clone, PartialEq, Debug)]
pub struct Said {
    /// The value.
    pub value: Option<Value>,
    /// The flag or file that it comes from.
    pub origin: Origin,
}

/// The keys that were said, by name. What nobody said has its default.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Settings {
    said: BTreeMap<&'static str, Said>,
}

/// Returns the error about a key.
pub fn fault(origin: Option<&Origin>, message: &str) -> CliError {
    let place = match origin {
        Some(Origin::File(file, line, column)) => format!("{file}:{line}:{column}: "),
        Some(Origin::Flag) | None => String::new(),
    };
    CliError::Fit { code: Code::BadKey, message: format!("{place}{message}") }
}

impl Said {
    /// Returns a key that is emptied.
    pub fn none() -> Said {
        Said { value: None, origin: Origin::Flag }
    }
}

impl Settings {
    /// Takes what flags say, then what a file says of the other keys.
    pub fn new(flags: &[(&'static str, Vec<String>)]) -> Result<Settings, CliError> {
        let mut settings = Settings::default();
        for (name, texts) in flags {
            let key = keys::key(name);
            let value = value::of_flag(key, texts).map_err(|it| fault(Some(&Origin::Flag), &it))?;
            settings.said.insert(key.name, Said { value, origin: Origin::Flag });
        }
        Ok(settings)
    }

    /// Adds the keys of a file that no flag says.
    pub fn add_file(&mut self, file: &str, text: &str) -> Result<(), CliError> {
        for (name, said) in read::file(file, text)?.said {
            self.said.entry(name).or_insert(said);
        }
        Ok(())
    }

    /// Returns the value of a key with its origin.
    pub fn said(&self, name: &str) -> Option<&Said> {
        self.said.get(keys::key(name).name)
    }

    /// Returns true if a key was given, with a value or emptied.
    pub fn has(&self, name: &str) -> bool {
        self.said(name).is_some()
    }

    /// Returns true if a key was given a value.
    pub fn is_said(&self, name: &str) -> bool {
        self.said(name).is_some_and(|it| it.value.is_some())
    }

    /// Puts a value where nobody has said one.
    pub fn put(&mut self, name: &'static str, value: Value) {
        let said = Said { value: Some(value), origin: Origin::Flag };
        self.said.insert(keys::key(name).name, said);
    }

    /// Says a key anew.
    pub fn replace(&mut self, name: &str, said: Said) {
        self.said.insert(keys::key(name).name, said);
    }

    /// Returns all keys that were said.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Said)> {
        self.said.iter().map(|(name, said)| (*name, said))
    }

    /// Returns the value that is meant: what was said, or the default as far as other keys decide it.
    pub fn value(&self, name: &str) -> Option<Value> {
        match self.said(name) {
            Some(said) => said.value.clone(),
            None => keys::default(keys::key(name), self),
        }
    }

    /// Returns a whole number.
    pub fn whole(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Some(Value::Whole(it)) => Some(it),
            _ => None,
        }
    }

    /// Returns a whole number as a size.
    pub fn size(&self, name: &str) -> Option<usize> {
        self.whole(name).map(|it| usize::try_from(it).unwrap_or(usize::MAX))
    }

    /// Returns a number.
    pub fn real(&self, name: &str) -> Option<f64> {
        match self.value(name) {
            Some(Value::Real(it)) => Some(it),
            _ => None,
        }
    }

    /// Returns true if a key is true.
    pub fn is(&self, name: &str) -> bool {
        self.value(name) == Some(Value::Bool(true))
    }

    /// Returns one of the words of a key.
    pub fn word(&self, name: &str) -> Option<&'static str> {
        match self.value(name) {
            Some(Value::Word(it)) => Some(it),
            _ => None,
        }
    }

    /// Returns a text.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.value(name) {
            Some(Value::Text(it)) => Some(it),
            _ => None,
        }
    }

    /// Returns a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(|it| Path::new(&it).to_owned())
    }

    /// Names with what they are given.
    pub fn map(&self, name: &str) -> Vec<(String, String)> {
        match self.value(name) {
            Some(Value::Map(it)) => it,
            _ => Vec::new(),
        }
    }

    /// Refuses a key that was said: what else is so leaves it without effect. A value that asks for what is so anyway is fine.
    pub fn clash(&self, name: &str, why: &str) -> Result<(), CliError> {
        match self.said(name) {
            Some(said) if said.value.is_some() && said.value != keys::neutral(name) => {
                Err(fault(Some(&said.origin), why))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses a switch that a flag sets to this value. A file, which may be a printed one, has all of them.
    pub fn clash_flag(&self, name: &str, value: bool, why: &str) -> Result<(), CliError> {
        let clash = Said { value: Some(Value::Bool(value)), origin: Origin::Flag };
        match self.said(name) {
            Some(said) if *said == clash => Err(fault(Some(&said.origin), why)),
            Some(_) | None => Ok(()),
        }
    }

    /// Returns an error about a key, with the place where it was said.
    pub fn fault(&self, name: &str, message: &str) -> CliError {
        fault(self.said(name).map(|it| &it.origin), message)
    }

    /// Refuses keys that exclude each other, and keys that others leave without effect.
    pub fn check(&self) -> Result<(), CliError> {
        rules::check(self)
    }

    /// Returns the configuration as a file that means the same.
    pub fn print(&self) -> String {
        print::print(self)
    }
}

#[cfg(test)]
mod tests;
