//! The size of exported objects in Kubernetes, and the limits that they meet there.

use super::document;
use super::source::Source;
use serde_json::Value;

/// What an object has beside the spec: kind, names, annotations and the settings of the filter, in bytes.
const ENVELOPE: usize = 2_000;

/// A limit on the size of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// Client-side `kubectl apply`: it keeps the object as an annotation, and all annotations have 256 KiB.
    Apply,
    /// The data of a ConfigMap or a Secret: 1 MiB.
    ConfigMap,
    /// A request to etcd: 1.5 MiB by default.
    Request,
}

impl Limit {
    /// The limit in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Limit::Apply => 262_144,
            Limit::ConfigMap => 1_048_576,
            Limit::Request => 1_572_864,
        }
    }

    /// The part of Kubernetes that has the limit.
    pub const fn place(self) -> &'static str {
        match self {
            Limit::Apply => "client-side kubectl apply",
            Limit::ConfigMap => "a ConfigMap or Secret",
            Limit::Request => "a request to etcd",
        }
    }

    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Limit::Apply => "use kubectl apply --server-side, which keeps no copy in an annotation",
            Limit::ConfigMap => "divide the spec, or deliver the file as an image or from a volume",
            Limit::Request => "divide the spec, by route or by team",
        }
    }

    /// Whether a size is above the limit, or less than a tenth below it.
    fn is_near(self, bytes: usize) -> bool {
        bytes > self.bytes().saturating_sub(self.bytes().div_ceil(10))
    }
}

/// An object as Kubernetes stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The bytes of the object as JSON.
    pub object: usize,
    /// The bytes of the data, if it is a ConfigMap.
    pub data: Option<usize>,
}

/// A size near a limit or above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Oversize {
    /// The limit, the highest one that the size is near to.
    pub limit: Limit,
    /// The size that the limit counts, in bytes.
    pub bytes: usize,
}

impl Stored {
    /// A resource, stored as it is.
    pub(super) fn resource(value: &Value) -> Stored {
        Stored { object: value.to_string().len(), data: None }
    }

    /// A ConfigMap with a file. In JSON, each quote and line break of the file takes one byte more.
    pub(super) fn config_map(text: &str) -> Stored {
        let string = serde_json::to_string(text).map_or(text.len(), |string| string.len());
        Stored { object: string.saturating_add(ENVELOPE), data: Some(text.len()) }
    }

    /// The spec in the extension of Istio.
    pub fn extension_of(source: &Source<'_>) -> Stored {
        let bytes = document::value(source).to_string().len();
        Stored { object: bytes.saturating_add(ENVELOPE), data: None }
    }

    /// The spec in a ConfigMap, for Envoy.
    pub fn config_map_of(source: &Source<'_>) -> Stored {
        Stored::config_map(&document::compact(source))
    }

    /// The highest limit that the object is near to, if any.
    pub fn oversize(&self) -> Option<Oversize> {
        let data = self.data.map(|bytes| (Limit::ConfigMap, bytes));
        let all = [Some((Limit::Request, self.object)), data, Some((Limit::Apply, self.object))];
        let found = all.into_iter().flatten().find(|(limit, bytes)| limit.is_near(*bytes));
        found.map(|(limit, bytes)| Oversize { limit, bytes })
    }
}

/// The biggest of some objects.
pub(super) fn biggest(objects: impl Iterator<Item = Stored>) -> Option<Stored> {
    objects.max_by_key(|stored| stored.object)
}

/// The largest flags, rollouts and cohorts of a spec by path, with their bytes as JSON, at most `count`.
pub fn largest_parts(source: &Source<'_>, count: usize) -> Vec<(String, usize)> {
    let value = document::value(source);
    let mut parts: Vec<(String, usize)> = ["flags", "rollouts", "cohorts"]
        .iter()
        .filter_map(|section| Some((section, value.get(section)?.as_object()?)))
        .flat_map(|(section, entries)| {
            entries.iter().map(move |(name, entry)| {
                let bytes = entry.to_string().len().saturating_add(name.len());
                (format!("{section}.{name}"), bytes)
            })
        })
        .collect();
    parts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    parts.truncate(count);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_limit_counts_from_nine_tenths_on() {
        let object = |object| Stored { object, data: None }.oversize().map(|over| over.limit);
        assert_eq!(object(235_929), None);
        assert_eq!(object(235_930), Some(Limit::Apply));
        assert_eq!(object(1_000_000), Some(Limit::Apply), "a resource has no 1 MiB limit");
        assert_eq!(object(1_500_000), Some(Limit::Request));
        let map = |data| Stored { object: data, data: Some(data) }.oversize();
        assert_eq!(map(943_000), Some(Oversize { limit: Limit::Apply, bytes: 943_000 }));
        assert_eq!(map(943_719).map(|over| over.limit), Some(Limit::ConfigMap));
    }

    #[test]
    fn a_config_map_counts_the_escapes_of_its_text() {
        let stored = Stored::config_map("a\"b\n");
        assert_eq!((stored.object, stored.data), (ENVELOPE + 8, Some(4)));
        assert_eq!(Stored::resource(&serde_json::json!({"a": 1})).object, 7);
    }
}
