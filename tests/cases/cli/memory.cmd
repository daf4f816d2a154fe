// A bound on memory is for the fast engine.
$ rnnc grad std/gru --engine reference --memory 64M
= 2
$ rnnc grad std/gru --engine fast --dtype f64 --memory 64M
= 2
$ rnnc grad std/gru --engine fast --memory 64X
= 2
$ rnnc grad std/gru --engine fast --memory 64M --seed 3
= 0
