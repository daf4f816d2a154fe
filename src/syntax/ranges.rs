//! Indices as in Python: `v[0:4]`, `U[:, 0]`, `(W @ x)[-3:]`. What is written for them here depends on the axes of the
//! value, which its declaration tells.

use crate::syntax::scan::Kind;
use crate::syntax::split::Reader;
use crate::syntax::words::Word;
use crate::text::Span;

/// One place between the commas.
enum Place {
    /// `:`
    All,
    /// `a:b`
    Range(String, String),
    /// `a`
    At(String),
}

/// Returns the text to write in place of a value with the bracket that opens at `open`; `None` if nothing decides it. `axes` are
/// those of the value, where its declaration does not tell them; then the value may be put into what fails unless they are, so
/// that a trial tells.
pub(super) fn instead(
    reader: &Reader<'_>,
    open: usize,
    given: Option<(&[String], bool)>,
) -> Option<(Span, String)> {
    let close = reader.partner(open)?;
    let first = value_start(reader, open - 1)?;
    let is_paren = reader.word(first) == "(" && reader.partner(first) == Some(open - 1);
    let mut value = match is_paren {
        true => text(reader, first + 1, open - 1)?,
        false => text(reader, first, open)?,
    };
    if let Some((axes, true)) = given {
        let axes = axes.join(", ");
        value = format!("reshape(({value}) + zeros([{axes}]), [{axes}])");
    }
    let is_sum = is_paren && !given.is_some_and(|it| it.1);
    let axes = declared(reader, first, open).or_else(|| Some(given?.0.to_vec()));
    let mut places = Vec::new();
    let mut from = open + 1;
    for at in open + 1..=close {
        let depth_ends = at == close || reader.word(at) == "," && is_outside(reader, open, at);
        if depth_ends {
            places.push(place(reader, from, at)?);
            from = at + 1;
        }
    }
    let whole = reader.span(first).to(reader.span(close));
    let text = match (axes.filter(|it| it.len() >= places.len()), &places[..]) {
        (Some(axes), _) => of_axes(value, is_sum, &places, &axes),
        (None, [Place::Range(from, to)]) if !to.is_empty() && !is_back(from) && !is_back(to) => {
            format!("slice({value}, {}, {to})", zero(from))
        }
        (None, [Place::All]) => value,
        (None, _) => return None,
    };
    Some((whole, text))
}

/// Returns true if a bound counts from the end.
fn is_back(bound: &str) -> bool {
    bound.starts_with('-')
}

/// Cuts a value whose axes are known, the first place first.
fn of_axes(value: String, is_paren: bool, places: &[Place], axes: &[String]) -> String {
    let (mut value, mut left) = (value, axes.to_vec());
    let mut is_bare = is_paren;
    // The axis of the next place: each index takes one away.
    let mut axis = 0;
    for place in places {
        let size = left[axis].clone();
        let bound = |it: &str| match it.strip_prefix('-') {
            Some(back) => format!("{size} - {back}"),
            None => it.to_owned(),
        };
        let over = if left.len() == 1 {
            String::new()
        } else if axis == 0 {
            ", over first".to_owned()
        } else if axis + 1 == left.len() {
            ", over last".to_owned()
        } else {
            format!(", over {size}")
        };
        match place {
            Place::All => axis += 1,
            Place::Range(from, to) => {
                let to = if to.is_empty() { size.clone() } else { bound(to) };
                let from = bound(&zero(from));
                left[axis] = difference(&from, &to);
                value = format!("slice({value}, {from}, {to}{over})");
                is_bare = false;
                axis += 1;
            }
            Place::At(index) if axis == 0 => {
                let of = if is_bare { format!("({value})") } else { value };
                value = format!("{of}[{}]", bound(index));
                is_bare = false;
                left.remove(0);
            }
            Place::At(index) => {
                let from = bound(index);
                let to =
                    match (index.strip_prefix('-').unwrap_or(index).parse::<u64>(), is_back(index))
                    {
                        (Ok(it), false) => (it + 1).to_string(),
                        (Ok(1), true) => size.clone(),
                        (Ok(it), true) => format!("{size} - {}", it.saturating_sub(1)),
                        (Err(_), _) => format!("{from} + 1"),
                    };
                is_bare = false;
                left.remove(axis);
                let shape = left.join(", ");
                value = format!("reshape(slice({value}, {from}, {to}{over}), [{shape}])");
            }
        }
    }
    if is_bare { format!("({value})") } else { value }
}

