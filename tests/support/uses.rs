//! Which file of a stage uses what another one defines.
//!
//! * A use is a path to something that a file defines, imported or written out. One that leads through a `pub use` is a
//!   use of the file that defines the thing, and the `pub use` itself is none.
//! * What the files above a file define is its own: `lower/mod.rs` defines a type of which `lower/call.rs` has methods, and
//!   both are one module to everybody else.

use std::collections::{BTreeMap, BTreeSet};

/// A module by its path: `["hir", "resolve", "call"]`.
pub type Module = Vec<String>;

/// The files of a stage.
pub struct Files {
    code: BTreeMap<Module, String>,
}

/// One name that a `use` brings.
struct Import {
    name: String,
    path: Vec<String>,
    is_public: bool,
}

impl Files {
    /// Takes the code of each module, without comments and tests.
    pub fn new(code: BTreeMap<Module, String>) -> Files {
        Files { code }
    }

    /// Returns the modules that each one uses.
    pub fn uses(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        self.code.keys().map(|it| (it.clone(), self.used_by(it))).collect()
    }

    fn used_by(&self, module: &Module) -> BTreeSet<Module> {
        let code = &self.code[module];
        let (mut used, mut modules) = (Vec::new(), BTreeMap::new());
        for import in imports(code).into_iter().filter(|it| !it.is_public) {
            let Some(path) = self.absolute(module, &import.path) else { continue };
            if self.code.contains_key(&path) {
                modules.insert(import.name, path);
            } else {
                used.push(path);
            }
        }
        let is_part = |it: char| it.is_alphanumeric() || it == '_' || it == ':';
        let written_out = code.split_inclusive(';').filter(|it| import(it).is_none());
        let written_out: String = written_out.collect();
        for path in written_out.split(|it| !is_part(it)).filter(|it| it.contains("::")) {
            let path: Vec<String> = path.split("::").map(str::to_owned).collect();
            match modules.get(&path[0]) {
                Some(imported) => used.push([imported, &path[1..]].concat()),
                None => used.extend(self.absolute(module, &path)),
            }
        }
        let owners = used.iter().filter_map(|it| self.owner(it));
        owners.filter(|it| !module.starts_with(it)).collect()
    }

    /// A path from the root of the crate; `None` where it begins with no module of this stage.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let n_super = path.iter().take_while(|it| *it == "super").count();
        let (base, rest) = match &*path[0] {
            "super" => (&module[..module.len().checked_sub(n_super)?], &path[n_super..]),
            "crate" => (&[] as &[String], &path[1..]),
            "self" => (&module[..], &path[1..]),
            _ => (&module[..], path),
        };
        let found = [base, rest].concat();
        let is_inside = path[0] != rest.first().map_or("", |it| it) || {
            let child = [base, &rest[..1]].concat();
            self.code.contains_key(&child)
        };
        is_inside.then_some(found)
    }

    /// The module that defines what a path names; `None` for a module itself and for what lies elsewhere.
    fn owner(&self, path: &[String]) -> Option<Module> {
        let depth = (1..=path.len()).rev().find(|it| self.code.contains_key(&path[..*it]))?;
        let (module, name) = (path[..depth].to_vec(), path.get(depth)?);
        for it in imports(&self.code[&module]).into_iter().filter(|it| it.is_public) {
            let Some(from) = self.absolute(&module, &it.path) else { continue };
            if it.name == *name {
                return self.owner(&from);
            }
            if it.name == "*" && self.defines(&from, name) {
                return Some(from);
            }
        }
        Some(module)
    }

    fn defines(&self, module: &Module, name: &str) -> bool {
        let Some(code) = self.code.get(module) else { return false };
        let is_id = |it: &str| it.split([',', '}']).any(|it| it.trim() == name);
        let kinds = ["struct", "enum", "fn", "type", "const", "trait"];
        let words: Vec<&str> = code.split(|it: char| !it.is_alphanumeric() && it != '_').collect();
        words.windows(2).any(|it| it[1] == name && kinds.contains(&it[0]))
            || code.split_once("ids! {").is_some_and(|it| is_id(it.1))
    }
}

/// What the `use` statements of a file bring.
fn imports(code: &str) -> Vec<Import> {
    let mut imports = Vec::new();
    for (is_public, tree) in code.split_inclusive(';').filter_map(import) {
        for path in expand(tree) {
            let (path, alias) = path.split_once('=').unwrap_or((&path, ""));
            let mut path: Vec<String> = path.split("::").map(str::to_owned).collect();
            let last = path.last().unwrap().clone();
            if last == "*" || last == "self" && path.len() > 1 {
                path.pop();
            }
            let last = if last == "*" { last } else { path.last().unwrap().clone() };
            let name = if alias.is_empty() { last } else { alias.to_owned() };
            imports.push(Import { name, path, is_public });
        }
    }
    imports
}

/// Whether a statement is a `use` that others see, and what it brings.
fn import(statement: &str) -> Option<(bool, &str)> {
    let (before, tree) = statement.split_at(statement.rfind("use ")?);
    let visibility = before.rsplit('\n').next()?.trim();
    let is_import = visibility.is_empty() || visibility.starts_with("pub");
    let tree = tree.strip_prefix("use ")?.strip_suffix(';').filter(|_| is_import)?;
    Some((!visibility.is_empty(), tree))
}

/// The paths of a tree of imports: of `a::{b as c, d::{self, e}}` they are `a::b=c`, `a::d::self` and `a::d::e`.
fn expand(tree: &str) -> Vec<String> {
    let (mut prefixes, mut path, mut found) = (vec![String::new()], String::new(), Vec::new());
    for char in tree.replace(" as ", "=").chars().chain([',']) {
        match char {
            '{' => prefixes.push(path.clone()),
            ',' | '}' => {
                if path != prefixes[prefixes.len() - 1] {
                    found.push(path);
                }
                if char == '}' {
                    prefixes.pop();
                }
                path = prefixes[prefixes.len() - 1].clone();
            }
            _ if char.is_whitespace() => {}
            _ => path.push(char),
        }
    }
    found
}

/// What is left of a graph when all is taken away that is in no cycle and between none: one line each.
pub fn cycles(mut uses: BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    loop {
        let before = uses.len();
        let used: BTreeSet<Module> = uses.values().flatten().cloned().collect();
        uses.retain(|it, used_by_it| used.contains(it) && !used_by_it.is_empty());
        let left: BTreeSet<Module> = uses.keys().cloned().collect();
        uses.values_mut().for_each(|it| it.retain(|it| left.contains(it)));
        if uses.len() == before && uses.values().all(|it| !it.is_empty()) {
            break;
        }
    }
    let join = |it: &Module| it.join("::");
    let line = |(it, used): (&Module, &BTreeSet<Module>)| {
        format!("{} uses {}", join(it), used.iter().map(join).collect::<Vec<_>>().join(", "))
    };
    uses.iter().map(line).collect()
}
