//! `rnnc version`: which rnnc this is, and what it runs on.

use serde::Serialize;

use super::args::VersionArgs;
use super::context::Context;
use super::error::CliError;
use crate::exec;

#[derive(Serialize)]
struct Build {
    version: &'static str,
    /// The commit and its day; a development build has none, nor has a copy without its repository.
    commit: Option<&'static str>,
    date: Option<&'static str>,
    /// The instructions that the kernels use on this machine.
    path: &'static str,
    features: Vec<&'static str>,
    optimised: bool,
}

impl Build {
    fn this() -> Build {
        Build {
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("RNNC_COMMIT"),
            date: option_env!("RNNC_DATE"),
            path: exec::kernel_path(),
            features: env!("RNNC_FEATURES").split(',').collect(),
            optimised: !cfg!(debug_assertions),
        }
    }
}

/// Returns what `rnnc --version` prints after the name.
pub fn long() -> String {
    let it = Build::this();
    let from = match (it.commit, it.date) {
        (Some(commit), Some(date)) => format!(" ({commit} {date})"),
        _ if it.optimised => String::new(),
        _ => " (development build)".to_owned(),
    };
    let Build { version, path, features, .. } = it;
    format!("{version}{from}\nkernels: {path}\nfeatures: {}", features.join(", "))
}

/// Prints the version.
pub fn version(ctx: &mut Context, args: &VersionArgs) -> Result<(), CliError> {
    match args.json {
        true => ctx.json(&Build::this()),
        false => ctx.line(&format!("rnnc {}", long())),
    }
}
