//! Exact value types that decisions compare and compute with.

pub(crate) mod cidr;
pub(crate) mod decimal;
pub(crate) mod duration;
pub(crate) mod glob;
pub(crate) mod number;
pub(crate) mod semver;
pub(crate) mod share;
pub(crate) mod timestamp;
