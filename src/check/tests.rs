//! The rules of checking, each on a small spec.

use super::{Checked, Settings, check};
use crate::ir::verify::verify;
use crate::syntax;
use crate::text::{FileId, SourceFile};

fn checked(text: &str) -> Checked {
    let (file, faults) = syntax::parse(&SourceFile::new("t.rnn", text), FileId(0));
    assert!(faults.is_empty(), "{faults:#?}");
    check(&file, None, &Settings::default())
}

#[test]
fn every_spec_of_the_library_is_clean_and_its_graph_is_sound() {
    let mut n_specs = 0;
    for entry in std::fs::read_dir("specs").unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let checked = checked(&text);
        let errors: Vec<_> = checked.diagnostics.iter().filter(|it| it.is_error()).collect();
        assert!(errors.is_empty(), "{path:?}: {errors:#?}");
        for cell in &checked.cells {
            verify(cell).unwrap_or_else(|fault| panic!("{path:?}: {fault}"));
        }
        n_specs += checked.cells.len();
    }
    assert!(n_specs >= 12);
}
