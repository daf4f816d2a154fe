// Layers: names with points in weights, states, traces, messages and snapshots.
file deep.rnn
| cell Deep {
|   dims E, H
|   input e: [E]
|   layer a = Leaky(x = e, H = H)
|   layer b[2] = Leaky(x = a, k = 0.5)
|   output b, a.z
| }
| cell Leaky {
|   dims I, H = 2
|   hyper k = 0.9
|   input x: [I]
|   state h: [H]
|   param W: [H, I], U: [H, H]
|   gate z = sigmoid(W @ x + U @ prev h)
|   h = k * prev h + (1 - k) * z
|   output h
| }
npy e.npy [4, 3] wave
npy start.npy [2] 1 -1
npy wide.npy [3] 1 -1 0
$ rnnc compile deep.rnn
= 0
$ rnnc init deep.rnn --set E=3 --set H=2 -o p.safetensors
= 0
$ rnnc run deep.rnn --input e.npy --params p.safetensors --quiet
= 0
$ rnnc run deep.rnn --input e.npy --params p.safetensors --trace 'a.z,b[0].z,b[1].h' --save out.safetensors
= 0
$ rnnc run deep.rnn --input e.npy --params p.safetensors --trace b.h --save out.safetensors
= 2
$ rnnc run deep.rnn --input e.npy --params p.safetensors --state a.h=start.npy --state 'b[1].h=start.npy' --quiet
= 0
$ rnnc run deep.rnn --input e.npy --params p.safetensors --state b.h=start.npy
= 2
$ rnnc run deep.rnn --input e.npy --params p.safetensors --state a.h=wide.npy
= 4
$ rnnc grad deep.rnn --input e.npy --params p.safetensors --engine reference --flow flow.csv --quiet
= 0
cat flow.csv
// A cell that is only a layer here can still be run by itself; its weights are others.
$ rnnc run deep.rnn --cell Leaky --set I=3 --quiet
= 0
$ rnnc run deep.rnn --cell Leaky --input e.npy --params p.safetensors
= 4
$ rnnc test deep.rnn --update
= 0
$ rnnc test deep.rnn
= 0
edit deep.rnn k = 0.5 => k = 0.25
$ rnnc test deep.rnn
= 1
