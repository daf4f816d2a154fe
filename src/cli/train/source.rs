//! Reading training data: which files are meant, and what is in them.
//!
//! Data comes from exactly one source: arrays, a table or a text. Each becomes fields of `train::Data`; what the model's sizes
//! follow from, what the next command needs (columns, categories, vocabulary) and which file a message names goes with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use super::table;
use crate::api::Evidence;
use crate::cli::config::Settings;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::feed::{self, list};
use crate::data;
use crate::diag::Code;
use crate::ir::{self, InputRole, Shape};
use crate::text::Name;
use crate::train::{self, Axes, Data, Field, Vocabulary};

/// Facts about the data that the model has learned by, beside numbers: later data is read by the same.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Known {
    /// The columns of each input and target.
    #[serde(default)]
    pub columns: BTreeMap<String, Vec<String>>,
    /// The words of columns of words, in the order of their numbers.
    #[serde(default)]
    pub categories: BTreeMap<String, Vec<String>>,
    /// The characters, in the order of their numbers.
    pub vocabulary: Option<String>,
    /// The file of the vocabulary.
    pub vocabulary_of: Option<String>,
}

/// The origin of a field.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The file.
    pub file: String,
    /// The columns, for a table.
    pub columns: Vec<String>,
    /// The number of rows above the first one of numbers.
    pub above: usize,
}

/// The data of a part, read.
pub struct Part {
    fields: Vec<Field>,
    pub(super) lengths: Option<Vec<usize>>,
    /// True if the rows are one long series.
    pub is_series: bool,
    /// True if they are those of a table.
    pub is_table: bool,
    /// True if they are the characters of a text.
    pub is_text: bool,
    /// The origin of each field.
    pub origins: BTreeMap<String, Origin>,
    /// The evidence about the sizes of the model.
    pub evidence: Vec<Evidence>,
    /// A checksum for each array, under its name.
    pub checksums: BTreeMap<String, String>,
    text: Option<(Option<Name>, Name)>,
    /// The file of the lengths, or the key that lists them.
    lengths_from: Option<String>,
}

/// The keys and files of a part's data.
#[derive(Default)]
struct Places {
    inputs: BTreeMap<String, String>,
    targets: BTreeMap<String, String>,
    lengths: Option<String>,
    csv: Option<PathBuf>,
    text: Option<PathBuf>,
}

/// The way in which data is read.
pub struct Reading<'a> {
    /// The model.
    pub cell: &'a ir::Cell,
    /// The keys.
    pub settings: &'a Settings,
    /// The keys of the training, for a model that is trained: its tables are read as before where nothing else is said.
    pub before: Option<&'a Settings>,
    /// Inputs and targets that may be missing.
    pub unread: &'a [Name],
    /// The prefix of the keys: nothing, or `valid_`.
    pub prefix: &'static str,
    /// Gives the number of rows that are not held out, of a number of rows.
    pub trained: &'a dyn Fn(usize) -> usize,
    /// True if rows that are left out are reported.
    pub tells: bool,
}

/// The keys about how tables are read.
pub const TABLE: &[&str] = &["columns", "header", "decimal", "missing", "sequence_column"];

/// The last step of a loss at the end of sequences lets targets have one value for each.
pub fn is_last(cell: &ir::Cell, idx: usize) -> bool {
    let is_taught = cell.carries.iter().any(|it| it.teacher == Some(idx));
    cell.losses.iter().any(|it| it.at_last) && !is_taught
}

