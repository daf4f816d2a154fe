// A spec that uses others works in every command; a compiled cell needs them no more.
file lib/gates.rnn
| use "more/halves.rnn"
| fn blend(z, a, b) = z * a + (1 - z) * b
| fn spare(v, w) = half(v)
file lib/more/halves.rnn
| fn half(v) = v / 2
| cell Halved {
|   input x: []
|   output y = half(x)
| }
file leaky.rnn
| use "lib/gates.rnn"
| use std/gru
| cell Leaky {
|   dims H = 2
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = blend(a, prev h, half(x))
|   output h
| }
$ rnnc check leaky.rnn
= 0
$ rnnc check leaky.rnn --deny warnings --quiet
= 1
$ rnnc compile leaky.rnn --emit ir
= 0
$ rnnc run leaky.rnn --cell Halved
= 0
$ rnnc run leaky.rnn --cell Leak
= 2
$ rnnc run lib/gates.rnn
= 2
$ rnnc run - --quiet < leaky.rnn
= 0
$ rnnc gradcheck leaky.rnn --quiet
= 0
$ rnnc test . --update
= 0
edit lib/more/halves.rnn v / 2 => v / 4
$ rnnc test .
= 1
$ rnnc compile leaky.rnn -o a.ron
= 0
$ rnnc run leaky.rnn --engine reference --json --quiet
= 0
// What a used file says wrong is shown in it; a file that is not there is an error of the spec.
edit lib/more/halves.rnn v / 4 => v / w
$ rnnc run leaky.rnn
= 1
$ rnnc check leaky.rnn lib/gates.rnn --json
= 1
$ rnnc run a.ron --engine reference --json --quiet
= 0
$ rnnc check a.ron
= 0
$ rnnc run a.ron --cell Halved --quiet
= 0
edit leaky.rnn lib/gates => lib/gate
$ rnnc run leaky.rnn
= 1
$ rnnc run - < leaky.rnn
= 1
edit a.ron name: "lib/more/halves.rnn" => name: "lib/more/\u{1b}[2J.rnn"
$ rnnc run a.ron
= 4
