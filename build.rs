//! Lists the files of `specs/`, so that a new cell is one new file and nothing else; tells the crate its features and, for a release,
//! the commit that it is built from.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("specs");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    if root.is_dir() {
        collect(&root, &mut files)?;
    }
    files.sort();

    let mut code = String::from("&[\n");
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        let stem = file.file_stem().expect("a listed file has a name").to_string_lossy();
        let inner = file.strip_prefix(&root).expect("it was found below the root");
        let group = inner.parent().map(|it| it.to_string_lossy()).unwrap_or_default();
        writeln!(
            code,
            "    ({stem:?}, {group:?}, include_str!({:?})),",
            file.display().to_string()
        )
        .expect("writing to a string cannot fail");
    }
    code.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("library.rs");
    fs::write(out, code)?;

    println!("cargo::rustc-env=RNNC_FEATURES={}", features());
    // A development build does not say: each commit would compile the crate again.
    if env::var("PROFILE").is_ok_and(|it| it == "release")
        && let Some((commit, date)) = commit()
    {
        println!("cargo::rustc-env=RNNC_COMMIT={commit}");
        println!("cargo::rustc-env=RNNC_DATE={date}");
    }
    Ok(())
}

/// Returns the names of the features that are switched on, with commas between them.
fn features() -> String {
    let names = env::vars().filter_map(|(key, _)| {
        let name = key.strip_prefix("CARGO_FEATURE_")?.to_lowercase();
        (name != "default").then_some(name)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.join(",")
}

/// Returns the short hash of the commit and its day, where git knows this folder as the root of a repository: a copy from
/// a registry may lie within one that is not ours.
fn commit() -> Option<(String, String)> {
    let root = fs::canonicalize(env::var_os("CARGO_MANIFEST_DIR")?).ok()?;
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(&root).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    };
    if fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()? != root {
        return None;
    }
    // Both change with each commit and checkout.
    for file in ["HEAD", "logs/HEAD"] {
        let path = root.join(git(&["rev-parse", "--git-path", file])?);
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    Some((git(&["log", "-1", "--format=%h"])?, git(&["log", "-1", "--format=%cs"])?))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|it| it == "rnn") {
            files.push(path);
        }
    }
    Ok(())
}
