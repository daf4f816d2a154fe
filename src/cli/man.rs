//! `rnnc man`: the help of each command as a manual page.

use std::fs;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::args::{Cli, ManArgs};
use super::context::Context;
use super::error::CliError;

/// Writes `rnnc.1` and a page for each command.
pub fn man(ctx: &mut Context, args: &ManArgs) -> Result<(), CliError> {
    let shown = args.folder.display();
    if args.folder.as_os_str() == "-" {
        let message = "-: the pages are several files; name a folder for them";
        return Err(CliError::Usage(message.to_owned()));
    }
    if args.folder.exists() && !args.folder.is_dir() {
        let message = format!("{shown} is a file; name a folder for the pages");
        return Err(CliError::Usage(message));
    }
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let commands = std::iter::once(&root).chain(root.get_subcommands());
    let mut pages = Vec::new();
    for command in commands {
        let name = command.get_display_name().unwrap_or(command.get_name());
        pages.push((args.folder.join(format!("{name}.1")), page(command)?));
    }
    fs::create_dir_all(&args.folder)
        .map_err(|it| CliError::Io(format!("cannot make {shown}: {it}")))?;
    pages.iter().try_for_each(|(path, _)| ctx.will_write("DIR", path))?;
    pages.iter().try_for_each(|(path, page)| ctx.write(path, page))
}

fn page(command: &Command) -> Result<Vec<u8>, CliError> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let after = command.get_after_help().map(|it| sections(&it.to_string()));
    page.extend(after.unwrap_or_default().into_bytes());
    Ok(page)
}

/// Returns the text after the options in roff: a line that ends in a colon begins a section, whose lines stay as they are.
fn sections(text: &str) -> String {
    let mut roff = String::new();
    for paragraph in text.split("\n\n") {
        let (title, lines) = match paragraph.split_once(":\n") {
            Some((title, lines)) => (title, lines),
            None => ("See also", paragraph),
        };
        let lines = lines.lines().map(escaped).collect::<Vec<_>>().join("\n");
        roff.push_str(&format!(".SH \"{}\"\n.nf\n{lines}\n.fi\n", title.to_uppercase()));
    }
    roff
}

/// Keeps a line from being read as a request, and its signs from being changed to those of a typeset page.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if line.starts_with('.') { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_keep_their_lines_and_signs() {
        let roff = sections("Examples:\n  a -o 'b' \\\n      c\n\n.x is it");
        let expected = ".SH \"EXAMPLES\"\n.nf\n  a \\-o \\(aqb\\(aq \\e\n      c\n.fi\n\
                        .SH \"SEE ALSO\"\n.nf\n\\&.x is it\n.fi\n";
        assert_eq!(roff, expected);
    }
}
