//! The source and its header.

use std::collections::BTreeMap;

use ndarray::ArrayD;

use super::emit::{Emit, number};
use super::header::{comment, header, parameters, run};
use super::is_table;
use super::math::{LIBRARY, OWN};
use super::quantize::{check, error, matrices, quantize};
use crate::export::lower::Lowered;
use crate::export::names::{C, Names, plain, snake};
use crate::export::python::owners;
use crate::export::{
    Begin, Bytes, ExportError, Exported, File, Math, Number, Options, Told, Weights,
};
use crate::ir::{Leaf, NodeId, Op};

/// Writes the source and the header.
pub fn export(low: &Lowered, options: &Options) -> Result<Exported, ExportError> {
    low.needs_one_step()?;
    let symbol = options.name.clone().unwrap_or_else(|| snake(&low.cell.name));
    let graph = low.graph();
    let mut emit = Emit::new(low, &symbol);
    // Fields of the state are apart from locals, and tables have the prefix.
    let mut fields = Names::new(&[C, &["unused"]]);
    let carries: Vec<String> = low.cell.carries.iter().map(|it| fields.fresh(&it.name)).collect();
    let mut names = Names::new(&[C]);
    let inputs: Vec<String> = low.cell.inputs.iter().map(|it| names.of(&it.name)).collect();
    let outputs: Vec<String> = low
        .cell
        .outputs
        .iter()
        .map(|it| names.fresh(&format!("out_{}", plain(&it.name))))
        .collect();
    let mut tables = Names::new(&[&["start", "step", "run", "state"]]);
    let params: Vec<String> = low.cell.params.iter().map(|it| tables.fresh(&it.name)).collect();
    let owners = owners(low);
    for id in graph.ids().filter(|it| low.needed[it.idx()]) {
        let node = graph.node(id);
        let owner = owners[id.idx()].clone().unwrap_or_else(|| "value".to_owned());
        let name = match node.op {
            Op::Leaf(Leaf::Input(it)) => inputs[it].clone(),
            Op::Leaf(Leaf::Carry(it)) => carries[it].clone(),
            Op::Leaf(Leaf::Param(it)) => format!("{symbol}_{}", params[it]),
            _ if is_table(low, id) => match &node.name {
                Some(name) => format!("{symbol}_{}", tables.fresh(name)),
                None => format!("{symbol}_{}", tables.fresh(&format!("of_{owner}"))),
            },
            _ if emit.buffers.buffered[id.idx()] => match &node.name {
                Some(name) => names.fresh(name),
                None => names.fresh(&format!("part_{owner}")),
            },
            _ => continue,
        };
        emit.names.insert(id, name);
    }
    if options.weights == Weights::I8 {
        emit.quantized = matrices(low);
        check(low, &emit.quantized)?;
    }
    let values = low.once();
    let places = places(low, &emit);
    let body = step(low, &mut emit, &inputs, &outputs, &places);
    let start = start(low, &carries);
    let (tables, weight_bytes) = tables_text(low, &emit, &values);
    let header = header(low, &symbol, &carries, &inputs, &outputs);
    let mut source = comment(low, &names);
    source.push(format!("#include \"{symbol}.h\""));
    source.push(String::new());
    source.push("#include <math.h>".to_owned());
    source.extend(tables);
    source.extend(functions(&symbol, &emit));
    source.extend([
        String::new(),
        format!("void {symbol}_start({symbol}_state *s)"),
        "{".to_owned(),
    ]);
    source.extend(start);
    source.push("}".to_owned());
    source.extend(body);
    source.extend(run(low, &symbol, &inputs, &outputs));
    let mut text = source.join("\n");
    text.push('\n');
    if options.math == Math::Own {
        text = own_math(&text, &symbol);
    }
    let files = vec![
        File { ending: ".c", bytes: text.into_bytes() },
        File { ending: ".h", bytes: header.into_bytes() },
    ];
    let state: usize = low.starts.iter().map(|it| it.len() * 4).sum();
    let bytes =
        Bytes { weights: weight_bytes, state: state as u64, scratch: places.floats as u64 * 4 };
    let error = match options.weights {
        Weights::I8 => Some(error(low, &emit)?),
        Weights::F32 | Weights::F16 => None,
    };
    let told = told(low, &inputs, &outputs, &carries, &params);
    let bytes = Some(bytes);
    Ok(Exported { bytes, error, ..Exported::new(low, symbol, files, told) })
}

