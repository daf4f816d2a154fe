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
| 1,234;2
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
file e.csv
| 1.0,2..0
| 3,4
$ rnnc run leaky.rnn --input e.csv
= 4
file f.csv
| a,b
| 1,1e400
$ rnnc run leaky.rnn --input f.csv
= 4
file g.csv
| ,a,b
| 0,1,2
$ rnnc run leaky.rnn --input g.csv
= 4
file h.txt
| 1.5 2
| 2.5 3
$ rnnc run leaky.rnn --input h.txt
= 4
