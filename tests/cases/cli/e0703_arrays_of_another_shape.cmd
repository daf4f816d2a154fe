// Arrays that do not have the axes of their input.
file leaky.rnn
| cell Leaky {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = a * prev h + x
|   output h
| }
npy flat.npy [4] wave
npy deep.npy [4, 2, 2, 2] wave
npy x.npy [4, 2, 3] wave
npy h.npy [5, 3] wave
npy up.npy [4, 3] wave
$ rnnc run leaky.rnn --input flat.npy
= 4
$ rnnc run leaky.rnn --input deep.npy
= 4
$ rnnc run leaky.rnn --input deep.npy --batch-first
= 4
$ rnnc run leaky.rnn --input x.npy --set H=4
= 4
$ rnnc run leaky.rnn --input x.npy --state h=h.npy
= 4
$ rnnc run leaky.rnn --input x.npy --state h=deep.npy
= 4
$ rnnc grad leaky.rnn --input x.npy --upstream h=up.npy
= 4
$ rnnc grad leaky.rnn --input x.npy --upstream state.h=h.npy
= 4
