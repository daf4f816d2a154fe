//! `rnnc completions`: scripts that complete commands and options, cells of the library, layouts and codes.
//!
//! The command line takes any text for a cell or a layout, since both may come from a file of the user. Only the copy of it that
//! makes the scripts lists what is known.

use std::collections::BTreeSet;

use clap::builder::PossibleValuesParser;
use clap::{Arg, CommandFactory};
use clap_complete::Shell;

use super::args::{Cli, CompletionsArgs};
use super::context::Context;
use super::error::CliError;
use crate::api::{self, LibraryFile};
use crate::diag::{self, Severity};
use crate::ir::layout::OWN;
use crate::text::{FileId, SourceFile};
use crate::{hir, syntax};

/// Prints the script of a shell.
pub fn completions(ctx: &mut Context, args: &CompletionsArgs) -> Result<(), CliError> {
    let known = Known::new();
    let mut command = Cli::command().mut_subcommands(|it| it.mut_args(|arg| known.told(arg)));
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "rnnc", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    let cells = known.cells.join(" ");
    if args.shell == Shell::Zsh {
        // A list would hide the files.
        script = script.replace(&format!(":({cells})'"), ":_rnnc_specs'").replacen(
            "\n\n",
            &format!(
                "\n\n_rnnc_specs() {{\n    _alternative 'cells:library cell:({cells})' 'files:file:_files'\n}}\n\n"
            ),
            1,
        );
    }
    if args.shell == Shell::Fish {
        // The script of clap completes options alone.
        for command in command.get_subcommands() {
            let name = command.get_name();
            let positionals = command.get_positionals().filter_map(|it| known.of(it));
            for values in positionals {
                script.push_str(&format!(
                    "complete -c rnnc -n \"__fish_rnnc_using_subcommand {name}\" -a \"{}\"\n",
                    values.join(" ")
                ));
            }
        }
    }
    ctx.out(&script)
}

/// The values that arguments are known to take.
struct Known {
    cells: Vec<String>,
    layouts: Vec<String>,
    codes: Vec<String>,
    warnings: Vec<String>,
    denied: Vec<String>,
}

impl Known {
    fn new() -> Known {
        let files: Vec<LibraryFile> = api::library().chain(api::models()).collect();
        let mut layouts = BTreeSet::from([OWN.to_owned()]);
        for file in &files {
            layouts.extend(layouts_of(file));
        }
        let codes = |only_warnings: bool| -> Vec<String> {
            let rows = diag::table().iter().map(|it| it.code);
            let rows = rows.filter(|it| !only_warnings || it.severity() == Severity::Warning);
            rows.map(|it| it.as_str().to_owned()).collect()
        };
        Known {
            cells: files.iter().map(|it| format!("std/{}", it.name)).collect(),
            layouts: layouts.into_iter().collect(),
            codes: codes(false),
            warnings: codes(true),
            denied: [vec!["warnings".to_owned()], codes(true)].concat(),
        }
    }

    /// Returns the values of an argument, where some are known.
    fn of(&self, arg: &Arg) -> Option<&[String]> {
        match arg.get_id().as_str() {
            "spec" | "specs" => Some(&self.cells),
            "name" if arg.is_positional() => Some(&self.cells),
            "layout" | "from" => Some(&self.layouts),
            // The targets of an export are values of their own.
            "to" if arg.get_possible_values().is_empty() => Some(&self.layouts),
            "code" => Some(&self.codes),
            "allow" => Some(&self.warnings),
            "deny" => Some(&self.denied),
            _ => None,
        }
    }

    fn told(&self, arg: Arg) -> Arg {
        match self.of(&arg) {
            Some(values) => arg.value_parser(PossibleValuesParser::new(values.to_vec())),
            None => arg,
        }
    }
}

/// Returns the names of the layouts that the cells of a file declare.
fn layouts_of(file: &LibraryFile) -> Vec<String> {
    let (tree, _) = syntax::parse(&SourceFile::new(file.name, file.source), FileId(0));
    let program = hir::Program::single(tree);
    let resolved = hir::resolve(&program);
    let layouts = resolved.cells.iter().flat_map(|it| &it.layouts);
    layouts.map(|it| it.decl.name.name.to_string()).collect()
}
