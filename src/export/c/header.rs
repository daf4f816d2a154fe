//! The head of a file, the signatures, and the header.

use crate::export::lower::Lowered;
use crate::export::names::Names;

/// Returns the parameters of a step or of a run.
pub fn parameters(
    low: &Lowered,
    symbol: &str,
    inputs: &[String],
    outputs: &[String],
    run: bool,
) -> String {
    let mut all = vec![format!("{symbol}_state *s")];
    if run {
        all.push("size_t steps".to_owned());
    }
    for (at, it) in low.cell.inputs.iter().enumerate() {
        let kind = if it.index.is_some() { "int32_t" } else { "float" };
        let shape = low.input_shape(at);
        let size: usize = shape.iter().product();
        all.push(match (run && !it.per_sequence, shape.is_empty()) {
            (true, _) => format!("const {kind} *{}", inputs[at]),
            (false, true) => format!("{kind} {}", inputs[at]),
            (false, false) => format!("const {kind} {}[{size}]", inputs[at]),
        });
    }
    for (it, name) in low.cell.outputs.iter().zip(outputs) {
        let shape = low.shape(it.node);
        let size: usize = shape.iter().product();
        all.push(match run || shape.is_empty() {
            true => format!("float *{name}"),
            false => format!("float {name}[{size}]"),
        });
    }
    all.join(", ")
}

/// Returns the function for several steps.
pub fn run(low: &Lowered, symbol: &str, inputs: &[String], outputs: &[String]) -> Vec<String> {
    let mut args = vec!["s".to_owned()];
    let row = |name: &str, size: usize| match size {
        1 => format!("{name} + t"),
        size => format!("{name} + t * {size}"),
    };
    for (at, it) in low.cell.inputs.iter().enumerate() {
        let shape = low.input_shape(at);
        args.push(match (it.per_sequence, shape.is_empty()) {
            (true, _) => inputs[at].clone(),
            (false, true) => format!("{}[t]", inputs[at]),
            (false, false) => row(&inputs[at], shape.iter().product()),
        });
    }
    for (it, name) in low.cell.outputs.iter().zip(outputs) {
        args.push(row(name, low.shape(it.node).iter().product()));
    }
    vec![
        String::new(),
        format!("void {symbol}_run({})", parameters(low, symbol, inputs, outputs, true)),
        "{".to_owned(),
        "    for (size_t t = 0; t < steps; t++)".to_owned(),
        format!("        {symbol}_step({});", args.join(", ")),
        "}".to_owned(),
    ]
}

/// Returns the documentation of the cell as a comment.
pub fn comment(low: &Lowered, names: &Names) -> Vec<String> {
    let mut text: Vec<String> = low.cell.doc.clone();
    if text.is_empty() {
        text.push(format!("The cell {}.", low.cell.name));
    }
    text.push(String::new());
    text.push(format!("Written by rnnc {}.", env!("CARGO_PKG_VERSION")));
    text.extend(names.renamed().iter().map(|(id, name)| format!("{id} is {name}.")));
    let mut lines = Vec::new();
    for (at, it) in text.iter().enumerate() {
        let safe = it.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?");
        let safe = safe.trim_end_matches('\\');
        lines.push(format!("{} {safe}", if at == 0 { "/*" } else { " *" }).trim_end().to_owned());
    }
    lines.push(" */".to_owned());
    lines
}

/// Returns the header.
pub fn header(
    low: &Lowered,
    symbol: &str,
    carries: &[String],
    inputs: &[String],
    outputs: &[String],
) -> String {
    let guard = format!("{}_H", symbol.to_ascii_uppercase());
    let mut lines = comment(low, &Names::new(&[]));
    lines.extend([format!("#ifndef {guard}"), format!("#define {guard}"), String::new()]);
    lines.extend([
        "#include <stddef.h>".to_owned(),
        "#include <stdint.h>".to_owned(),
        String::new(),
    ]);
    lines.extend([
        "#ifdef __cplusplus".to_owned(),
        "extern \"C\" {".to_owned(),
        "#endif".to_owned(),
        String::new(),
    ]);
    lines.push("/* What goes from step to step. */".to_owned());
    lines.push("typedef struct {".to_owned());
    for (at, it) in low.cell.carries.iter().enumerate() {
        let kind = if it.index.is_some() { "int32_t" } else { "float" };
        let shape = low.carry_shape(at);
        let size: usize = shape.iter().product();
        let dims = if shape.is_empty() { String::new() } else { format!("[{size}]") };
        lines.push(format!("    {kind} {}{dims};", carries[at]));
    }
    if carries.is_empty() {
        lines.push("    char unused;".to_owned());
    }
    lines.push(format!("}} {symbol}_state;"));
    lines.push(String::new());
    lines.push("/* Sets the state before the first step. */".to_owned());
    lines.push(format!("void {symbol}_start({symbol}_state *s);"));
    lines.push(String::new());
    lines.push(
        "/* One step: reads the inputs, writes the outputs, moves the state on. */".to_owned(),
    );
    lines.push(format!("void {symbol}_step({});", parameters(low, symbol, inputs, outputs, false)));
    lines.push(String::new());
    lines
        .push("/* Several steps; the rows of inputs and outputs follow one another. */".to_owned());
    lines.push(format!("void {symbol}_run({});", parameters(low, symbol, inputs, outputs, true)));
    lines.push(String::new());
    lines.extend([
        "#ifdef __cplusplus".to_owned(),
        "}".to_owned(),
        "#endif".to_owned(),
        String::new(),
        "#endif".to_owned(),
    ]);
    lines.join("\n") + "\n"
}
