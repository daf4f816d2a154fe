// Edits that are sure are applied to the file; what is left is told.
file a.rnn
| cell A {
|   input x: [];
|   state state h: [] = 0
|   h = x ** 2 + 0.5 * prev h
|   output h, y = tanhh(x)
| }
$ rnnc check a.rnn --fix
= 1
cat a.rnn
$ rnnc check - --fix
= 2
$ rnnc check std/gru --fix
= 2
