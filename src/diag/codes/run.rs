//! E07: data, sizes and weights that are given at run time.

use super::{Code, Entry};

pub(super) const ROWS: &[Entry] = &[
    Entry {
        code: Code::SizeNotSet,
        title: "a size that is neither set nor known from the data",
        text: "\
Sizes come from `--set`, from the shapes of inputs and parameters, or from a
default in the spec. This one comes from none of them. A derived size, such as
`H = N * D`, cannot be set itself; set what it is made of.",
        wrong: "\
rnnc init std/gru -o p.safetensors
",
        right: "\
rnnc init std/gru --set I=3 --set H=4 -o p.safetensors
",
    },
    Entry {
        code: Code::BadSetting,
        title: "a setting that the cell does not have or cannot take",
        text: "\
`--set NAME=VALUE` sets a size or a hyper of the cell. The name does not exist,
the value is no number (or no activation) as it should be, a size is not a whole
number of at least 1, or the name is derived from others or already fixed by the
data.",
        wrong: "\
rnnc init std/gru --set I=3 --set H=0 -o p.safetensors
",
        right: "\
rnnc init std/gru --set I=3 --set H=4 -o p.safetensors
",
    },
    Entry {
        code: Code::DataDoesNotFit,
        title: "data that does not fit what the spec declares",
        text: "\
For an input of `[I]`, an array `[T, I]` is one sequence and `[T, B, I]` a
batch, time first; `--batch-first` reads `[B, T, I]`. All inputs have the same T
and B, and a size has one value wherever it stands. The message names the array,
its shape and what was expected. In `rnnc train` and what uses its folders, a
NaN or an infinity in a step that is read does not fit either, and is told with
its file and place before anything is computed. The exit code is 4.",
        wrong: "\
# x.npy is [100, 32, 5], but x: [I] with I = 3
rnnc run std/gru --set I=3 --set H=4 --input x=x.npy
",
        right: "\
# I follows from the data
rnnc run std/gru --set H=4 --input x=x.npy
",
    },
    Entry {
        code: Code::WeightsDoNotFit,
        title: "weights that are missing, unknown or of another shape",
        text: "\
A file of weights holds each param and each stored const of the cell under its
name, with its shape, and nothing else. `--ignore-extra` passes over what the
cell does not have, `--partial` draws what is missing, and sizes that are not
set follow from the weights.",
        wrong: "\
# p.safetensors was made with H = 8
rnnc run std/gru --params p.safetensors --set H=4 --input x=x.npy
",
        right: "\
rnnc run std/gru --params p.safetensors --input x=x.npy
",
    },
    Entry {
        code: Code::BadFile,
        title: "a data file is damaged or not of the kind that its name says",
        text: "\
The header of a file is compared with its length before anything is read, so a
file that was cut off or changed is found out. An odd cell of a table is named
with its row and column. rnnc reads `.npy`, `.npz`, tables (`.csv`, `.tsv`,
`.txt`), `.safetensors` and what torch.save writes; for other kinds the message
says how to convert them.",
        wrong: "\
# x.npy was cut off while it was copied
rnnc run std/gru --set H=4 --input x=x.npy
",
        right: "\
# copied again
rnnc run std/gru --set H=4 --input x=x.npy
",
    },
    Entry {
        code: Code::BadIndex,
        title: "an index beyond the size of its axis",
        text: "\
An input `token: index[V]` holds whole numbers from 0 up to, but not including,
V; a constant index or slice must lie within the size that was set. The message
gives the step, the sequence and the value.",
        wrong: "\
# V = 1000, and tokens.npy holds a 1000
rnnc run tagger.rnn --set V=1000 --input token=tokens.npy
",
        right: "\
rnnc run tagger.rnn --set V=1001 --input token=tokens.npy
",
    },
    Entry {
        code: Code::SizesTooLarge,
        title: "sizes that lead to more memory than a value may have",
        text: "\
A value may have 2^40 elements, and no product of sizes may overflow. The sizes
that were set or read from a file lead beyond that; the message names the value.",
        wrong: "\
rnnc init std/gru --set I=3 --set H=4000000000 -o p.safetensors
",
        right: "\
rnnc init std/gru --set I=3 --set H=4000 -o p.safetensors
",
    },
    Entry {
        code: Code::BadLengths,
        title: "lengths that do not fit the batch",
        text: "\
`--lengths` takes one whole number for each sequence of the batch, from 0 to T.
Values beyond a sequence's length are never read.",
        wrong: "\
# x.npy is [100, 32, 3], and n.npy holds a 101
rnnc run std/gru --set H=4 --input x=x.npy --lengths n.npy
",
        right: "\
# no length above 100
rnnc run std/gru --set H=4 --input x=x.npy --lengths n.npy
",
    },
    Entry {
        code: Code::NotFinite,
        title: "a NaN, or an infinity where none may be",
        text: "\
A NaN stands in the data, the weights or a result, or an output, the loss or a
gradient became infinite. The message names the first step, sequence, value and
unit. Common reasons are a learning rate that is too large, `log` or division at
0, and an `exp` of unbounded values; gradients that grow step by step show in
`rnnc grad --flow`. A training makes no such update and keeps its checkpoints:
begin anew with a smaller `--lr` or `--clip`. The exit code is 5.",
        wrong: "\
# x.npy holds a NaN where a sensor failed
rnnc run std/gru --set H=4 --input x=x.npy
",
        right: "\
# sequences end before the gap
rnnc run std/gru --set H=4 --input x=x.npy --lengths n.npy
",
    },
    Entry {
        code: Code::BadArtifact,
        title: "a compiled file that this version cannot read",
        text: "\
A `.ron` artifact carries the version of its form, and is checked before it is
used. It was written by a version with another form, was edited, or was cut off.
Compile the spec again.",
        wrong: "\
# gru.ron was written by a later version
rnnc run gru.ron --input x=x.npy
",
        right: "\
rnnc compile gru.rnn -o gru.ron
rnnc run gru.ron --input x=x.npy
",
    },
    Entry {
        code: Code::BadKey,
        title: "a key of a training is unknown, out of range or without effect",
        text: "\
`rnnc train` takes its keys as flags and from a `--config` file, and each has a
type and a range. No key is silently without effect: one that belongs to another
optimizer, schedule or kind of data is an error that says so, and so are two
keys that exclude each other. Keys given with `--resume` must be those with
which the training began, except for its length and what only concerns files.
The exit code is 2.",
        wrong: "\
rnnc train std/char_lm --text a.txt --momentum 0.9 -o run
",
        right: "\
rnnc train std/char_lm --text a.txt --optimizer sgd --momentum 0.9 -o run
",
    },
    Entry {
        code: Code::CannotCut,
        title: "data that cannot be cut as it was asked for",
        text: "\
A series is cut into streams or windows, a held-out part has at least one step,
and `--bptt` cuts sequences into updates. The data is too short for that, or the
model does not allow it: a loss at the last step and a layer that runs backward
need their whole sequences at once. The message gives the largest value that is
possible.",
        wrong: "\
# v.txt has 6 characters, which are 5 steps
rnnc train std/char_lm --text v.txt --batch 6 -o run
",
        right: "\
rnnc train std/char_lm --text v.txt --batch 5 -o run
",
    },
    Entry {
        code: Code::AnswerTold,
        title: "a model that would be told what it is asked for",
        text: "\
A column that is input and target of the same row makes the answer an input, and
the loss says nothing about the model. Predict a later row with `--ahead 1`, or
say `--ahead 0` where this is meant. With `--ahead` of 2 or more a feedback with
a teacher would be told a row that is not known at its step.",
        wrong: "\
rnnc train m.rnn --csv w.csv --input x=temp --target y=temp -o run
",
        right: "\
rnnc train m.rnn --csv w.csv --input x=temp --target y=temp --ahead 1 -o run
",
    },
    Entry {
        code: Code::WrongFolder,
        title: "a folder that holds no training, or that of other data",
        text: "\
`eval`, `predict`, `generate` and `train --resume` take a folder that `rnnc
train` wrote. This one has no configuration, no checkpoint that is whole, or was
made from arrays with another content. Nothing was changed in it.",
        wrong: "\
rnnc eval results
",
        right: "\
rnnc train std/classifier --data jv -o results
rnnc eval results
",
    },
];
