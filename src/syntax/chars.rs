//! Characters that do not belong into a source text, and what to write in their place.

/// Returns the ASCII spelling of a letter or digit that looks like one or is usually spelled out in names.
pub(super) fn spelling(letter: char) -> Option<&'static str> {
    // Upper-case Greek letters begin with a capital.
    const GREEK: &[&str] = &[
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
        "lambda", "mu", "nu", "xi", "omicron", "pi_", "rho", "sigma", "sigma", "tau", "upsilon",
        "phi", "chi", "psi", "omega",
    ];
    const GREEK_UPPER: &[&str] = &[
        "Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta", "Eta", "Theta", "Iota", "Kappa",
        "Lambda", "Mu", "Nu", "Xi", "Omicron", "Pi", "Rho", "", "Sigma", "Tau", "Upsilon", "Phi",
        "Chi", "Psi", "Omega",
    ];
    const DIGITS: &[&str] = &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let code = letter as u32;
    let spelled = match letter {
        'α'..='ω' => GREEK[(code - 0x3B1) as usize],
        'Α'..='Ω' => GREEK_UPPER[(code - 0x391) as usize],
        'ϕ' => "phi",
        'ϑ' => "theta",
        'ϵ' => "epsilon",
        'µ' => "mu",
        'а' | 'á' | 'à' | 'â' | 'å' | 'ã' => "a",
        'ä' => "ae",
        'е' | 'é' | 'è' | 'ê' | 'ë' => "e",
        'о' | 'ó' | 'ò' | 'ô' | 'õ' | 'ø' => "o",
        'ö' => "oe",
        'ü' => "ue",
        'ú' | 'ù' | 'û' => "u",
        'р' => "p",
        'с' | 'ç' => "c",
        'у' => "y",
        'х' => "x",
        'і' | 'í' | 'ì' | 'î' | 'ï' | 'ı' => "i",
        'ј' => "j",
        'ѕ' => "s",
        'һ' => "h",
        'ԁ' => "d",
        'ɡ' => "g",
        'ñ' => "n",
        'ß' => "ss",
        'А' => "A",
        'В' => "B",
        'Е' => "E",
        'З' => "Z",
        'І' => "I",
        'К' => "K",
        'М' => "M",
        'Н' => "H",
        'О' => "O",
        'Р' => "P",
        'С' => "C",
        'Т' => "T",
        'У' => "Y",
        'Х' => "X",
        'ℓ' => "l",
        '₀'..='₉' => DIGITS[(code - 0x2080) as usize],
        '０'..='９' => DIGITS[(code - 0xFF10) as usize],
        'ₜ' => "t",
        'ₕ' => "h",
        'ₓ' => "x",
        'ᵢ' => "i",
        'ₒ' => "o",
        _ => "",
    };
    (!spelled.is_empty()).then_some(spelled)
}

/// Returns a whole word in ASCII, if each of its letters has a spelling.
pub(super) fn spell(word: &str) -> Option<String> {
    let mut result = String::new();
    for letter in word.chars() {
        if letter.is_ascii() {
            result.push(letter);
        } else {
            result.push_str(spelling(letter)?);
        }
    }
    // `π` alone would be the word `pi`, which is the number.
    Some(if result == "pi_" { "pi".to_owned() } else { result })
}

/// Returns the sign that a character outside ASCII means, as printed formulas use it.
pub(super) fn sign(character: char) -> Option<&'static str> {
    Some(match character {
        '×' | '⊙' | '∘' | '⊗' | '·' | '•' | '∗' | '⋅' | '＊' => "*",
        '−' | '–' | '—' | '‐' | '‑' | '－' => "-",
        '÷' | '∕' | '⁄' => "/",
        '≤' | '⩽' => "<=",
        '≥' | '⩾' => ">=",
        '≠' => "!=",
        '←' | '≔' | '＝' => "=",
        '“' | '”' | '„' | '«' | '»' => "\"",
        '（' => "(",
        '）' => ")",
        '，' => ",",
        '：' => ":",
        '＋' => "+",
        '²' => "^ 2",
        '³' => "^ 3",
        '∞' => "inf",
        _ => return None,
    })
}

/// Controls that change the direction of text, so that people read another text than the compiler.
pub(super) fn is_bidi(character: char) -> bool {
    matches!(character,
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{061C}')
}

/// Blanks and invisible characters outside ASCII.
pub(super) fn is_blank(character: char) -> bool {
    !character.is_ascii() && character.is_whitespace()
        || matches!(character,
            '\u{00AD}' | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{180E}'
            | '\u{3164}' | '\u{115F}' | '\u{1160}')
}

/// Returns a character for a message: itself where it can be seen, and always its code point.
pub(super) fn show(character: char) -> String {
    let code = character as u32;
    let hidden = character.is_control() || is_bidi(character) || is_blank(character);
    if hidden { format!("U+{code:04X}") } else { format!("`{character}` (U+{code:04X})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greek_letters_and_look_alikes_are_spelled_out() {
        assert_eq!(spell("α_1").as_deref(), Some("alpha_1"));
        assert_eq!(spell("Σ").as_deref(), Some("Sigma"));
        assert_eq!(spell("ω").as_deref(), Some("omega"));
        assert_eq!(spell("Ω").as_deref(), Some("Omega"));
        assert_eq!(spell("W_х").as_deref(), Some("W_x"));
        assert_eq!(spell("漢"), None);
    }
}
