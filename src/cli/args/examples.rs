//! The examples in the help of each command, and of `rnnc` itself.
//!
//! `tests/cli/help.rs` runs all lines of a text in order, in one empty folder: an example that needs a file makes it first. Lines
//! have at most 80 characters, so that nothing is wrapped; a line that ends in `\` goes on in the next.

/// Of `rnnc` itself.
pub const ALL: &str = "\
Examples:
  rnnc list                         # the cells that come with rnnc
  rnnc run std/gru                  # runs one on a demonstration
  rnnc show std/gru > my_cell.rnn   # a copy to change
  rnnc check my_cell.rnn            # all errors and warnings
  rnnc compile my_cell.rnn --emit backward   # the backward pass, as equations
  rnnc graph std/lstm -o lstm.svg   # a drawing
  rnnc explain E0301                # what an error means

Exit codes:
  0 success                      1 the spec or the check failed
  2 wrong usage                  3 input or output failed
  4 data or weights do not fit   5 a NaN or an infinity in the results
  101 a bug in rnnc";

/// Of `rnnc check`.
pub const CHECK: &str = "\
Examples:
  rnnc show std/gru > my.rnn
  rnnc check my.rnn
  rnnc check *.rnn --deny warnings --allow W0603
  rnnc check . --fix
  rnnc show std/lstm | rnnc check - --json";

/// Of `rnnc compile`.
pub const COMPILE: &str = "\
Examples:
  rnnc compile std/gru
  rnnc compile std/lstm --emit backward
  rnnc compile std/rnn --set act=relu -o relu.ron
  rnnc run relu.ron

`rnnc graph` draws what a cell is.";

/// Of `rnnc run`.
pub const RUN: &str = "\
Examples:
  rnnc run std/gru
  rnnc run std/gru --steps 20 --set H=8 --trace r,z --save out -o y.csv
  rnnc run std/lstm --input x=out/output.h.npy --set H=4
  rnnc run std/lstm --input y.csv --columns 'h[0],h[7]' --set H=4";

/// Of `rnnc grad`.
pub const GRAD: &str = "\
Examples:
  rnnc grad std/gru
  rnnc run std/gru --steps 50 -o x.npy
  rnnc grad std/lstm --input x.npy --set H=4 -o grads.safetensors --flow f.csv
  rnnc grad std/lstm --input x.npy --set H=4 --upstream h=x.npy \\
      --upstream state.h=ones
  rnnc grad std/lstm --input x.npy --set H=64 --memory 64M";

/// Of `rnnc gradcheck`.
pub const GRADCHECK: &str = "\
Examples:
  rnnc gradcheck std/gru
  rnnc gradcheck std/lstm --set H=6 --seeds 1 --steps 5
  rnnc init std/gru --set I=3 --set H=4 --layout pytorch -o torch.safetensors
  rnnc gradcheck std/gru --params torch.safetensors --layout pytorch --seeds 1";

/// Of `rnnc test`.
pub const TEST: &str = "\
Examples:
  mkdir cells
  rnnc show std/gru > cells/gru.rnn
  rnnc test cells --update   # accepts what the specs do now
  rnnc test cells            # compares with cells/snapshots/gru.snap";

/// Of `rnnc init`.
pub const INIT: &str = "\
Examples:
  rnnc init std/gru --set I=3 --set H=8 -o p.safetensors
  rnnc run std/gru --params p.safetensors
  rnnc init std/gru --set I=3 --set H=8 --layout pytorch -o torch.safetensors";

/// Of `rnnc list`.
pub const LIST: &str = "\
Examples:
  rnnc list
  rnnc list --json
  rnnc list --markdown > cells.md";

/// Of `rnnc show`.
pub const SHOW: &str = "\
Examples:
  rnnc show std/gru
  rnnc show std/gru > my_gru.rnn
  rnnc show my_gru.rnn --latex --backward

`rnnc graph std/gru -o gru.svg` draws it.";

/// Of `rnnc graph`.
pub const GRAPH: &str = "\
Examples:
  rnnc graph std/lstm -o lstm.svg
  rnnc graph std/char_lm -o model.mmd --open all
  rnnc graph std/gru --backward -o back.svg --theme dark";

/// Of `rnnc plot`.
pub const PLOT: &str = "\
Examples:
  rnnc data sine --sequences 20 --steps 30 -o sine
  rnnc train std/autoregressor --data sine --epochs 5 -o a
  rnnc train std/autoregressor --data sine --epochs 5 --lr 0.01 -o b
  rnnc plot loss a b -o loss.svg --label 'lr 0.001' --label 'lr 0.01'
  rnnc grad std/lstm --steps 100 --flow lstm.csv
  rnnc plot flow lstm.csv -o flow.svg
  rnnc run std/gru --steps 50 --trace r,z --save out
  rnnc plot gates out/trace.z.npy -o z.svg
  rnnc plot prediction out/trace.z.npy out/trace.r.npy -o both.svg";

/// Of `rnnc explain`.
pub const EXPLAIN: &str = "\
Examples:
  rnnc explain         # lists all codes
  rnnc explain E0301";

