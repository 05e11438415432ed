//! From one spec in git to everything a fleet runs, and back.
//!
//! Pure functions from texts to texts; reading files, asking hosts and printing is the command's work.

pub mod compare;
pub mod diff;
pub mod drift;
pub mod export;
pub mod import;
pub mod package;
pub mod yaml;
