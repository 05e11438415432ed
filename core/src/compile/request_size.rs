//! The bound of what a request can be made to carry: a request that exceeds a limit of the proxy or
//! of the upstream is lost, whatever the flags are worth.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::{ErrorKind, Errors, Path};
use crate::plan::{Flag, FlagId, MAX_FLAGS_BYTES, MAX_RECORD_BYTES, Plan, RequestSize};
use crate::{headers, record};

/// The bounds of a plan. Reports what exceeds a limit.
pub(crate) fn request_size(plan: &Plan, errors: &mut Errors) -> RequestSize {
    let other_fields = plan.rollouts.iter().map(headers::max_rollout_bytes).max().unwrap_or(0);
    let flags = flags_field(plan, errors);
    let record = record(plan, flags <= MAX_FLAGS_BYTES, errors);
    RequestSize { flags, other_fields, record }
}

/// The maximum size of `serin-flags`.
fn flags_field(plan: &Plan, errors: &mut Errors) -> usize {
    let weights: Vec<usize> = plan.flags.iter().map(headers::max_member_bytes).collect();
    let heaviest = plan.deliveries.heaviest(&weights);
    // The first member has no separator.
    let bytes = heaviest.total.saturating_sub(headers::SEPARATOR.len());
    if bytes > MAX_FLAGS_BYTES {
        let message = format!(
            "{} can carry {bytes} bytes of serin-flags in {} flags, at most {MAX_FLAGS_BYTES} bytes \
             are allowed: shorten the values or deliver fewer flags there, {}",
            request(&heaviest.path),
            heaviest.numbers.len(),
            longest(plan, &heaviest.numbers, &weights),
        );
        errors.add(&Path::Root.key("flags"), ErrorKind::Limit, &message);
    }
    bytes
}

/// The maximum size of a decision record. Reports that it is too large only if `is_reported`: flags
/// that are too many for `serin-flags` need one message.
fn record(plan: &Plan, is_reported: bool, errors: &mut Errors) -> usize {
    let of_rollout = plan.rollouts.iter().map(|rollout| record::max_rollout_bytes(plan, rollout));
    let fixed = record::MAX_HEAD_BYTES.saturating_add(of_rollout.max().unwrap_or(0));
    let longest_names = record::LongestNames::new(plan);
    let of_flag = |flag: &Flag| record::max_flag_bytes(flag, &longest_names);
    let weights: Vec<usize> = plan.flags.iter().map(of_flag).collect();
    let heaviest = plan.deliveries.heaviest(&weights);
    let bytes = fixed.saturating_add(heaviest.total);
    if is_reported && bytes > MAX_RECORD_BYTES {
        let message = format!(
            "{} can have a decision record of {bytes} bytes with {} flags, at most \
             {MAX_RECORD_BYTES} bytes are allowed: deliver fewer flags there, {}",
            request(&heaviest.path),
            heaviest.numbers.len(),
            longest(plan, &heaviest.numbers, &weights),
        );
        errors.add(&Path::Root.key("flags"), ErrorKind::Limit, &message);
    }
    bytes
}

/// `a request` for any path, or `a request for /feed`.
fn request(path: &str) -> String {
    if path == "/" { "a request".into() } else { format!("a request for {path}") }
}

/// The flags that take most: `the longest are banner (812 bytes), theme (64 bytes)`.
fn longest(plan: &Plan, numbers: &[u32], weights: &[usize]) -> String {
    /// The number of flags named.
    const NAMED: usize = 3;
    let weight = |id: &FlagId| weights.get(id.index()).copied().unwrap_or(0);
    let mut flags: Vec<FlagId> = numbers.iter().map(|number| FlagId(*number)).collect();
    // Stable, so that flags of one weight stay in the order of names.
    flags.sort_by_key(|id| core::cmp::Reverse(weight(id)));
    let name = |id: &FlagId| plan.flag(*id).map_or("", |flag| flag.name());
    let named: Vec<String> =
        flags.iter().take(NAMED).map(|id| format!("{} ({} bytes)", name(id), weight(id))).collect();
    match named.as_slice() {
        [only] => format!("the longest is {only}"),
        named => format!("the longest are {}", named.join(", ")),
    }
}
