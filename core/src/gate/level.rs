//! The levels of a gate's tests, with their names.

use core::fmt;

use super::latency::Edge;
use super::nats::Nats;
use super::ratio::Ratio;

/// How a test counts events and exposures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CountedBy {
    /// Every event, among requests.
    Request,
    /// A bucket's first event in the stage, among the buckets without one.
    Bucket,
    /// A bucket's first event in the stage, among the requests of the buckets without one.
    BucketAndRequest,
}

impl CountedBy {
    /// The name in audit records.
    pub const fn as_str(self) -> &'static str {
        match self {
            CountedBy::Request => "request",
            CountedBy::Bucket => "bucket",
            CountedBy::BucketAndRequest => "bucket and request",
        }
    }
}

/// The e-processes of a gate, by what each is evidence for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Process {
    /// The canary's error rate is higher.
    Errors(CountedBy),
    /// The canary's error rate has risen during the stage.
    LateErrors(CountedBy),
    /// The canary's rate of KPI events is lower.
    Kpi(CountedBy),
    /// The canary is slower than this edge more often.
    Latency(Edge, CountedBy),
    /// The canary's error rate is below what promotion excludes.
    Promotion(CountedBy),
}

impl Process {
    /// The process's name in audit records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Process::Errors(_) => "errors",
            Process::LateErrors(_) => "late errors",
            Process::Kpi(_) => "kpi",
            Process::Latency(..) => "latency",
            Process::Promotion(_) => "promotion",
        }
    }

    /// The process that has to agree before this one has an effect, if there is one.
    pub fn confirming(self) -> Option<Process> {
        if self.counted_by() != CountedBy::Bucket {
            return None;
        }
        let by = CountedBy::BucketAndRequest;
        match self {
            Process::Errors(_) => Some(Process::Errors(by)),
            Process::LateErrors(_) => Some(Process::LateErrors(by)),
            Process::Promotion(_) => Some(Process::Promotion(by)),
            Process::Latency(edge, _) => Some(Process::Latency(edge, by)),
            Process::Kpi(_) => None,
        }
    }

    /// How the process counts events and exposures.
    pub const fn counted_by(self) -> CountedBy {
        match self {
            Process::Errors(by)
            | Process::LateErrors(by)
            | Process::Kpi(by)
            | Process::Latency(_, by)
            | Process::Promotion(by) => by,
        }
    }
}

/// The level of one e-process for one alternative, with its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Level {
    /// The e-process.
    pub process: Process,
    /// The ratio of rates that the level is evidence for.
    pub alternative: Ratio,
    /// The logarithm of the e-process.
    pub level: Nats,
    /// The level at which the evidence is strong enough to act on.
    pub threshold: Nats,
}

impl Level {
    /// Whether the level has reached its threshold.
    pub fn crossed(&self) -> bool {
        self.level >= self.threshold
    }
}

impl fmt::Display for Process {
    /// `errors`, `errors by bucket`, `errors by bucket and request`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Process::Kpi(_) => f.write_str("KPI events")?,
            Process::Latency(edge, _) => {
                let ms = edge.micros().checked_div(1000).unwrap_or(0);
                write!(f, "latency at {ms} ms")?;
            }
            Process::Errors(_) | Process::LateErrors(_) | Process::Promotion(_) => {
                f.write_str(self.as_str())?;
            }
        }
        match self.counted_by() {
            CountedBy::Request => Ok(()),
            by => write!(f, " by {}", by.as_str()),
        }
    }
}

impl fmt::Display for Level {
    /// `errors by bucket, 2 times: 6.40 of 6.21 nats`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Level { process, alternative, level, threshold } = self;
        write!(f, "{process}, {alternative} times: {level} of {threshold} nats")
    }
}
