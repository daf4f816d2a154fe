// Curves and heat maps of what other commands wrote, and what is refused.
file a.jsonl
| {"step":1,"epoch":1,"loss":1.5,"grad_norm":0.3,"lr":0.001,"seconds":0.1}
| {"step":2,"epoch":1,"loss":0.75,"grad_norm":0.2,"lr":0.001,"seconds":0.2}
| {"step":2,"epoch":1,"valid_loss":0.9,"seconds":0.2}
| {"step":3,"epoch":1,"loss":"NaN","grad_norm":null,"lr":0.001,"seconds":0.3}
file b.jsonl
| {"step":1,"epoch":1,"loss":1.25,"grad_norm":0.3,"lr":0.01,"seconds":0.1}
file empty.jsonl
|
file flow.csv
| step,h,c
| 0,1e-9,0.5
| 1,1e-6,0.75
| 2,0,1
file one.csv
| step,h
| 0,2
file zero.csv
| step,h
| 0,0
file header.csv
| step,h
file t.csv
| load,temp
| 1,2
| 3,4
npy z.npy [4, 3] 0.05 0.5 0.95 0.1 0.2 0.3 nan 0.5 1 0 0.5 0.99
npy batch.npy [4, 2, 3] wave
npy flat.npy [4] wave
npy none.npy [0, 3] wave
npy p.npy [3] 1 2 nan
npy q.npy [3] 1 2 4
npy one.npy [1] 1
tensors traces.safetensors
| trace.r [4, 3] wave
| state.h [3] wave
tensors states.safetensors
| state.h [3] wave
$ rnnc plot loss a.jsonl b.jsonl -o loss.svg --label slow --label fast
= 0
$ rnnc plot flow flow.csv -o flow.svg
= 0
$ rnnc plot flow one.csv flow.csv -o flow.svg
= 0
$ rnnc plot gates z.npy traces.safetensors -o gates.svg
= 0
$ rnnc plot gates batch.npy -o gates.svg
= 0
$ rnnc plot prediction p.npy q.npy -o p.svg
= 0
$ rnnc plot prediction t.csv -o p.svg
= 0
$ rnnc plot prediction one.npy -o p.svg
= 0
$ rnnc plot loss flow.csv -o x.svg
= 4
$ rnnc plot loss empty.jsonl -o x.svg
= 4
$ rnnc plot flow a.jsonl -o x.svg
= 4
$ rnnc plot flow flow.csv t.csv -o x.svg
= 4
$ rnnc plot flow zero.csv -o x.svg
= 4
$ rnnc plot flow header.csv -o x.svg
= 4
$ rnnc plot gates flow.csv -o x.svg
= 4
$ rnnc plot gates flat.npy -o x.svg
= 4
$ rnnc plot gates none.npy -o x.svg
= 4
$ rnnc plot gates states.safetensors -o x.svg
= 4
$ rnnc plot prediction p.npy one.npy -o x.svg
= 4
$ rnnc plot prediction a.jsonl -o x.svg
= 4
$ rnnc plot prediction batch.npy -o x.svg
= 4
$ rnnc plot flow nope.csv -o x.svg
= 3
$ rnnc plot flow flow.csv -o none/x.svg
= 3
$ rnnc plot flow flow.csv -o flow.csv
= 2
$ rnnc plot flow flow.csv -o ./flow.png
= 2
$ rnnc plot loss a.jsonl b.jsonl -o x.svg --label one
= 2
$ rnnc plot flow flow.csv
= 2
$ rnnc plot heat flow.csv -o x.svg
= 2
$ rnnc plot loss a.jsonl -o a.jsonl
= 2
cat flow.csv
