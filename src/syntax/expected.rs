//! Finds the tokens that could have followed where a text does not parse.

use crate::syntax::grammar::Rule;
use crate::syntax::words;

/// The rules that pest has tried at the furthest place.
pub(super) struct Expected<'e> {
    pub(super) rules: &'e [Rule],
}

impl Expected<'_> {
    pub(super) fn has(&self, rule: Rule) -> bool {
        self.rules.contains(&rule)
    }

    pub(super) fn has_value(&self) -> bool {
        self.has(Rule::expr) || self.has(Rule::number) || self.has(Rule::several)
    }

    /// Returns the word of the language that could be here and that this one was probably meant to be.
    pub(super) fn keyword_near(&self, found: &str) -> Option<String> {
        let words = self.rules.iter().filter_map(|it| word(*it, ""));
        let words: Vec<String> = words
            .filter_map(|(_, it)| Some(it.strip_prefix('`')?.strip_suffix('`')?.to_owned()))
            .filter(|it| it.bytes().all(|it| it.is_ascii_lowercase()))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        words::nearest(found, &words).map(str::to_owned)
    }

    /// Lists the expected tokens in words: values first, then signs and words, the end last.
    pub(super) fn words(&self, what: &str) -> String {
        let mut list: Vec<(u8, String)> = Vec::new();
        let operator = self.has(Rule::infix);
        let value = self.has_value();
        for rule in self.rules {
            // Behind a whole value, a bracket or point would continue it as an operator does; before one, each
            // of its beginnings was tried.
            let implied = match rule {
                Rule::a_lparen | Rule::a_lbracket | Rule::a_point => {
                    operator || value || self.has(Rule::a_comma) && self.has(Rule::a_equals)
                }
                Rule::named | Rule::over => value,
                Rule::args | Rule::index | Rule::field => operator,
                Rule::name | Rule::minus | Rule::paren | Rule::array | Rule::prev => value,
                Rule::constant | Rule::number => value && *rule != Rule::number,
                _ => false,
            };
            if !implied && let Some(entry) = word(*rule, what) {
                list.push(entry);
            }
        }
        list.sort();
        list.dedup();
        let list: Vec<String> = list.into_iter().map(|it| it.1).collect();
        match list.split_last() {
            None => format!("another {what}"),
            Some((only, [])) => only.clone(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        }
    }
}

/// Returns a rule in words, with its place in a list.
fn word(rule: Rule, what: &str) -> Option<(u8, String)> {
    let (order, text) = match rule {
        Rule::expr | Rule::number | Rule::minus | Rule::constant | Rule::several | Rule::paren => {
            (0, "a value")
        }
        Rule::prev | Rule::fold | Rule::array => (0, "a value"),
        Rule::name | Rule::setting | Rule::dim | Rule::group | Rule::path | Rule::like => {
            (1, "a name")
        }
        Rule::row | Rule::accumulators => (1, "a name"),
        Rule::string => (1, "a text in quotes"),
        Rule::named | Rule::over => (1, "an argument"),
        Rule::larg | Rule::prev_word => (1, "`NAME = value`"),
        Rule::shape | Rule::index_type => (1, "a shape such as `[H]`"),
        Rule::infix => (2, "an operator"),
        Rule::a_comma => (3, "`,`"),
        Rule::a_lparen | Rule::args => (4, "`(`"),
        Rule::a_rparen => (4, "`)`"),
        Rule::a_lbracket | Rule::index | Rule::count => (4, "`[`"),
        Rule::a_rbracket => (4, "`]`"),
        Rule::a_lbrace => (4, "`{`"),
        Rule::a_rbrace => (4, "`}`"),
        Rule::a_colon => (4, "`:`"),
        Rule::a_equals | Rule::group_value => (4, "`=`"),
        Rule::a_slash => (4, "`/`"),
        Rule::a_plus => (4, "`+`"),
        Rule::a_point | Rule::field => (4, "`.`"),
        Rule::a_dots => (4, "`..`"),
        Rule::cell_word => (5, "`cell`"),
        Rule::role => (5, "a declaration"),
        Rule::value_word | Rule::definition => (5, "`let`"),
        Rule::scope => (5, "`step`, `sequence` or `run`"),
        Rule::edge => (5, "`last`"),
        Rule::kw_init | Rule::group_init => (5, "`init`"),
        Rule::kw_per | Rule::group_per => (5, "`per`"),
        Rule::kw_teacher | Rule::group_teacher => (5, "`teacher`"),
        Rule::kw_derivative | Rule::derivative => (5, "`derivative`"),
        Rule::kw_like => (5, "`like`"),
        Rule::kw_shares | Rule::shares => (5, "`shares`"),
        Rule::backward => (5, "`backward`"),
        Rule::kw_at | Rule::at_last => (5, "`at last`"),
        Rule::kw_last => (5, "`last`"),
        Rule::kw_from => (5, "`from`"),
        Rule::kw_for => (5, "`for`"),
        Rule::kw_in => (5, "`in`"),
        Rule::kw_yield => (5, "`yield`"),
        Rule::EOI => return Some((6, format!("the end of the {what}"))),
        _ => return None,
    };
    Some((order, text.to_owned()))
}
