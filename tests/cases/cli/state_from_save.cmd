// The final state of one run is the start of the next, with the names inside; what is forgotten is said.
file pair.rnn
| cell Pair {
|   dims H
|   input x: [H]
|   state h, c: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   c = a * prev c + x
|   h = 0.5 * prev h + tanh(c)
|   output h
| }
npy x.npy [2, 2] 1 2 3 4
$ rnnc run pair.rnn --input x.npy --save all.safetensors
= 0
$ rnnc run pair.rnn --input x.npy --state all.safetensors --save next
= 0
$ rnnc run pair.rnn --input x.npy --state next
= 0
$ rnnc run pair.rnn --input x.npy --state h=next/state.h.npy
= 0
$ rnnc run pair.rnn --input x.npy --state c=all.safetensors --quiet
= 0
$ rnnc run pair.rnn --input x.npy --state x.npy
= 2
$ rnnc grad pair.rnn --input x.npy --upstream state.h=ones -o g.safetensors
= 0
$ rnnc grad pair.rnn --input x.npy --upstream g.safetensors
= 0
$ rnnc grad pair.rnn --input x.npy --upstream z=ones
= 2
$ rnnc grad pair.rnn --input x.npy --upstream h=ones --upstream h=x.npy
= 2
