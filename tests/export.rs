//! What the library tells about its cells: classes of recurrence and equations in LaTeX.

use rnnc::Spec;
use rnnc::export::latex;
use rnnc::ir::dependence::{Phase, phases};
use rnnc::ir::recurrence;
use rnnc::syntax::ast::Item;

fn class(body: &str) -> String {
    let text = format!(
        "cell C {{ dims I, H  input x: [H]  state h: [H]  param U: [H, H], a: [H] {body} output h }}"
    );
    let spec = Spec::parse(&text).unwrap_or_else(|it| panic!("{text}: {it}"));
    recurrence(&spec.cells()[0]).to_string()
}

#[test]
fn the_class_of_a_recurrence_follows_from_how_states_meet() {
    for (body, expected) in [
        ("h = x", "none"),
        ("h = prev(x, 3) + U @ prev x", "none"),
        ("h = sigmoid(U @ x) * prev h + x / a", "linear, elementwise"),
        ("h = where(x > 0, prev h, x) - prev h / a", "linear, elementwise"),
        ("state g: [H]  g = a * prev h  h = prev g + x", "linear, elementwise"),
        ("h = U @ prev h + x", "linear"),
        ("h = prev h - sum(prev h) * a", "linear"),
        ("h = tanh(a * prev h + x)", "elementwise"),
        ("h = x / prev h", "elementwise"),
        ("h = prev h * prev h", "elementwise"),
        ("h = where(prev h > 0, prev h, x)", "elementwise"),
        ("h = softmax(prev h + x)", "across elements"),
        ("h = prev h * sum(prev h)", "across elements"),
        ("h = tanh(U @ prev h + x)", "dense"),
        ("h = a * dot(prev h, prev h)", "dense"),
        ("h = tanh(U @ (sigmoid(U @ prev h) * x))", "dense, depth 2"),
        // A value of the step before is a step of its own: the products do not wait for each other within one.
        ("let y = tanh(U @ prev h)  h = tanh(U @ prev y)", "dense"),
    ] {
        assert_eq!(class(body), expected, "{body}");
    }
}

#[test]
fn the_past_of_inputs_is_known_before_the_loop() {
    let text = "cell C { dims I, H  input x: [I]  state h: [H]  param W: [H, I], U: [H, H]
        let e = W @ prev(x, 2)  let late = U @ prev e  let n = U @ prev h
        h = tanh(late + n)  output h }";
    let spec = Spec::parse(text).unwrap();
    let cell = &spec.cells()[0];
    let phases = phases(cell);
    let phase = |name: &str| {
        let value = cell.values.iter().find(|it| &*it.name == name).unwrap();
        phases[value.node.idx()]
    };
    assert_eq!(phase("e"), Phase::BeforeLoop);
    assert_eq!(phase("late"), Phase::BeforeLoop);
    assert_eq!(phase("n"), Phase::Loop);
    assert_eq!(phase("h"), Phase::Loop);
}

fn equations(body: &str) -> String {
    let spec = Spec::parse(&format!("cell C {{ {body} output h }}")).unwrap();
    let [Item::Cell(cell)] = spec.tree().items.as_slice() else { panic!("one cell") };
    let latex = latex::cell(cell);
    let inner = latex.strip_prefix("\\begin{aligned}\n").unwrap();
    inner.strip_suffix("\n\\end{aligned}").unwrap().to_owned()
}

#[test]
fn equations_are_written_as_papers_do() {
    let body = "dims I, H  input x: [I]  hyper alpha = 0.5
        state h: [H] = 1  state c: [H]  param W_z: [H, I], U_z: [H, H], b: [H]
        gate z = sigmoid(W_z @ x + U_z @ prev h + b)
        let x_hat = 2 * z * (prev(c, 2) - alpha) / sqrt(H)
        c = where(z > 0.5, -x_hat ^ 2, outer(b, b) @ x_hat)
        h = max(z, 1e-3) * (prev c + mean(x) * z)";
    let expected = [
        r"h_{0} &= 1",
        r"z_{t} &= \sigma(W_{z}\, x_{t} + U_{z}\, h_{t-1} + b)",
        r"x_{\mathrm{hat},t} &= \frac{2 \, z_{t} \odot (c_{t-2} - \alpha)}{\sqrt{H}}",
        r"c_{t} &= \begin{cases} -{x_{\mathrm{hat},t}}^{2} & \text{if } z_{t} > 0.5 \\ (b \otimes b)\, x_{\mathrm{hat},t} & \text{otherwise} \end{cases}",
        r"h_{t} &= \max(z_{t}, 0.001) \odot (c_{t-1} + \mathrm{mean}(x_{t}) \odot z_{t})",
    ];
    assert_eq!(equations(body).split(" \\\\\n").collect::<Vec<_>>(), expected);
}

/// Braces, environments and pairs of brackets that grow are closed, in every cell of the library.
#[test]
fn what_is_opened_is_closed() {
    for file in rnnc::api::library() {
        let spec = Spec::parse(file.source).unwrap();
        let cells = spec.tree().items.iter().filter_map(|it| match it {
            Item::Cell(cell) => Some(latex::cell(cell)),
            Item::Activation(_) | Item::Function(_) | Item::Use(_) => None,
        });
        for text in cells.chain(latex::functions(&spec.tree().items)) {
            let text = text.replace("\\leftarrow", "");
            let count = |what: &str| text.matches(what).count();
            assert_eq!(count("{"), count("}"), "{}: {text}", file.name);
            assert_eq!(count("("), count(")"), "{}: {text}", file.name);
            assert_eq!(count("\\left"), count("\\right"), "{}: {text}", file.name);
            assert_eq!(count("\\begin"), count("\\end"), "{}: {text}", file.name);
            // One in an equation, and one in each of the two rows of a choice within it.
            let aligned =
                |it: &str| it.matches('&').count() <= 1 + 2 * it.matches("\\begin{cases}").count();
            assert!(text.lines().all(aligned), "{}: {text}", file.name);
        }
    }
}
