// Indices beyond their axis, in data and in the spec once sizes are set.
file tagger.rnn
| cell Tagger {
|   dims V, H
|   input token: index[V]
|   state h: [H]
|   param E: [V, H]
|   h = 0.5 * prev h + E[token]
|   output h
| }
npy t.npy [4] 0 1 5 2
npy half.npy [2, 2] 0 1 0.5 2
npy less.npy [2] 0 -1
$ rnnc run tagger.rnn --set V=5 --set H=2 --input t.npy
= 4
$ rnnc run tagger.rnn --set V=5 --set H=2 --input half.npy
= 4
$ rnnc run tagger.rnn --set V=5 --set H=2 --input less.npy
= 4
$ rnnc run tagger.rnn --set V=6 --set H=2 --input t.npy --quiet
= 0
file pick.rnn
| cell Pick {
|   dims N
|   input x: []
|   state s: []
|   param w: [N]
|   s = prev s + w[3] * x
|   output s
| }
$ rnnc init pick.rnn --set N=3 -o p.safetensors
= 4
$ rnnc init pick.rnn --set N=4 -o p.safetensors
= 0
file none.rnn
| cell None {
|   dims N
|   input x: index[N - 1]
|   state h: []
|   param W: [N]
|   h = prev h + sum(W)
|   output h
| }
$ rnnc run none.rnn --set N=1
= 4