/// Of `rnnc convert`.
pub const CONVERT: &str = "\
Examples:
  rnnc init std/lstm --set I=3 --set H=4 --layout pytorch \\
      --prefix encoder.rnn. -o torch.safetensors
  rnnc convert std/lstm torch.safetensors -o keras.safetensors \\
      --from pytorch --to keras --prefix encoder.rnn.
  rnnc convert std/lstm torch.safetensors -o lstm.safetensors \\
      --from pytorch --prefix encoder.rnn.";

/// Of `rnnc train`.
pub const TRAIN: &str = "\
Examples:
  rnnc data parity --sequences 100 --steps 8 -o bits
  rnnc train std/parity_lstm --data bits --epochs 2 --patience 5 -o run
  rnnc train -o run --resume --epochs 3
  rnnc train std/parity_lstm --data bits --print-config > my.ron
  rnnc train std/parity_lstm --config my.ron --epochs 1 -o again
  seq 200 | awk '{print sin($1) \",\" cos($1)}' > day.csv
  rnnc train std/forecaster --csv day.csv --input weather=1 --target load=2 \\
      --window 20 --valid 0.2 --epochs 1 -o forecast";

/// Of `rnnc eval`.
pub const EVAL: &str = "\
Examples:
  rnnc data sine --sequences 20 --steps 30 -o sine
  rnnc train std/autoregressor --data sine --epochs 1 -o run
  rnnc eval run
  rnnc eval run --data sine --json
  rnnc eval run --feedback own --prime-steps 20";

/// Of `rnnc predict`.
pub const PREDICT: &str = "\
Examples:
  rnnc data mackey-glass --steps 300 -o mg
  rnnc train std/autoregressor --data mg --window 50 --epochs 1 --valid 0.2 -o a
  rnnc predict a -o y.csv
  rnnc predict a --csv mg/series.csv --save all.safetensors";

/// Of `rnnc generate`.
pub const GENERATE: &str = "\
Examples:
  rnnc data markov --steps 500 --symbols 4 -o text
  rnnc train std/char_lm --data text --epochs 1 --set E=4 --set H=8 -o run
  rnnc generate run --steps 40 --prime ab
  rnnc generate run --steps 40 --temperature 0.5 --count 3 --seed 1 -o new.txt
  rnnc data mackey-glass --steps 300 -o mg
  rnnc train std/autoregressor --data mg --window 50 --epochs 1 -o free
  rnnc generate free --csv mg/series.csv --prime-steps 100 --steps 50 -o y.csv";

/// Of `rnnc data`.
pub const DATA: &str = "\
Tasks, and the options that each has:
  adding        the sum of two marked numbers: --sequences 5000 --steps 100
  copy          symbols after a delay: --steps 100 --symbols 8 --length 10
  parity        whether the count of ones so far is odd: --steps 20
  anbn          n a's, n b's, the end: --max 12
  reber         the embedded Reber grammar
  sine          waves of random phase: --steps 100 --period 25
  mackey-glass  a chaotic series: --steps 10000 rows
  lorenz        a chaotic series of three columns: --steps 10000 rows
  markov        a text: --steps 100000 characters --symbols 8 --order 1

Examples:
  rnnc data parity -o p20
  rnnc data adding --steps 50 --sequences 1000 --seed 1 -o add
  rnnc data markov --symbols 4 -o text";

/// Of `rnnc compare`.
pub const COMPARE: &str = "\
Examples:
  rnnc run std/gru --save a -o a.npy
  rnnc run std/gru --engine reference --save b -o b.npy
  rnnc compare a.npy b.npy --tol 1e-5
  rnnc compare a b --tol 1e-5 --json";

/// Of `rnnc bench`.
pub const BENCH: &str = "\
Examples:
  rnnc bench std/gru --set I=16 --set H=32 --batch 8 --steps 20
  rnnc bench std/lstm --set I=16 --set H=16 --repeats 3 --json";

/// Of `rnnc completions`.
pub const COMPLETIONS: &str = "\
Examples:
  rnnc completions bash > rnnc.bash; . ./rnnc.bash
  rnnc completions zsh > _rnnc    # into a folder of $fpath
  rnnc completions fish > rnnc.fish   # into ~/.config/fish/completions";

/// Of `rnnc man`.
pub const MAN: &str = "\
Examples:
  rnnc man man1
  man ./man1/rnnc-run.1";

/// Of `rnnc version`.
pub const VERSION: &str = "\
Examples:
  rnnc version
  rnnc version --json";

/// Of `rnnc export`.
pub const EXPORT: &str = "\
Examples:
  rnnc export std/gru --set I=3 --set H=4 --to onnx -o gru.onnx
  rnnc init std/lstm --set I=3 --set H=4 -o p.safetensors
  rnnc export std/lstm --params p.safetensors --to pytorch -o lstm.py
  rnnc export std/lstm --params p.safetensors --to c --math own -o lstm.c

The page docs/export.md has a walk for each target.";