fn told(
    low: &Lowered,
    inputs: &[String],
    outputs: &[String],
    carries: &[String],
    params: &[String],
) -> [Vec<Told>; 4] {
    let dtype = |is_index: bool| Some(if is_index { "i64" } else { "f32" });
    let inputs = low.cell.inputs.iter().enumerate().map(|(at, it)| Told {
        dtype: dtype(it.index.is_some()),
        default: Some(it.default.as_ref().map(|it| Number::of(low.number(it)))),
        per_sequence: it.per_sequence,
        ..Told::new(&it.name, &inputs[at], &low.input_shape(at))
    });
    let outputs = low.cell.outputs.iter().zip(outputs);
    let outputs = outputs.map(|(it, id)| Told::new(&it.name, id, low.shape(it.node)));
    let states = low.cell.carries.iter().enumerate().map(|(at, it)| Told {
        dtype: dtype(it.index.is_some()),
        start: Some(Begin::of(&low.starts[at])),
        ..Told::new(&it.name, &carries[at], &low.carry_shape(at))
    });
    let params = low.cell.params.iter().enumerate().map(|(at, it)| Told {
        trained: Some(it.trained),
        ..Told::new(&it.name, &params[at], low.params[at].shape())
    });
    [inputs.collect(), outputs.collect(), states.collect(), params.collect()]
}

/// The place of each buffer: a local of its own, or a part of the scratch.
struct Places {
    offsets: BTreeMap<NodeId, usize>,
    floats: usize,
}

/// Gives buffers their places, so that those whose lives do not overlap share them.
fn places(low: &Lowered, emit: &Emit<'_>) -> Places {
    let mut live: Vec<(usize, usize, usize)> = Vec::new();
    let mut all = Places { offsets: BTreeMap::new(), floats: 0 };
    for id in low.graph().ids().filter(|it| emit.is_computed(*it)) {
        let size: usize = low.shape(id).iter().product();
        if low.shape(id).is_empty() {
            continue;
        }
        // A buffer that this one is computed from lives until it is there.
        live.retain(|it| it.2 >= id.idx());
        live.sort_unstable();
        let mut at = 0;
        for (from, to, _) in &live {
            if at + size <= *from {
                break;
            }
            at = at.max(*to);
        }
        live.push((at, at + size, emit.buffers.last[id.idx()]));
        all.offsets.insert(id, at);
        all.floats = all.floats.max(at + size);
    }
    all
}

fn step(
    low: &Lowered,
    emit: &mut Emit<'_>,
    inputs: &[String],
    outputs: &[String],
    places: &Places,
) -> Vec<String> {
    let graph = low.graph();
    let symbol = emit.symbol.clone();
    let computed: Vec<NodeId> = graph.ids().filter(|it| emit.is_computed(*it)).collect();
    if places.floats > 0 {
        emit.line(format!("float scratch[{}];", places.floats));
    }
    for id in &computed {
        let name = emit.names[id].clone();
        match places.offsets.get(id) {
            Some(0) => emit.line(format!("float *const {name} = scratch;")),
            Some(at) => emit.line(format!("float *const {name} = scratch + {at};")),
            None if emit.is_index(*id) => emit.line(format!("int32_t {name};")),
            None => emit.line(format!("float {name};")),
        }
    }
    // An old value that becomes an older one goes through a local.
    let moves = |id: NodeId| {
        let mut at = id;
        while let Op::Move(_) = graph.node(at).op {
            at = graph.node(at).args[0];
        }
        matches!(graph.node(at).op, Op::Leaf(Leaf::Carry(_)))
    };
    let mut locals: BTreeMap<usize, String> = BTreeMap::new();
    for (at, it) in low.cell.carries.iter().enumerate() {
        if !emit.buffers.buffered[it.next.idx()] && moves(it.next) {
            let name = format!("next_{}", plain(&it.name));
            let size: usize = low.carry_shape(at).iter().product();
            let kind = if it.index.is_some() { "int32_t" } else { "float" };
            let is_scalar = low.carry_shape(at).is_empty();
            emit.line(if is_scalar {
                format!("{kind} {name};")
            } else {
                format!("{kind} {name}[{size}];")
            });
            locals.insert(at, name);
        }
    }
    emit.line("");
    let before = emit.lines.len();
    for id in computed {
        emit.buffer(id);
    }
    for (at, name) in &locals {
        let shape = low.carry_shape(*at);
        let index = emit.open(&shape);
        let value = emit.element(low.cell.carries[*at].next, &index);
        emit.line(format!("{} = {};", place(name, &shape, &index), value.0));
        emit.close(&shape);
    }
    for (output, name) in low.cell.outputs.iter().zip(outputs) {
        let shape = low.shape(output.node).to_vec();
        let index = emit.open(&shape);
        let value = emit.element(output.node, &index);
        let value =
            if emit.is_index(output.node) { format!("(float){}", value.0) } else { value.0 };
        match shape.is_empty() {
            true => emit.line(format!("*{name} = {value};")),
            false => emit.line(format!("{} = {value};", place(name, &shape, &index))),
        }
        emit.close(&shape);
    }
    for (at, it) in low.cell.carries.iter().enumerate() {
        let shape = low.carry_shape(at);
        let index = emit.open(&shape);
        let value = match locals.get(&at) {
            Some(name) => place(name, &shape, &index),
            None => emit.element(it.next, &index).0,
        };
        let field = format!("s->{}", field(low, emit, at));
        emit.line(format!("{} = {value};", place(&field, &shape, &index)));
        emit.close(&shape);
    }
    if before == 1 {
        emit.lines.remove(0);
    }
    // What nobody reads is said to be so.
    let text = emit.lines.join("\n");
    let mut unused = Vec::new();
    if !text.contains("s->") {
        unused.push("    (void)s;".to_owned());
    }
    for (at, input) in inputs.iter().enumerate() {
        let read = graph
            .ids()
            .any(|it| low.needed[it.idx()] && graph.node(it).op == Op::Leaf(Leaf::Input(at)));
        if !read {
            unused.push(format!("    (void){input};"));
        }
    }
    let mut lines = vec![
        String::new(),
        format!("void {symbol}_step({})", parameters(low, &symbol, inputs, outputs, false)),
        "{".to_owned(),
    ];
    lines.append(&mut emit.lines);
    lines.extend(unused);
    lines.push("}".to_owned());
    lines
}

