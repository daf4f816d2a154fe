// A cell of a table that is empty or no number is named with its row and column.
file leaky.rnn
| cell Leaky {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = a * prev h + x
|   output h
| }
file a.csv
| a,b
| 1,2
| 3,
file b.csv
| a,b
| 1,2
| 3,x4
file c.csv
| a,b
| 1,2,3
file d.csv
| a;b
| 1,5;2
$ rnnc run leaky.rnn --input a.csv
= 4
$ rnnc run leaky.rnn --input b.csv
= 4
$ rnnc run leaky.rnn --input c.csv
= 4
$ rnnc run leaky.rnn --input d.csv
= 4
$ rnnc run leaky.rnn --input - < b.csv
= 4
