// All that is wrong with several specs, in one run.
file leaky.rnn
| cell Leaky {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = a * prev h + x
|   output h
| }
file wrong.rnn
| cell Wrong {
|   dims H
|   input x: [H]
|   state h: [H]
|   param W: [H, H], spare: [H]
|   h = tanh(W x + U @ prev h)
|   output h
| }
$ rnnc check leaky.rnn wrong.rnn nowhere.rnn
= 3
$ rnnc check wrong.rnn --json
= 1
$ rnnc check leaky.rnn --json
= 0
$ rnnc check leaky.rnn --quiet
= 0
