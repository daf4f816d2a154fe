// Files that do not hold what a layout asks for.
file two.rnn
| cell Two {
|   dims I, H
|   input x: [I]
|   state h: [H]
|   param W_a, W_b: [H, I], U: [H, H], b, d: [H]
|   h = tanh(W_a @ x + U @ prev h + b + d) * sigmoid(W_b @ x)
|   output h
|   layout torch { weight_ih = rows(W_a, W_b) weight_hh = U bias_ih = rows(b, zeros([H])) bias_hh = rows(d, zeros([H])) }
|   layout keras { kernel = transpose(rows(W_a, W_b)) recurrent_kernel = transpose(U) bias = b + d }
|   layout summed { weights = cols(W_a, U) "gate" = W_b bias_1 + bias_2 = rows(b, d) }
| }
npy x.npy [5, 3] wave
tensors good.safetensors
| weight_ih [4, 3] wave
| weight_hh [2, 2] wave
| bias_ih [4] 1 2 0 0
| bias_hh [4] 3 4 0 0
$ rnnc run two.rnn --params good.safetensors --layout torch --input x.npy --quiet
= 0
// A layout that is not there.
$ rnnc run two.rnn --params good.safetensors --layout kears --input x.npy
= 2
$ rnnc run two.rnn --layout torch --input x.npy
= 2
// Without its layout the file is one of other names.
$ rnnc run two.rnn --params good.safetensors --input x.npy
= 4
// One tensor is missing, one is left over.
tensors short.safetensors
| weight_ih [4, 3] wave
| weight_hh [2, 2] wave
| bias_ih [4] 1 2 0 0
| bias_h [4] 3 4 0 0
$ rnnc run two.rnn --params short.safetensors --layout torch --input x.npy
= 4
$ rnnc run two.rnn --params short.safetensors --layout torch --input x.npy --partial --ignore-extra --quiet
= 0
tensors more.safetensors
| weight_ih [4, 3] wave
| weight_hh [2, 2] wave
| bias_ih [4] 1 2 0 0
| bias_hh [4] 3 4 0 0
| head.weight [1, 2] wave
$ rnnc convert two.rnn more.safetensors -o out.safetensors --from torch
= 4
$ rnnc convert two.rnn more.safetensors -o out.safetensors --from torch --ignore-extra
= 0
// Sizes that contradict each other, that do not divide, that are of another rank.
tensors other.safetensors
| weight_ih [4, 3] wave
| weight_hh [3, 3] wave
| bias_ih [4] 1 2 0 0
| bias_hh [4] 3 4 0 0
$ rnnc run two.rnn --params other.safetensors --layout torch --input x.npy
= 4
tensors odd.safetensors
| weight_ih [5, 3] wave
| weight_hh [2, 2] wave
| bias_ih [4] 1 2 0 0
| bias_hh [4] 3 4 0 0
$ rnnc convert two.rnn odd.safetensors -o out.safetensors --from torch
= 4
tensors flat.safetensors
| weight_ih [12] wave
| weight_hh [2, 2] wave
| bias_ih [4] 1 2 0 0
| bias_hh [4] 3 4 0 0
$ rnnc convert two.rnn flat.safetensors -o out.safetensors --from torch
= 4
$ rnnc run two.rnn --params good.safetensors --layout torch --input x.npy --set H=7
= 4
// Something stands where the cell has nothing.
tensors full.safetensors
| weight_ih [4, 3] wave
| weight_hh [2, 2] wave
| bias_ih [4] 1 2 0 0
| bias_hh [4] 3 4 0 0.25
$ rnnc run two.rnn --params full.safetensors --layout torch --input x.npy
= 4
$ rnnc convert two.rnn full.safetensors -o out.safetensors --from torch --to keras
= 4
