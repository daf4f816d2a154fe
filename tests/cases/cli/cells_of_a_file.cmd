// A file of several cells, or of none.
file two.rnn
| cell A { dims H  input x: [H]  state h: [H]  h = 0.5 * prev h + x  output h }
| cell B { dims H  input x: [H]  state h: [H]  h = 0.9 * prev h + x  output h }
file none.rnn
| fn half(v) = v / 2
$ rnnc run two.rnn
= 2
$ rnnc run two.rnn --cell C
= 2
$ rnnc run two.rnn --cell B --set H=2
= 0
$ rnnc run none.rnn
= 2
$ rnnc check none.rnn
= 0
$ rnnc compile two.rnn --cell A
= 0
