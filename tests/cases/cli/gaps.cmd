// What a mask hides does not matter: a NaN there changes no output and no gradient.
npy m.npy [3, 2] 1 1 0 1 1 0
npy delta.npy [3, 2] 0 0 1 1 2 1
npy gaps.npy [3, 2] 0.5 -1 nan 2 3 nan
npy whole.npy [3, 2] 0.5 -1 100 2 3 -100
$ rnnc run std/gru_d --set H=3 --input x=gaps.npy --input m=m.npy --input delta=delta.npy --save gaps --quiet
= 0
$ rnnc run std/gru_d --set H=3 --input x=whole.npy --input m=m.npy --input delta=delta.npy --save whole --quiet
= 0
$ rnnc compare gaps whole
= 0
$ rnnc grad std/gru_d --set H=3 --input x=gaps.npy --input m=m.npy --input delta=delta.npy -o a.safetensors --quiet
= 0
$ rnnc grad std/gru_d --set H=3 --input x=whole.npy --input m=m.npy --input delta=delta.npy -o b.safetensors --quiet
= 0
$ rnnc compare a.safetensors b.safetensors
= 0
