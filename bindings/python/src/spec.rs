//! Specs, cells and gradcheck.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use pyo3::prelude::*;
use rnnc::api::{self, Artifact, Bundle, Evidence, infer_sizes};
use rnnc::data::{Folder, read_file};
use rnnc::diag::Code;
use rnnc::exec::gradcheck::{self, CheckError, Kind, Line, Options, Worst};
use rnnc::exec::known;
use rnnc::ir::{self, Env, Feedback, Gives, HyperKind, Mode};
use rnnc::plan::pipeline::{self, Graphs, Part};
use rnnc::text::{FileId, Name};
use rnnc::{derive, docgen, hir, plan};
use serde_json::{Value, json};

use crate::bound::Bound;
use crate::error::{Fault, guard, told};

/// A checked source.
#[pyclass(frozen, module = "rnnc._rnnc")]
pub struct Spec(api::Spec);

/// Settings, as `--set` has them.
type Set = Vec<(String, String)>;

fn lent(set: &Set) -> Vec<(&str, &str)> {
    set.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Checks a text, which uses the built-in library alone.
#[pyfunction]
pub fn parse(py: Python<'_>, name: &str, text: &[u8]) -> PyResult<Spec> {
    guard(py, || Ok(Spec(py.detach(|| api::Spec::read(name, text))?)))
}

/// Reads a `.rnn` file, or a compiled `.ron` with its cell and settings.
#[pyfunction]
pub fn load(py: Python<'_>, path: &str) -> PyResult<(Spec, Option<String>, Set)> {
    guard(py, || {
        py.detach(|| {
            let file = Path::new(path);
            let bytes = read_file(file)?;
            if file.extension().is_none_or(|it| it != "ron") {
                let spec = api::Spec::load(path, &bytes, &Folder::of_file(file))?;
                return Ok((Spec(spec), None, Vec::new()));
            }
            let bad = |message: String| {
                Fault::Data(Some(Code::BadArtifact), format!("{path}: {message}"))
            };
            let text = String::from_utf8(bytes).map_err(|it| bad(it.to_string()))?;
            let artifact = Artifact::from_ron(&text).map_err(|it| bad(it.to_string()))?;
            let set = artifact.set().into_iter().map(|(a, b)| (a.to_string(), b.to_string()));
            let set = set.collect();
            Ok((Spec(artifact.spec()?), Some(artifact.cell_name().to_owned()), set))
        })
    })
}

/// A file of the built-in library.
#[pyfunction(name = "std")]
pub fn library_file(py: Python<'_>, name: &str) -> PyResult<Spec> {
    guard(py, || {
        let spec = py.detach(|| api::Spec::std(name));
        Ok(Spec(spec.map_err(|error| match error {
            api::Error::Fit { code, message, .. } => Fault::Name(Some(code), message),
            other => other.into(),
        })?))
    })
}

/// The files of the library: name, group, the first paragraph of what the main cell says of itself.
#[pyfunction]
pub fn library(py: Python<'_>) -> PyResult<Vec<(String, String, String)>> {
    guard(py, || {
        py.detach(|| {
            let listed = |file: api::LibraryFile| {
                let name = format!("std/{}", file.name);
                let spec = api::Spec::read(&name, file.source.as_bytes())?;
                let doc = spec.main().map(|it| it.doc.as_slice()).unwrap_or_default();
                let lines = doc.iter().map(|it| it.trim()).take_while(|it| !it.is_empty());
                let summary = lines.collect::<Vec<_>>().join(" ");
                Ok((name, file.group.to_owned(), summary))
            };
            api::library().chain(api::models()).map(listed).collect()
        })
    })
}

/// All diagnostics of a text as JSON.
#[pyfunction]
pub fn check(py: Python<'_>, name: &str, text: &[u8]) -> PyResult<String> {
    guard(py, || {
        Ok(py.detach(|| match api::Spec::read(name, text) {
            Ok(spec) => told(spec.warnings(), spec.sources()).0,
            Err(error) => told(&error.diagnostics, &error.sources).0,
        }))
    })
}

/// Returns the meaning of a code.
#[pyfunction]
pub fn explain(py: Python<'_>, code: &str) -> PyResult<String> {
    guard(py, || match Code::find(code) {
        Some(code) => Ok(rnnc::diag::explain(code)),
        None => Err(Fault::Name(None, format!("there is no code `{code}`"))),
    })
}

/// The spec of a self-contained text.
#[pyfunction]
pub fn unbundle(py: Python<'_>, text: &str) -> PyResult<Spec> {
    guard(py, || Ok(Spec(py.detach(|| Bundle::from_text(text)?.spec())?)))
}

#[pymethods]
impl Spec {
    #[getter]
    fn name(&self) -> String {
        self.0.sources().files().first().map(|it| it.name.clone()).unwrap_or_default()
    }

    #[getter]
    fn source(&self) -> String {
        self.0.sources().files().first().map(|it| it.text.clone()).unwrap_or_default()
    }

    #[getter]
    fn cells(&self) -> Vec<String> {
        self.0.cells().iter().map(|it| it.name.to_string()).collect()
    }

    fn warnings(&self) -> String {
        told(self.0.warnings(), self.0.sources()).0
    }

    fn bundle(&self) -> String {
        Bundle::new(&self.0, None, &[]).to_text()
    }

    fn artifact(&self, py: Python<'_>, cell: Option<&str>, set: Set) -> PyResult<String> {
        guard(py, || Ok(Artifact::new(&self.0, cell, &lent(&set))?.to_ron()))
    }

    fn configure(&self, py: Python<'_>, cell: Option<&str>, set: Set) -> PyResult<Cell> {
        guard(py, || Ok(Cell(py.detach(|| self.0.configure(cell, &lent(&set)))?)))
    }

    /// The equations of a cell of the file as LaTeX.
    fn latex(&self, py: Python<'_>, cell: &str) -> PyResult<Option<String>> {
        guard(py, || {
            let tree = hir::resolve(self.0.program());
            let mut all = tree.cells.iter().zip(docgen::latex::cells(&tree, FileId(0)));
            Ok(all.find(|it| &*it.0.ast.name.name == cell).map(|it| it.1))
        })
    }
}

/// A cell in symbolic dims.
#[pyclass(frozen, module = "rnnc._rnnc")]
pub struct Cell(api::CellSpec);

impl Cell {
    /// The checked cell.
    pub fn ir(&self) -> &ir::Cell {
        self.0.ir()
    }
}

fn shape(shape: &ir::Shape) -> Vec<String> {
    shape.axes().iter().map(ToString::to_string).collect()
}

#[pymethods]
impl Cell {
    /// Returns the facts that Python shows of a cell, as JSON.
    fn info(&self) -> String {
        let cell = self.0.ir();
        let env = known(cell);
        let hyper = |it: &ir::Hyper| {
            let text = match &it.kind {
                HyperKind::Number(value) => {
                    let number = value.eval(&env);
                    number.map_or_else(|| "depends on sizes".to_owned(), |it| it.to_string())
                }
                HyperKind::Activation(text) => text.clone(),
            };
            (it.name.to_string(), Value::from(text))
        };
        let dims = cell.dims.iter().map(|it| {
            json!({"name": &*it.name, "default": it.default, "like": it.like.as_deref(), "fixed": it.fixed})
        });
        let inputs = cell.inputs.iter().map(|it| {
            json!({
                "name": &*it.name, "shape": shape(&it.shape), "index": it.index.as_ref().map(ToString::to_string),
                "has_default": it.default.is_some(), "per_sequence": it.per_sequence,
                "role": format!("{:?}", it.role).to_lowercase(),
            })
        });
        let states = cell.carries.iter().map(|it| {
            json!({"name": &*it.name, "shape": shape(&it.shape), "is_state": it.is_state, "is_real": it.is_real()})
        });
        let params = cell.params.iter().map(|it| {
            let init = ir::print::initialiser(&it.init);
            json!({"name": &*it.name, "shape": shape(&it.shape), "trained": it.trained, "init": init})
        });
        let masks = cell.masks.iter().map(|it| {
            let scope = format!("{:?}", it.scope).to_lowercase();
            json!({"name": &*it.name, "shape": shape(&it.shape), "scope": scope})
        });
        let gate = |it: &&ir::NamedValue| it.kind == ir::ValueKind::Gate;
        let names = |all: Vec<&Name>| all.iter().map(|it| it.to_string()).collect::<Vec<_>>();
        let info = json!({
            "name": &*cell.name,
            "is_model": cell.is_model,
            "has_teacher": cell.has_teacher(),
            "reads_backward": cell.reads_backward(),
            "at_last": cell.losses.first().is_some_and(|it| it.at_last),
            "has_loss": !cell.losses.is_empty(),
            "doc": cell.doc.iter().map(|it| it.trim()).collect::<Vec<_>>().join("\n"),
            "hypers": cell.hypers.iter().map(hyper).collect::<serde_json::Map<_, _>>(),
            "dims": dims.collect::<Vec<_>>(),
            "inputs": inputs.collect::<Vec<_>>(),
            "states": states.collect::<Vec<_>>(),
            "params": params.collect::<Vec<_>>(),
            "masks": masks.collect::<Vec<_>>(),
            "outputs": names(cell.outputs.iter().map(|it| &it.name).collect()),
            "values": names(cell.values.iter().map(|it| &it.name).collect()),
            "gates": names(cell.values.iter().filter(gate).map(|it| &it.name).collect()),
            "layouts": names(cell.layouts.iter().map(|it| &it.name).collect()),
            "parameters": cell.parameter_formula().to_string(),
        });
        info.to_string()
    }

    fn warnings(&self) -> String {
        told(self.0.warnings(), self.0.sources()).0
    }

    fn with_outputs(&self, py: Python<'_>, names: Vec<String>) -> PyResult<Cell> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        guard(py, || Ok(Cell(self.0.with_outputs(&names)?)))
    }

    /// The sizes that were set and those that follow from shapes: of inputs, by position, for one step of one sequence.
    fn sizes(
        &self,
        py: Python<'_>,
        set: BTreeMap<String, i64>,
        inputs: Vec<(usize, Vec<usize>)>,
    ) -> PyResult<Vec<(String, i64)>> {
        guard(py, || {
            let cell = self.0.ir();
            let set = set.into_iter().map(|(name, size)| (Name::from(name), size)).collect();
            let evidence = inputs.into_iter().filter_map(|(at, sizes)| {
                let input = cell.inputs.get(at)?;
                let what = format!("input `{}`", input.name);
                let code = Code::DataDoesNotFit;
                Some(Evidence { what, shape: input.shape.clone(), sizes, code })
            });
            let sizes = infer_sizes(cell, &set, &evidence.collect::<Vec<_>>())?;
            Ok(sizes.into_iter().map(|(name, size)| (name.to_string(), size)).collect())
        })
    }

    fn bind(&self, py: Python<'_>, sizes: Vec<(String, i64)>) -> PyResult<Bound> {
        guard(py, || {
            let sizes = sizes.iter().map(|(name, size)| (name.as_str(), *size));
            Ok(Bound(self.0.bind(sizes)?))
        })
    }

    /// The cell itself, to find its weights in.
    fn layout_names(
        &self,
        py: Python<'_>,
        layout: &str,
        prefix: String,
        suffix: Option<String>,
        short: bool,
    ) -> PyResult<Vec<String>> {
        guard(py, || {
            let cell = self.0.ir();
            let layout = api::weights::layout(cell, layout)?;
            let affixes = api::Affixes { prefix, suffix };
            let names = api::weights::names(cell, &layout, &affixes, short)?;
            Ok(names.into_iter().map(|it| it.0).collect())
        })
    }

    fn emit(&self, py: Python<'_>, stage: &str) -> PyResult<String> {
        guard(py, || {
            let mode = Mode::new(Feedback::Teacher, Gives::Both);
            let cell = if stage == "ir" { self.0.clone() } else { self.0.plain(&mode) };
            let env = Env::default();
            let after = |name: &str| {
                let mut graphs = Graphs::new(cell.ir(), &env, &[]);
                let mut part = Part::Step;
                for pass in pipeline::up_to(name).unwrap_or_default() {
                    (graphs, part) = (graphs.pass(pass), pass.part);
                }
                graphs.print(part)
            };
            match stage {
                "ir" => Ok(ir::print::cell(cell.ir())),
                "forward" => Ok(after("simplify")),
                "backward" => Ok(after("simplify-adjoint")),
                "tangent" => Ok(after("simplify-tangent")),
                "plan" => {
                    let plan = plan::Plan::with(cell.ir(), &env);
                    let plan = plan.map_err(|it| Fault::Data(None, it.to_string()))?;
                    Ok(plan::print(&plan.sized(&env)))
                }
                other => Err(Fault::Name(None, format!("there is no stage `{other}`"))),
            }
        })
    }

    /// Checks the gradients of the cell in one mode, and gives the report as JSON.
    fn gradcheck(
        &self,
        py: Python<'_>,
        sizes: Vec<(String, i64)>,
        lengths: Option<Vec<usize>>,
        seeds: Option<u64>,
        own: bool,
        progress: &pyo3::Bound<'_, PyAny>,
    ) -> PyResult<String> {
        guard(py, || {
            let mut options = Options::default();
            let sizes = sizes.into_iter().map(|(name, size)| (Name::from(name), size));
            options.env = Env { sizes: sizes.collect(), ..Env::default() };
            options.lengths = lengths.unwrap_or(options.lengths);
            options.seeds = seeds.unwrap_or(options.seeds);
            let feedback = if own { Feedback::Own } else { Feedback::Teacher };
            let has_loss = !self.0.ir().losses.is_empty();
            let gives = if has_loss { Gives::Loss } else { Gives::Outputs };
            let cell = derive::plain(self.0.ir(), &Mode::new(feedback, gives));
            let told = progress.clone().unbind();
            let mut raised = None;
            let report = py.detach(|| {
                gradcheck::gradcheck_with(&cell, &options, &mut |done, all| {
                    let called = Python::attach(|py| {
                        py.check_signals()?;
                        if told.is_none(py) {
                            return Ok(());
                        }
                        told.call1(py, (done, all)).map(|_| ())
                    });
                    match called {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(error) => {
                            raised = Some(error);
                            ControlFlow::Break(())
                        }
                    }
                })
            });
            match (report, raised) {
                (Err(CheckError::Stopped), Some(error)) => Err(error.into()),
                (report, _) => {
                    let report = report?;
                    let lines: Vec<Value> = report.lines.iter().map(line).collect();
                    Ok(json!({"samples": report.samples, "lines": lines}).to_string())
                }
            }
        })
    }
}

fn line(line: &Line) -> Value {
    let kind = match line.kind {
        Kind::Param => "param",
        Kind::Input => "input",
        Kind::Start => "state",
    };
    let worst = |it: &Option<Worst>| it.as_ref().map(|it| it.error).filter(|it| it.is_finite());
    json!({
        "name": &*line.name, "kind": kind, "passes": line.passes, "forward": worst(&line.forward),
        "difference": worst(&line.difference), "fast": worst(&line.fast),
    })
}
