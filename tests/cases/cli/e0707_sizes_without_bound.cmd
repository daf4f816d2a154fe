// Sizes that no memory holds are refused before anything is allocated.
$ rnnc init std/gru --set I=3 --set H=4000000000 -o p.safetensors
= 4
$ rnnc run std/gru --set H=9000000000000000000
= 4
$ rnnc grad std/lstm --set H=1048577
= 4
$ rnnc run std/gru --set I=100000000000
= 4
// An axis without elements makes no room for the others.
file empty.rnn
| cell Empty {
|   dims N, M
|   input x: []
|   state h: [N - 1, M, M]
|   h = prev h + x
|   output h
| }
$ rnnc run empty.rnn --set N=1 --set M=1099511627776
= 4
$ rnnc run empty.rnn --set N=1 --set M=2
= 0
file rest.rnn
| cell Rest {
|   dims N
|   input x: [N - 1]
|   state h: []
|   h = prev h + sum(x)
|   output h
| }
$ rnnc run rest.rnn --set N=1
= 0
