// A training: keys that cannot be meant, data that cannot be cut, told answers, folders that do not fit.
file plays.txt
| hello world
file other.txt
| hello Xorld
file run.ron
| (
|     text: "plays.txt",
|     bach: 32,
| )
file t.csv
| load,temp
| 1,5
| 2,6
| 3,7
| 4,8
| 5,7
| 6,6
$ rnnc train std/char_lm -o lm --config run.ron
= 2
$ rnnc train std/char_lm --text plays.txt --momentum 0.9 -o lm
= 2
$ rnnc train std/char_lm --text plays.txt --batch 0 -o lm
= 2
$ rnnc train std/char_lm --text plays.txt --set H=2 --set E=2 --batch 99 -o lm
= 4
$ rnnc train std/char_lm --text plays.txt --set H=2 --set E=2 --batch 2 --bptt 3 --steps 2 --quiet -o lm
= 0
$ rnnc train std/char_lm --text plays.txt --set H=2 --set E=2 --batch 2 --bptt 3 --steps 2 --quiet -o lm
= 3
$ rnnc train std/char_lm --resume --lr 0.5 -o lm
= 2
$ rnnc eval lm --text other.txt
= 4
$ rnnc train std/classifier --text plays.txt -o c
= 4
$ rnnc train std/forecaster --csv t.csv --input weather=temp --target load=temp -o fc
= 4
$ rnnc train std/forecaster --csv t.csv --input weather=temp --target load=load --ahead 2 -o fc
= 4
$ rnnc eval nowhere --text plays.txt
= 4
$ rnnc eval . --text plays.txt
= 4
$ rnnc train std/lstm --text plays.txt -o lm2
= 1
