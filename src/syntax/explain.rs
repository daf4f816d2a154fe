//! Explains a text that does not parse: the token that was found, those that were expected, and the probable intention.

use pest::error::{Error, ErrorVariant, InputLocation};

use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::MAX_TOKENS;
use crate::syntax::expected::Expected;
use crate::syntax::grammar::Rule;
use crate::syntax::habits;
use crate::syntax::scan::{Kind, NONE};
use crate::syntax::split::Reader;
use crate::syntax::words::{self, Word};
use crate::text::Span;

/// Returns a declaration or item that is longer than any that a person writes.
pub(super) fn too_many(reader: &Reader<'_>, start: usize, end: usize, what: &str) -> Diagnostic {
    let count = end - start;
    let message = format!(
        "this {what} holds {count} words, numbers and signs; at most {MAX_TOKENS} are read"
    );
    Diagnostic::new(Code::TooLarge, reader.span(start), message)
        .help("split it with `let`, or load large tables as a `const`")
}

/// Puts the furthest failure of a rule into words. The tokens `start..end` were read; `what` is what they were
/// to be.
pub(super) fn failure(
    reader: &Reader<'_>,
    error: &Error<Rule>,
    start: usize,
    end: usize,
    what: &str,
) -> Diagnostic {
    let base = reader.span(start).start as usize;
    let offset = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    let expected = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => Expected { rules: positives },
        ErrorVariant::CustomError { message } => {
            return Diagnostic::new(
                Code::TooLarge,
                reader.span(start),
                format!("the {what} is nested too deep to be read: {message}"),
            )
            .help("name a part of it with `let`");
        }
    };
    let tokens = &reader.scan.tokens[..end];
    let at = tokens.partition_point(|it| (it.end as usize) <= base + offset).max(start);
    let place = if at < end { reader.span(at) } else { reader.span(end - 1).after() };
    let found = if at < end { clip(reader.word(at)) } else { String::new() };
    let before = if at > start { clip(reader.word(at - 1)) } else { String::new() };

    if at < end
        && let Some(special) = slip(reader, &expected, start, at, &found, &before)
    {
        return special;
    }
    if let Some(special) = lacking(reader, &expected, start, at, end) {
        return special;
    }
    let wanted = expected.words(what);
    let (message, help) = match reader.kind(at) {
        Some(_) if at < end => (format!("expected {wanted}, found `{found}`"), None),
        Some(Kind::Close(_)) => {
            (format!("expected {wanted}, found `{}`", clip(reader.word(at))), None)
        }
        Some(_) => (
            format!("expected {wanted}, found the next statement, `{}`", clip(reader.word(at))),
            None::<String>,
        ),
        None => (format!("expected {wanted}, found the end of the file"), None),
    };
    let mut diagnostic = Diagnostic::new(Code::UnexpectedToken, place, message);
    diagnostic.help = help.or_else(|| help_for(reader, &expected, start, at.min(end), &found));
    if diagnostic.help.is_none()
        && let Some(near) = expected.keyword_near(&found)
    {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(
            Applicability::Maybe,
            place,
            near,
        );
    }
    if at >= end {
        diagnostic.label = format!("the {what} ends here");
    }
    diagnostic
}

