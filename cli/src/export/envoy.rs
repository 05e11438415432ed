//! `serin export envoy`.

use super::common::CommonArgs;
use clap::Args;
use serin_fleet::export::Target;
use serin_fleet::export::envoy::{Bootstrap, Options, Upstream};
use std::net::SocketAddr;

const HELP: &str = "\
Files: filter.yaml (an entry of http_filters), routes.yaml (routes of a virtual host), stats.yaml
(labels of metrics); with --ecds also ecds.yaml, with --bootstrap also envoy.yaml.

Testers' keys (SERIN_OVERRIDE_KEYS) and what gates need (SERIN_STATE_URL, SERIN_WEBHOOK_URL, …) stay in
Envoy's environment: the files name the variables only.

Examples:
  serin export envoy spec.yaml --filter /etc/envoy/serin-filter.wasm --out envoy
  serin export envoy spec.yaml --ecds /etc/envoy/serin/ecds.yaml --only ecds.yaml";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct EnvoyArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Where Envoy finds the filter
    #[arg(long, value_name = "PATH", default_value = "/etc/envoy/serin-filter.wasm")]
    filter: String,
    /// Deliver the spec by this file, as Envoy sees it: a change then needs no restart. Without it the
    /// spec stands in the filter's own configuration
    #[arg(long, value_name = "PATH")]
    ecds: Option<String>,
    /// The cluster of requests that belong to no rollout [default: the baselines' target, if they
    /// share one]
    #[arg(long, value_name = "TARGET")]
    default: Option<String>,
    /// Write a whole configuration too, that Envoy starts with
    #[arg(long)]
    bootstrap: bool,
    /// Where a target is; needed for each of them
    #[arg(long = "upstream", value_name = "TARGET=HOST:PORT", value_parser = upstream, requires = "bootstrap")]
    upstreams: Vec<Upstream>,
    /// Where Envoy listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", requires = "bootstrap")]
    listen: SocketAddr,
    /// Where Envoy's admin interface listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9901", requires = "bootstrap")]
    admin: SocketAddr,
}

impl EnvoyArgs {
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

fn upstream(text: &str) -> Result<Upstream, String> {
    let (target, address) = text.split_once('=').ok_or("not of the form TARGET=HOST:PORT")?;
    let (host, port) = address.rsplit_once(':').ok_or("not of the form TARGET=HOST:PORT")?;
    let port = port.parse().ok().filter(|port| *port != 0);
    let port = port.ok_or_else(|| format!("{address} has no port from 1 to 65535"))?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let bare = bare.filter(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let host = match bare {
        Some(address) => address,
        None if !host.is_empty() && host.bytes().all(is_name) => host,
        None => return Err(format!("{host} is neither a name nor an address")),
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
