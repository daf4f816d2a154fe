// Both engines give the same numbers; in f64 there is only the interpreter.
$ rnnc run std/gru --engine reference --seed 3
= 0
$ rnnc run std/gru --engine fast --seed 3
= 0
$ rnnc grad std/gru --engine reference --seed 3
= 0
$ rnnc grad std/gru --engine fast --seed 3
= 0
// What runs on the interpreter without being asked for, and what has no effect there.
$ rnnc run std/gru --engine fast --dtype f64 --seed 3
= 0
$ rnnc grad std/gru --engine reference --threads 2 --seed 3
= 0
