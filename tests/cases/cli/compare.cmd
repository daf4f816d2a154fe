// Arrays compared element by element: two files, names, shapes, a bound.
npy a.npy [2, 2] 1 2 3 nan
npy b.npy [2, 2] 1 2.0002 3 nan
npy c.npy [4] 1 2 3 4
$ rnnc compare a.npy a.npy
= 0
$ rnnc compare a.npy b.npy
= 1
$ rnnc compare a.npy b.npy --tol 1e-4
= 0
$ rnnc compare a.npy b.npy --tol 1e-5 --json
= 1
$ rnnc compare a.npy c.npy
= 1
tensors one.safetensors
| W [2] 1 2
| b [2] 0 0
tensors two.safetensors
| W [2] 1 2.5
| c [2] 0 0
$ rnnc compare one.safetensors two.safetensors
= 1
file t.csv
| 1,2
| 3,nan
$ rnnc compare a.npy t.csv
= 0
$ rnnc compare a.npy none.npy
= 3
$ rnnc compare a.npy b.npy --tol -1
= 2
