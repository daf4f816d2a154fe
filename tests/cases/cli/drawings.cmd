// A drawing as text, and what is refused.
file deep.rnn
| cell Unit {
|   dims I, H
|   input x: [I]
|   state h: [H]
|   param W: [H, I], a: [H]
|   h = sigmoid(a) * prev h + tanh(W @ x)
|   output h
| }
| cell Deep {
|   dims E, H
|   input e: [E]
|   layer a[2] = Unit(x = e, H = H)
|   output a
| }
file wrong.rnn
| cell Wrong {
|   input x: []
|   output y = x + q
| }
$ rnnc graph deep.rnn --cell Unit --format mermaid
= 0
$ rnnc graph deep.rnn --format dot
= 0
$ rnnc graph deep.rnn --open a --format mermaid
= 0
$ rnnc graph deep.rnn --cell Unit --backward --format mermaid
= 0
$ rnnc graph deep.rnn --cell Unit --level operators --format mermaid
= 0
$ rnnc graph deep.rnn --cell Unit --level cell --json
= 0
$ rnnc graph deep.rnn -o deep.svg --ground none --theme dark
= 0
$ rnnc graph deep.rnn --open b
= 2
$ rnnc graph deep.rnn --open a --level operators
= 2
$ rnnc graph deep.rnn -o deep.svg --format dot
= 2
$ rnnc graph deep.rnn -o deep.svg --json
= 2
$ rnnc graph deep.rnn --json --format dot
= 2
$ rnnc graph deep.rnn --format png
= 2
$ rnnc graph deep.rnn -o deep.png
= 2
$ rnnc graph deep.rnn -o deep.rnn --format svg
= 2
$ rnnc graph deep.rnn -o ./none/deep.svg
= 3
$ rnnc graph nope.rnn --json
= 3
$ rnnc graph wrong.rnn --format dot
= 1
$ rnnc graph wrong.rnn --json
= 1
cat deep.rnn
