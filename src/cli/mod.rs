//! The command line: a thin layer over the library, one file per command. Only this folder prints.

mod args;
mod bench;
mod bug;
mod check;
mod columns;
mod compare;
mod compile;
mod completions;
mod config;
mod context;
mod convert;
mod difference;
mod error;
mod eval;
mod explain;
mod export;
mod feed;
mod generate;
mod grad;
mod gradcheck;
mod graph;
mod init;
mod library;
mod load;
mod man;
mod origin;
mod output;
mod plot;
mod predict;
mod progress;
mod run;
mod save;
mod task;
mod test;
mod train;
mod values;
mod version;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Command};
use context::{Context, Words};
use error::CliError;

/// The stack that a command runs on. Recursion over a spec is bounded by the limits of the
/// language; this holds it in a debug build too, whatever the limit of the shell.
const STACK: usize = 32 << 20;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    ExitCode::from(run(std::env::args_os().skip(1)))
}

/// Runs a command line, given without the name of the program, and returns its exit code. It prints and reads as the
/// program does; what it panics at is reported, and is code 101.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let before = std::panic::take_hook();
    bug::install();
    let (work, own) = (std::thread::Builder::new().name("rnnc".to_owned()), args.clone());
    let work = work.stack_size(STACK).spawn(move || run_here(&own));
    let code = match work.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // The hook has said what happened.
        Ok(Err(_)) => bug::EXIT_CODE,
        // No thread can be had: the stack of this one does for all but the deepest specs.
        Err(_) => run_here(&args),
    };
    std::panic::set_hook(before);
    code
}

fn run_here(args: &[OsString]) -> u8 {
    origin::remember(args);
    let words = std::iter::once(OsString::from("rnnc")).chain(args.iter().cloned());
    let cli = match parse(words.collect()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help was asked for, or the usage is wrong. A closed pipe is the only way in which
            // printing can fail, and nobody is left to tell.
            let code = if error.use_stderr() { 2 } else { 0 };
            if code != 0 && args.iter().any(|it| it == "--json") {
                let mut ctx = Context::new(Words::Quiet, args::ColorChoice::Never);
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                let message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
                let _ = ctx.json_failure(&CliError::Usage(message));
                let _ = ctx.finish();
            }
            let _ = error.print();
            return code;
        }
    };
    let words = match (cli.quiet, cli.verbose) {
        (true, _) => Words::Quiet,
        (false, false) => Words::Notes,
        (false, true) => Words::All,
    };
    let mut ctx = Context::new(words, cli.color);
    let done = dispatch(&mut ctx, &cli.command).or_else(|error| {
        // Whoever reads JSON gets one document in any case.
        if cli.command.wants_json() {
            ctx.json_failure(&error)?;
        }
        Err(error)
    });
    // What was printed until then comes before the reason to stop.
    let flushed = ctx.finish();
    match done.and(flushed) {
        Ok(()) => 0,
        Err(error) => {
            ctx.report(&error);
            error.exit_code()
        }
    }
}

/// Reads the command line. `rnnc help run --help` is the help of `run`, as `rnnc help run` is.
fn parse(mut words: Vec<OsString>) -> Result<Cli, clap::Error> {
    if words.get(1).is_some_and(|it| it == "help") {
        words.retain(|it| it != "--help" && it != "-h");
    }
    let mut command = Cli::command().long_version(version::long());
    let matches = command.try_get_matches_from_mut(words)?;
    Cli::from_arg_matches(&matches).map_err(|it| it.format(&mut command))
}

fn dispatch(ctx: &mut Context, command: &Command) -> Result<(), CliError> {
    match command {
        Command::Check(args) => check::check(ctx, args),
        Command::Run(args) => run::run(ctx, args),
        Command::Grad(args) => grad::grad(ctx, args),
        Command::Gradcheck(args) => gradcheck::gradcheck(ctx, args),
        Command::Init(args) => init::init(ctx, args),
        Command::List(args) => library::list(ctx, args),
        Command::Show(args) => library::show(ctx, args),
        Command::Graph(args) => graph::graph(ctx, args),
        Command::Plot(args) => plot::plot(ctx, args),
        Command::Explain(args) => explain::explain(ctx, args),
        Command::Compile(args) => compile::compile(ctx, args),
        Command::Test(args) => test::test(ctx, args),
        Command::Compare(args) => compare::compare(ctx, args),
        Command::Convert(args) => convert::convert(ctx, args),
        Command::Export(args) => export::export(ctx, args),
        Command::Train(args) => train::train(ctx, args),
        Command::Eval(args) => eval::eval(ctx, args),
        Command::Predict(args) => predict::predict(ctx, args),
        Command::Generate(args) => generate::generate(ctx, args),
        Command::Data(args) => task::data(ctx, args),
        Command::Bench(args) => bench::bench(ctx, args),
        Command::Completions(args) => completions::completions(ctx, args),
        Command::Man(args) => man::man(ctx, args),
        Command::Version(args) => version::version(ctx, args),
    }
}
