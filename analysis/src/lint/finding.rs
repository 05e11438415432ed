//! Findings, and the lints by name.

use std::fmt;

use serin_core::inspect::Path;

macro_rules! lints {
    ($($(#[doc = $about:literal])+ $name:ident => $id:literal,)+) => {
        /// The lint of a [`Finding`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Lint { $($(#[doc = $about])+ $name,)+ }

        impl Lint {
            /// All lints.
            pub const ALL: &'static [Lint] = &[$(Lint::$name,)+];

            /// The lint's id. It never changes.
            pub const fn id(self) -> &'static str {
                match self { $(Lint::$name => $id,)+ }
            }

            /// A sentence on what the lint finds.
            pub const fn about(self) -> &'static str {
                match self { $(Lint::$name => concat!($($about),+).trim_ascii(),)+ }
            }
        }
    };
}

lints! {
    /// A rule that no request reaches, because a previous rule serves every request.
    UnreachableRule => "unreachable-rule",
    /// A disabled flag that has rules.
    DisabledFlag => "disabled-flag",
    /// An arm that no request can reach.
    UnreachableArm => "unreachable-arm",
    /// Two flags whose ranges of a layer overlap.
    OverlappingLayers => "overlapping-layers",
    /// A cohort that nothing uses.
    UnusedCohort => "unused-cohort",
    /// A unit that nothing uses.
    UnusedUnit => "unused-unit",
    /// A layer that no rule uses.
    UnusedLayer => "unused-layer",
    /// A holdout that holds nobody out of any flag.
    UnusedHoldout => "unused-holdout",
    /// Flags or rollouts with an equal salt, which take the same users first.
    SharedSalt => "shared-salt",
    /// An operand that no value of its attribute passes, or a host that no request has.
    NeverHolds => "never-holds",
    /// An operand that most likely compares something else than is meant.
    UnlikelyOperand => "unlikely-operand",
    /// A step whose share is not above that of the previous step.
    StepWithoutGrowth => "step-without-growth",
    /// A last step below 100 % without a manual hold.
    LastStepBelow100 => "last-step-below-100",
    /// A step that waits for a gate at a share where no traffic can satisfy the gate.
    EndlessStep => "endless-step",
    /// A gate that cannot detect its regression during the hold, at the given traffic.
    DecorativeGate => "decorative-gate",
    /// A gate that clients can steer, because they choose the ids of the units that it counts.
    SteerableGate => "steerable-gate",
    /// A flag that no upstream ever gets.
    UndeliveredFlag => "undelivered-flag",
    /// `serin-flags` of one path is so large that a server may refuse the request.
    LargeFlagsField => "large-flags-field",
    /// A flag that expires within 14 days.
    ExpiresSoon => "expires-soon",
    /// A flag past its expiry. The check reports an error; hosts still serve the flag.
    Expired => "expired",
}

/// A part of a spec that is most likely a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The lint that found it.
    pub lint: Lint,
    /// The path in the spec, in the form of error paths.
    pub path: String,
    /// A sentence on the problem.
    pub message: String,
    /// A sentence on the remedy.
    pub help: Option<String>,
    /// The string to write in place of the one at the path, if only one can be meant.
    pub replacement: Option<String>,
}

#[derive(Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn add(
        &mut self,
        lint: Lint,
        path: &Path<'_>,
        message: &dyn fmt::Display,
        help: &str,
    ) {
        let help = (!help.is_empty()).then(|| help.into());
        let (path, message) = (path.to_string(), message.to_string());
        self.0.push(Finding { lint, path, message, help, replacement: None });
    }
}