impl Reading<'_> {
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn names(&self, role: InputRole) -> Vec<String> {
        let of_role = self.cell.inputs.iter().filter(|it| it.role == role);
        of_role.map(|it| it.name.to_string()).collect()
    }

    /// Returns true if a key names data of the part.
    pub fn is_said(&self) -> bool {
        let keys = ["data", "input", "target", "csv", "text"];
        keys.iter().any(|it| self.settings.is_said(&self.key(it)))
    }

    /// Reads the part, from a folder where nothing else is said. `known` is added to, or kept to.
    pub fn read(
        &self,
        ctx: &mut Context,
        folder: Option<&Path>,
        known: &mut Known,
    ) -> Result<Part, CliError> {
        let places = self.places(ctx, folder)?;
        match (&places.csv, &places.text) {
            (Some(_), Some(_)) => {
                let message = "there are a table and a text; one of them is the data";
                Err(CliError::misfit(message.to_owned()))
            }
            (Some(path), None) => {
                table::read(self, ctx, path, &places.inputs, &places.targets, known)
            }
            (None, Some(_)) | (None, None) => {
                for key in TABLE {
                    let why = format!("`{key}` is about tables, such as a .csv, and there is none");
                    self.settings.clash(key, &why)?;
                }
                match &places.text {
                    Some(path) => self.text(ctx, path, known),
                    None => self.arrays(ctx, &places),
                }
            }
        }
    }

    fn places(&self, ctx: &mut Context, folder: Option<&Path>) -> Result<Places, CliError> {
        let settings = self.settings;
        let mut places = Places {
            inputs: settings.map(&self.key("input")).into_iter().collect(),
            targets: settings.map(&self.key("target")).into_iter().collect(),
            lengths: settings.text(&self.key("lengths")),
            csv: settings.path(&self.key("csv")),
            text: settings.path(&self.key("text")),
        };
        let said = settings.path(&self.key("data"));
        if let Some(folder) = said.as_deref().or(folder) {
            self.folder(ctx, folder, &mut places)?;
        }
        for (role, what, places) in [
            (InputRole::Input, "input", &places.inputs),
            (InputRole::Target, "target", &places.targets),
        ] {
            let names = self.names(role);
            if let Some(name) = places.keys().find(|it| !names.contains(it)) {
                let key = self.key(what);
                let message =
                    format!("`{key}`: the model has no {what} `{name}`, only {}", list(&names));
                return Err(settings.fault(&key, &message));
            }
        }
        Ok(places)
    }

    /// Reads the files of a folder, as far as no key names others.
    fn folder(
        &self,
        ctx: &mut Context,
        folder: &Path,
        places: &mut Places,
    ) -> Result<(), CliError> {
        let entries = std::fs::read_dir(folder).map_err(|source| {
            CliError::data(folder, data::DataError::Read { path: folder.to_owned(), source })
        })?;
        let mut names: Vec<String> =
            entries.flatten().map(|it| it.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        let has_arrays = !places.inputs.is_empty() || !places.targets.is_empty();
        let is_series = names.iter().any(|it| it == "series.csv");
        let mut left_out = Vec::new();
        for file in &names {
            let path = folder.join(file).display().to_string();
            let array = |kind: &str| file.strip_prefix(kind)?.strip_suffix(".npy");
            if let (Some(name), false) = (array("input."), is_series) {
                match self.names(InputRole::Input).iter().any(|it| it == name) {
                    true => _ = places.inputs.entry(name.to_owned()).or_insert(path),
                    false => left_out.push(file.clone()),
                }
            } else if let (Some(name), false) = (array("target."), is_series) {
                match self.names(InputRole::Target).iter().any(|it| it == name) {
                    true => _ = places.targets.entry(name.to_owned()).or_insert(path),
                    false => left_out.push(file.clone()),
                }
            } else if file == "lengths.npy" && !is_series {
                places.lengths.get_or_insert(path);
            } else if file == "series.csv" {
                places.csv.get_or_insert(path.into());
            } else if file == "text.txt" && !is_series && !has_arrays {
                places.text.get_or_insert(path.into());
            }
        }
        if !left_out.is_empty() && self.tells {
            let left_out = list(&left_out);
            ctx.note(&format!(
                "{}: {left_out} left out: the model has no such name",
                folder.display()
            ));
        }
        Ok(())
    }

    fn arrays(&self, ctx: &mut Context, places: &Places) -> Result<Part, CliError> {
        let batch_first = self.settings.is("batch_first");
        let mut part = Part::new(false);
        for (idx, input) in self.cell.inputs.iter().enumerate() {
            let (role, files) = match input.role {
                InputRole::Input => (train::Role::Input, &places.inputs),
                InputRole::Target => (train::Role::Target, &places.targets),
                // What is drawn comes from no file.
                InputRole::Coin | InputRole::Draw => continue,
            };
            let kind = if role == train::Role::Input { "input" } else { "target" };
            let Some(file) = files.get(&*input.name) else {
                if input.default.is_some() || self.unread.contains(&input.name) {
                    continue;
                }
                let key = self.key(kind);
                let flag = key.replace('_', "-");
                let name = &input.name;
                let message = format!("no data for {kind} `{name}`; give --{flag} {name}=FILE.npy");
                return Err(CliError::misfit(message));
            };
            let mut values = feed::read_npy(ctx, Path::new(file))?;
            let rank = input.shape.rank();
            let at_last = role == train::Role::Target && is_last(self.cell, idx);
            let axes = match (values.ndim().checked_sub(rank), input.per_sequence) {
                (Some(1), true) => Axes::Last,
                (Some(1), false) if at_last => Axes::Last,
                (Some(1), false) => Axes::Shared,
                (Some(2), false) => Axes::Batch,
                (_, once) => {
                    let (shape, before) = (values.shape(), if once { "[N" } else { "[T, N" });
                    return Err(CliError::misfit(format!(
                        "{file}: `{}` is {shape:?}; for a {kind} of {}{} it is {before}{}{}]",
                        input.name,
                        input.shape,
                        if once { " per sequence" } else { "" },
                        if rank > 0 { ", " } else { "" },
                        input.shape.to_string().trim_matches(['[', ']'])
                    )));
                }
            };
            if axes == Axes::Batch && batch_first {
                values.swap_axes(0, 1);
                values = values.as_standard_layout().into_owned();
            }
            let sizes = values.shape()[values.ndim() - rank..].to_vec();
            part.evidence.push(Evidence {
                what: format!("{file}: {kind} `{}`", input.name),
                shape: input.shape.clone(),
                sizes,
                code: Code::DataDoesNotFit,
            });
            part.put(kind, &input.name, file, Vec::new(), 0, &values);
            part.push(input, axes, values, None);
        }
        if part.fields.is_empty() {
            let message = "no data is given: --data DIR, --csv FILE, --text FILE, or --input and --target NAME=FILE.npy";
            return Err(CliError::misfit(message.to_owned()));
        }
        part.is_series = part.fields.iter().all(|it| it.axes == Axes::Shared);
        if let Some(text) = &places.lengths {
            part.put_lengths(feed::read_lengths(ctx, text.as_ref())?);
            let is_list = data::parse_lengths(text).is_some();
            let key = format!("`{}`", self.key("lengths"));
            part.lengths_from = Some(if is_list { key } else { text.clone() });
        }
        Ok(part)
    }

    fn text(&self, ctx: &mut Context, path: &Path, known: &mut Known) -> Result<Part, CliError> {
        let (input, target) = self.text_fields()?;
        let shown = path.display().to_string();
        let bytes = ctx.read(path)?;
        let text = train::decode(&bytes).map_err(|at| CliError::Fit {
            code: Code::BadFile,
            message: format!("{shown}: byte {at} is no UTF-8 text"),
        })?;
        if text.chars().nth(1).is_none() {
            let message = format!("{shown}: a text to learn from has at least two characters");
            return Err(CliError::Fit { code: Code::CannotCut, message });
        }
        let vocabulary = match &known.vocabulary {
            Some(it) => Vocabulary::of(it),
            None => Vocabulary::of(text),
        };
        known.vocabulary.get_or_insert_with(|| vocabulary.to_text());
        let of = known.vocabulary_of.get_or_insert_with(|| shown.clone()).clone();
        let count = vocabulary.characters().len();
        let numbers = vocabulary.encode(text).map_err(|it| CliError::Fit {
            code: Code::BadIndex,
            message: format!(
                "{shown}: line {}, column {}: `{}` is not among the {count} characters of {of}",
                it.line,
                it.column,
                it.character.escape_debug()
            ),
        })?;
        let mut part = Part::new(true);
        part.is_text = true;
        part.evidence.push(vocabulary_evidence(self.cell, &target, &of, count));
        let values = ndarray::Array1::from(numbers).into_dyn();
        part.put("target", &target, &shown, Vec::new(), 0, &values);
        part.checksums = [("text".to_owned(), data::training::checksum_of(text.as_bytes()))].into();
        part.fields.push(Field::target(target.clone(), Axes::Shared, values).below(count as u64));
        part.text = Some((input, target));
        Ok(part)
    }

    /// Returns the input and the target of a model of characters.
    fn text_fields(&self) -> Result<(Option<Name>, Name), CliError> {
        let cell = self.cell;
        let of_role = |role: InputRole| -> Vec<&ir::Input> {
            cell.inputs.iter().filter(|it| it.role == role).collect()
        };
        let (inputs, targets) = (of_role(InputRole::Input), of_role(InputRole::Target));
        let is_index = |it: &ir::Input| it.index.is_some() && it.shape.rank() == 0;
        let told = |kind: &str, all: &[&ir::Input]| {
            let all = all.iter().map(|it| format!("`{kind} {}: {}`", it.name, type_of(it)));
            all.collect::<Vec<_>>().join(", ")
        };
        let fault = |what: String| CliError::Fit {
            code: Code::CannotCut,
            message: format!("a text needs a model with {what}"),
        };
        let [target] = targets[..] else {
            let has = told("target", &targets);
            return Err(fault(format!("one `target: index[V]`; `{}` has {has}", cell.name)));
        };
        if !is_index(target) {
            let has = told("target", &targets);
            return Err(fault(format!("one `target: index[V]`; `{}` has {has}", cell.name)));
        }
        let fits = |it: &&ir::Input| is_index(it) && it.index == target.index;
        if inputs.len() > 1 || !inputs.iter().all(fits) {
            let has = told("input", &inputs);
            let wanted = "at most one input, an index of the target's dim";
            return Err(fault(format!("{wanted}; `{}` has {has}", cell.name)));
        }
        Ok((inputs.first().map(|it| it.name.clone()), target.name.clone()))
    }
}

