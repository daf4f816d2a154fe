//! The flags that the table of keys makes.

use std::marker::PhantomData;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use super::keys::{Default, KEYS, Key, Kind};

/// The keys of a command.
pub trait Choice: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// Returns true if a key is among them.
    fn has(key: &Key) -> bool;
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident, $has:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name;

        impl Choice for $name {
            fn has(key: &Key) -> bool {
                let has: fn(&Key) -> bool = $has;
                has(key)
            }
        }
    };
}

/// Keys that say what the data is.
const DATA: &[&str] = &[
    "data",
    "input",
    "target",
    "lengths",
    "batch_first",
    "csv",
    "text",
    "columns",
    "header",
    "decimal",
    "missing",
    "sequence_column",
    "seed",
    "dtype",
    "engine",
    "threads",
];

choice!(
    /// All keys but the spec, which is an argument.
    Train,
    |key| key.name != "spec"
);
choice!(
    /// The keys of `rnnc eval`.
    Eval,
    |key| DATA.contains(&key.name) || ["window", "batch", "bptt", "eval_batch"].contains(&key.name)
);
choice!(
    /// The keys of `rnnc predict`.
    Predict,
    |key| DATA.contains(&key.name) || ["window", "eval_batch"].contains(&key.name)
);
choice!(
    /// The keys of `rnnc generate`.
    Generate,
    |key| DATA.contains(&key.name) && key.name != "text"
);

/// The texts of the flags of a command, for each key in the order of the table.
#[derive(Clone, Debug)]
pub struct Flags<C> {
    /// The keys with their texts.
    pub said: Vec<(&'static str, Vec<String>)>,
    choice: PhantomData<C>,
}

/// Returns the flag of a key.
pub fn flag(key: &Key) -> String {
    key.name.replace('_', "-")
}

impl<C: Choice> Args for Flags<C> {
    fn augment_args(command: Command) -> Command {
        KEYS.iter().filter(|it| C::has(it)).fold(command, |command, key| {
            let text = ValueParser::string();
            let mut help = key.help.to_owned();
            match key.default {
                Default::Is(it) if !matches!(key.kind, Kind::Bool) => {
                    help.push_str(&format!(" [default: {it}]"));
                }
                Default::Depends(it) => help.push_str(&format!(" [default: {it}]")),
                Default::Is(_) | Default::None => {}
            }
            let arg = Arg::new(key.name).long(flag(key)).help(help).help_heading(key.group);
            let arg = match key.kind {
                Kind::Bool => {
                    let no = Arg::new(format!("no_{}", key.name))
                        .long(format!("no-{}", flag(key)))
                        .action(ArgAction::SetTrue)
                        .overrides_with(key.name)
                        .help_heading(key.group)
                        .help(format!("The opposite of --{}", flag(key)))
                        .hide(key.default_is("false"));
                    let yes = arg.action(ArgAction::SetTrue).hide(key.default_is("true"));
                    return command.arg(yes).arg(no);
                }
                Kind::Map(value) => {
                    arg.action(ArgAction::Append).value_name(format!("NAME={value}"))
                }
                Kind::Text => arg.value_name(if key.is_file() { "PATH" } else { "TEXT" }),
                Kind::Whole { .. } => arg.value_name("N").allow_negative_numbers(true),
                Kind::Real(_) => arg.value_name("X").allow_negative_numbers(true),
                Kind::Word(words) => arg.value_name(words.join("|")),
            };
            command.arg(arg.value_parser(text))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::<C>::augment_args(command)
    }
}

impl Key {
    fn default_is(&self, text: &str) -> bool {
        matches!(self.default, Default::Is(it) if it == text)
    }

    fn is_file(&self) -> bool {
        [
            "params",
            "data",
            "csv",
            "text",
            "valid_data",
            "valid_csv",
            "valid_text",
            "lengths",
            "valid_lengths",
        ]
        .contains(&self.name)
    }
}

impl<C: Choice> FromArgMatches for Flags<C> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Flags<C>, Error> {
        let mut said = Vec::new();
        for key in KEYS.iter().filter(|it| C::has(it)) {
            let texts: Vec<String> = match key.kind {
                Kind::Bool => {
                    let on = matches.get_flag(key.name).then(|| "true".to_owned());
                    let off = matches.get_flag(&format!("no_{}", key.name));
                    on.or_else(|| off.then(|| "false".to_owned())).into_iter().collect()
                }
                Kind::Text | Kind::Whole { .. } | Kind::Real(_) | Kind::Word(_) | Kind::Map(_) => {
                    let all = matches.get_many::<String>(key.name);
                    all.into_iter().flatten().cloned().collect()
                }
            };
            if !texts.is_empty() {
                said.push((key.name, texts));
            }
        }
        Ok(Flags { said, choice: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Flags::from_arg_matches(matches)?;
        Ok(())
    }
}
