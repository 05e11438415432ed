//! The export to Envoy: the filter, the routes after it and the labels of its metrics, for an existing
//! configuration; or a complete configuration to start with.

mod bootstrap;
mod filter;
mod options;
mod routes;
mod stats;

use super::artifact::{Artifact, Problem};
use super::mark;
use super::routing::{self, default_target, no_default, targets};
use super::source::Source;
use crate::yaml;
use serde_json::{Value, json};

pub use options::{Bootstrap, Options, Upstream};
pub use stats::tags;

/// The files for Envoy, or the problems of the spec and the options.
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
    let text = yaml::comment(&comment) + &yaml::document(value);
    match path {
        // Both may be mounted from a ConfigMap. The others are pasted into a configuration.
        "ecds.yaml" | "envoy.yaml" => Artifact::in_config_map(path, text),
        _ => Artifact::new(path, text),
    }
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
        Problem::new(
            place,
            format!("{target} has no upstream, give one with --upstream {target}=HOST:PORT"),
        )
    });
    let known: Vec<&str> = wanted.iter().copied().collect();
    let unknown =
        given.upstreams.iter().filter(|upstream| !wanted.contains(upstream.target.as_str()));
    let unknown = unknown.map(|upstream| {
        let target = &upstream.target;
        Problem::in_options(
            "--upstream",
            format!("there is no target {target}, use {}", known.join(", ")),
        )
    });
    let twice = given.upstreams.iter().enumerate().filter_map(|(index, upstream)| {
        let before = given.upstreams.get(..index)?;
        let same = before.iter().any(|other| other.target == upstream.target);
        same.then(|| {
            Problem::in_options("--upstream", format!("{} is given twice", upstream.target))
        })
    });
    missing.chain(unknown).chain(twice).collect()
}
