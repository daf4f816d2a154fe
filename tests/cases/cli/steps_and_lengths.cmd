// How many steps there are: of a demonstration, of a cell without inputs, of each sequence.
file leaky.rnn
| cell Leaky {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = a * prev h + x
|   output h
| }
file free.rnn
| cell Free {
|   dims H
|   state h: [H] = 0.1
|   param W: [H, H]
|   h = tanh(W @ prev h)
|   output h
| }
$ rnnc run leaky.rnn --steps 3
= 0
$ rnnc run free.rnn --set H=2 --steps 100
= 0
$ rnnc run free.rnn --set H=2
= 0
$ rnnc run free.rnn --set H=2 --steps 0
= 2
npy x.npy [3, 2, 2] wave
$ rnnc run leaky.rnn --input x.npy --lengths 3,1
= 0
$ rnnc run leaky.rnn --input x.npy --lengths 3
= 4
$ rnnc run leaky.rnn --input x.npy --lengths 3,4
= 4
$ rnnc run leaky.rnn --input x.npy --steps 3
= 2
file l.csv
| steps
| 3
| 1
$ rnnc run leaky.rnn --input x.npy --lengths l.csv
= 0
