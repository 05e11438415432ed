//! `serin export envoy`: the arguments.

use super::common::CommonArgs;
use clap::Args;
use serin_fleet::export::Target;
use serin_fleet::export::envoy::{Bootstrap, Options, Upstream};
use std::net::SocketAddr;

const HELP: &str = "\
Files: filter.yaml (an entry of http_filters), routes.yaml (routes of a virtual host), stats.yaml
(metric labels); with --ecds also ecds.yaml, with --bootstrap also envoy.yaml.

Override keys (SERIN_OVERRIDE_KEYS) and the settings of gates (SERIN_STATE_URL, SERIN_WEBHOOK_URL, …) stay
in Envoy's environment: the files contain only the variables' names.

Examples:
  serin export envoy spec.yaml --filter /etc/envoy/serin-filter.wasm --out envoy
  serin export envoy spec.yaml --ecds /etc/envoy/serin/ecds.yaml --only ecds.yaml";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct EnvoyArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The path of the filter on Envoy's machine
    #[arg(long, value_name = "PATH", default_value = "/etc/envoy/serin-filter.wasm")]
    filter: String,
    /// The path on Envoy's machine of a file that delivers the spec, so that a change needs no restart
    /// [default: the spec is in the filter's configuration]
    #[arg(long, value_name = "PATH")]
    ecds: Option<String>,
    /// The cluster of requests without a rollout [default: the baselines' target, if they share one]
    #[arg(long, value_name = "TARGET")]
    default: Option<String>,
    /// Also write a whole configuration that Envoy can start with
    #[arg(long)]
    bootstrap: bool,
    /// The address of a target; needed for each target
    #[arg(long = "upstream", value_name = "TARGET=HOST:PORT", value_parser = upstream, requires = "bootstrap")]
    upstreams: Vec<Upstream>,
    /// The address that Envoy listens on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", requires = "bootstrap")]
    listen: SocketAddr,
    /// The address of Envoy's admin interface
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9901", requires = "bootstrap")]
    admin: SocketAddr,
}

impl EnvoyArgs {
    /// The common arguments, and the target with its options.
    pub(super) fn split(self) -> (CommonArgs, Target) {
        let bootstrap =
            Bootstrap { listen: self.listen, admin: self.admin, upstreams: self.upstreams };
        let options = Options {
            filter: self.filter,
            ecds: self.ecds,
            default: self.default,
            bootstrap: self.bootstrap.then_some(bootstrap),
        };
        (self.common, Target::Envoy(options))
    }
}

/// Parses `TARGET=HOST:PORT`.
fn upstream(text: &str) -> Result<Upstream, String> {
    let (target, address) = text.split_once('=').ok_or("the form is TARGET=HOST:PORT")?;
    let (host, port) = address.rsplit_once(':').ok_or("the form is TARGET=HOST:PORT")?;
    let port = port.parse().ok().filter(|port| *port != 0);
    let port = port.ok_or_else(|| format!("{address} has no port from 1 to 65535"))?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let bare = bare.filter(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let host = match bare {
        Some(address) => address,
        None if !host.is_empty() && host.bytes().all(is_name) => host,
        None => return Err(format!("{host} is neither a host name nor an IP address")),
    };
    if target.is_empty() {
        return Err("the target before = is empty".to_owned());
    }
    Ok(Upstream { target: target.to_owned(), host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_names_or_addresses_with_a_port() {
        let read = |text: &str| upstream(text).map(|found| (found.target, found.host, found.port));
        assert_eq!(read("a=b.example:80"), Ok(("a".into(), "b.example".into(), 80)));
        assert_eq!(read("a=10.0.0.1:8080"), Ok(("a".into(), "10.0.0.1".into(), 8080)));
        assert_eq!(read("a/b=[::1]:1"), Ok(("a/b".into(), "::1".into(), 1)));
        for bad in [
            "a",
            "a=b",
            "a=b:0",
            "a=b:70000",
            "=b:1",
            "a=:1",
            "a=u:p@b:1",
            "a=http://b:1",
            "a=[b]:1",
        ] {
            assert!(upstream(bad).is_err(), "{bad}");
        }
    }
}
