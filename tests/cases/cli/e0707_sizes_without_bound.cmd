// Sizes that no memory holds are refused before anything is allocated.
$ rnnc init std/gru --set I=3 --set H=4000000000 -o p.safetensors
= 4
$ rnnc run std/gru --set H=9000000000000000000
= 4
$ rnnc grad std/lstm --set H=1048577
= 4
