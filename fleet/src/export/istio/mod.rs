//! The export to Istio: the filter as an extension, routes as VirtualServices or as HTTPRoutes of the Gateway
//! API, DestinationRules, and the arms as labels of Istio's own metrics.

mod context;
mod destination;
mod destination_rules;
mod extension;
mod hosts;
mod http_route;
mod names;
mod options;
mod telemetry;
mod virtual_service;

use super::artifact::{Artifact, Problem};
use super::mark;
use super::source::Source;
use crate::yaml;
use serde_json::Value;

use context::Context;

pub use destination::{Destination, Mapping};
pub use options::{Extension, Options, Routes, Variant};

/// The files for Istio, or the problems of the spec and the options.
pub fn artifacts(source: &Source<'_>, options: &Options) -> Result<Vec<Artifact>, Vec<Problem>> {
    let mut problems = Vec::new();
    let destinations = destination_rules::destinations(source, options, &mut problems);
    let tables = hosts::tables(source.spec, options, &mut problems);
    match (options.variant, &options.gateway) {
        (Variant::Gateway, None) => {
            problems
                .push(Problem::in_options("--gateway", "name the gateway that the filter runs in"));
        }
        (Variant::Sidecar, Some(_)) => {
            problems
                .push(Problem::in_options("--gateway", "a sidecar is no gateway, leave it out"));
        }
        _ => {}
    }
    if options.routes == Routes::GatewayApi {
        problems.extend(http_route::problems(source.spec, options, &destinations));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let context = Context { source, options };
    let (extension_file, extension) = extension::extension(&context);
    let (routes_file, routes) = match options.routes {
        Routes::VirtualService => {
            ("virtual-services.yaml", virtual_service::all(&context, &tables, &destinations))
        }
        Routes::GatewayApi => {
            ("http-routes.yaml", http_route::all(&context, &tables, &destinations))
        }
    };
    let files = [
        (extension_file, EXTENSION.as_slice(), vec![extension]),
        (routes_file, ROUTES.as_slice(), routes),
        (
            "destination-rules.yaml",
            SUBSETS.as_slice(),
            destination_rules::rules(&context, &destinations),
        ),
        ("telemetry.yaml", TELEMETRY.as_slice(), vec![telemetry::telemetry(&context)]),
    ];
    let files = files.into_iter().filter(|(_, _, resources)| !resources.is_empty());
    Ok(files.map(|(path, about, resources)| file(source, path, about, &resources)).collect())
}

const EXTENSION: [&str; 1] = ["The filter with the spec."];
const ROUTES: [&str; 2] = [
    "Where the arms' requests go. Routes without x-serin-arm are for requests that Serin has nothing to",
    "say about.",
];
const SUBSETS: [&str; 2] = [
    "The subsets that targets name. A host can have one DestinationRule: if yours has one already, add",
    "these subsets there and leave this file out.",
];
const TELEMETRY: [&str; 1] =
    ["Rollout and arm as labels of istio_requests_total and of the durations."];

fn file(source: &Source<'_>, path: &str, about: &[&str], resources: &[Value]) -> Artifact {
    let mut comment = mark::header(source, "istio");
    comment.extend(about.iter().map(|line| (*line).to_owned()));
    let documents: Vec<String> = resources.iter().map(yaml::document).collect();
    let text = yaml::comment(&comment) + &documents.join("---\n");
    Artifact::of_resources(path, text, resources)
}
