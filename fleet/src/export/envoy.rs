//! STUB
use super::{Artifact, Problem, Source};

/// What the target needs to know beside the spec.
#[derive(Clone, Debug, Default)]
pub struct Options {}

/// The files.
pub fn artifacts(_source: &Source<'_>, _options: &Options) -> Result<Vec<Artifact>, Vec<Problem>> {
    Ok(Vec::new())
}
