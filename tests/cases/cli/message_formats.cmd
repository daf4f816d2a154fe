// What tools read: a line each, annotations, SARIF, JSON; and which warnings count.
file a.rnn
| cell A {
|   input x: []
|   gate g = tanh(x)
|   output y = g * tanhh(x)
| }
file b.rnn
| cell B {
|   input x: []
|   gate g = tanh(x)
|   output y = g
| }
$ rnnc check a.rnn nowhere.rnn --message-format short
= 3
$ rnnc check a.rnn nowhere.rnn --message-format github
= 3
$ rnnc check b.rnn --message-format sarif --allow W0602
= 0
$ rnnc check nowhere.rnn --json
= 3
$ rnnc check b.rnn --deny warnings --quiet
= 1
$ rnnc check b.rnn --deny W0603 --quiet
= 0
$ rnnc check b.rnn --deny W0602 --allow W0602
= 0
$ rnnc check b.rnn --allow E0301
= 2
$ rnnc compile a.rnn --json
= 1
$ rnnc run b.rnn --set q=1 --json
= 4
$ rnnc run b.rnn --seed -1
= 2
$ rnnc run b.rnn --nothing --json
= 2