/// Something that is not there: what follows `=` or an operator at the end of a line, a name after `prev`, a function
/// before a list.
fn lacking(
    reader: &Reader<'_>,
    expected: &Expected<'_>,
    start: usize,
    at: usize,
    end: usize,
) -> Option<Diagnostic> {
    let unexpected =
        |span: Span, message: String| Diagnostic::new(Code::UnexpectedToken, span, message);
    let last = at.checked_sub(1).filter(|it| *it >= start)?;
    if reader.word(last) == "prev" && expected.has(Rule::name) {
        return Some(
            unexpected(reader.span(last), "a name is missing after `prev`".to_owned())
                .help("`prev h` is the old value of the state `h`"),
        );
    }
    // `a =` and then `b = c` in the next line.
    if at < end && reader.word(at) == "=" && last > start && reader.word(last - 1) == "=" {
        let (name, sign) = (reader.scan.tokens[last], reader.span(last - 1));
        if name.first {
            return Some(unexpected(sign.after(), "expected a value after `=`".to_owned()));
        }
    }
    if at < end
        && reader.scan.tokens[at].first
        && expected.has_value()
        && matches!(reader.kind(last), Some(Kind::Sign(_)))
    {
        let message = format!("expected a value after `{}`", clip(reader.word(last)));
        return Some(unexpected(reader.span(last).after(), message));
    }
    if at < end && reader.word(at) == "," && expected.has(Rule::a_rparen) {
        let is_open = |it: &usize| {
            reader.word(*it) == "(" && reader.partner(*it).is_some_and(|close| close > at)
        };
        let nearest = start.max(at.saturating_sub(64));
        let open = (nearest..at).rev().find(is_open)?;
        let called = open > start && matches!(reader.kind(open - 1), Some(Kind::Word(_)));
        if !called {
            let function =
                if reader.word(start) == "layout" { "`rows(a, b)`" } else { "`max(a, b)`" };
            return Some(
                unexpected(
                    reader.span(at),
                    "expected `)`, found `,`: a list belongs to a function".to_owned(),
                )
                .label(reader.span(open), "no function stands before it")
                .help(format!("write it before `(`, as in {function}")),
            );
        }
    }
    None
}

/// Failures that have a message of their own.
fn slip(
    reader: &Reader<'_>,
    expected: &Expected<'_>,
    start: usize,
    at: usize,
    found: &str,
    before: &str,
) -> Option<Diagnostic> {
    let place = reader.span(at);
    let kind = reader.kind(at)?;
    let operator = expected.has(Rule::infix);
    if expected.has(Rule::kw_yield) && kind == Kind::Word(Word::Declaration) {
        return Some(habits::in_a_loop(place, found));
    }
    if at == start + 1
        && (found == ":" && kind == Kind::Sign(b':') && expected.has(Rule::name)
            || found == "=" && matches!(before, "let" | "gate" | "hyper" | "dims" | "layer"))
    {
        let message = format!("a name is missing between `{before}` and `{found}`");
        return Some(Diagnostic::new(Code::UnexpectedToken, place, message));
    }
    // `state = 3`
    if at == start + 1 && matches!(found, "=" | ":") && !matches!(before, "loss" | "use") {
        return Some(reserved(reader.span(start), before));
    }
    let special = habits::at_token(reader, start, at, found);
    if let Some(found) = special.or_else(|| unlike(reader, start, at, found, before)) {
        return Some(found);
    }
    if let Kind::Word(word) = kind
        && !matches!(word, Word::Free)
        && (expected.has_value() || expected.has(Rule::name))
    {
        if found == "fold" && expected.has_value() {
            let message = "`fold` may only stand alone on the right of `=`";
            return Some(
                Diagnostic::new(Code::UnexpectedToken, place, message)
                    .help("name its result: `let s = fold ..`"),
            );
        }
        if found == "prev"
            && reader.word(start) == "output"
            && !expected.has_value()
            && before != "prev"
        {
            return Some(
                Diagnostic::new(Code::UnexpectedToken, place, "expected a name, found `prev`")
                    .help("give the old value a name: `output y = prev h`"),
            );
        }
        return Some(reserved(place, found));
    }
    if let Kind::Word(Word::Foreign) = kind {
        return Some(reserved(place, found));
    }
    let begins_value = match kind {
        Kind::Word(Word::Free) | Kind::Number | Kind::Text => true,
        Kind::Word(Word::Inner) => matches!(found, "prev" | "pi" | "inf"),
        Kind::Open(sign) => sign != b'{',
        Kind::Word(Word::Item | Word::Declaration | Word::Later | Word::Foreign)
        | Kind::Close(_)
        | Kind::Sign(_) => false,
    };
    if operator && found == "over" && expected.has(Rule::a_comma) {
        return Some(
            Diagnostic::new(Code::UnexpectedToken, place, "expected `,` before `over`").fix(
                Applicability::Certain,
                reader.span(at - 1).after(),
                ",",
            ),
        );
    }
    if operator && begins_value && reader.ends_value(at - 1) {
        if is_in_shape(reader, start, at) {
            let end = reader.span(at - 1).after();
            let message = format!("`,` is missing between `{before}` and `{found}`");
            let told = Diagnostic::new(Code::UnexpectedToken, place, message);
            return Some(told.fix(Applicability::Maybe, end, ","));
        }
        return Some(missing_operator(reader, at, found, before));
    }
    if expected.has(Rule::a_equals) && found == "==" {
        let message = "an equation is written with `=`";
        return Some(Diagnostic::new(Code::UnexpectedToken, place, message).at("compares").fix(
            Applicability::Certain,
            place,
            "=",
        ));
    }
    None
}

