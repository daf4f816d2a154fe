// One stage at a time, as text.
file leaky.rnn
| cell Leaky {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = a * prev h + x
|   output h
| }
$ rnnc compile leaky.rnn --emit ast
= 0
$ rnnc compile leaky.rnn --emit ir
= 0
$ rnnc compile leaky.rnn --emit forward
= 0
$ rnnc compile leaky.rnn --emit backward
= 0
$ rnnc compile leaky.rnn --emit tangent
= 0
$ rnnc compile leaky.rnn --emit plan
= 0
