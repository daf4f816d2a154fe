//! Text of a drawing: names with subscripts, formulas as papers write them, and how wide they are.
//!
//! `W_f @ x + b_f` is `W x + b` with an f below `W` and `b`. Widths come from a table, so that a
//! drawing is the same on every machine, whatever fonts it has.

/// A run of letters on or below the line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The letters.
    pub text: String,
    /// True for a subscript.
    pub is_low: bool,
}

/// A line of text with subscripts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rich(pub Vec<Piece>);

/// The size of subscripts, in hundredths of the text that they belong to.
const LOW: i64 = 72;

/// Advances of DejaVu Sans, the widest of the common sans-serif fonts, in thousandths of its size.
const ADVANCES: &[(i64, &str)] = &[
    (275, "'"),
    (278, "ijl"),
    (295, "IJ"),
    (318, " ,.·"),
    (337, "/:;\\|"),
    (352, "f"),
    (361, "-"),
    (390, "()[]"),
    (392, "t"),
    (401, "!"),
    (411, "r"),
    (460, "\""),
    (500, "*_`"),
    (521, "s"),
    (525, "z"),
    (531, "?"),
    (541, "ε"),
    (550, "c"),
    (557, "L"),
    (575, "F"),
    (579, "k"),
    (589, "κ"),
    (592, "vxyγλ"),
    (602, "τπ"),
    (603, "P"),
    (611, "TY"),
    (612, "oδθ"),
    (613, "a"),
    (615, "e"),
    (632, "E"),
    (634, "hnuησ"),
    (635, "Sbdgpqρ"),
    (636, "$0123456789{}μ"),
    (638, "β"),
    (656, "K"),
    (659, "α"),
    (660, "φ"),
    (684, "AV"),
    (685, "XZ"),
    (686, "B"),
    (695, "R"),
    (698, "C"),
    (732, "U"),
    (748, "N"),
    (752, "H"),
    (770, "D"),
    (775, "G"),
    (780, "&"),
    (787, "OQ"),
    (818, "w"),
    (833, "∞"),
    (837, "ω"),
    (863, "M"),
    (945, "□"),
    (950, "%"),
    (974, "m"),
    (989, "W"),
    (1000, "@…⋯"),
];

/// That of signs such as `+`, and of all that the table lacks.
const SIGN: i64 = 838;

const GREEK: &[(&str, &str)] = &[
    ("alpha", "α"),
    ("beta", "β"),
    ("gamma", "γ"),
    ("delta", "δ"),
    ("epsilon", "ε"),
    ("eta", "η"),
    ("theta", "θ"),
    ("kappa", "κ"),
    ("lambda", "λ"),
    ("mu", "μ"),
    ("rho", "ρ"),
    ("sigma", "σ"),
    ("tau", "τ"),
    ("phi", "φ"),
    ("omega", "ω"),
    ("pi", "π"),
];

fn advance(letter: char) -> i64 {
    ADVANCES.iter().find(|it| it.1.contains(letter)).map_or(SIGN, |it| it.0)
}

/// Returns the width of letters at a size in pixels, rounded up.
pub fn width(text: &str, size: i32) -> i32 {
    pixels(text.chars().map(advance).sum::<i64>() * i64::from(size) * 100)
}

/// From hundredths of thousandths to pixels.
fn pixels(fine: i64) -> i32 {
    i32::try_from((fine + 99_999) / 100_000).unwrap_or(i32::MAX / 4)
}

impl Rich {
    /// Text on the line.
    pub fn plain(text: impl Into<String>) -> Rich {
        Rich(vec![Piece { text: text.into(), is_low: false }])
    }

    /// Puts other text behind this one.
    pub fn push(&mut self, more: &Rich) {
        for piece in &more.0 {
            match self.0.last_mut() {
                Some(last) if last.is_low == piece.is_low => last.text.push_str(&piece.text),
                Some(_) | None => self.0.push(piece.clone()),
            }
        }
    }

    /// Puts letters behind this text, on the line.
    pub fn put(&mut self, text: &str) {
        self.push(&Rich::plain(text));
    }

    /// This text with another behind it.
    pub fn then(mut self, more: &Rich) -> Rich {
        self.push(more);
        self
    }

    /// Several texts with letters between them.
    pub fn join(all: impl IntoIterator<Item = Rich>, between: &str) -> Rich {
        let mut whole = Rich::default();
        for (at, it) in all.into_iter().enumerate() {
            if at > 0 {
                whole.put(between);
            }
            whole.push(&it);
        }
        whole
    }

    /// With another text in the place of its square.
    pub fn fill(&self, with: &Rich) -> Rich {
        let mut out = Rich::default();
        for piece in &self.0 {
            for (at, part) in piece.text.split('□').enumerate() {
                if at > 0 {
                    out.push(with);
                }
                if !part.is_empty() {
                    out.push(&Rich(vec![Piece { text: part.to_owned(), is_low: piece.is_low }]));
                }
            }
        }
        out
    }

