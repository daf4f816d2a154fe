//! E01: text, syntax and the limits of a file.

use super::{Code, Entry};

pub(super) const ROWS: &[Entry] = &[
    Entry {
        code: Code::UnexpectedToken,
        title: "something stands where it cannot stand",
        text: "\
The text is not what the grammar asks for at this place. The message says what
could stand there. A statement begins with a keyword or with `NAME =`, and an
expression goes on as long as it can, over several lines if a line begins or
ends with an operator. Often the slip is just before the caret: an operator too
many, or an argument that is missing.",
        wrong: "\
cell A {
  input x: []
  output y = x + * 2
}
",
        right: "\
cell A {
  input x: []
  output y = x * 2
}
",
    },
    Entry {
        code: Code::MissingOperator,
        title: "two values stand side by side without an operator",
        text: "\
A formula on paper says `W x` and `2 b`; a spec says which product is meant.
Write `@` for the product of a matrix and a vector, and `*` for the product
element by element. This also holds for `b (x)` where `b` is a value: only
functions and activations are called.",
        wrong: "\
cell A {
  dims I, H
  input x: [I]
  param W: [H, I]
  output y = W x
}
",
        right: "\
cell A {
  dims I, H
  input x: [I]
  param W: [H, I]
  output y = W @ x
}
",
    },
    Entry {
        code: Code::MatMulNeedsParens,
        title: "`@` beside `*` or `/` can be read in two ways",
        text: "\
`U @ r * h` may mean `(U @ r) * h` or `U @ (r * h)`, and in published cells both
occur: a gated recurrent unit differs by just this. So neither binds tighter.
Put one of the two products into parentheses; the message shows both forms as
text that can be pasted.",
        wrong: "\
cell A {
  dims H
  input x: [H]
  state h: [H]
  param U: [H, H]
  gate r = sigmoid(x)
  h = tanh(U @ r * prev h)
  output h
}
",
        right: "\
cell A {
  dims H
  input x: [H]
  state h: [H]
  param U: [H, H]
  gate r = sigmoid(x)
  h = tanh(U @ (r * prev h))
  output h
}
",
    },
    Entry {
        code: Code::UnclosedBracket,
        title: "a bracket is never closed, or closes another kind",
        text: "\
Each `(`, `[` and `{` needs its partner of the same kind. The caret points at
the bracket that was opened, because the end of the file, where the lack shows,
is seldom where it belongs.",
        wrong: "\
cell A {
  input x: []
  output y = tanh(x
}
",
        right: "\
cell A {
  input x: []
  output y = tanh(x)
}
",
    },
    Entry {
        code: Code::BadCharacter,
        title: "a character that a spec may not hold",
        text: "\
A spec is UTF-8 text. Control characters, NUL and the marks that turn the
direction of writing are errors everywhere, also in comments, because they can
make a file look different from what it says. Blanks other than space, tab and
line ends are errors outside comments; they usually come from a copied page,
like the no-break space before `*` in the example. Delete the character that the
message names by its code point.",
        wrong: "\
cell A {
  input x: []
  output y = x\u{a0}* 2
}
",
        right: "\
cell A {
  input x: []
  output y = x * 2
}
",
    },
    Entry {
        code: Code::ForeignComment,
        title: "a comment that begins with `#` or `/*`",
        text: "\
Comments are `//` to the end of the line. `///` documents the item or
declaration that follows.",
        wrong: "\
cell A {
  # The only input.
  input x: []
  output y = 2 * x
}
",
        right: "\
cell A {
  // The only input.
  input x: []
  output y = 2 * x
}
",
    },
    Entry {
        code: Code::NonAsciiName,
        title: "a name with letters other than a-z and A-Z",
        text: "\
Names are ASCII letters, digits and `_`, and begin with a letter. Greek letters
and letters that merely look Latin are hard to tell apart and to type, and other
tools cannot store them in files of weights. Spell them out: `alpha`, `W_h`.",
        wrong: "\
cell A {
  input x: []
  param α: []
  output y = α * x
}
",
        right: "\
cell A {
  input x: []
  param alpha: []
  output y = alpha * x
}
",
    },
    Entry {
        code: Code::BadNumber,
        title: "a number that cannot be read",
        text: "\
A number has digits on both sides of a point and may end in an exponent: `0.5`,
`12`, `1e-3`. One that is too large for a 64-bit floating-point number is an
error as well, for it would silently become infinite. Infinity itself is written
`inf`.",
        wrong: "\
cell A {
  input x: []
  output y = min(x, 1e999)
}
",
        right: "\
cell A {
  input x: []
  output y = min(x, 1e30)
}
",
    },
    Entry {
        code: Code::TooLarge,
        title: "a limit of the language is passed",
        text: "\
A spec may have 4 MiB of source, 100 000 words, numbers and signs in one
declaration, brackets nested 256 deep, 10 000 iterations of a fold, a million
operations after expansion and values of 2^40 elements. The limits are far
above what a cell needs and keep a broken or hostile file from using up the
machine. A chain of equations has no limit: give the parts of a deep expression
names with `let`.",
        wrong: "\
cell A {
  state m: [2000000, 2000000]
  m = 0.5 * prev m
  output m
}
",
        right: "\
cell A {
  state m: [200, 200]
  m = 0.5 * prev m
  output m
}
",
    },
    Entry {
        code: Code::ReservedWord,
        title: "a reserved word is used as a name",
        text: "\
The keywords of the language cannot be names, nor can the words that later
versions will need: `axis template import export type unit noise`. Words of
other languages, such as `if` and `return`, are reserved too, so that they get a
message of their own. Choose another name; words like `step`, `index` or `last`
are free.",
        wrong: "\
cell A {
  input x: []
  param unit: []
  output y = unit * x
}
",
        right: "\
cell A {
  input x: []
  param scale: []
  output y = scale * x
}
",
    },
    Entry {
        code: Code::EmptyFile,
        title: "the file defines nothing",
        text: "\
A file holds at least one cell, function or activation. This one is empty or has
only comments; perhaps it was not saved, or the path leads to another file than
you think.",
        wrong: "\
// A cell will be here.
",
        right: "\
cell A {
  input x: []
  output y = tanh(x)
}
",
    },
    Entry {
        code: Code::ChainedComparison,
        title: "comparisons cannot be chained",
        text: "\
A comparison gives 0 or 1, so `0 < x < 1` would compare that number with 1 and
always hold. Compare twice and multiply: the product of two comparisons is 1
where both hold.",
        wrong: "\
cell A {
  input x: []
  output y = where(0 < x < 1, x, 0)
}
",
        right: "\
cell A {
  input x: []
  output y = where((0 < x) * (x < 1), x, 0)
}
",
    },
    Entry {
        code: Code::UnknownDeclaration,
        title: "a statement begins with a word that declares nothing",
        text: "\
Declarations begin with `dims`, `hyper`, `input`, `state`, `param`, `const`,
`mask`, `gate`, `let`, `output`, `layer` or `layout`. What is trained is a
`param`, what is carried from step to step is a `state`, and any other named
value is a `let`.",
        wrong: "\
cell A {
  dims I, H
  input x: [I]
  weight W: [H, I]
  output y = W @ x
}
",
        right: "\
cell A {
  dims I, H
  input x: [I]
  param W: [H, I]
  output y = W @ x
}
",
    },
    Entry {
        code: Code::CommentAsDivision,
        title: "a comment that reads like floor division",
        text: "\
`//` begins a comment, so `n // 2` is `n`: what follows is lost without a word.
A comment behind a value that is nothing but an expression of numbers and
declared names is therefore an error. Write `floor(n / 2)`; sizes are not
divided, but multiplied: declare the smaller one.",
        wrong: "\
cell A {
  input x: []
  hyper n = 6
  output y = x * n // 2
}
",
        right: "\
cell A {
  input x: []
  hyper n = 6
  output y = x * floor(n / 2)  // whole numbers
}
",
    },
];
