// Lengths that do not fit T or B.
file leaky.rnn
| cell Leaky {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = a * prev h + x
|   output h
| }
npy x.npy [4, 2, 3] wave
npy long.npy [2] 4 5
npy many.npy [3] 1 2 3
npy half.npy [2] 1 2.5
npy less.npy [2] -1 2
npy table.npy [2, 1] 1 2
npy n.npy [2] 4 1
$ rnnc run leaky.rnn --input x.npy --lengths long.npy
= 4
$ rnnc run leaky.rnn --input x.npy --lengths many.npy
= 4
$ rnnc run leaky.rnn --input x.npy --lengths half.npy
= 4
$ rnnc run leaky.rnn --input x.npy --lengths less.npy
= 4
$ rnnc run leaky.rnn --input x.npy --lengths table.npy
= 4
$ rnnc run leaky.rnn --input x.npy --lengths n.npy --quiet
= 0
