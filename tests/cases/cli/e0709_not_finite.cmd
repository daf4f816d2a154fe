// A NaN or an infinity is placed: step, sequence, value, unit.
file leaky.rnn
| cell Leaky {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = a * prev h + x
|   output h
| }
npy x.npy [3, 2, 1] 1 2 nan 4 5 6
npy n.npy [2] 1 3
$ rnnc run leaky.rnn --input x.npy --quiet
= 5
$ rnnc grad leaky.rnn --input x.npy --quiet
= 5
$ rnnc run leaky.rnn --input x.npy --lengths n.npy --quiet
= 0
file grow.rnn
| cell Grow {
|   input x: []
|   state h: [] = 2
|   h = (prev h) ^ 2 + x
|   output h
| }
npy z.npy [12] 0 0 0 0 0 0 0 0 0 0 0 0
$ rnnc run grow.rnn --input z.npy --quiet
= 5
$ rnnc run grow.rnn --input z.npy --quiet --dtype f64
= 5
file root.rnn
| cell Root {
|   input x: []
|   state h: []
|   h = prev h + sqrt(x)
|   output h
| }
npy r.npy [3] 1 0 4
$ rnnc run root.rnn --input r.npy --quiet
= 0
$ rnnc grad root.rnn --input r.npy --quiet
= 5
// What overflowed first is told, and not what is left of it some steps later.
file quotient.rnn
| cell Quotient {
|   input x: []
|   state c, n: []
|   state m: [] = -inf
|   m = max(prev m, x)
|   n = 10 * prev n + exp(x - m)
|   c = 10 * prev c + x * exp(x - m)
|   let low = where(x > 0, x, -inf)
|   output y = c / n, m, high = max(low, 0)
| }
npy q.npy [60] 0 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1
$ rnnc run quotient.rnn --input q.npy --quiet
= 5
$ rnnc run quotient.rnn --input q.npy --quiet --engine reference
= 5
file late.rnn
| cell Late {
|   input x: []
|   state h: []
|   h = 1e20 * prev h + x
|   let v = prev(h, 3)
|   output y = where(abs(v) > 1e30, v - v, x)
| }
npy l.npy [8] 1 1 1 1 1 1 1 1
$ rnnc run late.rnn --input l.npy --quiet
= 5
$ rnnc run late.rnn --input l.npy --quiet --engine reference
= 5
// What a layer overflowed that reads backward, and what overflowed in a segment that is gone.
file both.rnn
| cell Grow {
|   input x: []
|   state s: []
|   s = 1e10 * prev s + x
|   output s
| }
| cell Both {
|   input x: []
|   layer f = Grow(x = 0 * x)
|   layer b = Grow(x = x) backward
|   output y = f.s + b.s - b.s
| }
| cell Steps {
|   input x: []
|   state s, n: []
|   s = 1e10 * prev s + x
|   n = prev n + 1
|   output y = where(n > 19000, s - s, n)
| }
npy n.npy [100] 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1
$ rnnc run both.rnn --cell Both --input n.npy --quiet
= 5
$ rnnc run both.rnn --cell Both --input n.npy --quiet --engine reference
= 5
npy long.npy [20000] wave
$ rnnc run both.rnn --cell Steps --input long.npy --quiet
= 5
$ rnnc run both.rnn --cell Steps --input long.npy --quiet --engine reference
= 5