fn field(low: &Lowered, emit: &Emit<'_>, carry: usize) -> String {
    match low.leaf_of_carry(carry) {
        Some(id) => emit.names[&id].clone(),
        None => {
            let mut fields = Names::new(&[C, &["unused"]]);
            let all: Vec<String> =
                low.cell.carries.iter().map(|it| fields.fresh(&it.name)).collect();
            all[carry].clone()
        }
    }
}

fn place(name: &str, shape: &[usize], index: &[String]) -> String {
    if shape.is_empty() {
        name.to_owned()
    } else {
        format!("{name}[{}]", super::emit::flat(index, shape))
    }
}

fn start(low: &Lowered, carries: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut tables = Vec::new();
    for (at, it) in low.cell.carries.iter().enumerate() {
        let (value, name) = (&low.starts[at], &carries[at]);
        let text = |value: f64| match it.index.is_some() {
            true => format!("{}", value as i64),
            false => number(value).0,
        };
        let all: Vec<f64> = value.iter().copied().collect();
        let same = all.iter().all(|it| it.to_bits() == all[0].to_bits());
        match (value.shape().is_empty(), same) {
            (true, _) => lines.push(format!("    s->{name} = {};", text(all[0]))),
            (false, true) if !all.is_empty() => {
                lines.push(format!("    for (size_t i = 0; i < {}; i++)", all.len()));
                lines.push(format!("        s->{name}[i] = {};", text(all[0])));
            }
            (false, _) => {
                let kind = if it.index.is_some() { "int32_t" } else { "float" };
                let texts: Vec<String> = all.iter().map(|it| text(*it)).collect();
                tables.push(format!("    static const {kind} start_{name}[{}] = {{", all.len()));
                tables.extend(wrapped(&texts, "        "));
                tables.push("    };".to_owned());
                lines.push(format!("    for (size_t i = 0; i < {}; i++)", all.len()));
                lines.push(format!("        s->{name}[i] = start_{name}[i];"));
            }
        }
    }
    if low.cell.carries.is_empty() {
        lines.push("    s->unused = 0;".to_owned());
    }
    tables.extend(lines);
    tables
}

fn wrapped(all: &[String], pad: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut own = pad.to_owned();
    for (at, it) in all.iter().enumerate() {
        let comma = if at + 1 == all.len() { "" } else { ", " };
        if own.len() + it.len() > 98 {
            lines.push(own.trim_end().to_owned());
            own = pad.to_owned();
        }
        own.push_str(it);
        own.push_str(comma);
    }
    lines.push(own.trim_end().to_owned());
    lines
}

