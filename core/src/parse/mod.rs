//! Text → [`Spec`](crate::spec::Spec): reads the whole document and notes every mistake.

pub(crate) mod condition;
pub(crate) mod document;
pub(crate) mod flag;
pub(crate) mod gates;
pub(crate) mod matches;
pub(crate) mod name;
pub(crate) mod node;
pub(crate) mod progress;
pub(crate) mod protobuf;
pub(crate) mod reader;
pub(crate) mod rollout;
pub(crate) mod split;
