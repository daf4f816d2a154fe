// A file in the place of another is told by what it holds, with the place where it belongs.
file sum.rnn
| cell Sum {
|   dims  I
|   input x: [I]
|   state h: [I]
|   param b: [I]
|   h = 0.5 * prev h + x + b
|   output h
| }
file week.csv
| warmth,wind,
| 1,2,
| 3,4,
file plain.csv
| 1,2,
| 3,4,
file pandas.csv
| ,warmth,wind
| 0,1,2
| 1,3,4
file words.txt
| These are words, and no table.
file model.safetensors.index.json
| {"weight_map": {"b": "part.safetensors"}}
npy x.npy [3, 2] wave
$ rnnc run week.csv --quiet
= 2
$ rnnc run x.npy --quiet
= 2
$ rnnc run model.safetensors.index.json --quiet
= 2
$ rnnc run . --quiet
= 2
$ rnnc run sum.rnn --params week.csv --quiet
= 4
$ rnnc run sum.rnn --params words.txt --quiet
= 4
$ rnnc run sum.rnn --params sum.rnn --quiet
= 4
$ rnnc run sum.rnn --input week.csv --quiet
= 4
$ rnnc run sum.rnn --input plain.csv --quiet
= 4
$ rnnc run sum.rnn --input pandas.csv --quiet
= 4
$ rnnc run sum.rnn --input week.csv --columns warmth,wind --quiet
= 0
$ rnnc run sum.rnn --input plain.csv --columns 1,2 --quiet
= 0
$ rnnc compare x.npy x.npy --tol -1
= 2
$ rnnc graph sum.rnn -o sum.SVG
= 0
$ rnnc graph sum.rnn -o sum.Png
= 2
// Quiet is about notes: what may change the meaning of a result is said.
file spread.rnn
| cell Spread {
|   dims  H
|   input x: [H]
|   param W: [H, H], unused: [H]
|   output y = W @ x
| }
$ rnnc compile spread.rnn --quiet
= 0
