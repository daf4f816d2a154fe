//! Cells of many small equations, each family growing in another direction.

/// What the families are called.
pub const FAMILIES: [&str; 9] =
    ["fold", "picks", "slices", "lets", "states", "layers", "named", "hypers", "inputs"];

/// A cell of about `equations` small equations: the iterations of a loop, which may read rows or overlapping slices of a
/// param, a chain of `let`s, states of their own,
/// layers upon each other (of four each) in a stack or declared one by one, hypers each of which is made of the one
/// after it, or inputs whose past is read.
pub fn source(family: &str, equations: usize) -> String {
    match family {
        "fold" => format!(
            "cell Large {{
               dims H = 4  input x: [H]  state s: [H]  param w: [H]
               s = fold v from prev s for l in 0 .. {equations} {{ yield tanh(w * v + x) }}
               output s
             }}"
        ),
        "picks" => format!(
            "cell Large {{
               dims H = 4  input x: [H]  state s: [H]  param w: [{equations}, H]
               s = fold v from prev s for l in 0 .. {equations} {{ yield tanh(w[l] * v + x) }}
               output s
             }}"
        ),
        "slices" => format!(
            "cell Large {{
               dims H = 4  input x: [H]  state s: [H]  param w: [2 * {equations} + 4]
               s = fold v from prev s for l in 0 .. {equations} {{
                 yield tanh(sum(slice(w, 2 * l, 2 * l + 4)) * v + x)
               }}
               output s
             }}"
        ),
        "lets" => {
            let lets = (1..equations).map(|it| format!("let v{it} = tanh(v{} + x)\n", it - 1));
            let (lets, last) = (lets.collect::<String>(), equations - 1);
            format!(
                "cell Large {{
                   dims H = 4  input x: [H]  state s: [H]
                   let v0 = 0.5 * prev s
                   {lets}
                   s = v{last}
                   output s
                 }}"
            )
        }
        "states" => {
            let names: Vec<String> = (0..equations).map(|it| format!("h{it}")).collect();
            let first = "h0 = tanh(prev h0 + x)\n".to_owned();
            let rest = (1..equations).map(|it| format!("h{it} = tanh(prev h{it} + h{})\n", it - 1));
            let (names, last) = (names.join(", "), equations - 1);
            let equations: String = std::iter::once(first).chain(rest).collect();
            format!(
                "cell Large {{
                   dims H = 4  input x: [H]  state {names}: [H]
                   {equations}
                   output h{last}
                 }}"
            )
        }
        "hypers" => {
            let last = equations - 1;
            let hypers = (0..last).map(|it| format!("hyper k{it} = k{} + 1\n", it + 1));
            let hypers: String = hypers.collect();
            format!(
                "cell Large {{
                   dims H = 4  input x: [H]  state s: [H]
                   {hypers}
                   hyper k{last} = sqrt(H)
                   s = tanh(k0 * prev s + x)
                   output s
                 }}"
            )
        }
        "inputs" => {
            let names: Vec<String> = (0..equations).map(|it| format!("x{it}")).collect();
            let lets = (1..equations).map(|it| format!("let v{it} = v{} + prev x{it}\n", it - 1));
            let (names, lets, last) = (names.join(", "), lets.collect::<String>(), equations - 1);
            format!(
                "cell Large {{
                   dims H = 4  input {names}: [H]
                   let v0 = prev x0
                   {lets}
                   output y = v{last}
                 }}"
            )
        }
        "named" => {
            let layers = equations.div_ceil(4);
            let named =
                (1..layers).map(|it| format!("layer a{it} = Unit(x = a{}, H = H)\n", it - 1));
            let (named, last) = (named.collect::<String>(), layers - 1);
            format!(
                "{UNIT}
                 cell Large {{
                   dims H = 4  input x: [H]
                   layer a0 = Unit(x = x, H = H)
                   {named}
                   output y = a{last}
                 }}"
            )
        }
        _ => {
            let layers = equations.div_ceil(4);
            format!(
                "{UNIT}
                 cell Large {{
                   dims H = 4  input x: [H]
                   layer a[{layers}] = Unit(x = x, H = H)
                   output y = a
                 }}"
            )
        }
    }
}

/// What is layered.
const UNIT: &str = "cell Unit {
  dims I, H
  input x: [I]  state h: [H]  param W: [H, I], U: [H, H]
  let a = W @ x
  let b = U @ prev h
  let c = a + b
  h = tanh(c)
  output h
}";