/// Returns the type of an input as a spec writes it.
fn type_of(input: &ir::Input) -> String {
    match &input.index {
        Some(dim) => format!("index[{dim}]"),
        None => input.shape.to_string(),
    }
}

/// Returns the size that a vocabulary or categories give an index.
pub fn vocabulary_evidence(cell: &ir::Cell, name: &str, of: &str, count: usize) -> Evidence {
    let input = cell.inputs.iter().find(|it| &*it.name == name);
    let index = input.and_then(|it| it.index.clone());
    Evidence {
        what: format!("{of}: `{name}`"),
        shape: Shape(index.into_iter().collect()),
        sizes: vec![count],
        code: Code::DataDoesNotFit,
    }
}

impl Part {
    /// Nothing yet.
    pub fn new(is_series: bool) -> Part {
        Part {
            fields: Vec::new(),
            lengths: None,
            is_series,
            is_table: false,
            is_text: false,
            origins: BTreeMap::new(),
            evidence: Vec::new(),
            checksums: BTreeMap::new(),
            text: None,
            lengths_from: None,
        }
    }

    /// Notes where a field comes from, and its checksum.
    pub fn put(
        &mut self,
        kind: &str,
        name: &str,
        file: &str,
        columns: Vec<String>,
        above: usize,
        values: &ArrayD<f64>,
    ) {
        let bytes: Vec<u8> = values.iter().flat_map(|it| it.to_le_bytes()).collect();
        self.checksums.insert(format!("{kind}.{name}"), data::training::checksum_of(&bytes));
        let origin = Origin { file: file.to_owned(), columns, above };
        self.origins.insert(name.to_owned(), origin);
    }

