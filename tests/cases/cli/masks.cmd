// Masks: bits of a seed, bits that are given back, what can be no bits.
file drops.rnn
| cell Drops {
|   dims H
|   input x: [H]
|   state h: [H]
|   param W: [H, H]
|   mask d: [H] = bernoulli(0.6) per step
|   mask s: [H] = bernoulli(0.5) per sequence
|   mask w: [H, H] = bernoulli(0.7) per run
|   h = tanh((w * W) @ (d * x)) + s * prev h
|   output h
| }
npy x.npy [3, 2, 2] wave
npy half.npy [3, 2, 2] 1 0 1 1 0.5 0 1 1 0 0 1 0
npy short.npy [2, 2, 2] 1 0 1 1 0 0 1 0
npy d.npy [3, 2, 2] 0 0 0 0 0 0 0 0 0 0 0 0
$ rnnc run drops.rnn --input x.npy --quiet
= 0
$ rnnc run drops.rnn --input x.npy --mode train --seed 3 --save out
= 0
$ rnnc run drops.rnn --input x.npy --mode train --seed 3 --mask d=out/mask.d.npy --mask s=out/mask.s.npy --mask w=out/mask.w.npy --quiet
= 0
$ rnnc grad drops.rnn --input x.npy --mode train --seed 3 --quiet
= 0
// All bits of `d` are 0, so that nothing is ever read.
$ rnnc run drops.rnn --input x.npy --mode train --seed 3 --mask d=d.npy --quiet
= 0
$ rnnc run drops.rnn --input x.npy --mode train --seed 4 --quiet
= 0
$ rnnc run drops.rnn --input x.npy --mask d=d.npy
= 2
$ rnnc run drops.rnn --input x.npy --mode eval --mask d=d.npy
= 2
$ rnnc run drops.rnn --input x.npy --mode train --mask q=d.npy
= 2
$ rnnc run drops.rnn --input x.npy --mode train --mask d=half.npy
= 4
$ rnnc run drops.rnn --input x.npy --mode train --mask d=short.npy
= 4
// Both modes are checked. Without tanh, whose last digits differ between machines.
edit drops.rnn tanh => identity
$ rnnc gradcheck drops.rnn --seeds 1 --steps 1,3 --json
= 0
