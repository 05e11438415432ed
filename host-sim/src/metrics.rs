//! Metrics as a process holds them. Every VM has its own ids for them; the values are shared.

use crate::status::Status;
use std::collections::BTreeMap;

/// The kind of a metric (`proxy_metric_type_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// One metric's name and value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// The name the guest gave it.
    pub name: String,
    /// Its kind.
    pub kind: MetricKind,
    /// The value; of a histogram, how many values were recorded.
    pub value: u64,
    /// The last values of a histogram, at most 1,000.
    pub samples: Vec<u64>,
}

const SAMPLES: usize = 1000;

#[derive(Default)]
pub(crate) struct MetricStore {
    metrics: Vec<Metric>,
    names: BTreeMap<(MetricKind, String), usize>,
}

impl MetricStore {
    pub(crate) fn define(&mut self, kind: MetricKind, name: &[u8], limit: usize) -> Option<usize> {
        let name = String::from_utf8_lossy(name).into_owned();
        if let Some(index) = self.names.get(&(kind, name.clone())) {
            return Some(*index);
        }
        if self.metrics.len() >= limit {
            return None;
        }
        let index = self.metrics.len();
        self.metrics.push(Metric { name: name.clone(), kind, value: 0, samples: Vec::new() });
        self.names.insert((kind, name), index);
        Some(index)
    }

    pub(crate) fn increment(&mut self, index: usize, offset: i64) -> Result<(), Status> {
        let metric = self.metrics.get_mut(index).ok_or(Status::NotFound)?;
        match metric.kind {
            MetricKind::Counter if offset > 0 => {
                metric.value = metric.value.wrapping_add(offset.unsigned_abs());
            }
            MetricKind::Gauge => metric.value = metric.value.wrapping_add_signed(offset),
            _ => return Err(Status::BadArgument),
        }
        Ok(())
    }

    pub(crate) fn record(&mut self, index: usize, value: u64) -> Result<(), Status> {
        let metric = self.metrics.get_mut(index).ok_or(Status::NotFound)?;
        match metric.kind {
            // Envoy adds here too: a counter cannot be set.
            MetricKind::Counter => metric.value = metric.value.wrapping_add(value),
            MetricKind::Gauge => metric.value = value,
            MetricKind::Histogram => {
                metric.value += 1;
                if metric.samples.len() == SAMPLES {
                    metric.samples.remove(0);
                }
                metric.samples.push(value);
            }
        }
        Ok(())
    }

    pub(crate) fn value(&self, index: usize) -> Result<u64, Status> {
        let metric = self.metrics.get(index).ok_or(Status::NotFound)?;
        match metric.kind {
            MetricKind::Histogram => Err(Status::BadArgument),
            MetricKind::Counter | MetricKind::Gauge => Ok(metric.value),
        }
    }

    pub(crate) fn snapshot(&self) -> Metrics {
        Metrics { metrics: self.names.values().map(|index| self.metrics[*index].clone()).collect() }
    }
}

/// All metrics of a process at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    metrics: Vec<Metric>,
}

impl Metrics {
    /// A counter's value; 0 if there is none of that name.
    pub fn counter(&self, name: &str) -> u64 {
        self.value(MetricKind::Counter, name).unwrap_or(0)
    }

    /// A gauge's value.
    pub fn gauge(&self, name: &str) -> Option<u64> {
        self.value(MetricKind::Gauge, name)
    }

    /// The values of a histogram.
    pub fn histogram(&self, name: &str) -> &[u64] {
        let found = self.iter().find(|m| m.kind == MetricKind::Histogram && m.name == name);
        found.map_or(&[], |metric| &metric.samples)
    }

    /// Every metric, by kind and name.
    pub fn iter(&self) -> impl Iterator<Item = &Metric> {
        self.metrics.iter()
    }

    fn value(&self, kind: MetricKind, name: &str) -> Option<u64> {
        self.iter().find(|m| m.kind == kind && m.name == name).map(|metric| metric.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_rules() {
        let mut store = MetricStore::default();
        let counter = store.define(MetricKind::Counter, b"c", 3).unwrap_or(99);
        let gauge = store.define(MetricKind::Gauge, b"c", 3).unwrap_or(99);
        let histogram = store.define(MetricKind::Histogram, b"h", 3).unwrap_or(99);
        assert_eq!(store.define(MetricKind::Counter, b"c", 3), Some(counter));
        assert_eq!(store.define(MetricKind::Counter, b"d", 3), None);
        assert_eq!(store.increment(counter, 2), Ok(()));
        assert_eq!(store.increment(counter, 0), Err(Status::BadArgument));
        assert_eq!(store.increment(counter, -1), Err(Status::BadArgument));
        assert_eq!(store.record(counter, 3), Ok(()));
        assert_eq!(store.value(counter), Ok(5));
        assert_eq!(store.increment(gauge, 5), Ok(()));
        assert_eq!(store.increment(gauge, -2), Ok(()));
        assert_eq!(store.value(gauge), Ok(3));
        assert_eq!(store.increment(histogram, 1), Err(Status::BadArgument));
        assert_eq!(store.record(histogram, 7), Ok(()));
        assert_eq!(store.value(histogram), Err(Status::BadArgument));
        assert_eq!(store.snapshot().histogram("h"), [7]);
    }
}
