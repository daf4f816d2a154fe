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
$ rnnc gradcheck leaky.rnn --seeds 1 --set H=2 --quiet --engine reference
= 0
// Elements that are compared with themselves: no sample is away from a jump, and nothing is wrong.
file ranked.rnn
| cell Ranked {
|   dims F
|   input x: [F]
|   param p: [F]
|   let larger = outer(ones([F]), p) > outer(p, ones([F]))
|   let y = larger @ (p * x)
|   output y
| }
$ rnnc gradcheck ranked.rnn --seeds 1 --set F=3
= 0
$ rnnc gradcheck ranked.rnn --seeds 1 --set F=3 --steps 1 --json
= 0
// A test for NaN is no jump.
file locf.rnn
| cell Locf {
|   dims I, H
|   input x: [I]
|   state last: [I], h: [H]
|   param W, M: [H, I], U: [H, H]
|   let seen = x == x
|   last = where(seen, x, prev last)
|   h = tanh(W @ last + M @ seen + U @ prev h)
|   output h
| }
$ rnnc gradcheck locf.rnn --seeds 2
= 0
$ rnnc gradcheck leaky.rnn --seeds 0
= 2
$ rnnc gradcheck leaky.rnn --set H=0
= 4
