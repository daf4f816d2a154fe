//! Values of options that are more than a text or a number.

use crate::diag::{Code, Severity};

/// The values of `check --deny`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denied {
    /// Every warning.
    Warnings,
    /// The warnings of a code.
    Code(Code),
}

/// Returns the code of a warning.
pub fn warning(text: &str) -> Result<Code, String> {
    match Code::find(text.trim()) {
        Some(code) if code.severity() == Severity::Warning => Ok(code),
        Some(_) => Err("an error stops the compilation and cannot be allowed".to_owned()),
        None => {
            Err("write the code of a warning, such as W0602; `rnnc explain` lists all".to_owned())
        }
    }
}

/// Returns a warning that is denied, or all.
pub fn denied(text: &str) -> Result<Denied, String> {
    match text.trim() {
        "warnings" => Ok(Denied::Warnings),
        code => warning(code).map(Denied::Code),
    }
}

/// Parses a seed.
pub fn seed(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| format!("a seed is a whole number from 0 to {}", u64::MAX))
}

/// `NAME=VALUE`.
pub fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((_, value)) if !value.contains('(') && value.contains(',') => {
            Err("one --set for each: --set I=3 --set H=4".to_owned())
        }
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write NAME=VALUE, such as H=4".to_owned()),
    }
}

/// Returns a number of bytes, or of KiB, MiB or GiB.
pub fn bytes(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        Some(_) | None => (text, 0),
    };
    let count: Option<u64> = number.parse().ok();
    let bytes = count.and_then(|it| it.checked_mul(1 << shift));
    bytes.ok_or_else(|| "write a whole number, or one with K, M or G, such as 64M".to_owned())
}

/// Returns a bound for differences.
pub fn tolerance(text: &str) -> Result<f64, String> {
    let bound: Option<f64> = text.parse().ok();
    let bound = bound.filter(|it| it.is_finite() && *it >= 0.0);
    bound.ok_or_else(|| "write a number from 0 on, such as 1e-5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_have_suffixes() {
        for (text, expected) in
            [("0", 0), ("77", 77), ("2K", 2048), ("64M", 64 << 20), ("3g", 3 << 30)]
        {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "M", "-1", "1.5G", "64MB", "1T", "18446744073709551615K", "é"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
