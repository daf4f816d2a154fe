//! A slip in words.

use crate::diag::{Code, Diagnostic};
use crate::syntax::LexemeKind;
use crate::text::Span;

use super::slips::{How, Slip, is_bracket};
use super::{Bench, withdraw};

impl Bench<'_> {
    /// Returns the message for a slip. The edit is not in it.
    pub(super) fn told(&self, old: &Diagnostic, slip: &Slip) -> Diagnostic {
        let mut kept = old.clone();
        withdraw(&mut kept);
        let meant = &slip.meant;
        let (at, sign) = (meant.at, meant.sign);
        let (span, found) = (self.span(at), self.shown(at));
        let unexpected =
            |span: Span, message: String| Diagnostic::new(Code::UnexpectedToken, span, message);
        match meant.how {
            How::Twice if !slip.is_only && is_bracket(&found) => {
                if old.message.ends_with("closes nothing") {
                    kept.help =
                        Some("its partner is missing before it, or it stands twice".to_owned());
                }
                kept
            }
            How::Twice if !slip.is_only => {
                let first = self.span(at - 1);
                let message = format!("`{found}` stands twice, or a value is missing between them");
                unexpected(span, message).label(first, "the first")
            }
            How::Twice => {
                let is_value = matches!(
                    self.lexemes[at].kind,
                    LexemeKind::Word | LexemeKind::Number | LexemeKind::Text
                );
                let told = unexpected(span, format!("`{found}` stands twice"))
                    .at("the second")
                    .label(self.span(at - 1), "the first");
                match is_value && old.code == Code::MissingOperator {
                    true => told.help("remove one, or write an operator between them"),
                    false => told.help("remove one"),
                }
            }
            How::Missing if is_operator(sign) && old.code == Code::MissingOperator => {
                let list: Vec<String> = slip.fitting.iter().map(|it| format!("`{it}`")).collect();
                kept.help = Some(match slip.is_only {
                    true => format!("write `{sign}`"),
                    false => format!("these fit here: {}", list.join(", ")),
                });
                kept
            }
            How::Missing if slip.fitting.len() > 1 && !slip.is_only && is_word(sign) => {
                let words = slip.fitting.iter().filter(|it| is_word(it));
                let list: Vec<String> = words.take(4).map(|it| format!("`{it}`")).collect();
                unexpected(span, format!("a word is missing before `{found}`"))
                    .at("what is this?")
                    .help(format!("these fit here: {}", list.join(", ")))
            }
            How::Missing if old.code == Code::UnclosedBracket && sign != "}" => {
                kept.help = Some(match slip.is_only {
                    true => format!("write `{sign}` after `{}`", self.shown(at.saturating_sub(1))),
                    false => format!("where `{sign}` belongs the text does not tell"),
                });
                kept
            }
            How::Missing if old.code == Code::UnclosedBracket && slip.is_only => {
                let before = at.saturating_sub(1);
                let message = format!("`}}` is missing after `{}`", self.shown(before));
                Diagnostic::new(old.code, self.span(before), message)
            }
            How::Instead if old.message.contains("is closed by") => {
                kept.help = Some(format!("write `{sign}` in the place of `{found}`"));
                kept
            }
            How::Missing if !slip.is_only && old.message.ends_with("closes nothing") => {
                kept.help =
                    Some(format!("a `{sign}` is missing before it, or this is one too many"));
                kept
            }
            How::Missing if !slip.is_only => kept,
            How::Missing => {
                // A word is split where the bracket was.
                let inside = span.start < meant.edit.0.start && meant.edit.0.start < span.end;
                let (before, after) = match inside {
                    true => {
                        let cut = (meant.edit.0.start - span.start) as usize;
                        let word = self.word(at);
                        (word[..cut].to_owned(), word[cut..].to_owned())
                    }
                    false => (self.shown(at.saturating_sub(1)), found.clone()),
                };
                let gap = meant.edit.0;
                let line_ends = self.lexemes.get(at).is_none_or(|it| it.first);
                match (line_ends && !is_word(sign), is_word(sign) && line_ends) {
                    (true, _) => {
                        let place = self.span(at.saturating_sub(1));
                        unexpected(place, format!("`{sign}` is missing after `{before}`"))
                    }
                    (_, true) => unexpected(span, format!("`{sign}` is missing before `{found}`")),
                    _ => {
                        let place = if inside { gap } else { span };
                        unexpected(
                            place,
                            format!("`{sign}` is missing between `{before}` and `{after}`"),
                        )
                    }
                }
            }
            How::Instead if slip.is_only => {
                let code = match old.code {
                    Code::UnclosedBracket => old.code,
                    _ => Code::UnexpectedToken,
                };
                Diagnostic::new(code, span, format!("expected `{sign}`, found `{found}`"))
            }
            How::Instead if is_word(sign) && slip.fitting.len() > 1 => {
                let list: Vec<String> =
                    slip.fitting.iter().take(4).map(|it| format!("`{it}`")).collect();
                unexpected(span, format!("expected another word, found `{found}`"))
                    .help(format!("these fit here: {}", list.join(", ")))
            }
            How::Instead => {
                let list: Vec<String> =
                    slip.fitting.iter().take(4).map(|it| format!("`{it}`")).collect();
                unexpected(span, format!("expected another sign, found `{found}`"))
                    .help(format!("these fit here: {}", list.join(", ")))
            }
            // Of two values side by side neither is known to be too much.
            How::Extra if slip.is_only && old.code != Code::MissingOperator => {
                unexpected(span, format!("`{found}` has no place here")).help("remove it")
            }
            How::Extra => kept,
        }
    }

    /// Returns a token for a message: short, and without what cannot be seen.
    fn shown(&self, at: usize) -> String {
        let text = self.word(at);
        let short: String = text.chars().take(40).filter(|it| !it.is_control()).collect();
        if short.len() == text.len() { short } else { format!("{short}..") }
    }
}

fn is_operator(sign: &str) -> bool {
    matches!(sign, "+" | "-" | "*" | "/" | "@" | "^")
}

fn is_word(sign: &str) -> bool {
    sign.starts_with(|it: char| it.is_ascii_alphabetic())
}
