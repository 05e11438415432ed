//! What a finding is, and the lints by name.

use std::fmt;

use serin_core::inspect::Path;

macro_rules! lints {
    ($($(#[doc = $about:literal])+ $name:ident => $id:literal,)+) => {
        /// What a [`Finding`] is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Lint { $($(#[doc = $about])+ $name,)+ }

        impl Lint {
            /// All of them.
            pub const ALL: &'static [Lint] = &[$(Lint::$name,)+];

            /// Its name, which never changes.
            pub const fn id(self) -> &'static str {
                match self { $(Lint::$name => $id,)+ }
            }

            /// What it finds, in a sentence.
            pub const fn about(self) -> &'static str {
                match self { $(Lint::$name => concat!($($about),+).trim_ascii(),)+ }
            }
        }
    };
}

lints! {
    /// A rule behind one that leaves nobody over.
    UnreachableRule => "unreachable-rule",
    /// A disabled flag that has rules.
    DisabledFlag => "disabled-flag",
    /// An arm that no request can reach.
    UnreachableArm => "unreachable-arm",
    /// Two flags that claim the same part of a layer.
    OverlappingLayers => "overlapping-layers",
    /// A cohort that nothing uses.
    UnusedCohort => "unused-cohort",
    /// A unit that nothing uses.
    UnusedUnit => "unused-unit",
    /// A layer that no rule uses.
    UnusedLayer => "unused-layer",
    /// A holdout that holds nobody out of anything.
    UnusedHoldout => "unused-holdout",
    /// Flags or rollouts that bucket alike because their salts are equal.
    SharedSalt => "shared-salt",
    /// A step whose share is not above the one before it.
    StepWithoutGrowth => "step-without-growth",
    /// Steps that end below 100 % and wait for nobody.
    LastStepBelow100 => "last-step-below-100",
    /// A gate that cannot see in its hold what it is there for, at the traffic that was given.
    DecorativeGate => "decorative-gate",
    /// A flag that no upstream ever gets.
    UndeliveredFlag => "undelivered-flag",
    /// A flag that expires within 14 days.
    ExpiresSoon => "expires-soon",
    /// A flag past its expiry. An error for who checks; hosts go on serving it.
    Expired => "expired",
}

/// Something that is most likely not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is about.
    pub lint: Lint,
    /// Where it is, as the paths of errors.
    pub path: String,
    /// A sentence about what is there.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
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
        self.0.push(Finding { lint, path, message, help });
    }
}
