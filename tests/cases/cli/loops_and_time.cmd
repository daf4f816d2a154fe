// A size that bounds a loop is set, and is no other in weights; turns and the step number have names.
file deep.rnn
| cell Deep {
|   dims H, L = 3
|   input x: [H]
|   state h: [H]
|   param w: [L, H]
|   h = fold v from prev h for l in 0 .. L {
|     let n = tanh(w[l] * v + x)
|     yield 0.5 * v + n / (time() + 1)
|   }
|   output h
| }
npy now.npy [] 4
npy part.npy [] 1.5
$ rnnc init deep.rnn --set H=2 -o three.safetensors
= 0
$ rnnc run deep.rnn --params three.safetensors --quiet
= 0
$ rnnc run deep.rnn --params three.safetensors --set L=5 --quiet
= 4
$ rnnc init deep.rnn --set H=2 --set L=5 -o five.safetensors
= 0
$ rnnc run deep.rnn --params five.safetensors
= 4
$ rnnc run deep.rnn --params five.safetensors --set L=5 --quiet
= 0
$ rnnc run deep.rnn --params three.safetensors --trace 'n[0],n[2]' --save traces.safetensors
= 0
$ rnnc run deep.rnn --params three.safetensors --trace 'n[3]' --save traces.safetensors
= 2
$ rnnc run deep.rnn --params three.safetensors --trace n --save traces.safetensors
= 2
$ rnnc run deep.rnn --params three.safetensors --state time=now.npy --quiet
= 0
$ rnnc run deep.rnn --params three.safetensors --state time=part.npy --quiet
= 4