    /// Adds the field of an input or target. The numbers of an index are not scaled; where no words bound them, the size
    /// of the model does.
    pub fn push(&mut self, input: &ir::Input, axes: Axes, values: ArrayD<f64>, limit: Option<u64>) {
        let name = input.name.clone();
        let field = match input.role {
            InputRole::Target => Field::target(name, axes, values),
            InputRole::Input | InputRole::Coin | InputRole::Draw => {
                Field::input(name, axes, values)
            }
        };
        let limit = limit.or(input.index.as_ref().map(|_| u64::MAX));
        self.fields.push(match limit {
            Some(limit) => field.below(limit),
            None => field,
        });
    }

    /// Returns the fields.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Returns the number of steps of each sequence, where they differ.
    pub fn lengths(&self) -> Option<&Vec<usize>> {
        self.lengths.as_ref()
    }

    /// Notes the lengths, and their checksum.
    pub(super) fn put_lengths(&mut self, lengths: Vec<usize>) {
        let bytes: Vec<u8> = lengths.iter().flat_map(|it| (*it as u64).to_le_bytes()).collect();
        self.checksums.insert("lengths".to_owned(), data::training::checksum_of(&bytes));
        self.lengths = Some(lengths);
    }

    /// Returns the data, its targets `ahead` rows ahead where it is a series.
    pub fn data(&self, ahead: usize) -> Result<Data, CliError> {
        let fields = self.fields.clone();
        let data = match (&self.text, self.is_series) {
            (Some((input, target)), _) => {
                let field = &fields[0];
                let numbers = field.values.iter().copied().collect();
                Data::text(numbers, field.index.unwrap_or(0), input.clone(), target.clone())
            }
            // Without targets there is nothing to be ahead: every row is a step.
            (None, true) if fields.iter().all(|it| it.role == train::Role::Input) => {
                Data::series(fields, 0)
            }
            (None, true) => Data::series(fields, ahead),
            (None, false) => Data::sequences(fields, self.lengths.clone()),
        };
        data.map_err(|it| self.told(it))
    }

