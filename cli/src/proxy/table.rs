//! The routing table: the upstream of each arm, and of requests without an arm.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use serin_core::{Decision, Facts, Plan, decide};
use serin_host_sim::HeaderMap;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// An upstream, given by its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upstream {
    authority: Authority,
    /// The prefix of every path, without a slash at its end.
    prefix: String,
}

impl Upstream {
    /// Parses an `http` URL.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{url} is not a URL: {error}"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(other) => return Err(format!("{url}: an upstream's URL is http, not {other}")),
            None => return Err(format!("{url} does not start with http://")),
        }
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| format!("{url} has no host"))?.clone();
        if uri.query().is_some() {
            return Err(format!("{url}: an upstream's URL has no query"));
        }
        Ok(Self { authority, prefix: uri.path().trim_end_matches('/').to_owned() })
    }

    #[cfg(test)]
    pub(crate) fn port(&self) -> Option<u16> {
        self.authority.port_u16()
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The URL of a path at this upstream.
    pub(crate) fn uri(&self, path: &[u8]) -> Result<Uri, http::Error> {
        let path = if path.first() == Some(&b'/') { path } else { b"/" };
        let path: PathAndQuery = if self.prefix.is_empty() {
            PathAndQuery::try_from(path)?
        } else {
            PathAndQuery::try_from([self.prefix.as_bytes(), path].concat())?
        };
        Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

/// The names of a rollout and its arm.
type Key = (String, String);

/// A plan and the upstreams of its arms.
pub(crate) struct Table {
    plan: Plan,
    arms: HashMap<Key, Arc<Upstream>>,
    default: Option<Arc<Upstream>>,
}

/// The reply to a request without a rollout.
pub(crate) const NO_ROLLOUT: &str =
    "serin: no rollout matches this request, and there is no --default upstream\n";

impl Table {
    pub(crate) fn new(
        plan: Plan,
        arms: HashMap<Key, Arc<Upstream>>,
        default: Option<Arc<Upstream>>,
    ) -> Self {
        let mut table = Self { plan, arms, default };
        if let (None, [only]) = (&table.default, table.plan.rollouts()) {
            table.default = only
                .arm(only.baseline())
                .and_then(|arm| table.arm(only.name(), arm.name()))
                .cloned();
        }
        table
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Adds the arms of another table, so that requests that the old plan has decided find their upstream
    /// while a new plan is applied.
    pub(crate) fn with_arms_of(mut self, other: &Self) -> Self {
        for (key, upstream) in &other.arms {
            self.arms.entry(key.clone()).or_insert_with(|| Arc::clone(upstream));
        }
        self
    }

    pub(crate) fn arm(&self, rollout: &str, arm: &str) -> Option<&Arc<Upstream>> {
        self.arms.get(&(rollout.to_owned(), arm.to_owned()))
    }

    /// The upstream of the arm that the filter chose; the default if the request has no rollout.
    pub(crate) fn chosen(&self, headers: &HeaderMap) -> Result<Arc<Upstream>, Missing> {
        let text = |name| headers.get_str(name);
        let (rollout, arm) = (text(serin_core::headers::ROLLOUT), text(serin_core::headers::ARM));
        let (Some(rollout), Some(arm)) = (rollout, arm) else {
            return self.default.clone().ok_or(Missing::Rollout);
        };
        let unknown = || Missing::Arm(format!("{rollout}.{arm}"));
        self.arm(rollout, arm).cloned().ok_or_else(unknown)
    }

    /// The upstream of the baseline of the request's rollout, for when the filter has failed.
    pub(crate) fn baseline(&self, headers: &HeaderMap) -> Result<Arc<Upstream>, Missing> {
        let facts = Facts::gather(&self.plan, headers.iter());
        let mut decision = Decision::new(&self.plan);
        decide(&self.plan, &facts, &mut decision);
        let rollout = decision.rollout().and_then(|decided| self.plan.rollout(decided.rollout));
        let baseline = rollout.and_then(|rollout| {
            self.arm(rollout.name(), rollout.arm(rollout.baseline())?.name()).cloned()
        });
        baseline.or_else(|| self.default.clone()).ok_or(Missing::Rollout)
    }
}

/// The reason why a request has no upstream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// No rollout matches, and there is no default.
    Rollout,
    /// The arm that the filter chose has no upstream.
    Arm(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_join_with_paths() {
        let plain = Upstream::parse("http://127.0.0.1:9000").expect("a URL");
        assert_eq!(plain.uri(b"/a?b=c").expect("a URL").to_string(), "http://127.0.0.1:9000/a?b=c");
        assert_eq!(plain.uri(b"*").expect("a URL").to_string(), "http://127.0.0.1:9000/");
        let prefixed = Upstream::parse("http://a.example/v2/").expect("a URL");
        assert_eq!(prefixed.uri(b"/x").expect("a URL").to_string(), "http://a.example/v2/x");
        assert_eq!(prefixed.to_string(), "http://a.example/v2");
    }

    #[test]
    fn only_http_urls_are_upstreams() {
        for bad in ["https://a", "a:80", "/x", "http:///x", "http://a/?q", "ftp://a", ""] {
            assert!(Upstream::parse(bad).is_err(), "{bad}");
        }
    }

    fn table(spec: &str, default: Option<&str>) -> Table {
        let plan = Plan::from_json(spec.as_bytes()).expect("a good spec");
        let mut arms = HashMap::new();
        for rollout in plan.rollouts() {
            for arm in rollout.arms() {
                let upstream = Upstream::parse(&format!("http://{}", arm.target())).expect("a URL");
                let key = (rollout.name().to_owned(), arm.name().to_owned());
                arms.insert(key, Arc::new(upstream));
            }
        }
        let default = default.map(|url| Arc::new(Upstream::parse(url).expect("a URL")));
        Table::new(plan, arms, default)
    }

    const SPEC: &str = r#"{"formatVersion":1,"units":{"user":[{"header":"x-user-id"}]},"rollouts":{
        "shop":{"match":{"paths":["/shop"]},"arms":{"stable":{"target":"v1"},"canary":{"target":"v2"}},
            "baseline":"stable","canary":{"share":100}}}}"#;

    fn host(found: Result<Arc<Upstream>, Missing>) -> Result<String, Missing> {
        found.map(|upstream| upstream.authority().to_string())
    }

    #[test]
    fn the_filters_choice_has_precedence_over_the_default() {
        let table = table(SPEC, None);
        let with = |rollout: &str, arm: &str| -> HeaderMap {
            [("x-serin-rollout", rollout), ("x-serin-arm", arm)].into_iter().collect()
        };
        assert_eq!(host(table.chosen(&with("shop", "canary"))), Ok("v2".to_owned()));
        let unknown = Missing::Arm("shop.dark".to_owned());
        assert_eq!(host(table.chosen(&with("shop", "dark"))), Err(unknown));
        // There is one rollout, so its baseline is the default.
        assert_eq!(host(table.chosen(&HeaderMap::new())), Ok("v1".to_owned()));
    }

    #[test]
    fn a_failed_filter_means_the_baseline() {
        let headers = HeaderMap::for_request([(":path", "/shop/x"), ("x-user-id", "ada")]);
        assert_eq!(host(table(SPEC, None).baseline(&headers)), Ok("v1".to_owned()));
        let elsewhere = HeaderMap::for_request([(":path", "/"), ("x-user-id", "ada")]);
        let other = table(SPEC, Some("http://other"));
        assert_eq!(host(other.baseline(&elsewhere)), Ok("other".to_owned()));
        assert_eq!(host(other.baseline(&headers)), Ok("v1".to_owned()));
    }
}
