// What is added, what is lost, what is left out.
file two.rnn
| cell Two {
|   dims I, H
|   input x: [I]
|   state h: [H]
|   param W: [H, I], U: [H, H], b, d: [H]
|   h = tanh(W @ x + U @ prev h + b + d)
|   output h
|   layout torch { weight_ih = W weight_hh = U bias_ih = b bias_hh = d }
|   layout keras { kernel = transpose(W) recurrent_kernel = transpose(U) bias = b + d }
|   layout summed { weights = cols(W, U) bias_1 + bias_2 = rows(b, d) }
| }
tensors model.safetensors
| encoder.rnn.weight_ih_l0 [2, 3] wave
| encoder.rnn.weight_hh_l0 [2, 2] wave
| encoder.rnn.bias_ih_l0 [2] 1 2
| encoder.rnn.bias_hh_l0 [2] 3 4
| encoder.rnn.weight_ih_l0_reverse [2, 3] wave
| encoder.rnn.weight_hh_l0_reverse [2, 2] wave
| encoder.rnn.bias_ih_l0_reverse [2] 5 6
| encoder.rnn.bias_hh_l0_reverse [2] 7 8
| head.weight [1, 2] wave
$ rnnc compile two.rnn
= 0
$ rnnc convert two.rnn model.safetensors -o own.safetensors --from torch
= 4
$ rnnc convert two.rnn model.safetensors -o own.safetensors --from torch --prefix encoder.rnn.
= 4
$ rnnc convert two.rnn model.safetensors -o own.safetensors --from torch --prefix encoder.rnn. --suffix _l2
= 4
$ rnnc convert two.rnn model.safetensors -o own.safetensors --from torch --prefix encoder.rnn. --suffix _l0_reverse
= 0
$ rnnc convert two.rnn own.safetensors -o keras.safetensors --to keras
= 0
$ rnnc convert two.rnn keras.safetensors -o summed.safetensors --from keras --to summed --to-prefix cell.
= 0
$ rnnc convert two.rnn summed.safetensors -o torch.safetensors --from summed --to torch --prefix cell. --to-suffix _l0
= 0
$ rnnc run two.rnn --params torch.safetensors --layout torch
= 0
$ rnnc init two.rnn --set I=3 --set H=2 -o drawn.safetensors --layout keras
= 0
$ rnnc convert two.rnn own.safetensors -o keras.safetensors --to kers
= 2