/// Returns the number of elements between two bounds.
fn difference(from: &str, to: &str) -> String {
    match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(0), _) => to.to_owned(),
        (Ok(from), Ok(to)) => to.saturating_sub(from).to_string(),
        (_, _) => match from.strip_prefix(to).and_then(|it| it.strip_prefix(" - ")) {
            Some(back) => back.to_owned(),
            None => format!("{to} - ({from})"),
        },
    }
}

fn zero(from: &str) -> String {
    if from.is_empty() { "0".to_owned() } else { from.to_owned() }
}

/// Returns the text between two commas; `None` for a step, which has no notation here.
fn place(reader: &Reader<'_>, from: usize, to: usize) -> Option<Place> {
    let colons: Vec<usize> = (from..to).filter(|it| reader.word(*it) == ":").collect();
    let piece = |from: usize, to: usize| match from >= to {
        true => Some(String::new()),
        false => text(reader, from, to),
    };
    match &colons[..] {
        [] => Some(Place::At(text(reader, from, to)?)),
        [at] if from == *at && at + 1 == to => Some(Place::All),
        [at] => Some(Place::Range(piece(from, *at)?, piece(at + 1, to)?)),
        _ => None,
    }
}

/// Returns true if a token is in no bracket within the one that opens at `open`.
fn is_outside(reader: &Reader<'_>, open: usize, at: usize) -> bool {
    (open + 1..at).all(|it| {
        !matches!(reader.kind(it), Some(Kind::Open(_)))
            || reader.partner(it).is_some_and(|close| close < at)
    })
}

/// Returns the first token of the value that ends with a token: a name with what follows it, a call, brackets, `prev` of a name.
fn value_start(reader: &Reader<'_>, mut last: usize) -> Option<usize> {
    loop {
        match reader.kind(last)? {
            Kind::Close(_) => {
                let open = reader.partner(last)?;
                let follows = open > 0 && reader.ends_value(open - 1);
                let touches = follows && reader.span(open - 1).end == reader.span(open).start;
                if !touches {
                    let is_prev = open > 0 && reader.word(open - 1) == "prev";
                    return Some(if is_prev { open - 1 } else { open });
                }
                last = open - 1;
            }
            Kind::Word(Word::Free) => {
                let before = last.checked_sub(1)?;
                match reader.word(before) {
                    "." => last = before.checked_sub(1)?,
                    "prev" => return Some(before),
                    _ => return Some(last),
                }
            }
            Kind::Word(
                Word::Item | Word::Declaration | Word::Inner | Word::Later | Word::Foreign,
            )
            | Kind::Number
            | Kind::Text
            | Kind::Open(_)
            | Kind::Sign(_) => return Some(last),
        }
    }
}

/// Returns the axes of a value that is a declared name, as they are written.
fn declared(reader: &Reader<'_>, first: usize, end: usize) -> Option<Vec<String>> {
    let first = if reader.word(first) == "prev" { first + 1 } else { first };
    if first + 1 != end {
        return None;
    }
    let name = reader.word(first);
    let count = reader.scan.tokens.len();
    let is_free = |at: usize| matches!(reader.kind(at), Some(Kind::Word(Word::Free)));
    (0..count).filter(|it| reader.word(*it) == name).find_map(|at| {
        let mut colon = at + 1;
        while reader.word(colon) == "," && is_free(colon + 1) {
            colon += 2;
        }
        let open = colon + 1;
        if reader.word(colon) != ":" || reader.word(open) != "[" {
            return None;
        }
        let close = reader.partner(open)?;
        let mut axes = Vec::new();
        let mut from = open + 1;
        for it in open + 1..=close {
            if it == close || reader.word(it) == "," && is_outside(reader, open, it) {
                axes.push(text(reader, from, it)?);
                from = it + 1;
            }
        }
        Some(axes)
    })
}

/// Returns the source of the tokens `from..to`, if it is short.
fn text(reader: &Reader<'_>, from: usize, to: usize) -> Option<String> {
    if from >= to {
        return None;
    }
    let text = &reader.source[reader.span(from).to(reader.span(to - 1)).range()];
    let short = text.len() <= 60 && !text.contains(|it: char| it.is_control());
    short.then(|| text.to_owned())
}
