//! A folder of its own for each test, in which commands run.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ndarray::{ArrayD, IxDyn};
use rnnc::data;

/// A folder that goes away with the test.
pub struct Scratch(tempfile::TempDir);

/// What a command said and how it ended.
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Insists on a code, and shows what was said when it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Output {
        assert_eq!(self.code, code, "\n{}{}", self.stdout, self.stderr);
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|it| panic!("{it}: {}", self.stdout))
    }
}

impl Scratch {
    pub fn new() -> Scratch {
        Scratch(tempfile::tempdir().expect("a folder can be made"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|it| panic!("{name}: {it}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("text")
    }

    /// Writes an array as `.npy`, in f64.
    pub fn array(&self, name: &str, array: &ArrayD<f64>) {
        self.write(name, data::write_npy(&array.view()));
    }

    /// Reads an `.npy`.
    #[track_caller]
    pub fn npy(&self, name: &str) -> ArrayD<f64> {
        data::read_npy(&self.read(name)).unwrap_or_else(|it| panic!("{name}: {it}")).values
    }

    /// Reads the tensors of a `.safetensors`, with their names.
    pub fn tensors(&self, name: &str) -> Vec<(String, ArrayD<f64>)> {
        let tensors = data::read_safetensors(&self.read(name)).unwrap();
        tensors.into_iter().map(|(name, it)| (name, it.values)).collect()
    }

    /// The names in a folder, sorted; hidden ones too, so that nothing left over is missed.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The binary, to be run in this folder, with nothing of the caller's surroundings that changes
    /// what it prints.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rnnc"));
        command.current_dir(self.0.path()).env_remove("NO_COLOR").env("COLUMNS", "80");
        command
    }

    /// Runs `rnnc` with arguments that blanks separate.
    pub fn rnnc(&self, arguments: &str) -> Output {
        self.run(arguments.split_whitespace(), b"")
    }

    /// Runs `rnnc` with a standard input.
    pub fn run(
        &self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        stdin: &[u8],
    ) -> Output {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that does not read closes its end, which is no fault of the test.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).expect("rnnc prints UTF-8");
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Runs a line of the shell in this folder, where `$rnnc` is the binary.
    #[cfg(unix)]
    pub fn shell(&self, line: &str) -> Output {
        let mut command = Command::new("bash");
        command.args(["-c", line]).current_dir(self.0.path()).stdin(Stdio::null());
        let output = command.env("rnnc", env!("CARGO_BIN_EXE_rnnc")).output().unwrap();
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Numbers that differ from each other, of size about 1.
pub fn wave(shape: &[usize], phase: f64) -> ArrayD<f64> {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|it| (it as f64 * 0.83 + phase).sin());
    ArrayD::from_shape_vec(IxDyn(shape), values.collect()).unwrap()
}

/// Two arrays of the same shape with the same numbers.
#[track_caller]
pub fn assert_same(found: &ArrayD<f64>, expected: &ArrayD<f64>, what: &str) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let same = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-13 * b.abs().max(1.0));
    assert!(same, "{what}\nfound {found}\nexpected {expected}");
}
