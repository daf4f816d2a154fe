//! Names that nothing bears: which other name fits, here or where the value is declared.

use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::{LexemeKind, ast, is_reserved};
use crate::text::{FileId, Span, distance};

use super::foreign::{self, Way};
use super::{Bench, errors, offer, withdraw};

/// The most names that are tried in the place of one.
const MAX_TRIED: usize = 8;

impl Bench<'_> {
    /// Looks for the names that were meant by unknown ones.
    pub(super) fn names(&mut self, found: &mut Vec<Diagnostic>) {
        self.words_before_names(found);
        self.signs_behind_names(found);
        self.functions(found);
        for _ in 0..super::MAX_SLIPS {
            let idx = found.iter().position(|it| {
                matches!(it.code, Code::UnknownName | Code::UnknownDim)
                    && it.span.file == FileId(0)
                    && self.is_one_word(it.span)
                    && !self.sure.contains(it)
            });
            let Some(idx) = idx else { return };
            let mut told = found[idx].clone();
            let after = self.name(&mut told, found);
            self.sure.push(told.clone());
            if let Some(after) = after {
                let left: Vec<(Code, String)> =
                    after.into_iter().map(|it| (it.code, it.message)).collect();
                let old = found[idx].clone();
                // The same name may be missed in several places.
                let name = self.text[old.span.range()].to_owned();
                found.retain(|it| {
                    let of_name =
                        it.code == old.code && self.text.get(it.span.range()) == Some(&name);
                    let stays =
                        left.iter().any(|(code, text)| *code == it.code && *text == it.message);
                    *it == old || !of_name || stays
                });
            }
            if let Some(it) =
                found.iter_mut().find(|it| it.code == told.code && it.span == told.span)
            {
                *it = told;
            }
        }
    }

    /// Functions of other libraries: each is written here in its own way, or is not there. What is near by its letters
    /// may mean something else.
    fn functions(&mut self, found: &mut [Diagnostic]) {
        for idx in 0..found.len() {
            let it = &found[idx];
            let is_name = matches!(it.code, Code::UnknownFunction | Code::UnknownName);
            if !is_name || it.span.file != FileId(0) || !self.is_one_word(it.span) {
                continue;
            }
            let name = &self.text[it.span.range()];
            let is_called = self.word(self.token_at(it.span.start) + 1) == "(";
            let is_activation = it.code == Code::UnknownName && !is_called;
            let Some(way) = foreign::way(name) else { continue };
            let span = it.span;
            match way {
                Way::Called(other) => {
                    let edits = vec![(span, other.to_owned())];
                    if self.mends(&edits, found).is_some() {
                        withdraw(&mut found[idx]);
                        found[idx].message =
                            format!("{}; did you mean `{other}`?", found[idx].message);
                        offer(&mut found[idx], Applicability::Maybe, edits);
                        self.sure.push(found[idx].clone());
                    } else if !is_activation {
                        withdraw(&mut found[idx]);
                        found[idx].help = Some(format!("it is called `{other}` here"));
                    }
                }
                // A value may bear any name.
                Way::Written(_) | Way::Missing(_) if is_activation => {}
                Way::Written(_) | Way::Missing(_) => {
                    let advice = foreign::advice(name);
                    withdraw(&mut found[idx]);
                    found[idx].help = advice;
                }
            }
        }
    }

    /// `prv h` and `tanh x`: two values side by side, of which the first one is meant for a word or a function.
    pub(super) fn words_before_values(&mut self, found: &mut Vec<Diagnostic>) {
        for _ in 0..super::MAX_SLIPS {
            if !self.word_before_value(found) {
                return;
            }
        }
    }

    /// Returns true if one was found.
    fn word_before_value(&mut self, found: &mut Vec<Diagnostic>) -> bool {
        for idx in 0..found.len() {
            let old = &found[idx];
            let at = self.token_at(old.span.start);
            let is_pair = old.code == Code::MissingOperator && old.span.file == FileId(0);
            let is_pair = is_pair && !self.sure.contains(old);
            if !is_pair || at == 0 || self.lexemes[at - 1].kind != LexemeKind::Word {
                continue;
            }
            let (first, span) = (self.word(at - 1).to_owned(), self.span(at - 1));
            // What somebody declared is no slip of a word.
            if self.lexemes.iter().filter(|it| self.text[it.start..it.end] == *first).count() > 1 {
                continue;
            }
            let name = self.word(at).to_owned();
            let mut meant: Vec<(String, Vec<(Span, String)>)> = Vec::new();
            let is_past = ["previous", "last", "old", "pre", "past", "before", "lag"];
            if is_past.contains(&&*first.to_lowercase()) || distance(&first, "prev") <= 2 {
                meant.push((format!("prev {name}"), vec![(span, "prev".to_owned())]));
            }
            let end = if name == "prev" { at + 1 } else { at };
            let argument = &self.text[self.span(at).start as usize..self.span(end).end as usize];
            let most = if first.len() > 5 { 2 } else { 1 };
            // What binds closer may belong to the argument: `tanh W @ x`.
            let goes_on = ["@", "*", "/", "^", "(", "[", "."].contains(&self.word(end + 1));
            let near = super::near_functions(&first, most).filter(|_| !goes_on);
            for function in near {
                let gap = Span { end: self.span(at).start, ..span };
                let edits =
                    vec![(gap, format!("{function}(")), (self.span(end).after(), ")".to_owned())];
                meant.push((format!("{function}({argument})"), edits));
            }
            for (text, edits) in meant.into_iter().take(3) {
                let old = found[idx].clone();
                let Some(after) = self.mends(&edits, found) else { continue };
                let mut told = Diagnostic::new(
                    old.code,
                    old.span,
                    format!("{}; did you mean `{text}`?", old.message),
                );
                (told.labels, told.label) = (old.labels.clone(), old.label.clone());
                offer(&mut told, Applicability::Maybe, edits);
                self.sure.push(told.clone());
                super::slips::keep_what_stays(found, &old, &after);
                found.push(told);
                crate::diag::sort(found);
                return true;
            }
        }
        false
    }

    /// `act = tanh` of a hyper without its word: the word that mends is proposed.
    fn words_before_names(&mut self, found: &mut [Diagnostic]) {
        let Some(idx) = found.iter().position(|it| it.code == Code::NotAState) else { return };
        let help = found[idx].help.as_deref().unwrap_or_default();
        if found[idx].span.file != FileId(0) || help.starts_with("the initialiser follows") {
            return;
        }
        for word in ["let", "gate", "hyper"] {
            let edits = vec![(found[idx].span.before(), format!("{word} "))];
            if self.mends(&edits, found).is_some() {
                let name = &self.text[found[idx].span.range()];
                let is_let = word == "let";
                let help = format!("write `{word} {name} = ..`");
                if !is_let || found[idx].help.is_none() {
                    found[idx].help = Some(help);
                }
                offer(&mut found[idx], Applicability::Maybe, edits);
                self.sure.push(found[idx].clone());
                return;
            }
        }
    }

    /// `fan_in < I` and `fan_in == I` in the place of a named argument.
    fn signs_behind_names(&mut self, found: &mut Vec<Diagnostic>) {
        let is_named = |it: &&Diagnostic| {
            matches!(it.code, Code::BadInitialiser | Code::BadArguments)
                && it.span.file == FileId(0)
        };
        let Some(old) = found.iter().find(is_named).cloned() else { return };
        let at = self.token_at(old.span.start) + 1;
        if !matches!(self.word(at), "<" | ">" | "==" | "+" | "-" | "*" | "/" | ":" | ".") {
            return;
        }
        let edits = vec![(self.span(at), "=".to_owned())];
        let Some(after) = self.mends(&edits, found) else { return };
        let message = format!("expected `=`, found `{}`", self.word(at));
        let mut told = Diagnostic::new(Code::UnexpectedToken, self.span(at), message)
            .help(format!("an argument is named with `=`: `{} = ..`", self.word(at - 1)));
        offer(&mut told, Applicability::Maybe, edits);
        found.retain(|it| after.iter().any(|other| other.message == it.message));
        self.sure.push(told.clone());
        found.push(told);
    }

    pub(super) fn is_one_word(&self, span: Span) -> bool {
        let at = self.token_at(span.start);
        self.span(at) == span && self.lexemes[at].kind == LexemeKind::Word
    }

    /// Sets what is proposed for an unknown name; returns what is found when it was declared under another.
    fn name(&mut self, told: &mut Diagnostic, found: &[Diagnostic]) -> Option<Vec<Diagnostic>> {
        let name = self.text[told.span.range()].to_owned();
        let mut fitting: Vec<String> = Vec::new();
        let mut fewest = errors(found).saturating_sub(1);
        let mut nearest = usize::MAX;
        for (far, other) in self.near(&name, told) {
            if far > nearest {
                break;
            }
            let Some(after) = self.check(&[(told.span, other.clone())]) else { continue };
            let now = errors(&after.diagnostics);
            if now < fewest {
                fitting.clear();
                fewest = now;
            }
            if now == fewest {
                nearest = far;
                fitting.push(other);
            }
        }
        let mut declared: Option<(Span, Vec<Diagnostic>)> = None;
        for span in self.unread_names() {
            let Some(after) = self.check(&[(span, name.clone())]) else { continue };
            let now = errors(&after.diagnostics);
            if now < fewest || now == fewest && fitting.is_empty() {
                fewest = now;
                fitting.clear();
                declared = Some((span, after.diagnostics));
            }
        }
        withdraw(told);
        if let Some((span, after)) = declared {
            let other = &self.text[span.range()];
            let message = format!("`{other}` is declared here, and nothing reads it");
            told.labels.push(crate::diag::Label { span, message });
            told.help =
                Some(format!("did you mean to declare `{name}` in the place of `{other}`?"));
            offer(told, Applicability::Maybe, vec![(span, name)]);
            return Some(after);
        }
        match &fitting[..] {
            [] => {}
            [one] => {
                told.message = format!("{}; did you mean `{one}`?", told.message);
                offer(told, Applicability::Maybe, vec![(told.span, one.clone())]);
            }
            many => {
                let list: Vec<String> = many.iter().map(|it| format!("`{it}`")).collect();
                told.help = Some(format!("did you mean {}?", list.join(" or ")));
            }
        }
        None
    }

    /// Words of the text that one could have written so by a slip, the nearest first.
    fn near(&self, name: &str, told: &Diagnostic) -> Vec<(usize, String)> {
        let most = match name.len() {
            0..=1 => 0,
            2..=5 => 1,
            _ => 2,
        };
        let mut out: Vec<(usize, String)> = Vec::new();
        if let Some(fix) = &told.fix
            && let [(span, text)] = &fix.edits[..]
            && *span == told.span
        {
            out.push((distance(name, text).min(most.max(1)), text.clone()));
        }
        let words = self.lexemes.iter().filter(|it| it.kind == LexemeKind::Word);
        let words = words.map(|it| &self.text[it.start..it.end]);
        // A hyper may be a function.
        let is_foreign = foreign::way(name).is_some();
        let mut words: Vec<&str> = words.collect();
        if !is_foreign {
            for it in crate::check::functions() {
                words.push(it);
            }
        }
        for word in words {
            let same = word.eq_ignore_ascii_case(name);
            let near = word.len().abs_diff(name.len()) <= most && name.len() <= 64;
            let far = if same {
                0
            } else if near {
                distance(name, word)
            } else {
                usize::MAX
            };
            if far <= most && word != name && !is_reserved(word) {
                out.push((far, word.to_owned()));
            }
        }
        out.sort();
        out.dedup_by(|a, b| a.1 == b.1);
        out.truncate(MAX_TRIED);
        out
    }

    /// Returns the places of names that the text declares only there, or that a function bears.
    fn unread_names(&self) -> Vec<Span> {
        let mut out = Vec::new();
        let mut add = |it: &ast::Ident| {
            let words =
                self.lexemes.iter().filter(|word| self.text[word.start..word.end] == *it.name);
            let taken = crate::check::functions().any(|name| name == &*it.name);
            if taken || words.count() == 1 {
                out.push(it.span);
            }
        };
        for item in &self.tree.items {
            let ast::Item::Cell(cell) = item else { continue };
            for decl in &cell.decls {
                match &decl.kind {
                    ast::DeclKind::Dims(dims) => dims.iter().for_each(|it| add(&it.name)),
                    ast::DeclKind::Hyper(hypers) => hypers.iter().for_each(|it| add(&it.name)),
                    ast::DeclKind::Group(_, groups) => {
                        groups.iter().flat_map(|it| &it.names).for_each(&mut add);
                    }
                    ast::DeclKind::Value(_, name, _) => add(name),
                    ast::DeclKind::Tuple(names, _) => names.iter().for_each(&mut add),
                    ast::DeclKind::Layer(layer) => add(&layer.name),
                    ast::DeclKind::Update(..)
                    | ast::DeclKind::Output(_)
                    | ast::DeclKind::Loss { .. }
                    | ast::DeclKind::Layout(_) => {}
                }
            }
        }
        out.truncate(MAX_TRIED);
        out
    }
}
