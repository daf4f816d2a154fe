//! Tests that take a build of their own and are no part of every test run: `cargo test --test gate -- --ignored`.
//!
//! The public API is compared with `tests/snapshots/public_api.txt`; `RNNC_DOCS=update` writes that anew.

#![allow(clippy::print_stderr, reason = "what is skipped is said aloud")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn cargo(args: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(args).env_remove("CARGO_TARGET_DIR");
    cargo
}

fn succeeds(mut command: Command) {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{told}");
}

#[test]
#[ignore = "builds a crate of its own"]
fn a_stranger_finds_its_way() {
    succeeds(cargo(&["run", "--quiet", "--locked", "--offline", "--package", "stranger"]));
}

#[test]
#[ignore = "builds the package as it would be published"]
fn it_could_be_published() {
    succeeds(cargo(&["package", "--allow-dirty", "--no-verify", "--offline", "--quiet"]));
}

#[test]
#[ignore = "documents the whole library"]
fn the_public_api_is_as_it_was() {
    let mut doc = cargo(&["rustdoc", "--lib", "--quiet", "--offline", "--target-dir"]);
    let target = root().join("target/api");
    doc.arg(&target).env("RUSTC_BOOTSTRAP", "1");
    doc.args(["--", "-Zunstable-options", "--output-format=json", "--cap-lints=allow"]);
    if !doc.output().is_ok_and(|it| it.status.success()) {
        eprintln!("skipped: this toolchain gives no rustdoc JSON");
        return;
    }
    let json = std::fs::read_to_string(target.join("doc/rnnc.json")).unwrap();
    let crate_: Value = serde_json::from_str(&json).unwrap();
    let found = Api { index: &crate_["index"] }.list(&crate_["root"]);
    let path = root().join("tests/snapshots/public_api.txt");
    if std::env::var_os("RNNC_DOCS").is_some_and(|it| it == "update") {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = read(&path);
    assert!(found.lines().count() > 100, "{found}");
    assert_eq!(found, expected, "RNNC_DOCS=update writes it anew");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The items of a crate as rustdoc lists them.
struct Api<'a> {
    index: &'a Value,
}

impl Api<'_> {
    fn item(&self, id: &Value) -> &Value {
        &self.index[id.to_string()]
    }

    /// Returns the exports of the root by name, with their members.
    fn list(&self, root: &Value) -> String {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for id in array(&self.item(root)["inner"]["module"]["items"]) {
            let exported = &self.item(id)["inner"]["use"];
            if exported["is_glob"] != false {
                continue;
            }
            let name = exported["name"].as_str().unwrap().to_owned();
            all.insert(name, self.members(self.item(&exported["id"])));
        }
        let mut text = String::new();
        for (name, members) in all {
            text += &format!("{name}\n");
            members.iter().for_each(|it| text += &format!("  {it}\n"));
        }
        text
    }

    fn members(&self, item: &Value) -> Vec<String> {
        let inner = &item["inner"];
        let mut members = Vec::new();
        for kind in ["struct", "enum", "trait"] {
            let it = &inner[kind];
            for id in array(&it["variants"]).iter().chain(array(&it["kind"]["plain"]["fields"])) {
                members.extend(self.item(id)["name"].as_str().map(str::to_owned));
            }
            members.extend(array(&it["items"]).iter().filter_map(|it| self.function(it)));
            for implemented in array(&it["impls"]) {
                let implemented = &self.item(implemented)["inner"]["impl"];
                if implemented["trait"].is_null() {
                    let functions = array(&implemented["items"]).iter();
                    members.extend(functions.filter_map(|it| self.function(it)));
                } else if implemented["blanket_impl"].is_null()
                    && implemented["is_synthetic"] == false
                {
                    let path = &implemented["trait"];
                    members.push(format!("impl {}", named(path)));
                }
            }
        }
        members.sort();
        members.dedup();
        members
    }

    fn function(&self, id: &Value) -> Option<String> {
        let item = self.item(id);
        let signature = &item["inner"]["function"]["sig"];
        let is_public = item["visibility"] == "public" || item["visibility"] == "default";
        if signature.is_null() || !is_public {
            return None;
        }
        let given = array(&signature["inputs"]).iter().map(|it| match it[0].as_str() {
            Some("self") => kind(&it[1]).replace("Self", "self"),
            name => format!("{}: {}", name.unwrap_or("_"), kind(&it[1])),
        });
        let given: Vec<String> = given.collect();
        let gives = match &signature["output"] {
            Value::Null => String::new(),
            it => format!(" -> {}", kind(it)),
        };
        Some(format!("fn {}({}){gives}", item["name"].as_str()?, given.join(", ")))
    }
}

fn array(of: &Value) -> &[Value] {
    of.as_array().map_or(&[], Vec::as_slice)
}

/// A path with its arguments.
fn named(path: &Value) -> String {
    let name = path["path"].as_str().unwrap_or("?");
    let name = name.rsplit("::").next().unwrap_or(name);
    let args = array(&path["args"]["angle_bracketed"]["args"]).iter();
    let types = args.filter(|it| it["lifetime"].is_null());
    let args: Vec<String> = types.map(|it| kind(&it["type"])).collect();
    if args.is_empty() { name.to_owned() } else { format!("{name}<{}>", args.join(", ")) }
}

/// A type, as one would write it.
fn kind(of: &Value) -> String {
    let list = |all: &Value| array(all).iter().map(kind).collect::<Vec<_>>().join(", ");
    let Some((what, it)) = of.as_object().and_then(|it| it.iter().next()) else {
        return of.as_str().unwrap_or("?").to_owned();
    };
    match what.as_str() {
        "resolved_path" => named(it),
        "primitive" | "generic" => it.as_str().unwrap_or("?").to_owned(),
        "borrowed_ref" => {
            let how = if it["is_mutable"] == true { "&mut " } else { "&" };
            format!("{how}{}", kind(&it["type"]))
        }
        "tuple" => format!("({})", list(it)),
        "slice" => format!("[{}]", kind(it)),
        "array" => format!("[{}; {}]", kind(&it["type"]), it["len"].as_str().unwrap_or("?")),
        "impl_trait" => {
            let bounds = array(it).iter().map(|it| named(&it["trait_bound"]["trait"]));
            format!("impl {}", bounds.collect::<Vec<_>>().join(" + "))
        }
        "dyn_trait" => {
            let bounds = array(&it["traits"]).iter().map(|it| named(&it["trait"]));
            format!("dyn {}", bounds.collect::<Vec<_>>().join(" + "))
        }
        "qualified_path" => it["name"].as_str().unwrap_or("?").to_owned(),
        other => other.to_owned(),
    }
}
