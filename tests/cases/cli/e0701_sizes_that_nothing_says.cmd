// Sizes come from --set, data or weights; where nothing speaks of one, it is asked for.
$ rnnc init std/gru -o p.safetensors
= 4
$ rnnc init std/gru --set I=3 -o p.safetensors
= 4
npy x.npy [5, 3] wave
$ rnnc run std/gru --input x.npy
= 4
$ rnnc run std/gru --input x.npy --set H=2
= 0
