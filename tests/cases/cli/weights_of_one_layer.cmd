// Where a cell has nothing but one layer or stack, its name may be missing in the file.
file stack.rnn
| cell Leaky {
|   dims I, H
|   input x: [I]
|   state h: [H]
|   param W, V: [H, I], b: [H]
|   h = tanh(W @ x + b) * sigmoid(V @ x) + 0.5 * prev h
|   output h
|   layout pytorch { weight = rows(W, V) bias_1 + bias_2 = b }
| }
| cell Stack {
|   dims I
|   input x: [I]
|   layer a[3] = Leaky(x = x, H = I)
|   output a
| }
| cell Single {
|   dims I, H
|   input x: [I]
|   layer a = Leaky(x = x, H = H)
|   output a
| }
| cell Two {
|   dims I, H
|   input x: [I]
|   layer a = Leaky(x = x, H = H)
|   layer b = Leaky(x = a, H = H)
|   output b
| }
npy x.npy [4, 2] wave
tensors bare.safetensors
| weight_l0 [4, 2] wave
| bias_1_l0 [2] 1 2
| bias_2_l0 [2] 3 4
| weight_l1 [4, 2] wave
| bias_1_l1 [2] 1 2
| bias_2_l1 [2] 3 4
| weight_l2 [4, 2] wave
| bias_1_l2 [2] 1 2
| bias_2_l2 [2] 3 4
$ rnnc run stack.rnn --cell Stack --params bare.safetensors --layout pytorch --input x.npy
= 0
$ rnnc run stack.rnn --cell Single --params bare.safetensors --layout pytorch --suffix _l1 --input x.npy --quiet
= 0
$ rnnc run stack.rnn --cell Single --params bare.safetensors --layout pytorch --input x.npy
= 4
// Two layers are told apart by their names.
$ rnnc run stack.rnn --cell Two --params bare.safetensors --layout pytorch --suffix _l1 --input x.npy
= 4
// A stack has its numbers already.
$ rnnc run stack.rnn --cell Stack --params bare.safetensors --layout pytorch --suffix _l0 --input x.npy
= 4
$ rnnc init stack.rnn --cell Stack --set I=2 -o out.safetensors --layout pytorch --suffix _l0
= 4
// It is written with the name; one param goes into the first of two tensors.
$ rnnc init stack.rnn --cell Single --set I=2 --set H=2 -o single.safetensors --layout pytorch
= 0
$ rnnc run stack.rnn --cell Single --params single.safetensors --layout pytorch --input x.npy --quiet
= 0
// A file that has neither.
tensors other.safetensors
| kernel [4, 2] wave
$ rnnc run stack.rnn --cell Stack --params other.safetensors --layout pytorch --input x.npy
= 4
// Gradients at given weights.
$ rnnc gradcheck stack.rnn --cell Stack --params bare.safetensors --layout pytorch --seeds 1 --steps 3 --quiet
= 0
$ rnnc gradcheck stack.rnn --cell Single --params single.safetensors --layout pytorch --set H=3
= 4
$ rnnc gradcheck stack.rnn --cell Single --layout pytorch
= 2
