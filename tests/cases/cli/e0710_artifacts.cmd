// Artifacts that were edited, cut off, or come from another version.
file leaky.rnn
| cell Leaky {
|   dims H
|   input x: [H]
|   state h: [H]
|   param a: [H] init uniform(0.2, 0.9)
|   h = a * prev h + x
|   output h
| }
$ rnnc compile leaky.rnn -o a.ron
= 0
edit a.ron format: 2 => format: 3
$ rnnc run a.ron
= 4
edit a.ron format: 3 => format: 2
edit a.ron a * prev h => a + prev h
$ rnnc run a.ron
= 4
edit a.ron a + prev h => a + preh h
$ rnnc check a.ron
= 4
cut a.ron 40
$ rnnc grad a.ron
= 4
file b.ron
| cell B {}
$ rnnc compile b.ron --emit ast
= 4
