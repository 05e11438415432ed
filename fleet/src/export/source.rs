//! The source of an export: a spec in all its forms.

use serin_core::{Plan, Spec};

/// A spec to export, in all its forms.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The name of the spec file, for the comment that says what to edit. `-` is standard input.
    pub name: &'a str,
    /// The document, as hosts get it.
    pub json: &'a str,
    /// The typed form of the document.
    pub spec: &'a Spec,
    /// The plan that the spec compiles to.
    pub plan: &'a Plan,
}
