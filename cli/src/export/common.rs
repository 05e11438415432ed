//! The arguments that all exports share.

use clap::Args;
use std::path::PathBuf;

/// The default URL of Prometheus.
pub(super) const PROMETHEUS: &str = "http://prometheus.monitoring:9090";

/// The arguments of every export.
#[derive(Args)]
pub(crate) struct CommonArgs {
    /// The spec, in YAML or JSON; - is standard input
    pub(super) spec: PathBuf,
    /// Write the files into this folder, each atomically and only if it changes; files that only an
    /// earlier export had are removed
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Export only the file of this name
    #[arg(long, value_name = "FILE")]
    pub(super) only: Option<String>,
    /// Write nothing, and exit with 1 if the files in --out differ
    #[arg(long, requires = "out")]
    pub(super) check: bool,
}

/// Parses an HTTP URL without credentials, which would be written to a file.
pub(super) fn parse_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host) if host.contains('@') => {
            Err("the URL contains credentials, which must not be written to a file".to_owned())
        }
        Some(host) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("{text} does not start with http:// or https://")),
    }
}
