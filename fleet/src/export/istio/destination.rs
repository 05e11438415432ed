//! Destinations: the host, subset and port of a target in Kubernetes.

use serde_json::{Map, Value, json};

/// The destination of a target's requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// The host of the service: `reco`, or `reco.shop` with its namespace.
    pub host: String,
    /// The subset: pods whose label `version` has this value.
    pub subset: Option<String>,
    /// The port of the service.
    pub port: Option<u16>,
}

/// The destination of a target that is not named after a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The target, as in the spec.
    pub target: String,
    /// Its destination.
    pub destination: Destination,
}

impl Destination {
    /// Reads `HOST`, `HOST/SUBSET`, `HOST:PORT` and `HOST:PORT/SUBSET`.
    pub fn parse(text: &str) -> Option<Destination> {
        let (rest, subset) = match text.split_once('/') {
            Some((rest, subset)) => (rest, Some(subset)),
            None => (text, None),
        };
        let (host, port) = match rest.split_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port != 0)?)),
            None => (rest, None),
        };
        let good = is_host(host) && subset.is_none_or(is_label);
        good.then(|| Destination { host: host.to_owned(), subset: subset.map(str::to_owned), port })
    }

    /// The destination in the notation of a VirtualService. `default_port` is the port if it has none.
    pub(in crate::export) fn value(&self, default_port: Option<u16>) -> Value {
        let mut value = Map::new();
        value.insert("host".into(), self.host.as_str().into());
        if let Some(port) = self.port.or(default_port) {
            value.insert("port".into(), json!({ "number": port }));
        }
        if let Some(subset) = &self.subset {
            value.insert("subset".into(), subset.as_str().into());
        }
        value.into()
    }
}

/// Whether the text is a DNS name in lower case.
pub(super) fn is_host(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Whether the text is a DNS label in lower case.
fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else {
        return false;
    };
    text.len() <= 63
        && plain(first)
        && plain(last)
        && text.bytes().all(|byte| plain(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destination_has_host_subset_and_port() {
        let read = |text: &str| {
            Destination::parse(text).map(|found| (found.host, found.subset, found.port))
        };
        assert_eq!(read("reco"), Some(("reco".into(), None, None)));
        assert_eq!(read("reco/v2"), Some(("reco".into(), Some("v2".into()), None)));
        assert_eq!(read("a.b.svc:80/v2"), Some(("a.b.svc".into(), Some("v2".into()), Some(80))));
        for bad in [
            "",
            "Reco",
            "reco/",
            "reco/V2",
            "a_b",
            "a:",
            "a:0",
            "a:x",
            "a..b",
            "-a",
            "a/b/c",
            "https://a",
        ] {
            assert_eq!(Destination::parse(bad), None, "{bad}");
        }
    }
}
