//! Matches the arguments of a call with the parameters.

use crate::diag::{Code, Diagnostic};
use crate::syntax::ast::{Arg, Expr, Ident, Over};
use crate::text::Span;

/// The form of a call: the parameters and their order.
pub(crate) struct Form<'n> {
    pub name: &'n str,
    /// The names of the parameters, and whether each may be left out.
    pub params: Vec<(&'n str, bool)>,
    pub variadic: bool,
    pub over: bool,
}

/// The arguments in the order of the parameters.
#[derive(Debug)]
pub(crate) struct Matched<'a> {
    pub slots: Vec<Option<&'a Expr>>,
    /// The arguments of a variadic function beyond its parameters.
    pub rest: Vec<&'a Expr>,
    pub over: Option<(&'a Over, Span)>,
}

impl Form<'_> {
    /// `clamp(v, lo, hi)`
    pub fn text(&self) -> String {
        let mut params: Vec<String> = self
            .params
            .iter()
            .map(|(name, optional)| if *optional { format!("[{name}]") } else { (*name).into() })
            .collect();
        if self.variadic {
            params.push("..".into());
        }
        if self.over {
            params.push("[over D]".into());
        }
        format!("{}({})", self.name, params.join(", "))
    }
}

/// Gives each argument to its parameter.
pub(crate) fn bind<'a>(
    form: &Form<'_>,
    call: &Ident,
    span: Span,
    args: &'a [Arg],
) -> Result<Matched<'a>, Box<Diagnostic>> {
    let fault = |span: Span, message: String| {
        let help = format!("it is called `{}`", form.text());
        Err(Box::new(Diagnostic::new(Code::BadArguments, span, message).help(help)))
    };
    let name = &call.name;
    let mut slots: Vec<Option<&Expr>> = vec![None; form.params.len()];
    let mut rest = Vec::new();
    let mut over = None;
    let mut n_positional = 0;
    let mut named = false;
    for arg in args {
        match arg {
            Arg::Positional(value) if named => {
                return fault(
                    value.span,
                    format!("an argument of `{name}` without a name stands before those with one"),
                );
            }
            Arg::Positional(value) => {
                if let Some(slot) = slots.get_mut(n_positional) {
                    if slot.is_some() {
                        let param = form.params[n_positional].0;
                        return fault(value.span, format!("`{param}` of `{name}` is given twice"));
                    }
                    *slot = Some(value);
                } else if form.variadic {
                    rest.push(value);
                } else {
                    if form.over && super::show::short(value) == "over" {
                        return fault(value.span, "`over` is followed by an axis".to_owned());
                    }
                    let n = args.iter().filter(|it| matches!(it, Arg::Positional(_))).count();
                    let takes = match form.params.len() {
                        0 => "no arguments".to_owned(),
                        1 => "one argument".to_owned(),
                        count => format!("at most {count} arguments"),
                    };
                    return fault(value.span, format!("`{name}` takes {takes}, {n} are given"));
                }
                n_positional += 1;
            }
            Arg::Named(param, value) => {
                named = true;
                let Some(idx) = form.params.iter().position(|it| it.0 == &*param.name) else {
                    let message = format!("`{name}` has no parameter `{}`", param.name);
                    return fault(param.span, message);
                };
                if slots[idx].is_some() {
                    let message = format!("`{}` of `{name}` is given twice", param.name);
                    return fault(param.span, message);
                }
                slots[idx] = Some(value);
            }
            Arg::Over(_, span) if !form.over => {
                return fault(*span, format!("`{name}` does not work along axes"));
            }
            Arg::Over(_, span) if over.is_some() => {
                return fault(*span, format!("`over` of `{name}` is given twice"));
            }
            Arg::Over(axes, span) => over = Some((axes, *span)),
        }
    }
    let missing: Vec<&str> = form
        .params
        .iter()
        .zip(&slots)
        .filter(|((_, optional), slot)| slot.is_none() && !optional)
        .map(|((name, _), _)| *name)
        .collect();
    if !missing.is_empty() {
        return fault(span, format!("`{name}` lacks {}", super::show::list(&missing)));
    }
    Ok(Matched { slots, rest, over })
}