    /// Returns true if there is nothing to see.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|it| it.text.is_empty())
    }

    /// Returns the width in letters of this size.
    pub fn width(&self, size: i32) -> i32 {
        let fine = |it: &Piece| {
            let part = if it.is_low { LOW } else { 100 };
            it.text.chars().map(advance).sum::<i64>() * i64::from(size) * part
        };
        pixels(self.0.iter().map(fine).sum())
    }

    /// Returns the letters alone, subscripts behind `_`.
    pub fn letters(&self) -> String {
        let piece = |it: &Piece| match it.is_low {
            true => format!("_{}", it.text.replace(", ", "_")),
            false => it.text.clone(),
        };
        self.0.iter().map(piece).collect()
    }

    /// Returns the text in lines of at most this width: broken before signs and behind commas, and at other blanks only where
    /// that is not enough.
    pub fn wrap(&self, size: i32, limit: i32) -> Vec<Rich> {
        let mut lines: Vec<Rich> = Vec::new();
        let mut add = |part: Rich| match lines.last_mut() {
            Some(line) if line.clone().then(&part).trimmed().width(size) <= limit => {
                line.push(&part);
            }
            Some(_) | None => lines.push(part),
        };
        let mut term = Rich::default();
        let mut words = self.words().into_iter().peekable();
        while let Some(word) = words.next() {
            term.push(&word);
            let ends = match words.peek() {
                Some(next) => {
                    let next = next.letters();
                    let sign = matches!(&*next, "+ " | "− " | "⊙ " | "· " | "/ ");
                    sign || word.letters().ends_with(", ")
                }
                None => true,
            };
            if ends {
                let whole = std::mem::take(&mut term);
                match whole.trimmed().width(size) > limit {
                    true => whole.words().into_iter().for_each(&mut add),
                    false => add(whole),
                }
            }
        }
        lines.iter().map(Rich::trimmed).collect()
    }

    /// Returns the parts that end in blanks.
    fn words(&self) -> Vec<Rich> {
        let mut words: Vec<Rich> = vec![Rich::default()];
        for piece in &self.0 {
            for part in piece.text.split_inclusive(' ') {
                if words.last().is_some_and(|it| it.letters().ends_with(' ')) {
                    words.push(Rich::default());
                }
                let part = Piece { text: part.to_owned(), is_low: piece.is_low };
                if let Some(last) = words.last_mut() {
                    last.push(&Rich(vec![part]));
                }
            }
        }
        words
    }

    fn trimmed(&self) -> Rich {
        let mut text = self.clone();
        if let Some(last) = text.0.last_mut() {
            last.text = last.text.trim_end().to_owned();
        }
        text.0.retain(|it| !it.text.is_empty());
        text
    }
}

fn spelled(word: &str) -> &str {
    GREEK.iter().find(|it| it.0 == word).map_or(word, |it| it.1)
}

/// Returns a name as papers write it: `W_f` is W with f below, `alpha` is its letter, `h2` is h with 2 below. `more` is written
/// below too, such as `t−1`.
pub fn name(name: &str, more: &str) -> Rich {
    let (base, low) = match name.split_once('_') {
        Some((base, low))
            if (1..=5).contains(&base.len())
                && base != "log"
                && base.bytes().all(|it| it.is_ascii_alphabetic())
                && !low.is_empty() =>
        {
            (base, low)
        }
        Some(_) => (name, ""),
        None => match name.as_bytes() {
            [letter, digit] if letter.is_ascii_alphabetic() && digit.is_ascii_digit() => {
                name.split_at(1)
            }
            _ => (name, ""),
        },
    };
    let mut rich = Rich::plain(spelled(base));
    let low: Vec<&str> = [spelled(low), more].into_iter().filter(|it| !it.is_empty()).collect();
    if !low.is_empty() {
        rich.0.push(Piece { text: low.join(", "), is_low: true });
    }
    rich
}

/// Returns a shape, or a number of params, as papers write it: `[2M, N]` for `[2 * M, N]`, `4H² + 8H` for `4 * H ^ 2 + 8 * H`.
pub fn shape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(" * ") {
        let number = rest[..at].bytes().last().is_some_and(|it| it.is_ascii_digit())
            && !rest[..at].trim_end_matches(|it: char| it.is_ascii_digit()).ends_with("^ ");
        let letter = rest[at + 3..].bytes().next().is_some_and(|it| it.is_ascii_alphabetic());
        out.push_str(&rest[..at]);
        out.push_str(if number && letter { "" } else { "·" });
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    let mut parts = out.split(" ^ ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let digits = part.bytes().take_while(|it| it.is_ascii_digit()).count();
        if digits == 0 {
            return format!("{text} ^ {part}");
        }
        let raised = part[..digits]
            .chars()
            .filter_map(|it| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(it as usize - '0' as usize));
        format!("{text}{}{}", raised.collect::<String>(), &part[digits..])
    })
}

