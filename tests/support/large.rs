//! Cells of many small equations, each family growing in another direction.

/// What the families are called.
pub const FAMILIES: [&str; 4] = ["fold", "lets", "states", "layers"];

/// A cell of about `equations` small equations: the iterations of a loop, a chain of `let`s, states of
/// their own, or layers upon each other (of four each).
pub fn source(family: &str, equations: usize) -> String {
    match family {
        "fold" => format!(
            "cell Large {{
               dims H = 4  input x: [H]  state s: [H]  param w: [H]
               s = fold v from prev s for l in 0 .. {equations} {{ yield tanh(w * v + x) }}
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
        _ => {
            let layers = equations.div_ceil(4);
            format!(
                "cell Unit {{
                   dims I, H
                   input x: [I]  state h: [H]  param W: [H, I], U: [H, H]
                   let a = W @ x
                   let b = U @ prev h
                   let c = a + b
                   h = tanh(c)
                   output h
                 }}
                 cell Large {{
                   dims H = 4  input x: [H]
                   layer a[{layers}] = Unit(x = x, H = H)
                   output y = a
                 }}"
            )
        }
    }
}