/// Returns true if a token is directly in the brackets of a declared shape, where sizes are side by side.
fn is_in_shape(reader: &Reader<'_>, start: usize, at: usize) -> bool {
    let word = |it: usize| matches!(reader.kind(it), Some(Kind::Word(Word::Free)));
    let open = (start..at).rev().find(|it| matches!(reader.kind(*it), Some(Kind::Open(_))));
    word(at)
        && word(at - 1)
        && open.is_some_and(|it| it > start && reader.word(it) == "[" && reader.word(it - 1) == ":")
        && open.and_then(|it| reader.partner(it)).is_some_and(|it| it > at)
}

/// Words and signs that are wrong at their place, whatever was expected there.
fn unlike(
    reader: &Reader<'_>,
    start: usize,
    at: usize,
    found: &str,
    before: &str,
) -> Option<Diagnostic> {
    let place = reader.span(at);
    let unexpected = |message: String| Diagnostic::new(Code::UnexpectedToken, place, message);
    match reader.kind(at)? {
        Kind::Close(_) if reader.scan.tokens[at].partner == NONE => Some(
            unexpected(format!("`{found}` closes nothing")).fix(Applicability::Maybe, place, ""),
        ),
        // `prev prev x`
        Kind::Word(_) if found == "prev" && before == "prev" => {
            let name = clip(reader.word(at + 1));
            let all = reader.span(at - 1).to(reader.span(at + 1));
            let text = format!("prev({name}, 2)");
            let message = "`prev` takes a name, not an expression";
            Some(
                Diagnostic::new(Code::BadPrev, all, message)
                    .help(format!("write `{text}` for the value two steps ago"))
                    .fix(Applicability::Maybe, all, text),
            )
        }
        // A keyword that begins a line and declares something is no misused name.
        Kind::Word(Word::Declaration)
            if at > start
                && reader.scan.tokens[at].first
                && matches!(reader.kind(at + 1), Some(Kind::Word(Word::Free))) =>
        {
            let end = reader.span(at - 1).after();
            let message = format!("expected a name, found the next statement, `{found}`");
            Some(
                Diagnostic::new(Code::UnexpectedToken, end, message)
                    .at("something is missing here"),
            )
        }
        Kind::Word(_) if found == "derivative" && reader.word(start) == "fn" => {
            let name = clip(reader.word(start + 1));
            Some(
                unexpected("a `fn` has no `derivative`".to_owned())
                    .help(format!("an activation may have one: `activation {name}(v) = ..`")),
            )
        }
        Kind::Sign(b'=') if reader.word(start) == "fn" && reader.is_inside(start, at) => Some(
            unexpected("a parameter of a `fn` has no default".to_owned())
                .help("the constants of an `activation` have"),
        ),
        Kind::Close(_) | Kind::Sign(b',')
            if reader.word(start) == "activation" && reader.is_inside(start, at) =>
        {
            // Of the parameters only the first, the value, has no default.
            let first = matches!(reader.kind(at - 2), Some(Kind::Open(_)));
            let is_name = matches!(reader.kind(at - 1), Some(Kind::Word(Word::Free)));
            (is_name && !first).then(|| {
                unexpected(format!("`{before}` of the activation needs a default"))
                    .help(format!("write `{before} = 1` or another constant"))
            })
        }
        Kind::Word(_)
        | Kind::Number
        | Kind::Text
        | Kind::Open(_)
        | Kind::Close(_)
        | Kind::Sign(_) => None,
    }
}

