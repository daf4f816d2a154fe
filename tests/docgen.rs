//! The page of the library: classes of recurrence and equations in LaTeX.

use rnnc::docgen::latex;
use rnnc::graph::picture::picture;
use rnnc::graph::read::Library;
use rnnc::graph::svg::{Theme, svg};
use rnnc::graph::{self, Detail, LEGEND};
use rnnc::hir;
use rnnc::ir::dependence::{Phase, phases};
use rnnc::ir::recurrence;
use rnnc::text::FileId;
use rnnc::{Spec, check};

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
        // The number of the step is known before the loop.
        ("h = x / (1 + time())", "none"),
        ("let late = prev(x, 2) * time() h = prev late", "none"),
        ("h = a ^ time() * prev h + x", "linear, elementwise"),
        // Neither state is both for itself: one is nonlinear, the other reads a product.
        ("state g: [H]  g = step(prev h - a)  h = a * prev h + U @ prev g", "dense"),
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
    let tree = hir::resolve(spec.program());
    let latex = latex::cells(&tree, FileId(0)).next().expect("a cell");
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
        r"h_{t} &= \max(z_{t}, 0.001) \odot (c_{t-1} + \mathrm{mean}(x_{t}) \, z_{t})",
    ];
    assert_eq!(equations(body).split(" \\\\\n").collect::<Vec<_>>(), expected);
}

#[test]
fn scalars_comparisons_and_choices_read_as_in_papers() {
    let body = "dims I, H, N = 2  input x: [I]  input dt: [] = 1  hyper tau = 2
        state h: [H]  param W: [H, I], U: [N, H]
        let part = dt / tau
        let on = x > 0.5
        let v = where(dt < 1, x, (where(dt < 2, on, part * x)))
        let mean_of = sum(U @ prev h) * part
        let V = U * fixed
        let fixed = fold f from tau for k in 0 .. 2 { yield f * exp(tau) }
        h = part * tanh(W @ v) + sum(V * mean_of, over N) * prev h";
    let expected = [
        r"\mathrm{part}_{t} &= \frac{\mathrm{dt}_{t}}{\tau}",
        r"\mathrm{on}_{t} &= [x_{t} > 0.5]",
        r"v_{t} &= \begin{cases} x_{t} & \text{if } \mathrm{dt}_{t} < 1 \\ \mathrm{on}_{t} & \text{if } \mathrm{dt}_{t} < 2 \\ \mathrm{part}_{t} \, x_{t} & \text{otherwise} \end{cases}",
        r"\mathrm{mean}_{\mathrm{of},t} &= (\sum U\, h_{t-1}) \, \mathrm{part}_{t}",
        r"V &= U \odot \mathrm{fixed}",
        r"f &\leftarrow \tau",
        r"\text{for } & k = 0, \ldots, 2 - 1:",
        r"\quad f &\leftarrow f \, \exp(\tau)",
        r"\mathrm{fixed} &= f",
        r"h_{t} &= \mathrm{part}_{t} \, \tanh(W\, v_{t}) + (\sum_{N} V \, \mathrm{mean}_{\mathrm{of},t}) \odot h_{t-1}",
    ];
    assert_eq!(equations(body), expected.join(" \\\\\n"));
}

#[test]
fn params_do_not_look_like_starts_or_values_of_a_step() {
    let body =
        "dims H  input x: [H]  state h: [H] = h0  param h0, h_0, x_t, t, W0, b_1, x_1, h12: [H]
        h = h0 + h_0 * prev h + x_t * x + t - W0 * b_1 + x_1 * h12";
    let expected = [
        r"h_{0} &= \mathrm{h0}",
        r"h_{t} &= \mathrm{h0} + \mathrm{h\_0} \odot h_{t-1} + \mathrm{x\_t} \odot x_{t} + \mathrm{t} - W_{0} \odot b_{1} + \mathrm{x\_1} \odot \mathrm{h12}",
    ];
    assert_eq!(equations(body), expected.join(" \\\\\n"));
}

#[test]
fn a_minus_after_an_operator_and_a_choice_with_a_power_have_parentheses() {
    for (value, expected) in [
        ("x + -a", r"x_{t} + (-a)"),
        ("x - -a * x", r"x_{t} - (-a \odot x_{t})"),
        ("x * -a", r"x_{t} \odot (-a)"),
        ("-a * x + x", r"-a \odot x_{t} + x_{t}"),
        ("x / -a", r"\frac{x_{t}}{-a}"),
        ("x ^ -2", r"{x_{t}}^{-2}"),
        (
            "where(x > 0, x, a) ^ 2",
            r"{\left(\begin{cases} x_{t} & \text{if } x_{t} > 0 \\ a & \text{otherwise} \end{cases}\right)}^{2}",
        ),
        (
            "square(where(x > 0, x, a))",
            r"{\left(\begin{cases} x_{t} & \text{if } x_{t} > 0 \\ a & \text{otherwise} \end{cases}\right)}^{2}",
        ),
        ("sum(-x) * a", r"(\sum (-x_{t})) \, a"),
        ("var(x) * std(x) * a", r"\mathrm{var}(x_{t}) \, \mathrm{std}(x_{t}) \, a"),
        ("softcap(x, limit = 3)", r"\mathrm{softcap}(x_{t}, \mathrm{limit} = 3)"),
    ] {
        let body = format!("dims H  input x: [H]  param a: [H]  state h: [H]  h = {value}");
        assert_eq!(equations(&body), format!("h_{{t}} &= {expected}"), "{value}");
    }
}

