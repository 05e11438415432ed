//! The export to Argo Rollouts: Argo owns the pods and Serin decides who gets them. Each canary gets a fragment of a
//! Rollout, whose steps scale the pods ahead of the spec's shares and route by the filter's decision, and an
//! AnalysisTemplate on the fleet's evidence.

mod options;
mod routes;

pub use options::Options;

use super::artifact::{Artifact, Problem};
use super::canary::{self, Canary, dns, metadata, steps};
use super::evidence::Trial;
use super::istio::Destination;
use super::source::Source;
use serde_json::{Value, json};
use serin_core::spec::{Hold, HostMatch, PathMatch};

/// The name of the route that Argo creates for requests of the canary.
const ROUTE: &str = "serin";
/// The name of the existing route: both arms, with all of the weight on the baseline.
const BOTH: &str = "arms";

/// One file for each canary, or the problems of the spec.
pub fn artifacts(source: &Source<'_>, options: &Options) -> Result<Vec<Artifact>, Vec<Problem>> {
    let canaries = canary::all(source);
    // One DestinationRule controls all subsets of a service.
    let services = |canary: &Canary<'_>| {
        let place = |target| Destination::parse(target).map(|place| label(&place.host).to_owned());
        [canary.stable, canary.canary].into_iter().filter_map(place).collect()
    };
    let mut problems = canary::shared(&canaries, "Argo", services);
    problems.extend(routes::problems(source.spec, &canaries, options));
    canary::each(source, "argo", problems, |canary, trial| canary.resources(source, options, trial))
}

