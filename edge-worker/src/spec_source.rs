//! The sources of specs.

/// A source of specs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpecSource {
    Kv,
    Variable,
    /// The file that was bundled with the Worker at build.
    Bundled,
}

impl SpecSource {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            SpecSource::Kv => "kv",
            SpecSource::Variable => "variable",
            SpecSource::Bundled => "bundled",
        }
    }
}
