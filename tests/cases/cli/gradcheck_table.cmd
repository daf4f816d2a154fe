// The comparison of gradients, with what cannot be compared with differences.
file leaky.rnn
| cell Leaky {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = a * prev h + x
|   output h
| }
$ rnnc gradcheck leaky.rnn --seeds 1 --set H=2 --quiet
= 0
file jump.rnn
| cell Jump {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a, b: [H]
|   h = stop_grad(a * prev h) + tanh(b * x)
|   output h
| }
$ rnnc gradcheck jump.rnn --seeds 1 --steps 1,3 --json
= 0
$ rnnc gradcheck leaky.rnn --seeds 0
= 2
$ rnnc gradcheck leaky.rnn --set H=0
= 4
