//! What other tools are to be told of a spec: files, the same for the same spec.

use serin_core::{Plan, Spec};

/// A spec to export from, in all its forms.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The document as hosts get it.
    pub json: &'a str,
    /// The document, typed.
    pub spec: &'a Spec,
    /// What it compiles to.
    pub plan: &'a Plan,
}

/// A file that came of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Its path below the folder that is written to, with `/` between segments.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// Why a spec can't be exported to a target: one sentence that begins with the place in the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(pub String);
