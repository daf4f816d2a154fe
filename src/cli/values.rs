//! Values of options that are more than a text or a number.

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

/// A number of bytes, or of KiB, MiB or GiB.
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

/// A bound for differences.
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
