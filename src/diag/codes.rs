//! The table of codes: one row each, with the number, what it means, and a wrong and a right example.
//!
//! A code never changes its meaning. `rnnc explain CODE` prints a row, and a test compiles every `wrong` example and
//! expects the code, and every `right` example and expects nothing.

use serde::{Serialize, Serializer};

use super::Severity;

/// One row of the table: what `rnnc explain` tells about a code.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// What it means, one line.
    pub title: &'static str,
    /// Why it is so and what to do, a paragraph or two.
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

            /// The code as people see it, such as `E0102`.
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
    NotSupportedYet = "E0113",
    UnknownDeclaration = "E0114",
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
    // E04: declarations.
    NoEquation = "E0401",
    NoOutput = "E0402",
    BadInitialiser = "E0403",
    NotConstant = "E0404",
    ConstantOutOfRange = "E0405",
    NotAState = "E0406",
    ShapeFromOwnPast = "E0407",
    WrongPlace = "E0408",
    // E05: gradients.
    BadDerivative = "E0501",
    NotElementwise = "E0502",
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
    // Warnings.
    UnusedParam = "W0601",
    GateRange = "W0602",
    OnlyAsSum = "W0603",
    LosesAccuracy = "W0604",
    ZeroGradient = "W0605",
    NeverReadWithPrev = "W0606",
    DanglingDoc = "W0607",
    UnusedName = "W0608",
}

impl Code {
    /// Errors stop the compilation; warnings do not.
    pub fn severity(self) -> Severity {
        if self.as_str().starts_with('W') { Severity::Warning } else { Severity::Error }
    }

    /// The code with this number, such as `E0102`, in either case.
    pub fn find(number: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|it| it.as_str().eq_ignore_ascii_case(number))
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The whole table, in the order of the numbers.
pub fn table() -> &'static [Entry] {
    &[]
}
