//! "Did you mean": the nearest name that exists.

use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::ast::Ident;
use crate::text::distance;

/// Names of our functions in other frameworks.
const USUAL: &[(&str, &str)] = &[
    ("xavier", "glorot_uniform"),
    ("xavier_uniform", "glorot_uniform"),
    ("xavier_normal", "glorot_normal"),
    ("glorot", "glorot_uniform"),
    ("kaiming", "he_uniform"),
    ("kaiming_uniform", "he_uniform"),
    ("kaiming_normal", "he_normal"),
    ("he", "he_uniform"),
    ("lecun", "lecun_normal"),
    ("gaussian", "normal"),
    ("cat", "concat"),
    ("concatenate", "concat"),
    ("swish", "silu"),
    ("ln", "log"),
    ("logistic", "sigmoid"),
    ("heaviside", "step"),
    ("arange", "iota"),
    ("maximum", "max"),
    ("minimum", "min"),
    ("clip", "clamp"),
    ("detach", "stop_grad"),
    ("stop_gradient", "stop_grad"),
];

/// Compares names until a budget is spent: a file with a hundred thousand wrong names is wrong anyway, and nobody reads more
/// than the first reports.
pub(crate) struct Suggest {
    budget: usize,
}

impl Suggest {
    /// Enough for some dozens of wrong names in a usual file.
    pub fn new() -> Suggest {
        Suggest { budget: 20_000 }
    }

    /// Finds nothing.
    pub fn none() -> Suggest {
        Suggest { budget: 0 }
    }

    /// For a single search.
    pub fn unlimited() -> Suggest {
        Suggest { budget: 2_000 }
    }

    /// Returns the nearest of some names, if any is near.
    pub fn nearest<'n>(
        &mut self,
        name: &str,
        known: impl Iterator<Item = &'n str>,
    ) -> Option<&'n str> {
        // A name of two letters has neighbours that it has nothing in common with.
        let most = match name.len() {
            0..=1 => 0,
            2..=5 => 1,
            _ => 2,
        };
        if name.len() > 64 {
            return None;
        }
        let usual = USUAL.iter().find(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1);
        let mut best: Option<(usize, &str)> = None;
        for it in known {
            if usual == Some(it) {
                return Some(it);
            }
            if self.budget == 0 {
                break;
            }
            self.budget -= 1;
            if it.len().abs_diff(name.len()) > most {
                continue;
            }
            let found = if it.eq_ignore_ascii_case(name) { 0 } else { distance(it, name) };
            let shares = it.chars().any(|letter| name.contains(letter));
            if (found <= most && shares || found == 0) && best.is_none_or(|best| (found, it) < best)
            {
                best = Some((found, it));
            }
        }
        best.map(|(_, it)| it)
    }

    /// `unknown name `W_q`; did you mean `W_g`?`, with its fix.
    pub fn report<'n>(
        &mut self,
        code: Code,
        what: &str,
        name: &Ident,
        known: impl Iterator<Item = &'n str>,
    ) -> Diagnostic {
        let text = format!("unknown {what} `{}`", name.name);
        match self.nearest(&name.name, known) {
            Some(near) => {
                let message = format!("{text}; did you mean `{near}`?");
                Diagnostic::new(code, name.span, message).fix(Applicability::Maybe, name.span, near)
            }
            None => Diagnostic::new(code, name.span, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Suggest;

    #[test]
    fn names_are_near_when_a_slip_leads_from_one_to_the_other() {
        let mut suggest = Suggest::new();
        let known = ["W_g", "tanh", "sigmoid", "x", "h"];
        let mut near = |name| suggest.nearest(name, known.into_iter());
        assert_eq!(near("W_q"), Some("W_g"));
        assert_eq!(near("tahn"), Some("tanh"));
        assert_eq!(near("sigmod"), Some("sigmoid"));
        assert_eq!(near("X"), Some("x"));
        assert_eq!(near("q"), None);
        assert_eq!(near("banana"), None);
    }
}