    /// Returns an error of the data, with the file and, in a table, the row and the column.
    pub fn told(&self, error: train::Error) -> CliError {
        let (code, message) = (code(&error), error.to_string());
        let (name, place) = match &error {
            train::Error::Data { name: Some(name), place, .. } => (name, place),
            train::Error::Index { name, place, .. } => (name, place),
            train::Error::Lengths(_) => {
                let from = self.lengths_from.iter().map(|it| format!("{it}: "));
                let message = from.chain([message]).collect();
                return CliError::Fit { code, message };
            }
            _ => return CliError::Fit { code, message },
        };
        let Some(origin) = self.origins.get(&**name) else {
            return CliError::Fit { code, message };
        };
        let element = place.element.iter().copied().next().unwrap_or(0);
        let message = match (origin.columns.get(element), place.row) {
            (Some(column), Some(row)) => {
                // What comes before the place says what is wrong.
                let what = message.split(" at row").next().unwrap_or_default();
                let row = row + origin.above + 1;
                format!("{}: row {row}, column `{column}`: {what}", origin.file)
            }
            _ => format!("{}: {message}", origin.file),
        };
        CliError::Fit { code, message }
    }
}

/// Returns the code of an error of the training.
pub fn code(error: &train::Error) -> Code {
    match error {
        train::Error::Data { .. } => Code::DataDoesNotFit,
        train::Error::Index { .. } => Code::BadIndex,
        train::Error::Lengths(_) => Code::BadLengths,
        train::Error::Cut(_) => Code::CannotCut,
        train::Error::Leak(_) => Code::AnswerTold,
        train::Error::Options(_) => Code::BadKey,
        train::Error::NotFinite { .. } => Code::NotFinite,
        train::Error::Snapshot(_) => Code::WrongFolder,
        train::Error::Run(error) => error.code(),
    }
}

impl From<train::Error> for CliError {
    fn from(error: train::Error) -> CliError {
        CliError::Fit { code: code(&error), message: error.to_string() }
    }
}
