// Files that are cut off, or not what their name says.
file leaky.rnn
| cell Leaky {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = a * prev h + x
|   output h
| }
npy x.npy [4, 3] wave
cut x.npy 8
$ rnnc run leaky.rnn --input x.npy
= 4
file y.npy
| 1,2,3
$ rnnc run leaky.rnn --input y.npy
= 4
tensors p.safetensors
| a [3] wave
cut p.safetensors 1
$ rnnc run leaky.rnn --params p.safetensors
= 4
file q.safetensors
| no tensors here
$ rnnc run leaky.rnn --params q.safetensors
= 4
