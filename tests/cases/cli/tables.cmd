// Tables as people have them: separators, decimals, an index, gaps, sequences; a note says what was taken for what.
file leaky.rnn
| cell Leaky {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = a * prev h + x
|   output h
| }
file comma.csv
| ;temp;wind
| 0;1,5;2
| 1;2,25;3
$ rnnc run leaky.rnn --input comma.csv --columns temp,wind -o comma_out.csv
= 0
cat comma_out.csv
file tabs.tsv
| 1.5	2
| 2.25	3
$ rnnc run leaky.rnn --input tabs.tsv -o tabs_out.csv
= 0
cat tabs_out.csv
file gaps.csv
| day,a,b
| mon,1,NA
| tue,,3
$ rnnc run leaky.rnn --input gaps.csv --columns a,b --missing zero -o gaps_out.csv --quiet
= 0
cat gaps_out.csv
$ rnnc run leaky.rnn --input gaps.csv --columns a,b
= 4
file wards.csv
| patient,a,b
| x,1,2
| y,3,4
| x,5,6
$ rnnc run leaky.rnn --input wards.csv --sequence-column patient
= 0
$ rnnc run leaky.rnn --input wards.csv --sequence-column patient --lengths 2,1
= 2
$ rnnc run leaky.rnn --input wards.csv --columns a,b --header maybe
= 2
npy x.npy [2, 2] 1 2 3 4
$ rnnc run leaky.rnn --input x.npy --missing zero
= 2
