// Weights that are missing, left over or of another shape.
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
npy dt.npy [4] wave
tensors empty.safetensors
| other [2] wave
tensors more.safetensors
| W [2, 3] wave
| old.bias [2] wave
tensors wide.safetensors
| W [2, 4] wave
tensors flat.safetensors
| W [6] wave
$ rnnc run two.rnn --input x=x.npy --input dt=dt.npy --params empty.safetensors
= 4
$ rnnc run two.rnn --input x=x.npy --input dt=dt.npy --params more.safetensors
= 4
$ rnnc run two.rnn --input x=x.npy --input dt=dt.npy --params wide.safetensors
= 4
$ rnnc run two.rnn --input x=x.npy --input dt=dt.npy --params flat.safetensors
= 4
$ rnnc run two.rnn --set H=3 --params more.safetensors --ignore-extra
= 4
$ rnnc run two.rnn --input x=x.npy --input dt=dt.npy --params more.safetensors --ignore-extra
= 0
