//! The library's face: specs, cells, the built-in library, artifacts, sizes that follow from data.

mod allow;
#[cfg(feature = "artifacts")]
mod artifact;
mod bundle;
mod error;
mod library;
mod load;
pub mod named;
mod resolve;
mod sizes;
mod spec;
#[cfg(test)]
mod tests;
pub mod weights;

#[cfg(feature = "artifacts")]
pub use artifact::Artifact;
pub use bundle::Bundle;
pub use error::{Error, ErrorKind, SpecError};
pub use library::{
    GROUPS, Group, LibraryFile, MODELS, library, library_file, models, similar_names,
};
pub use load::{Loaded, load};
pub use resolve::{Resolver, UseError};
pub use sizes::{Evidence, all_sizes, infer_sizes};
pub use spec::{CellSpec, Spec};
pub use weights::{Affixes, Weights};
