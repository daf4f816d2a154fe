//! The parser that pest derives from `grammar/rnn.pest`.

#![allow(missing_docs, reason = "the rules are explained in the grammar")]

use pest::Parser;
use pest::error::Error;
use pest::iterators::Pairs;

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/rnn.pest"]
struct Grammar;

/// Reads a text by a rule.
pub(super) fn read(rule: Rule, text: &str) -> Result<Pairs<'_, Rule>, Box<Error<Rule>>> {
    Grammar::parse(rule, text).map_err(Box::new)
}