/// Returns the text for a name in a formula, if it is not the name itself.
pub type Names<'a> = &'a dyn Fn(&str) -> Option<Rich>;

/// Returns a formula in the notation of the language as papers write it: `W @ x` is `W x`, `a * b` is `a ⊙ b`, `prev h` is h with
/// t−1 below.
pub fn formula(text: &str, names: Names<'_>) -> Rich {
    let mut out = Rich::default();
    let tokens = tokens(text);
    let mut at = 0;
    while at < tokens.len() {
        let token = tokens[at];
        let next = |ahead: usize| tokens.get(at + ahead).copied().unwrap_or_default();
        match token {
            "prev" => {
                // `prev h`, `prev a.h`, `prev(h, 2)`
                let parens = next(1) == "(";
                let what = next(if parens { 2 } else { 1 });
                let steps = if parens && next(3) == "," { next(4) } else { "1" };
                out.push(&name(what, &format!("t−{steps}")));
                at += match (parens, next(3)) {
                    (false, _) => 2,
                    (true, ",") => 6,
                    (true, _) => 4,
                };
                // The blank before `h` is passed over with it.
                continue;
            }
            "transpose" if next(1) == "(" && next(3) == ")" => {
                out.push(&names(next(2)).unwrap_or_else(|| name(next(2), "")));
                out.put("ᵀ");
                at += 4;
                continue;
            }
            "outer" if next(1) == "(" => match outer(&tokens[at + 2..], names) {
                Some((text, used)) => {
                    out.push(&text);
                    at += 2 + used;
                    continue;
                }
                None => out.put("outer"),
            },
            "^" if matches!(next(1), "2" | "3") => {
                out.put(if next(1) == "2" { "²" } else { "³" });
                at += 1;
            }
            "^" => out.put(" ^ "),
            "@" => out.put(" "),
            "*" => {
                let scalar = at > 0 && is_number(tokens[at - 1]) || is_number(next(1));
                out.put(if scalar { " · " } else { " ⊙ " });
            }
            "-" => {
                let infix =
                    at > 0 && !matches!(tokens[at - 1], "(" | "[" | "," | "=" | "*" | "/" | "^");
                out.put(if infix { " − " } else { "−" });
            }
            "+" | "/" | "<" | ">" | "=" => out.put(&format!(" {token} ")),
            "<=" => out.put(" ≤ "),
            ">=" => out.put(" ≥ "),
            "==" => out.put(" = "),
            "!=" => out.put(" ≠ "),
            "," => out.put(", "),
            "over" => out.put("over "),
            "sigmoid" => out.put("σ"),
            "inf" => out.put("∞"),
            _ if token.starts_with(|it: char| it.is_ascii_alphabetic()) => {
                out.push(&match next(1) == "(" {
                    true => Rich::plain(token),
                    false => names(token).unwrap_or_else(|| name(token, "")),
                });
            }
            _ => out.put(token),
        }
        at += 1;
    }
    out
}

/// `a, b)` after `outer(`, where both are names: `a ⊗ b`, and how many words that are.
fn outer(tokens: &[&str], names: Names<'_>) -> Option<(Rich, usize)> {
    let side = |tokens: &[&str]| match tokens {
        ["prev", "(", ..] => None,
        ["prev", value, ..] => Some((name(value, "t−1"), 2)),
        [value, ..] => Some((names(value).unwrap_or_else(|| name(value, "")), 1)),
        [] => None,
    };
    let (left, used) = side(tokens)?;
    let rest = tokens.get(used + 1..).filter(|_| tokens[used] == ",")?;
    let (right, more) = side(rest)?;
    let whole = left.then(&Rich::plain(" ⊗ ")).then(&right);
    (rest.get(more) == Some(&")")).then_some((whole, used + more + 2))
}

/// Returns true if a word begins as a literal does.
pub fn is_number(token: &str) -> bool {
    token.starts_with(|it: char| it.is_ascii_digit())
}

/// Words, numbers and signs, without blanks.
fn tokens(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |it: char| it.is_alphanumeric() || it == '_' || it == '.';
        let mut length = match first {
            it if is_word(it) => rest.find(|it| !is_word(it)).unwrap_or(rest.len()),
            '<' | '>' | '=' | '!' if rest[1..].starts_with('=') => 2,
            it => it.len_utf8(),
        };
        // The sign of an exponent belongs to the number.
        let exponent = is_number(&rest[..length]) && rest[..length].ends_with(['e', 'E']);
        if exponent && rest[length..].starts_with(['-', '+']) {
            let digits = &rest[length + 1..];
            length += 1 + digits.find(|it: char| !it.is_ascii_digit()).unwrap_or(digits.len());
        }
        all.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    all
}
