// One JSON document on standard output, of what is made and of failures.
file sum.rnn
| cell Sum {
|   dims  I, H
|   input x: [I]
|   state h: [H]
|   param W: [H, I]
|   h = 0.5 * prev h + W @ x
|   output h
|   layout other { weight = W }
| }
$ rnnc init sum.rnn --set I=2 --set H=1 -o w.safetensors --json
= 0
$ rnnc convert sum.rnn w.safetensors -o v.safetensors --to other --json
= 0
$ rnnc show sum.rnn --json
= 0
$ rnnc show sum.rnn --latex --json --quiet
= 0
$ rnnc explain W0608 --json
= 0
npy gate.npy [4, 3] wave
$ rnnc plot gates gate.npy -o gate.svg --json
= 0
$ rnnc data parity --sequences 10 --steps 3 -o parity --json
= 0
$ rnnc init sum.rnn -o w.safetensors --json
= 4
$ rnnc convert sum.rnn gone.safetensors -o v.safetensors --json
= 3
$ rnnc show gone.rnn --json
= 3
$ rnnc explain E9999 --json
= 2
$ rnnc plot loss gone.jsonl -o loss.svg --json
= 3
$ rnnc data parity -o parity --json
= 3
$ rnnc predict gone --json
= 4
$ rnnc generate gone --steps 3 --json
= 4
