//! A router by the rules of Istio's VirtualServices and of the Gateway API's HTTPRoutes. It implements
//! what exported routes use.

use serde_json::Value;

/// A request at a router behind the filter.
pub(crate) struct RoutedRequest<'a> {
    /// The host in lower case, without a port.
    pub(crate) host: &'a str,
    /// The path without the query.
    pub(crate) path: &'a str,
    /// The fields that the filter has set.
    pub(crate) headers: &'a [(&'a str, &'a str)],
}

/// The service that gets a request, and the service that gets a copy, if any.
pub(crate) type Targets = (String, Option<String>);

/// Routes by VirtualServices: the resource with the most specific host, then its first route that
/// matches.
pub(crate) fn route_by_virtual_services(
    resources: &[Value],
    request: &RoutedRequest<'_>,
) -> Option<Targets> {
    let hosts = |resource: &Value| {
        list(&resource["spec"]["hosts"])
            .iter()
            .filter_map(|host| host_rank(host, request.host))
            .max()
    };
    let ranked = resources.iter().filter_map(|resource| Some((hosts(resource)?, resource)));
    let (_, resource) = ranked.max_by_key(|(rank, _)| *rank)?;
    let matches = |route: &&Value| match route.get("match") {
        None => true,
        Some(any) => list(any).iter().any(|one| virtual_service_match(one, request)),
    };
    let route = list(&resource["spec"]["http"]).iter().find(matches)?;
    let service = |destination: &Value| Some(destination["host"].as_str()?.to_owned());
    Some((service(&route["route"][0]["destination"])?, service(&route["mirror"])))
}

fn virtual_service_match(one: &Value, request: &RoutedRequest<'_>) -> bool {
    let mut headers = one["headers"].as_object().into_iter().flatten();
    let path = match (one["uri"]["exact"].as_str(), one["uri"]["prefix"].as_str()) {
        (Some(exact), _) => request.path == exact,
        (_, Some(prefix)) => request.path.starts_with(prefix),
        _ => true,
    };
    path && headers.all(|(name, value)| has(request, name, &value["exact"]))
}

/// Routes by HTTPRoutes. Of all matches the best has the most specific host, then an exact path, then the
/// longest prefix, then the most headers.
pub(crate) fn route_by_http_routes(
    resources: &[Value],
    request: &RoutedRequest<'_>,
) -> Option<Targets> {
    let mut best: Option<(Rank, &Value)> = None;
    for resource in resources {
        let names = list(&resource["spec"]["hostnames"]);
        let parents = list(&resource["spec"]["parentRefs"]);
        let host = if parents.iter().any(|parent| parent["kind"] == "Service") {
            // In a mesh a route applies to calls of its parent service.
            let is_called = |parent: &Value| {
                let part = |name: &str| parent[name].as_str().unwrap_or_default();
                request.host.starts_with(&format!("{}.{}.svc.", part("name"), part("namespace")))
            };
            parents.iter().any(is_called).then_some((0, 0))
        } else if names.is_empty() {
            Some((0, 0))
        } else {
            names.iter().filter_map(|name| host_rank(name, request.host)).max()
        };
        let Some(host) = host else { continue };
        for rule in list(&resource["spec"]["rules"]) {
            let ranks =
                list(&rule["matches"]).iter().filter_map(|one| http_route_match(one, request));
            let Some((exact, length, headers)) = ranks.max() else { continue };
            let rank = (host, exact, length, headers);
            if best.is_none_or(|(best_rank, _)| rank > best_rank) {
                best = Some((rank, rule));
            }
        }
    }
    let (_, rule) = best?;
    let service = |backend: &Value| Some(backend["name"].as_str()?.to_owned());
    let copy = &rule["filters"][0]["requestMirror"]["backendRef"];
    Some((service(&rule["backendRefs"][0])?, service(copy)))
}

type Rank = ((u8, usize), bool, usize, usize);

fn http_route_match(one: &Value, request: &RoutedRequest<'_>) -> Option<(bool, usize, usize)> {
    let path = one["path"]["value"].as_str()?;
    let exact = one["path"]["type"] == "Exact";
    let fits = if exact {
        request.path == path
    } else {
        let rest = request.path.strip_prefix(path.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let headers = list(&one["headers"]);
    let all = headers
        .iter()
        .all(|header| has(request, header["name"].as_str().unwrap_or_default(), &header["value"]));
    (fits && all).then_some((exact, path.len(), headers.len()))
}

fn has(request: &RoutedRequest<'_>, name: &str, value: &Value) -> bool {
    request.headers.iter().any(|(field, field_value)| *field == name && value == field_value)
}

/// The specificity of a host pattern that matches: exact, then by length, then every host.
fn host_rank(pattern: &Value, host: &str) -> Option<(u8, usize)> {
    let pattern = pattern.as_str()?;
    match pattern.strip_prefix('*') {
        None => (pattern == host).then_some((2, 0)),
        Some("") => Some((0, 0)),
        Some(end) => (host.len() > end.len() && host.ends_with(end)).then_some((1, end.len())),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
