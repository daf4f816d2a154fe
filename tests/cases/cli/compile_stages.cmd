// One stage at a time, as text.
file leaky.rnn
| cell Leaky {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = a * prev h + x
|   output h
| }
$ rnnc compile leaky.rnn --emit ast
= 0
$ rnnc compile leaky.rnn --emit ir
= 0
$ rnnc compile leaky.rnn --emit forward
= 0
$ rnnc compile leaky.rnn --emit backward
= 0
$ rnnc compile leaky.rnn --emit tangent
= 0
$ rnnc compile leaky.rnn --emit plan
= 0
$ rnnc compile leaky.rnn --emit passes
= 0
$ rnnc compile leaky.rnn --emit after:adjoint
= 0
$ rnnc compile leaky.rnn --emit after:simplfy
= 2
// A hyper that makes a clamp needless once its value is known, which --set says.
file clipped.rnn
| cell Clipped {
|   dims I, H
|   hyper clip = 1
|   input x: [I]
|   state h: [H]
|   param W: [H, I], U: [H, H]
|   h = clamp(W @ x + U @ prev h, -clip, clip)
|   output h
| }
$ rnnc compile clipped.rnn --emit backward
= 0
$ rnnc compile clipped.rnn --emit backward --set clip=inf
= 0
$ rnnc compile clipped.rnn --emit plan
= 0
$ rnnc compile clipped.rnn --emit plan --set clip=inf
= 0
