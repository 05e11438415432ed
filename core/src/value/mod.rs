//! Small exact types: everything a decision compares or computes with.

pub(crate) mod cidr;
pub(crate) mod decimal;
pub(crate) mod duration;
pub(crate) mod glob;
pub(crate) mod semver;
pub(crate) mod share;
pub(crate) mod timestamp;
