// Several inputs: one is missing, or they differ in T or B.
file two.rnn
| cell Two {
|   dims I, H
|   input x: [I], dt: [], gain: [] = 1
|   state h: [H]
|   param W: [H, I]
|   h = prev h + dt * gain * tanh(W @ x)
|   output h
| }
npy x.npy [4, 3] wave
npy dt.npy [5] wave
npy dts.npy [4, 2] wave
npy xs.npy [4, 3, 3] wave
$ rnnc run two.rnn --set H=2 --input x=x.npy
= 4
$ rnnc run two.rnn --set H=2 --input x=x.npy --input dt=dt.npy
= 4
$ rnnc run two.rnn --set H=2 --input x=xs.npy --input dt=dts.npy
= 4
$ rnnc run two.rnn --set H=2 --input x.npy --input dt=dt.npy
= 2
$ rnnc run two.rnn --set H=2 --input y=x.npy
= 2
$ rnnc run two.rnn --set H=2 --input x=x.npy --input x=x.npy
= 2
$ rnnc run two.rnn --set H=2 --input x=x.npy --input dt=dts.npy --quiet
= 0
