// Tables: columns that are not there, and shapes that a table cannot have.
file two.rnn
| cell Two {
|   dims I, H
|   input x: [I], dt: [], gain: [] = 1
|   state h: [H]
|   param W: [H, I]
|   h = prev h + dt * gain * tanh(W @ x)
|   output h
| }
file day.csv
| dt,a,b
| 0.1,1,2
| 0.2,3,4
file bare.csv
| 0.1,1,2
$ rnnc run two.rnn --set H=2 --input x=day.csv --columns a,c --input dt=day.csv
= 4
$ rnnc run two.rnn --set H=2 --input x=bare.csv --columns a
= 4
$ rnnc run two.rnn --set H=2 --input x=bare.csv --columns 4
= 4
$ rnnc run two.rnn --set H=2 --input dt=bare.csv
= 4
$ rnnc run two.rnn --set H=2 --input bare.csv
= 4
file leaky.rnn
| cell Leaky {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = a * prev h + x
|   output h
| }
$ rnnc run leaky.rnn --input day.csv --columns b,a --quiet
= 0