/// Braces, environments and pairs of brackets that grow are closed, in every cell of the library.
#[test]
fn what_is_opened_is_closed() {
    for file in rnnc::api::library() {
        let spec = Spec::parse(file.source).unwrap();
        let tree = hir::resolve(spec.program());
        let cells = latex::cells(&tree, FileId(0));
        for text in cells.chain(latex::functions(&tree, FileId(0))) {
            let text = text.replace("\\leftarrow", "");
            let count = |what: &str| text.matches(what).count();
            assert_eq!(count("{"), count("}"), "{}: {text}", file.name);
            assert_eq!(count("("), count(")"), "{}: {text}", file.name);
            assert_eq!(count("\\left"), count("\\right"), "{}: {text}", file.name);
            assert_eq!(count("\\begin"), count("\\end"), "{}: {text}", file.name);
            // One in an equation, and one in each row of the choices within it.
            let rows = |it: &str| {
                it.matches("\\text{if }").count() + it.matches("\\text{otherwise}").count()
            };
            let aligned = |it: &str| it.matches('&').count() <= 1 + rows(it);
            assert!(text.lines().all(aligned), "{}: {text}", file.name);
        }
    }
}

/// Drawings of more bytes than this are named.
const LARGE: usize = 20_000;
const LARGE_DRAWINGS: &[&str] = &["ct_rnn_rk4", "gru_ode", "ode_lstm", "hyper_lstm"];

/// `docs/cells/` holds the drawing of every cell of the library, and nothing else.
/// `RNNC_DOCS=update cargo test --test docgen` writes them.
#[test]
fn the_drawings_of_the_library_are_not_stale() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cells");
    let mut faults = Vec::new();
    let mut names = Vec::new();
    for file in rnnc::api::library() {
        let spec = Spec::parse(file.source).unwrap();
        let now = drawing(&spec);
        let name = format!("{}.svg", file.name);
        let is_stale = is_stale(&folder.join(&name), &now);
        if is_stale {
            faults.push(format!("docs/cells/{name} is stale"));
        }
        if (now.len() > LARGE) != LARGE_DRAWINGS.contains(&file.name) {
            faults.push(format!("docs/cells/{name} has {} bytes", now.len()));
        }
        names.push(name);
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !names.contains(&name) {
            faults.push(format!("docs/cells/{name} is of no cell"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The first example of the README has its drawing beside it.
#[test]
fn the_drawing_of_the_readme_is_not_stale() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("README.md")).unwrap();
    let example = page.split("```rnn\n").nth(1).unwrap().split("```").next().unwrap();
    let now = drawing(&Spec::parse(example).unwrap());
    assert!(!is_stale(&root.join("docs/leaky.svg"), &now));
    assert!(page.contains("](docs/leaky.svg)"));
}

/// Returns the drawing that `rnnc graph` writes for the main cell of a spec.
fn drawing(spec: &Spec) -> String {
    let analysis = check::analyse(spec.program());
    let cells = spec.cells().iter().chain(spec.used_cells()).collect();
    let range = |it| analysis.type_of(it)?.range;
    let library = Library { tree: &analysis.tree, cells, open: &|_| false, range: &range };
    let diagram = graph::draw(&library, spec.main().unwrap(), Detail::Equations, false);
    svg(&diagram, &picture(&diagram, LEGEND), Theme::Auto, true)
}

/// Returns true if a generated file differs; with `RNNC_DOCS=update` it is written first.
fn is_stale(path: &std::path::Path, now: &str) -> bool {
    if std::env::var_os("RNNC_DOCS").is_some_and(|it| it == "update") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, now).unwrap();
    }
    std::fs::read_to_string(path).unwrap_or_default() != now
}

/// `docs/cells.md` is what `rnnc list --markdown` prints. `RNNC_DOCS=update cargo test --test docgen` writes it.
#[test]
fn the_page_of_the_library_is_not_stale() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_rnnc"))
        .args(["list", "--markdown"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let now = String::from_utf8(output.stdout).unwrap();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cells.md");
    if std::env::var_os("RNNC_DOCS").is_some_and(|it| it == "update") {
        std::fs::write(&path, &now).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    let stale = page.lines().zip(now.lines()).find(|(page, now)| page != now);
    assert_eq!(stale, None, "the page says the first, it is the second");
    assert_eq!(page.len(), now.len(), "write it anew");
}
