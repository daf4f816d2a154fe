// Named values of every step, and results that do not fit the width of a terminal.
$ rnnc run std/gru --set H=3 --trace r,z,r --save out.safetensors
= 0
$ rnnc grad std/gru --set H=3 --engine reference --json --quiet
= 0
