//! The reader: turns a JSON document into a [`Spec`](crate::spec::Spec) and reports every mistake.

pub(crate) mod condition;
pub(crate) mod document;
mod example;
mod field_name;
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