/// Returns a value around a token, from its beginning or up to its end, if it is short.
fn value_text(reader: &Reader<'_>, first: usize, last: usize) -> Option<String> {
    let span = reader.span(first).to(reader.span(last));
    let text = &reader.source[span.range()];
    (text.len() <= 40 && !text.contains(['\n', '/'])).then(|| text.to_owned())
}

/// Returns the value that ends with a token: a name, a number, or brackets with the function before them.
fn value_before(reader: &Reader<'_>, last: usize) -> Option<String> {
    let Some(Kind::Close(_)) = reader.kind(last) else { return value_text(reader, last, last) };
    let open = reader.partner(last)?;
    let called = open > 0
        && reader.kind(open - 1) == Some(Kind::Word(Word::Free))
        && reader.span(open - 1).end == reader.span(open).start;
    value_text(reader, if called { open - 1 } else { open }, last)
}

/// Returns the value that begins with a token.
fn value_after(reader: &Reader<'_>, first: usize) -> Option<String> {
    let opens = |at: usize| matches!(reader.kind(at), Some(Kind::Open(_)));
    let last = match reader.word(first) {
        "prev" if opens(first + 1) => reader.partner(first + 1)?,
        "prev" => first + 1,
        _ if opens(first) => reader.partner(first)?,
        _ if opens(first + 1) && reader.span(first).end == reader.span(first + 1).start => {
            reader.partner(first + 1)?
        }
        _ => first,
    };
    value_text(reader, first, last)
}

fn missing_operator(reader: &Reader<'_>, at: usize, found: &str, before: &str) -> Diagnostic {
    let left = reader.span(at - 1);
    let habit = habits::words_between(reader, at);
    let before = &value_before(reader, at - 1).unwrap_or_else(|| before.to_owned());
    let whole = value_after(reader, at);
    let readable = whole.is_some() || !matches!(reader.kind(at), Some(Kind::Open(_)));
    let right = whole.unwrap_or_else(|| found.to_owned());
    let number = matches!(reader.kind(at - 1), Some(Kind::Number))
        || matches!(reader.kind(at), Some(Kind::Number));
    let message = format!("missing operator between `{before}` and `{right}`");
    let gap = left.after();
    let sign = if number { "*" } else { "@" };
    let blank = if reader.span(at).start > gap.start { "" } else { " " };
    let help = match (number, readable) {
        (true, true) => format!("write `{before} * {right}`"),
        (false, true) => format!(
            "write `{before} @ {right}` for a matrix product, `{before} * {right}` for an elementwise one"
        ),
        (_, false) => "write `@` for a matrix product, `*` for an elementwise one".to_owned(),
    };
    let labelled = Diagnostic::new(Code::MissingOperator, reader.span(at), message)
        .at("a second value begins here")
        .label(left, "a value ends here")
        .help(habit.clone().unwrap_or(help));
    if habit.is_some() {
        return labelled;
    }
    labelled.fix(Applicability::Maybe, gap, format!(" {sign}{blank}"))
}

fn reserved(place: Span, word: &str) -> Diagnostic {
    let message = match words::classify(word) {
        Word::Foreign => format!("there is no `{word}` in this language"),
        Word::Later => format!("`{word}` is reserved for later and cannot be a name"),
        Word::Free | Word::Item | Word::Declaration | Word::Inner => {
            format!("`{word}` is a reserved word and cannot be a name")
        }
    };
    let diagnostic = Diagnostic::new(Code::ReservedWord, place, message);
    match words::advice(word) {
        Some(advice) => diagnostic.help(advice),
        None => diagnostic.help(format!("choose another name, such as `{word}_`")),
    }
}

