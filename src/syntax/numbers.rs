//! Numbers: where one ends, and what is wrong with it.

/// A number at the start of a text.
pub(super) struct Number {
    /// The number of its bytes.
    pub(super) length: usize,
    /// The error in it.
    pub(super) fault: Option<Fault>,
}

/// An error in a number.
pub(super) struct Fault {
    /// The first line of the message.
    pub(super) message: String,
    /// The way out.
    pub(super) help: Option<String>,
    /// The text to write instead.
    pub(super) fix: Option<String>,
}

/// Reads the number at the start of a text, which begins with a digit or with `.` and a digit.
pub(super) fn read(text: &str) -> Number {
    let bytes = text.as_bytes();
    let good = well_formed(bytes);
    let mut end = good;
    // `0 .. 4` may be written without blanks, so two points are no part of a number.
    loop {
        match bytes.get(end) {
            Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_') => end += 1,
            Some(b'.') if bytes.get(end + 1) != Some(&b'.') => end += 1,
            Some(b'+' | b'-')
                if end > good
                    && matches!(bytes[end - 1], b'e' | b'E')
                    && matches!(bytes.get(end + 1), Some(b'0'..=b'9'))
                    && !bytes[..end - 1].iter().any(|it| it.is_ascii_alphabetic()) =>
            {
                end += 1;
            }
            Some(_) | None => break,
        }
    }
    if end == good {
        let overflows = text[..good].parse::<f64>().is_ok_and(f64::is_infinite);
        let fault = overflows.then(|| Fault {
            message: format!("number `{}` is too large", shown(&text[..good])),
            help: Some("the largest is about 1.8e308; `inf` is infinity".to_owned()),
            fix: None,
        });
        return Number { length: good, fault };
    }
    Number { length: end, fault: Some(fault(&text[..end], good)) }
}

/// Returns the number of bytes that form a number of the grammar.
fn well_formed(bytes: &[u8]) -> usize {
    let digits = |from: usize| bytes[from..].iter().take_while(|it| it.is_ascii_digit()).count();
    let mut end = digits(0);
    if end == 0 {
        return 0;
    }
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if fraction > 0 {
            end += 1 + fraction;
        }
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if end + 1 + sign < bytes.len() {
            let exponent = digits(end + 1 + sign);
            if exponent > 0 {
                end += 1 + sign + exponent;
            }
        }
    }
    end
}

/// Says what is wrong with a number of which only the first `good` bytes are one.
fn fault(text: &str, good: usize) -> Fault {
    let show = shown(text);
    let rest = &text[good..];
    // `.5`, `5.`, `5.e3`: the value is clear.
    let mended = if good == 0 { format!("0{text}") } else { mend_point(text) };
    if well_formed(mended.as_bytes()) == mended.len() {
        let side = if good == 0 { "before" } else { "after" };
        return Fault {
            message: format!("number `{show}` has no digit {side} its point"),
            help: Some(format!("write `{}`", shown(&mended))),
            fix: Some(mended),
        };
    }
    let plain: String = text.chars().filter(|it| *it != '_').collect();
    if text.contains('_') && well_formed(plain.as_bytes()) == plain.len() {
        return Fault {
            message: format!("number `{show}` may not hold `_`"),
            help: Some(format!("write `{}`", shown(&plain))),
            fix: Some(plain),
        };
    }
    let hex = text.strip_prefix("0x").or(text.strip_prefix("0X"));
    if let Some(value) = hex.and_then(|it| u64::from_str_radix(it, 16).ok()) {
        return Fault {
            message: format!("number `{show}` is not decimal"),
            help: Some(format!("write `{value}`")),
            fix: Some(value.to_string()),
        };
    }
    if rest.starts_with(|it: char| it.is_ascii_alphabetic()) && !rest.contains('.') {
        let (number, letters) = text.split_at(good);
        if rest.starts_with(['e', 'E']) && rest.len() == 1 {
            return Fault {
                message: format!("number `{show}` has no digits in its exponent"),
                help: None,
                fix: None,
            };
        }
        return Fault {
            message: format!("digits followed by letters: `{show}`"),
            help: Some(format!(
                "a product is written `{} * {}`; a name begins with a letter",
                shown(number),
                shown(letters)
            )),
            fix: None,
        };
    }
    Fault {
        message: format!("`{show}` is not a number"),
        help: Some("a number has digits on both sides of at most one point".to_owned()),
        fix: None,
    }
}

/// Puts a 0 behind the first point that has no digit there.
fn mend_point(text: &str) -> String {
    match text.find('.') {
        Some(at) if !text[at + 1..].starts_with(|it: char| it.is_ascii_digit()) => {
            format!("{}.0{}", &text[..at], &text[at + 1..])
        }
        Some(_) | None => text.to_owned(),
    }
}

/// Returns the beginning of a number, so that a line of digits does not fill a message.
fn shown(text: &str) -> String {
    if text.len() <= 40 { text.to_owned() } else { format!("{}...", &text[..37]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let number = read(text);
        let fault = number.fault.map_or("fine".to_owned(), |it| {
            let fix = it.fix.map(|it| format!(" -> {it}")).unwrap_or_default();
            format!("{}{fix}", it.message)
        });
        format!("{}: {fault}", number.length)
    }

    #[test]
    fn numbers_end_where_the_grammar_ends_them() {
        assert_eq!(message("12 x"), "2: fine");
        assert_eq!(message("0..L"), "1: fine");
        assert_eq!(message("0.5e-3+x"), "6: fine");
        assert_eq!(message("1e5"), "3: fine");
    }

    #[test]
    fn wrong_numbers_say_what_is_wrong() {
        assert_eq!(message(".5"), "2: number `.5` has no digit before its point -> 0.5");
        assert_eq!(message("5."), "2: number `5.` has no digit after its point -> 5.0");
        assert_eq!(message("5.e-3"), "5: number `5.e-3` has no digit after its point -> 5.0e-3");
        assert_eq!(message("1.2.3"), "5: `1.2.3` is not a number");
        assert_eq!(message("0x1f"), "4: number `0x1f` is not decimal -> 31");
        assert_eq!(message("1_000"), "5: number `1_000` may not hold `_` -> 1000");
        assert_eq!(message("2b"), "2: digits followed by letters: `2b`");
        assert_eq!(message("1e"), "2: number `1e` has no digits in its exponent");
        assert_eq!(message("1e999"), "5: number `1e999` is too large");
    }
}
