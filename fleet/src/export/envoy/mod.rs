//! For Envoy: the filter, the routes behind it and the labels of its metrics, to be taken into a
//! configuration; or a whole configuration, to start with.

mod bootstrap;
mod filter;
mod routes;
mod stats;

use super::routing::{self, default_target, no_default, targets};
use super::{Artifact, Problem, Source, mark};
use crate::yaml;
use serde_json::{Value, json};
use std::net::SocketAddr;

pub use stats::tags;

/// What Envoy's files need to know beside the spec.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where Envoy finds the filter's wasm.
    pub filter: String,
    /// Where Envoy finds the file that delivers the spec. Without it the spec stands in the
    /// filter's own configuration, and a change of it needs a restart.
    pub ecds: Option<String>,
    /// The cluster of requests that belong to no rollout.
    pub default: Option<String>,
    /// What a whole configuration needs; none is written without it.
    pub bootstrap: Option<Bootstrap>,
}

/// What a whole configuration needs to know.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// Where Envoy listens for requests.
    pub listen: SocketAddr,
    /// Where Envoy listens for its operators.
    pub admin: SocketAddr,
    /// Each target's address.
    pub upstreams: Vec<Upstream>,
}

/// Where a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The target.
    pub target: String,
    /// A name or an address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The files for Envoy.
pub fn artifacts(source: &Source<'_>, options: &Options) -> Result<Vec<Artifact>, Vec<Problem>> {
    let default = default_target(source.spec, options.default.as_deref());
    let mut files = vec![
        file(source, "filter.yaml", &FILTER, &filter::filter(source, options)),
        file(
            source,
            "routes.yaml",
            &ROUTES,
            &json!({"routes": routes::routes(source.spec, default)}),
        ),
        file(source, "stats.yaml", &STATS, &json!({"stats_config": stats::config()})),
    ];
    if options.ecds.is_some() {
        files.push(file(source, "ecds.yaml", &ECDS, &filter::discovery(source, options)));
    }
    if let Some(bootstrap) = &options.bootstrap {
        let mut problems = problems(source, default, bootstrap);
        match default {
            Some(default) if problems.is_empty() => {
                let whole = bootstrap::bootstrap(source, options, bootstrap, default);
                files.push(file(source, "envoy.yaml", &BOOTSTRAP, &whole));
            }
            Some(_) => return Err(problems),
            None => {
                problems.insert(0, no_default(source));
                return Err(problems);
            }
        }
    }
    Ok(files)
}

const FILTER: [&str; 1] =
    ["An entry of http_filters, before the router and behind whatever verifies tokens."];
const ROUTES: [&str; 2] = [
    "Routes of a virtual host, before its own. Envoy chooses the route again when the filter has set",
    "x-serin-arm. Those without x-serin-arm are for requests that Serin has nothing to say about.",
];
const STATS: [&str; 1] = ["The bootstrap's stats_config: labels for what the filter counts."];
const ECDS: [&str; 2] = [
    "The filter as Envoy discovers it. Move a new one over the old one (rename, not copy), and Envoy",
    "takes it without a restart.",
];
const BOOTSTRAP: [&str; 1] = ["A whole configuration: envoy -c envoy.yaml."];

fn file(source: &Source<'_>, path: &str, about: &[&str], value: &Value) -> Artifact {
    let mut comment = mark::header(source, "envoy");
    comment.extend(about.iter().map(|line| (*line).to_owned()));
    if source.plan.needs_claims() && path != "stats.yaml" && path != "routes.yaml" {
        comment.extend(CLAIMS.map(str::to_owned));
    }
    Artifact { path: path.to_owned(), text: yaml::comment(&comment) + &yaml::document(value) }
}

const CLAIMS: [&str; 2] = [
    "The spec reads claims of tokens: they are there only behind envoy.filters.http.jwt_authn with",
    "payload_in_metadata: payload.",
];

/// Targets without an upstream, and upstreams without a target.
fn problems(source: &Source<'_>, default: Option<&str>, given: &Bootstrap) -> Vec<Problem> {
    let wanted = targets(source.spec, default);
    let has = |target: &str| given.upstreams.iter().any(|upstream| upstream.target == target);
    let missing = wanted.iter().filter(|target| !has(target)).map(|target| {
        let place = routing::place_of(source.spec, target);
        Problem(format!(
            "{place}: {target} has no upstream, give one with --upstream {target}=HOST:PORT"
        ))
    });
    let known: Vec<&str> = wanted.iter().copied().collect();
    let unknown =
        given.upstreams.iter().filter(|upstream| !wanted.contains(upstream.target.as_str()));
    let unknown = unknown.map(|upstream| {
        let target = &upstream.target;
        Problem(format!("--upstream: there is no target {target}, use {}", known.join(", ")))
    });
    let twice = given.upstreams.iter().enumerate().filter_map(|(index, upstream)| {
        let before = given.upstreams.get(..index)?;
        let same = before.iter().any(|other| other.target == upstream.target);
        same.then(|| Problem(format!("--upstream: {} is given twice", upstream.target)))
    });
    missing.chain(unknown).chain(twice).collect()
}
