//! The `rnnc` binary: see [`rnnc::cli`].

fn main() -> std::process::ExitCode {
    rnnc::cli::main()
}
