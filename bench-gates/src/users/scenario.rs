//! The parameters of a run.

use serin_core::Plan;

/// Users, a service, a canary and a gate: all parameters of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// The number of users.
    pub(crate) users: usize,
    /// The shape of the Pareto distribution of the users' rates of requests.
    pub(crate) shape: f64,
    /// The requests of all users in a second, where the canary's ask as often as the others.
    pub(crate) rate: f64,
    /// The longest run, in seconds.
    pub(crate) seconds: u64,
    /// The seconds between two evaluations.
    pub(crate) look: u64,
    /// How users fare at both arms.
    pub(crate) habits: Habits,
    /// What differs at the canary.
    pub(crate) canary: Arm,
    /// The seconds after which the canary starts to differ.
    pub(crate) fault_after: u64,
    /// The part of the successful requests that is simulated before that, so that hours take less time. The
    /// arms are alike then, so their ratio stays the same.
    pub(crate) successes_before: f64,
    /// A user with much traffic.
    pub(crate) tenant: Option<Tenant>,
    /// A cohort that is judged by itself.
    pub(crate) cohort: Option<Cohort>,
    /// The steps.
    pub(crate) ramp: Ramp,
    /// The gate's settings.
    pub(crate) gate: GateSpec,
    /// The rollout's epoch.
    pub(crate) epoch: u64,
    /// The rollout's salt.
    pub(crate) salt: &'static str,
}

impl Scenario {
    /// 20,000 users with 200 requests a second, for 600 seconds.
    pub(crate) const DEFAULT: Scenario = Scenario {
        users: 20_000,
        shape: 1.2,
        rate: 200.0,
        seconds: 600,
        look: 5,
        habits: Habits { broken: 0.0, failure: 0.0, latency: None, conversion: None },
        canary: Arm { volume: 1.0, lost_users: 0.0, failures: 1.0, slowness: 1.0 },
        fault_after: 0,
        successes_before: 1.0,
        tenant: None,
        cohort: None,
        ramp: Ramp::Fixed(5.0),
        gate: GateSpec::DEFAULT,
        epoch: 0,
        salt: "shop",
    };

    /// A busy site with 10,000 requests a second, whose canary fails this many times as often after so many
    /// seconds, until 10 minutes after that.
    pub(crate) fn busy(fault_after: u64, failures: f64) -> Scenario {
        Scenario {
            users: 100_000,
            shape: 2.0,
            rate: 10_000.0,
            habits: Habits { failure: 0.01, ..Habits::default() },
            canary: Arm { failures, ..Arm::default() },
            fault_after,
            successes_before: 0.02,
            seconds: fault_after + 600,
            ..Scenario::DEFAULT
        }
    }

    /// The usual site, whose canary fails five times as often after a day, until an hour after that.
    pub(crate) fn after_a_day() -> Scenario {
        const HOUR: u64 = 3600;
        Scenario {
            habits: Habits { failure: 0.01, ..Habits::default() },
            canary: Arm { failures: 5.0, ..Arm::default() },
            fault_after: 24 * HOUR,
            successes_before: 0.1,
            seconds: 25 * HOUR,
            look: 30,
            ..Scenario::DEFAULT
        }
    }
}

impl Default for Scenario {
    fn default() -> Scenario {
        Scenario::DEFAULT
    }
}

/// How users fare at either arm.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habits {
    /// The share of users whose requests all fail.
    pub(crate) broken: f64,
    /// The probability that a request of another user fails.
    pub(crate) failure: f64,
    /// The latencies; without them none are recorded.
    pub(crate) latency: Option<Latency>,
    /// The conversions; without them there are no KPI events.
    pub(crate) conversion: Option<Conversion>,
}

/// Lognormal latencies: p50 50 ms, p99 200 ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    /// The users' part of the variance of the logarithm.
    pub(crate) users_part: f64,
}

/// Requests that are KPI events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conversion {
    /// The share of users who convert at all.
    pub(crate) users: f64,
    /// The probability that a request of one of them converts.
    pub(crate) probability: f64,
}

/// What differs at the canary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arm {
    /// How many requests of a user arrive for each one that would at the baseline.
    pub(crate) volume: f64,
    /// The part of the users of whom no request arrives.
    pub(crate) lost_users: f64,
    /// How many times the baseline's the failure rate is.
    pub(crate) failures: f64,
    /// How many times the baseline's the latency is.
    pub(crate) slowness: f64,
}

impl Default for Arm {
    fn default() -> Arm {
        Arm { volume: 1.0, lost_users: 0.0, failures: 1.0, slowness: 1.0 }
    }
}

/// A user with much traffic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tenant {
    /// The share of all requests.
    pub(crate) requests: f64,
    /// The probability that a request fails.
    pub(crate) failure: f64,
}

