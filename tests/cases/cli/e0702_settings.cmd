// Settings that the cell does not have, or cannot take.
file cell.rnn
| cell Heads {
|   dims N, D, H = N * D
|   hyper dt = 0.1, act = tanh
|   input x: [H]
|   state h: [H]
|   h = prev h + dt * act(x)
|   output h
| }
$ rnnc run cell.rnn --set Q=3
= 4
$ rnnc run cell.rnn --set N=0
= 4
$ rnnc run cell.rnn --set N=2.5
= 4
$ rnnc run cell.rnn --set H=8
= 4
$ rnnc run cell.rnn --set dt=relu
= 4
$ rnnc run cell.rnn --set act=3
= 4
$ rnnc run cell.rnn --set 'act=leaky_relu(0.2)' --quiet
= 0
$ rnnc run cell.rnn --set dt=1e999
= 4
$ rnnc run cell.rnn --set 'dt=(1'
= 4
$ rnnc run cell.rnn --set dt
= 2
$ rnnc run cell.rnn --set N=2 --set D=2 --set dt=0.5 --set dt=0.25 --set act=relu --quiet
= 0
