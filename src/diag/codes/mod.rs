//! The table of codes: one row each, with the number, what it means, and a wrong and a right
//! example.
//!
//! A code never changes its meaning. `rnnc explain CODE` prints a row, and a test compiles every
//! `wrong` example and expects the code, and every `right` example and expects nothing.

mod backward;
mod declarations;
mod gradients;
mod layouts;
mod models;
mod names;
mod run;
mod shapes;
mod text;
mod warnings;

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde::{Serialize, Serializer};

use super::Severity;

/// One row of the table: what `rnnc explain` tells about a code.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// The meaning, in one line.
    pub title: &'static str,
    /// The reason and the way out, in a paragraph or two.
    pub text: &'static str,
    /// A spec that draws the code, or a command line for codes of run time.
    pub wrong: &'static str,
    /// The same, mended.
    pub right: &'static str,
}

macro_rules! codes {
    ($($name:ident = $number:literal,)*) => {
        /// The stable code of a diagnostic.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[allow(missing_docs, reason = "each row of the table explains its code")]
        pub enum Code { $($name,)* }

        impl Code {
            /// Every code, in the order of the numbers.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// Returns the code as people see it, such as `E0102`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $number,)* }
            }
        }
    };
}

codes! {
    // E01: text and syntax, limits.
    UnexpectedToken = "E0101",
    MissingOperator = "E0102",
    MatMulNeedsParens = "E0103",
    UnclosedBracket = "E0104",
    BadCharacter = "E0105",
    ForeignComment = "E0106",
    NonAsciiName = "E0107",
    BadNumber = "E0108",
    TooLarge = "E0109",
    ReservedWord = "E0110",
    EmptyFile = "E0111",
    ChainedComparison = "E0112",
    UnknownDeclaration = "E0114",
    CommentAsDivision = "E0115",
    // E02: names.
    UnknownName = "E0201",
    DefinedTwice = "E0202",
    UnknownFunction = "E0203",
    Cycle = "E0204",
    BadPrev = "E0205",
    BadArguments = "E0206",
    RecursiveFunction = "E0207",
    CyclicDims = "E0208",
    BuiltInName = "E0209",
    WrongKindOfName = "E0210",
    UnknownDim = "E0211",
    BadUse = "E0212",
    UnknownCell = "E0213",
    RecursiveCell = "E0214",
    BadShares = "E0215",
    // E03: shapes.
    CannotMultiply = "E0301",
    ShapesDoNotFit = "E0302",
    StateShape = "E0303",
    RowWiseProduct = "E0304",
    BadLeftOperand = "E0305",
    AmbiguousAxes = "E0306",
    OutOfRange = "E0307",
    BadReduction = "E0308",
    BadShapeFunction = "E0309",
    BadLookup = "E0310",
    DeclaredShape = "E0311",
    BadDimExpression = "E0312",
    AccumulatorShape = "E0313",
    // E04: declarations.
    NoEquation = "E0401",
    NoOutput = "E0402",
    BadInitialiser = "E0403",
    NotConstant = "E0404",
    ConstantOutOfRange = "E0405",
    NotAState = "E0406",
    ShapeFromOwnPast = "E0407",
    WrongPlace = "E0408",
    BadMask = "E0409",
    LoopParts = "E0410",
    // E05: gradients.
    BadDerivative = "E0501",
    NotElementwise = "E0502",
    // E06: models and layouts.
    NotOneToOne = "E0601",
    BadLayout = "E0602",
    LayoutShape = "E0603",
    SecondLoss = "E0604",
    BadTeacher = "E0605",
    BadFeedback = "E0606",
    BadChoice = "E0607",
    BadLoss = "E0608",
    TargetRead = "E0609",
    ModelAsLayer = "E0610",
    ReadsBackward = "E0620",
    // E07: data, sizes and weights given at run time.
    SizeNotSet = "E0701",
    BadSetting = "E0702",
    DataDoesNotFit = "E0703",
    WeightsDoNotFit = "E0704",
    BadFile = "E0705",
    BadIndex = "E0706",
    SizesTooLarge = "E0707",
    BadLengths = "E0708",
    NotFinite = "E0709",
    BadArtifact = "E0710",
    BadKey = "E0711",
    CannotCut = "E0712",
    AnswerTold = "E0713",
    WrongFolder = "E0714",
    // Warnings.
    UnusedParam = "W0601",
    GateRange = "W0602",
    OnlyAsSum = "W0603",
    LosesAccuracy = "W0604",
    ZeroGradient = "W0605",
    NeverReadWithPrev = "W0606",
    DanglingDoc = "W0607",
    UnusedName = "W0608",
    IdleUse = "W0609",
    IdleAllow = "W0610",
    DecidingMask = "W0611",
}

impl Code {
    /// Errors stop the compilation; warnings do not.
    pub fn severity(self) -> Severity {
        if self.as_str().starts_with('W') { Severity::Warning } else { Severity::Error }
    }

    /// Returns the code with this number, such as `E0102`, in either case.
    pub fn find(number: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|it| it.as_str().eq_ignore_ascii_case(number))
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Returns the whole table, in the order of the numbers.
pub fn table() -> &'static [Entry] {
    static TABLE: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        [
            text::ROWS,
            names::ROWS,
            shapes::ROWS,
            declarations::ROWS,
            gradients::ROWS,
            layouts::ROWS,
            models::ROWS,
            backward::ROWS,
            run::ROWS,
            warnings::ROWS,
        ]
        .concat()
    });
    &TABLE
}

/// Returns the text that `rnnc explain` prints: a row of the table as plain text, at most 80 columns wide.
pub fn explain(code: Code) -> String {
    let entry = table().iter().find(|it| it.code == code).expect("every code has a row");
    let severity = match code.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut out = format!("{severity}[{}]: {}\n\n{}\n", code.as_str(), entry.title, entry.text);
    for (heading, example) in [("Wrong:", entry.wrong), ("Right:", entry.right)] {
        let _ = write!(out, "\n{heading}\n\n");
        for line in example.lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Code, explain, table};

    #[test]
    fn every_code_has_one_row_and_rows_stand_in_order() {
        let rows: Vec<Code> = table().iter().map(|it| it.code).collect();
        assert_eq!(rows, Code::ALL);
        let numbers: Vec<&str> = Code::ALL.iter().map(|it| it.as_str()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert!(numbers.iter().all(|it| Code::find(&it.to_lowercase()).is_some()));
    }

    #[test]
    fn explanations_fit_a_terminal_and_say_something() {
        for entry in table() {
            let code = entry.code.as_str();
            assert!(!entry.title.is_empty() && !entry.title.ends_with('.'), "{code}");
            let sentences = entry.text.matches(['.', ':']).count();
            assert!(sentences >= 2 && entry.text.ends_with('.'), "{code}: {}", entry.text);
            assert!(entry.wrong != entry.right && entry.wrong.lines().count() <= 16, "{code}");
            for line in explain(entry.code).lines() {
                assert!(line.chars().count() <= 80, "{code}: {line}");
                assert_eq!(line, line.trim_end(), "{code}");
            }
        }
    }

    #[test]
    fn an_explanation_as_it_is_printed() {
        let expected = "\
error[E0402]: a cell without an output

A cell says what it returns at each step: `output h` for a named value,
`output y = expr` for a new one. The first output is the main one. Nothing is
returned by itself, not even a state.

Wrong:

    cell A {
      input x: []
      state h: []
      h = tanh(x + prev h)
    }

Right:

    cell A {
      input x: []
      state h: []
      h = tanh(x + prev h)
      output h
    }
";
        assert_eq!(explain(Code::NoOutput), expected);
    }
}
