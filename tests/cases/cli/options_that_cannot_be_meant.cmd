// Wrong usage says how it is meant.
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
$ rnnc run leaky.rnn --input x.npy -o y.csv
= 2
$ rnnc run leaky.rnn --input x.npy -o y.txt
= 2
$ rnnc run leaky.rnn --save out.npy
= 2
$ rnnc run leaky.rnn --trace q --save out
= 2
$ rnnc run leaky.rnn --state q=x.npy
= 2
$ rnnc run leaky.rnn --state x.npy
= 2
$ rnnc grad leaky.rnn --upstream q=x.npy
= 2
$ rnnc compile leaky.rnn -o leaky.txt
= 2
$ rnnc run leaky.rnn --columns a --input x.npy
= 2
$ rnnc run - --input - < leaky.rnn
= 2
$ rnnc explain E9999
= 2
$ rnnc run leaky.rnn --set H=4,I=3
= 2