fn tables_text(
    low: &Lowered,
    emit: &Emit<'_>,
    values: &BTreeMap<NodeId, ArrayD<f64>>,
) -> (Vec<String>, u64) {
    let mut lines = Vec::new();
    let mut bytes = 0u64;
    for id in &emit.tables {
        let (name, shape) = (&emit.names[id], low.shape(*id));
        let all: Vec<f64> =
            values.get(id).map(|it| it.iter().copied().collect()).unwrap_or_default();
        let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
        lines.push(String::new());
        if shape.is_empty() {
            lines.push(format!(
                "static const float {name} = {};",
                number(all.first().copied().unwrap_or(0.0)).0
            ));
            bytes += 4;
            continue;
        }
        lines.push(format!("/* [{}] */", dims.join(", ")));
        let mut array = |kind: &str, name: &str, all: &[String]| {
            lines.push(format!("static const {kind} {name}[{}] = {{", all.len()));
            lines.extend(wrapped(all, "    "));
            lines.push("};".to_owned());
        };
        if emit.quantized.contains(id)
            && let Some(values) = values.get(id)
        {
            let (whole, factors) = quantize(values);
            bytes += whole.len() as u64 + 4 * factors.len() as u64;
            let whole: Vec<String> = whole.iter().map(i8::to_string).collect();
            array("int8_t", name, &whole);
            let factors: Vec<String> = factors.iter().map(|it| number(f64::from(*it)).0).collect();
            array("float", &format!("{name}_scale"), &factors);
            continue;
        }
        bytes += 4 * all.len() as u64;
        let texts: Vec<String> = all.iter().map(|it| number(*it).0).collect();
        array("float", name, &texts);
    }
    (lines, bytes)
}

/// Returns the functions that the step calls, and those that they call.
fn functions(symbol: &str, emit: &Emit<'_>) -> Vec<String> {
    let mut wanted: Vec<&str> = emit.own.iter().copied().collect();
    for (name, _, source) in OWN.iter().rev() {
        if wanted.contains(name) {
            wanted
                .extend(OWN.iter().map(|it| it.0).filter(|it| source.contains(&format!("@{it}("))));
        }
    }
    // Those that others call come first.
    let is_called = |name: &str| {
        OWN.iter().any(|it| wanted.contains(&it.0) && it.2.contains(&format!("@{name}(")))
    };
    let mut all: Vec<_> = OWN.iter().filter(|it| wanted.contains(&it.0)).collect();
    all.sort_by_key(|it| !is_called(it.0));
    let mut lines = Vec::new();
    for (name, parameters, source) in all {
        lines.extend([
            String::new(),
            format!("static float {symbol}_{name}({parameters})"),
            "{".to_owned(),
        ]);
        lines.extend(
            source.replace('@', &format!("{symbol}_")).lines().map(|it| format!("    {it}")),
        );
        lines.push("}".to_owned());
    }
    lines
}

/// Puts functions of the file in the place of those of `math.h`.
fn own_math(text: &str, symbol: &str) -> String {
    let calls = |text: &str, name: &str| {
        text.match_indices(&format!("{name}(")).any(|(at, _)| {
            !text[..at].ends_with(|it: char| it.is_ascii_alphanumeric() || it == '_')
        })
    };
    let mut wanted: Vec<&str> =
        LIBRARY.iter().map(|it| it.0).filter(|it| calls(text, it)).collect();
    for (name, _, source) in LIBRARY.iter().rev() {
        if wanted.contains(name) {
            let inner =
                LIBRARY.iter().map(|it| it.0).filter(|it| source.contains(&format!("@{it}(")));
            let inner: Vec<&str> = inner.collect();
            wanted.extend(inner);
        }
    }
    let mut replaced = String::new();
    let mut rest = text;
    // Whole words only: `expf` is in no other name.
    while !rest.is_empty() {
        let word_end =
            rest.find(|it: char| !(it.is_ascii_alphanumeric() || it == '_')).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        if LIBRARY.iter().any(|it| it.0 == word) && after.starts_with('(') {
            replaced.push_str(&format!("{symbol}_{word}"));
        } else {
            replaced.push_str(word);
        }
        let next = after.chars().next().map_or(0, char::len_utf8);
        replaced.push_str(&after[..next]);
        rest = &after[next..];
    }
    let mut library = String::new();
    for (name, parameters, source) in LIBRARY.iter().filter(|it| wanted.contains(&it.0)) {
        library.push_str(&format!("\nstatic float {symbol}_{name}({parameters})\n{{\n"));
        for line in source.replace('@', &format!("{symbol}_")).lines() {
            library.push_str(&format!("    {line}\n"));
        }
        library.push_str("}\n");
    }
    let include = "#include <math.h>\n";
    replaced.replacen(include, &format!("{include}{library}"), 1)
}