impl Canary<'_> {
    fn resources(
        &self,
        source: &Source<'_>,
        options: &Options,
        trial: Option<&Trial<'_>>,
    ) -> Result<Vec<Value>, Problem> {
        let metadata = |name: &str| metadata(source, options.namespace.as_deref(), name);
        let [stable, other] = self.destinations()?;
        let mut canary = self.routing(options, &stable, &other);
        canary["steps"] = self.steps().into();
        let template = format!("serin-{}", dns(self.name));
        if trial.is_some() {
            canary["analysis"] = json!({"templates": [{"templateName": template}]});
        }
        let rollout = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": metadata(&dns(self.name)),
            "spec": {"strategy": {"canary": canary}},
        });
        let template = trial.map(|trial| {
            json!({
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "AnalysisTemplate",
                "metadata": metadata(&template),
                "spec": {"metrics": metrics(trial, &options.prometheus)},
            })
        });
        let mut resources: Vec<Value> = [rollout].into_iter().chain(template).collect();
        if options.virtual_service.is_none() {
            resources.push(json!({
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": metadata(&dns(self.name)),
                "spec": self.virtual_service(options, &stable, &other),
            }));
            let subsets: Vec<Value> = [&stable, &other]
                .iter()
                .filter_map(|place| Some(json!({"name": place.subset.as_deref()?})))
                .collect();
            if !subsets.is_empty() {
                resources.push(json!({
                    "apiVersion": "networking.istio.io/v1",
                    "kind": "DestinationRule",
                    "metadata": metadata(label(&stable.host)),
                    "spec": {"host": stable.host, "subsets": subsets},
                }));
            }
        }
        Ok(resources)
    }

    /// The destinations of both arms: two services, or two subsets of one service.
    fn destinations(&self) -> Result<[Destination; 2], Problem> {
        let place = |arm: &str, target: &str| {
            let path = format!("rollouts.{}.arms.{arm}.target", self.name);
            Destination::parse(target).ok_or_else(|| {
                Problem::in_spec(
                    path,
                    format!("{target} is no host in Kubernetes, write reco or reco/v2"),
                )
            })
        };
        let (stable, canary) = (place(self.baseline, self.stable)?, place(self.arm, self.canary)?);
        match (&stable.subset, &canary.subset) {
            (None, None) => Ok([stable, canary]),
            (Some(_), Some(_)) if stable.host == canary.host => Ok([stable, canary]),
            _ => Err(Problem::in_spec(
                format!("rollouts.{}.arms", self.name),
                format!(
                    "Argo moves pods between two services or between two subsets of one, and \
                 {} and {} are neither",
                    self.stable, self.canary
                ),
            )),
        }
    }

    /// The part of the Rollout that names the destinations and routes.
    fn routing(&self, options: &Options, stable: &Destination, canary: &Destination) -> Value {
        let mut istio = match &options.virtual_service {
            Some(given) => json!({"virtualService": {"name": given}}),
            None => json!({"virtualService": {"name": dns(self.name), "routes": [BOTH]}}),
        };
        let mut value = json!({});
        if let (Some(one), Some(other)) = (&stable.subset, &canary.subset) {
            istio["destinationRule"] = json!({
                "name": label(&stable.host), "stableSubsetName": one, "canarySubsetName": other,
            });
        } else {
            value["stableService"] = label(&stable.host).into();
            value["canaryService"] = label(&canary.host).into();
        }
        value["trafficRouting"] = json!({"managedRoutes": [{"name": ROUTE}], "istio": istio});
        value
    }

    /// A VirtualService with one route to both arms, as Argo requires. Argo adds its own route for the header before
    /// it.
    fn virtual_service(
        &self,
        options: &Options,
        stable: &Destination,
        canary: &Destination,
    ) -> Value {
        let host = |host: &HostMatch| match host {
            HostMatch::Exact(name) => name.clone(),
            HostMatch::Below(name) => format!("*.{name}"),
        };
        let mut hosts: Vec<String> = self.matches.hosts.iter().map(host).collect();
        if hosts.is_empty() {
            let gateway = options.gateway.is_some();
            hosts.push(if gateway { "*".to_owned() } else { stable.host.clone() });
        }
        let mut route = json!({
            "name": BOTH,
            "route": [
                {"destination": stable.value(None), "weight": 100},
                {"destination": canary.value(None), "weight": 0},
            ],
        });
        let paths: Vec<Value> = self.matches.paths.iter().flat_map(uris).collect();
        if !paths.is_empty() {
            route["match"] = paths.into();
        }
        let mut spec = json!({"hosts": hosts, "http": [route]});
        if let Some(gateway) = &options.gateway {
            spec["gateways"] = json!([gateway]);
        }
        spec
    }

    /// The steps of the Rollout. During each step, the number of pods is what the next step needs.
    fn steps(&self) -> Vec<Value> {
        let steps = steps(self.progress);
        let mut list = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let next = steps.get(index + 1).unwrap_or(step);
            let share = step.share.max(next.share).millipercent().div_ceil(1000).max(1);
            list.push(json!({"setCanaryScale": {"weight": share}}));
            if index == 0 {
                let value = json!({"exact": self.arm});
                let matches = json!([{"headerName": "x-serin-arm", "headerValue": value}]);
                list.push(json!({"setHeaderRoute": {"name": ROUTE, "match": matches}}));
            }
            list.push(match step.hold {
                Hold::For(ms) if !step.gated => {
                    json!({"pause": {"duration": format!("{}s", ms.div_ceil(1000))}})
                }
                _ => json!({"pause": {}}),
            });
        }
        list
    }
}

/// The matches of a path in Istio: a prefix of whole segments needs two.
fn uris(path: &PathMatch) -> Vec<Value> {
    let uri = |kind: &str, path: &str| json!({"uri": {kind: path}});
    match path {
        PathMatch::Exact(path) => vec![uri("exact", path)],
        PathMatch::Prefix(path) if path.ends_with('/') => vec![uri("prefix", path)],
        PathMatch::Prefix(path) => vec![uri("exact", path), uri("prefix", &format!("{path}/"))],
    }
}

/// The metrics of the analysis. A metric without a value is a success: the rules are not loaded, or no request has
/// been counted.
fn metrics(trial: &Trial<'_>, address: &str) -> Vec<Value> {
    let metric = |name: &str, query: String, success: &str| {
        json!({
            "name": name,
            "interval": "30s",
            "failureLimit": 0,
            "successCondition": success,
            "provider": {"prometheus": {"address": address, "query": query}},
        })
    };
    let evidence = trial
        .counts_requests()
        .then(|| metric("evidence-against-the-canary", trial.crossed(), "len(result) == 0"));
    let aborted = metric("aborted-by-serin", trial.aborted(), "len(result) == 0 || result[0] < 1");
    evidence.into_iter().chain([aborted]).collect()
}

/// The first label of a host: Argo refers to services of its own namespace.
fn label(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}
