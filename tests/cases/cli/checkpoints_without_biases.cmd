// A layout that says which tensors a file may lack: they are zeros, never drawn.
tensors nobias.safetensors
| weight_ih_l0 [12, 3] wave
| weight_hh_l0 [12, 4] wave
$ rnnc run std/gru --params nobias.safetensors --layout pytorch
= 0
$ rnnc convert std/gru nobias.safetensors --from pytorch --to pytorch -o whole.safetensors
= 0
$ rnnc run std/gru --params whole.safetensors --layout pytorch
= 0
tensors half.safetensors
| weight_ih_l0 [12, 3] wave
$ rnnc run std/gru --params half.safetensors --layout pytorch
= 4
tensors other.safetensors
| weight [12, 3] wave
$ rnnc run std/gru --params other.safetensors --layout pytorch
= 4
file like.rnn
| cell Like {
|   dims N, J like N
|   input x: [N]
|   state h: [J]
|   param W: [J, N], b: [J]
|   h = tanh(W @ x + 0.5 * prev h + b)
|   output h
|   layout pytorch {
|     weight = W
|     optional bias = b
|   }
| }
tensors like.safetensors
| weight [2, 2] wave
$ rnnc convert like.rnn like.safetensors --from pytorch -o own.safetensors
= 0
$ rnnc convert like.rnn own.safetensors -o again.safetensors
= 0
$ rnnc compare own.safetensors again.safetensors
= 0