/// Advice for a failure that has no message of its own.
fn help_for(
    reader: &Reader<'_>,
    expected: &Expected<'_>,
    start: usize,
    at: usize,
    found: &str,
) -> Option<String> {
    let first = reader.word(start);
    let named = clip(reader.word(start + 1));
    match (first, found) {
        ("output", "(") if at == start + 1 => {
            Some("outputs stand without parentheses: `output h, c`".to_owned())
        }
        ("output", "(") if matches!(reader.kind(at - 1), Some(Kind::Word(Word::Free))) => {
            let value = value_text(reader, at - 1, reader.partner(at).unwrap_or(at));
            let value = value.unwrap_or_else(|| format!("{}(..)", clip(reader.word(at - 1))));
            Some(format!("give the value a name: `output y = {value}`"))
        }
        ("input" | "state" | "param" | "const" | "mask" | "target" | "feedback", "=")
            if at >= start + 3 && reader.word(at - 2) == "," =>
        {
            Some(format!("remove the comma before `{}`", clip(reader.word(at - 1))))
        }
        ("gate" | "let", ":") if at == start + 2 => {
            Some(format!("the shape of `{named}` is inferred: remove it"))
        }
        ("input" | "state" | "param" | "const" | "mask" | "target" | "feedback", "=")
            if expected.has(Rule::a_colon) =>
        {
            Some(format!("declare the shape: `{first} {named}: [H] = ..`"))
        }
        ("input" | "state" | "param" | "const" | "mask" | "target" | "feedback", _)
            if expected.has(Rule::a_colon) =>
        {
            Some(format!("the shape follows a colon: `{first} {named}: [H]`"))
        }
        ("dims" | "hyper", ":") => Some(format!("a {} has no shape", first.trim_end_matches('s'))),
        ("loss", "=") => Some("the loss has no name: `loss mse(y, target)`".to_owned()),
        ("activation", ")" | ",") if expected.has(Rule::a_equals) => {
            let name = clip(reader.word(at - 1));
            Some(format!("constants of an activation have defaults: `{name} = 1`"))
        }
        (_, "}") if expected.has(Rule::kw_yield) => {
            Some("the body of a `fold` ends with `yield` and the new value".to_owned())
        }
        ("layer", _) if expected.has(Rule::larg) || expected.has(Rule::a_equals) => {
            Some("arguments of a layer are named: `x = e`".to_owned())
        }
        (_, name) if expected.has(Rule::a_lbracket) && expected.has(Rule::kw_index) => {
            let inside = reader.partner(at).filter(|it| *it > at + 1);
            let inside = inside.and_then(|it| value_text(reader, at + 1, it - 1));
            let name = match (name, &inside) {
                ("(" | "{", Some(inside)) => inside,
                ("" | "(" | "{", _) => "H",
                (name, _) => name,
            };
            Some(format!("a shape stands in brackets: `[{name}]`"))
        }
        (_, "=") if expected.has(Rule::infix) => Some("to compare, write `==`".to_owned()),
        _ => None,
    }
}

