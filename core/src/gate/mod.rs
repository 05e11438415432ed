//! Gates: the tests that guard a ramp. They turn counters into a verdict: continue, pause, abort or
//! promotable.
//!
//! A gate compares a canary with the baseline over the same time. Its tests are anytime-valid: they may be
//! evaluated as often as one likes. `docs/gates-method.md` has the method, its sources and its figures.
//!
//! ```text
//! GateSettings ──Gate::new──▶ Gate                                   once per rollout
//! outcomes ──▶ Counters, BucketSet, BucketEdges, LatencyCounts ──▶ Observation ──observe──▶ StageEvidence ──judge──▶ Judgement
//! Judgement::Abort ──▶ Latch                                     until a higher epoch
//! ```
//!
//! Everything is a pure function of whole numbers: equal observations in equal order give an equal verdict
//! on every host. Nothing here reads a clock or stores state.
//!
//! ```
//! use serin_core::gate::{Counters, Gate, InferenceUnit, Observation, GateSettings, StageEvidence, Tally, Verdict};
//!
//! let gate = Gate::new(GateSettings { unit: InferenceUnit::Request, ..GateSettings::default() })?;
//! let mut stage = StageEvidence::default();
//! let requests = Counters {
//!     canary: Tally { exposures: 500, events: 25 },
//!     baseline: Tally { exposures: 9500, events: 95 },
//! };
//! gate.observe(&mut stage, &Observation { elapsed_ms: 60_000, requests, ..Observation::default() });
//! let judgement = gate.judge(&stage);
//! assert_eq!(judgement.verdict, Verdict::Abort);
//! assert_eq!(judgement.to_string(), "abort: errors, 1.5 times: 7.17 of 6.21 nats");
//! # Ok::<(), Vec<serin_core::gate::GateSettingsError>>(())
//! ```

mod audit;
mod bucket_edges;
mod bucket_set;
mod comparison;
mod compiled;
mod counters;
mod current_stage;
mod divergence;
mod latch;
mod latches;
mod latency;
mod level;
mod ln;
mod monitor;
mod nats;
mod outcome;
mod process;
mod ratio;
mod record;
mod record_writer;
mod settings;
mod stage;
mod tallies;
mod verdict;
mod wire;

pub use audit::{Audit, Evaluation, ObservationRecord, ShadowEvaluation};
pub use bucket_edges::BucketEdges;
pub use bucket_set::BucketSet;
pub use compiled::{Gate, Thresholds};
pub use counters::{Counters, Tally};
pub use current_stage::CurrentStage;
pub use divergence::Divergence;
pub use latch::{Abort, Latch};
pub use latches::{ActiveLatches, Latches};
pub use latency::{EDGES, Edge, LATENCY_COUNTS, LatencyCounts};
pub use level::{CountedBy, Level, Process};
pub use ln::ln_estimate;
pub use monitor::Monitor;
pub use nats::Nats;
pub use outcome::{Exposure, Outcome, StageId};
pub use process::{ALTERNATIVES, ChangeDetector, Grid, GridLevels, Test};
pub use ratio::Ratio;
pub use record::{RECORD_VERSION, RecordFields, RecordPart};
pub use settings::{GateSettings, GateSettingsError, InferenceUnit, KpiSettings, LatencySettings};
pub use stage::{
    EdgeEvidence, ErrorEvidence, FirstPassed, Observation, StageEvidence, TrafficWindow,
};
pub use tallies::{GroupTally, SlowTally, Tallies};
pub use verdict::{Cause, Evidence, Judgement, Verdict};
