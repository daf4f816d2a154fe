// Snapshots of people's own specs: missing, written, kept, changed.
file cells/leaky.rnn
| cell Leaky { dims H  input x: [H]  state h: [H]  h = 0.5 * prev h + x  output h }
file cells/deep/other.rnn
| cell Other { input x: []  state h: []  param a: []  h = a * prev h + x  output h }
$ rnnc test cells
= 1
$ rnnc test cells --update
= 0
cat cells/deep/snapshots/other.snap
$ rnnc test cells cells/leaky.rnn
= 0
edit cells/leaky.rnn 0.5 => 0.25
$ rnnc test cells
= 1
edit cells/leaky.rnn 0.25 => y
$ rnnc test cells
= 1
$ rnnc test cells/nowhere.rnn cells/deep
= 3
$ rnnc test cells/snapshots
= 2
file lone/snapshots/gone.snap
| == Gone ir
file lone/here.rnn
| cell Here { dims H  hyper a = 2  input x: [H]  output y = a * x }
$ rnnc test lone --update --set a=3 --set H=2
= 1
$ rnnc test lone --set a=3 --set H=2 --json
= 1
$ rnnc test lone/here.rnn
= 1