/// Returns a declaration that begins with no word of the language.
pub(super) fn unknown_declaration(reader: &Reader<'_>, start: usize, end: usize) -> Diagnostic {
    let place = reader.span(start);
    let word = clip(reader.word(start));
    let unexpected = |message: String| Diagnostic::new(Code::UnexpectedToken, place, message);
    match reader.kind(start) {
        Some(Kind::Word(Word::Free)) => {}
        Some(Kind::Word(Word::Foreign | Word::Later)) => return reserved(place, &word),
        Some(Kind::Word(Word::Inner)) if word == "prev" && reader.word(start + 2) == "=" => {
            let name = clip(reader.word(start + 1));
            let wrong = place.to(reader.span(start + 1));
            return Diagnostic::new(
                Code::UnexpectedToken,
                wrong,
                format!("an equation gives the new value: `{name}`, not `prev {name}`"),
            )
            .fix(Applicability::Certain, wrong, name);
        }
        Some(Kind::Word(Word::Inner)) if word == "yield" => {
            return unexpected("`yield` may only end the body of a `fold`".to_owned());
        }
        Some(Kind::Word(Word::Item)) => {
            return unexpected(format!("`{word}` may not stand inside a cell"))
                .help("close the cell with `}` before it");
        }
        Some(Kind::Close(_)) => {
            return unexpected(format!("`{word}` closes nothing"));
        }
        Some(_) | None => {
            return unexpected(format!("expected a declaration or an equation, found `{word}`"));
        }
    }
    let next = clip(reader.word(start + 1));
    let last = start + 1 >= end;
    if !last && next == "==" {
        let sign = reader.span(start + 1);
        return Diagnostic::new(Code::UnexpectedToken, sign, "an equation is written with `=`")
            .fix(Applicability::Certain, sign, "=");
    }
    if !last && matches!(next.as_str(), "+" | "-" | "*" | "/") && reader.word(start + 2) == "=" {
        return unexpected(format!("an equation gives the whole new value of `{word}`"))
            .help(format!("write `{word} = prev {word} {next} ..`"));
    }
    let names_follow = matches!(reader.kind(start + 1), Some(Kind::Word(_)));
    if let Some(near) = words::nearest(&word, words::DECLARATIONS)
        && (names_follow || last)
    {
        return Diagnostic::new(
            Code::UnknownDeclaration,
            place,
            format!("unknown declaration `{word}`; did you mean `{near}`?"),
        )
        .fix(Applicability::Maybe, place, near);
    }
    if !last && names_follow {
        return Diagnostic::new(
            Code::UnknownDeclaration,
            place,
            format!("unknown declaration `{word}`"),
        )
        .help(format!("a declaration begins with one of: {}", words::DECLARATIONS.join(", ")));
    }
    if !last && matches!(next.as_str(), ":" | ",") {
        return Diagnostic::new(
            Code::UnknownDeclaration,
            place,
            format!("`{word}` is declared without a word that says what it is"),
        )
        .help(format!("write `param {word}: ..`, `state {word}: ..` or `input {word}: ..`"));
    }
    let message = match last {
        true => format!("expected a declaration or an equation, found `{word}`"),
        false => format!("expected `=` after `{word}`, found `{next}`"),
    };
    unexpected(message).help(format!("an equation is written `{word} = ..`"))
}

/// Returns an item that begins with no word of the language.
pub(super) fn unknown_item(reader: &Reader<'_>, start: usize) -> Diagnostic {
    let place = reader.span(start);
    let word = clip(reader.word(start));
    match reader.kind(start) {
        Some(Kind::Word(Word::Declaration)) => Diagnostic::new(
            Code::UnexpectedToken,
            place,
            format!("`{word}` stands outside of a cell"),
        )
        .help("declarations stand between the braces of `cell NAME { .. }`"),
        Some(Kind::Word(Word::Foreign | Word::Later)) => reserved(place, &word),
        Some(Kind::Word(Word::Free)) if reader.word(start + 1) == "=" => Diagnostic::new(
            Code::UnexpectedToken,
            place,
            format!("`{word} = ..` stands outside of a cell"),
        )
        .help("equations stand between the braces of `cell NAME { .. }`"),
        Some(Kind::Word(Word::Free)) => match words::nearest(&word, words::ITEMS) {
            Some(near) => Diagnostic::new(
                Code::UnknownDeclaration,
                place,
                format!("unknown item `{word}`; did you mean `{near}`?"),
            )
            .fix(Applicability::Maybe, place, near),
            None => Diagnostic::new(
                Code::UnknownDeclaration,
                place,
                format!("expected an item, found `{word}`"),
            )
            .help("a file holds `cell`, `model`, `activation`, `fn` and `use` items"),
        },
        Some(Kind::Close(_)) => {
            Diagnostic::new(Code::UnexpectedToken, place, format!("`{word}` closes nothing"))
        }
        Some(_) | None => Diagnostic::new(
            Code::UnexpectedToken,
            place,
            format!("expected an item, found `{word}`"),
        )
        .help("a file holds `cell`, `model`, `activation`, `fn` and `use` items"),
    }
}

/// Returns a piece of source for a message: short, and without what cannot be seen.
fn clip(text: &str) -> String {
    let visible = |it: char| if it.is_control() { '?' } else { it };
    if text.chars().nth(40).is_none() {
        return text.chars().map(visible).collect();
    }
    let start: String = text.chars().take(37).map(visible).collect();
    format!("{start}...")
}
