// The summary of a cell, and its artifact.
$ rnnc compile std/lstm
= 0
$ rnnc compile std/slstm
= 0
file tagger.rnn
| cell Tagger {
|   dims V, H
|   input token: index[V]
|   state h: [H]
|   param E: [V, H]
|   h = 0.5 * prev h + E[token]
|   output h
| }
$ rnnc compile tagger.rnn --json
= 0
$ rnnc compile tagger.rnn --set V=7 -o t.ron
= 0
$ rnnc run t.ron --set H=2 --json
= 0
