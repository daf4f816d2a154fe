//! `rnnc convert`: moves weights from one layout to another.

use serde::Serialize;

use super::args::ConvertArgs;
use super::context::Context;
use super::error::CliError;
use super::feed::{self, weights};
use super::load;
use super::origin::origin;
use super::output;
use crate::api::{self, weights::layout};
use crate::data;
use crate::ir::Env;

/// Reads the weights through one layout and writes them through the other.
pub fn convert(ctx: &mut Context, args: &ConvertArgs) -> Result<(), CliError> {
    output::check_ending("-o", &args.output, &["safetensors"])?;
    ctx.will_write("-o", &args.output)?;
    let loaded = load::load(ctx, &args.cell)?;
    let spec = load::choose(ctx, &loaded)?;
    let cell = spec.ir();
    // A name that is not there is told before a large file is read.
    let to = layout(cell, &args.to)?;
    let file = weights::File {
        path: &args.input,
        layout: &args.from,
        affixes: weights::affixes(args.prefix.as_deref(), args.suffix.as_deref()),
        ignore_extra: args.ignore_extra,
        partial: false,
        may_be_partial: false,
    };
    let mut notes = Vec::new();
    let given = weights::read_file(ctx, cell, &file, &mut notes)?;
    ctx.check_outputs()?;
    let set = feed::set_sizes(cell, &loaded.set);
    let at = |error| weights::in_file(&args.input.display().to_string(), error);
    let sizes = api::infer_sizes(cell, &set, &given.evidence(cell)).map_err(at)?;
    let env = Env { sizes: api::all_sizes(cell, &sizes), ..Env::default() };
    let params = given.params::<f64>(cell, &env).map_err(at)?;
    // Nothing is missing: that was an error above.
    let params: Vec<_> = params.into_iter().map(Option::unwrap_or_default).collect();
    let types = given.types(cell);
    let affixes = weights::affixes(args.to_prefix.as_deref(), args.to_suffix.as_deref());
    let stored = api::weights::stored(&env, &to, &affixes, &params)?;
    let types = to.rows.iter().flat_map(|row| {
        let own = row.params().into_iter().filter_map(|it| types[it]);
        // Zeros that mean nothing have the type of the others.
        let any = || types.iter().flatten().copied().reduce(api::weights::wider);
        let dtype = own.reduce(api::weights::wider).or_else(any).unwrap_or(data::DType::F32);
        row.stored.iter().map(move |_| dtype)
    });
    let stored = stored.into_iter().zip(types);
    let stored: Vec<_> = stored.map(|((name, array), dtype)| (name, dtype, array)).collect();
    let tensors: Vec<String> = stored.iter().map(|it| it.0.clone()).collect();
    let origin = origin(cell, &env.sizes, &loaded.set, None);
    let bytes = data::write_safetensors_as(&stored, &origin)
        .map_err(|it| CliError::data(&args.output, it))?;
    notes.extend(weights::notes_of_reading(cell, given.layout()));
    notes.extend(weights::note_of_zeros(cell, &given));
    notes.extend(weights::notes_of_writing(cell, &to));
    notes.iter().for_each(|it| ctx.note(it));
    ctx.write(&args.output, &bytes)?;
    if args.json {
        ctx.made(&Converted { from: &args.from, to: &args.to, tensors })?;
    }
    Ok(())
}

/// The document of `--json`.
#[derive(Serialize)]
struct Converted<'a> {
    from: &'a str,
    to: &'a str,
    /// The names that were written.
    tensors: Vec<String>,
}
