//! The command line: a thin layer over the library, one file per command. Only this folder prints.

mod args;
mod check;
// mod compile;
mod context;
mod error;
mod explain;
mod feed;
// mod grad;
mod init;
mod library;
mod load;
mod output;
mod run;
// mod test;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use context::Context;
use error::CliError;

/// The stack that a command runs on. Recursion over a spec is bounded by the limits of the language; this holds it in a debug
/// build too, whatever the limit of the shell.
const STACK: usize = 32 << 20;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let work = std::thread::Builder::new().name("rnnc".to_owned()).stack_size(STACK).spawn(run);
    match work.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // The panic hook has printed where; 101 is what a panic of the main thread gives.
        Ok(Err(_)) => ExitCode::from(101),
        Err(_) => run(),
    }
}

fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // A closed pipe is the only way in which this can fail, and nobody is left to tell.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let mut ctx = Context::new(cli.quiet, cli.color);
    let done = dispatch(&mut ctx, &cli.command).and_then(|()| ctx.finish());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            ctx.report(&error);
            ExitCode::from(code)
        }
    }
}

fn dispatch(ctx: &mut Context, command: &Command) -> Result<(), CliError> {
    match command {
        Command::Check(args) => check::check(ctx, args),
        Command::Run(args) => run::run(ctx, args),
        Command::Init(args) => init::init(ctx, args),
        Command::List(args) => library::list(ctx, args),
        Command::Show(args) => library::show(ctx, args),
        Command::Explain(args) => explain::explain(ctx, args),
        Command::Compile(_) | Command::Grad(_) | Command::Gradcheck(_) | Command::Test(_) => {
            Err(CliError::Usage("not there yet".into()))
        }
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "rnnc", &mut script);
            ctx.out(&String::from_utf8_lossy(&script))
        }
    }
}