/// A cohort that is judged by itself, and whose requests alone differ at the canary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cohort {
    /// The share of all requests.
    pub(crate) requests: f64,
}

/// The steps of the canary; shares are in per cent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ramp {
    /// One share.
    Fixed(f64),
    /// A share until the gate promotes the canary, then everybody.
    Gated(f64),
    /// The first of four steps, for a day.
    FirstOfFour(f64),
    /// 1, 5 and 25 % for ten minutes each, then everybody.
    TenMinutesEach,
}

/// The settings of the gate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GateSpec {
    /// α in per cent.
    pub(crate) alpha: f64,
    /// `errors.unit`.
    pub(crate) unit: &'static str,
    /// Whether latencies are compared.
    pub(crate) latency: bool,
    /// Whether KPI events are compared.
    pub(crate) kpi: bool,
    /// Whether a step waits while the baseline fails often.
    pub(crate) waits_for_baseline: bool,
    /// The share of a shadow's responses that may differ, in per cent.
    pub(crate) max_divergence: Option<f64>,
}

impl GateSpec {
    /// The defaults of a spec, with α = 1 %.
    const DEFAULT: GateSpec = GateSpec {
        alpha: 1.0,
        unit: "bucket",
        latency: false,
        kpi: false,
        waits_for_baseline: true,
        max_divergence: None,
    };
}

impl Default for GateSpec {
    fn default() -> GateSpec {
        GateSpec::DEFAULT
    }
}

impl Scenario {
    /// The plan of the scenario's spec.
    pub(crate) fn plan(&self) -> Plan {
        Plan::from_json(self.spec().as_bytes()).expect("the spec is valid")
    }

    fn spec(&self) -> String {
        let (canary, gates) = (self.ramp.canary(), self.gate.json(self.cohort.is_some()));
        let (epoch, salt) = (self.epoch, self.salt);
        let shadow = match self.gate.max_divergence {
            Some(_) => r#", "shadow": { "arm": "canary", "percent": 100, "compare": "status" }"#,
            None => "",
        };
        format!(
            r#"{{ "formatVersion": 1,
                "units": {{ "user": [ {{ "header": "x-user-id" }} ] }},
                "cohorts": {{ "enterprise": {{ "attribute": "header.x-plan", "equals": "enterprise" }} }},
                "rollouts": {{ "shop": {{
                    "arms": {{ "stable": {{ "target": "v1" }}, "canary": {{ "target": "v2" }} }},
                    "baseline": "stable", "salt": "{salt}", "epoch": {epoch},
                    "canary": {canary}, "gates": {gates} {shadow} }} }} }}"#
        )
    }
}

impl Ramp {
    fn canary(self) -> String {
        const START: &str = r#""start": "2026-11-21T09:00:00Z""#;
        match self {
            Ramp::Fixed(share) => format!(r#"{{ "share": {share} }}"#),
            Ramp::Gated(share) => {
                let step = format!(r#"{{ "share": {share}, "hold": "1s", "mode": "gate" }}"#);
                format!(r#"{{ {START}, "steps": [ {step}, {{ "share": 100 }} ] }}"#)
            }
            Ramp::FirstOfFour(share) => {
                let step = |share: f64| format!(r#"{{ "share": {share}, "hold": "1d" }}"#);
                let steps = [share, 50.0, 75.0].map(step).join(", ");
                format!(r#"{{ {START}, "steps": [ {steps}, {{ "share": 100 }} ] }}"#)
            }
            Ramp::TenMinutesEach => {
                let step = |share: f64| format!(r#"{{ "share": {share}, "hold": "10m" }}"#);
                let steps = [1.0, 5.0, 25.0].map(step).join(", ");
                format!(r#"{{ {START}, "steps": [ {steps}, {{ "share": 100 }} ] }}"#)
            }
        }
    }
}

impl GateSpec {
    fn json(self, has_cohort: bool) -> String {
        let GateSpec { alpha, unit, .. } = self;
        let mut fields = vec![format!(r#""alpha": {alpha}, "errors": {{ "unit": "{unit}" }}"#)];
        if !self.waits_for_baseline {
            fields.push(r#""maxBaselineErrorRate": 100"#.to_owned());
        }
        if self.latency {
            fields.push(r#""latency": {}"#.to_owned());
        }
        if self.kpi {
            fields.push(r#""kpi": { "status": [201] }"#.to_owned());
        }
        if let Some(share) = self.max_divergence {
            fields.push(format!(r#""shadow": {{ "maxDivergence": {share} }}"#));
        }
        if has_cohort {
            fields.push(r#""cohorts": ["enterprise"]"#.to_owned());
        }
        format!("{{ {} }}", fields.join(", "))
    }
}
