//! The names that a layer is given, and those that are read of it.

use super::{Found, Old, Part, check_arguments, follow};
use crate::check::hypers;
use crate::check::names::Kind;
use crate::check::resolve::{Place, Resolver};
use crate::syntax::ast::Path;

impl<'a> Resolver<'_, 'a> {
    /// What a layer is given; tells what each argument is, and whether the layer can be built.
    pub fn layer(&mut self, idx: usize) -> (Vec<Old>, bool) {
        let names = self.names;
        let decl = names.layers[idx].decl;
        let (kinds, sound) = check_arguments(decl, names, self.items, &mut self.suggest, self.sink);
        let constant = |what: String| Place::Constant(what);
        if let Some(count) = &decl.count {
            self.place = constant("the number of layers".to_owned());
            self.visit(count);
        }
        for (arg, kind) in decl.args.iter().zip(&kinds) {
            let name = &arg.name.name;
            self.place = match kind {
                Old::Value | Old::Unknown => Place::Step,
                Old::Size => constant(format!("the size `{name}` of `{}`", decl.name.name)),
                Old::Hyper => constant(format!("`{name}` of `{}`", decl.name.name)),
            };
            // An activation is no value.
            let bare = hypers::activation_form(&arg.value, names, self.items);
            if bare.is_none() || matches!(kind, Old::Value | Old::Size) {
                self.visit(&arg.value);
            }
        }
        if let (Some(other), true) = (&decl.shares, sound) {
            self.uses.extend(names.find(&other.name).map(|(idx, _)| (idx, other.span)));
        }
        self.place = Place::Step;
        (kinds, sound)
    }

    /// A part of a layer: whether it exists, and what it is; `None` after a report.
    pub(in crate::check) fn layer_part(&mut self, layer: usize, path: &Path) -> Option<Found<'a>> {
        let decl = self.names.layers[layer].decl;
        for (index, _) in &path.tail {
            let Some(index) = index else { continue };
            let place = Place::Constant("the index of a stack".to_owned());
            let place = std::mem::replace(&mut self.place, place);
            self.visit(index);
            self.place = place;
        }
        match follow(decl, &path.tail, self.items, &mut self.suggest) {
            Ok(found) => Some(found),
            Err(fault) => {
                self.sink.push(*fault);
                None
            }
        }
    }

    /// Whether a path leads to a param or stored const of a layer.
    pub(in crate::check) fn is_weight(&mut self, idx: usize, path: &Path) -> bool {
        let Kind::Layer(layer) = self.names.defs[idx].kind else { return false };
        let decl = self.names.layers[layer].decl;
        let found = follow(decl, &path.tail, self.items, &mut self.suggest);
        matches!(found, Ok(Found::Silent | Found::Part(_, Part::Param)))
    }
}
