// What a newcomer types.
$ rnnc run std/gru
= 0
$ rnnc init std/gru --set I=3 --set H=4 -o p.safetensors
= 0
$ rnnc run std/gru --params p.safetensors --engine reference -o y.csv
= 0
cat y.csv
$ rnnc grad std/gru --params p.safetensors -o g.safetensors --flow flow.csv
= 0
$ rnnc run std/gru --input x=here.npy
= 3
$ rnnc run std/gruu
= 3
$ rnnc run gru
= 3
$ rnnc runs std/gru
= 2
