//! The arguments that several targets take.

use clap::Args;
use std::path::PathBuf;

/// Where Prometheus is if nobody says otherwise.
pub(super) const PROMETHEUS: &str = "http://prometheus.monitoring:9090";

/// What every target takes.
#[derive(Args)]
pub(crate) struct CommonArgs {
    /// The spec, in YAML or JSON; - is standard input
    pub(super) spec: PathBuf,
    /// Write files into this folder, each in one step and only if it changes; files of an earlier
    /// export that this one has not are removed
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Only this file, by its name
    #[arg(long, value_name = "FILE")]
    pub(super) only: Option<String>,
    /// Write nothing; exit with 1 if --out is not as it would be written
    #[arg(long, requires = "out")]
    pub(super) check: bool,
}

/// Parses the URL of Prometheus. It holds no credentials: they would stand in a file.
pub(super) fn parse_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host) if host.contains('@') => Err("credentials have no place in a file".to_owned()),
        Some(host) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("{text} begins with neither http:// nor https://")),
    }
}
