//! Simulated users, each with a bucket, a rate of requests and habits, in front of the code that hosts run.
//!
//! A spec is compiled to a plan. Each request becomes an outcome that `Tallies::record` counts, and the
//! monitor evaluates the tallies as often as a host does, until it aborts, promotes, or the time is over.

mod alias;
mod host;
mod population;
mod scenario;
mod simulation;

pub(crate) use host::Host;
pub(crate) use population::{Crowd, Population};
pub(crate) use scenario::{
    Arm, Cohort, Conversion, GateSpec, Habits, Latency, Ramp, Scenario, Tenant,
};
pub(crate) use simulation::{Ending, Run, Simulation};
