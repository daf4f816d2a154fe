//! What the command line already knows by name and cannot do yet: it says so, rather than not to
//! know it.

use super::args::{DataArgs, LaterArgs};
use super::error::CliError;

/// The answer to what comes with a later version.
pub fn unsupported(what: &str) -> CliError {
    CliError::Usage(format!("{what} is not supported yet"))
}

/// Refuses the options of running commands that have no meaning yet.
pub fn refuse(args: &DataArgs) -> Result<(), CliError> {
    let LaterArgs { target, feedback } = &args.later;
    let asked = [(!target.is_empty(), "`--target`"), (feedback.is_some(), "`--feedback`")];
    match asked.into_iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(unsupported(what)),
        None => Ok(()),
    }
}
